"""Requests that pages of other sites cause: what they send by itself is worth nothing, and what the settings let."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from tests.web.conftest import Running, started
from tests.web.proofs import ADMINS, Proof, call, named, owners_cookie, path_of, personal_token, status_of, ticket
from webterm.access import Scope
from webterm.web.routes import OWN_LOGIN_ROWS, ROWS
from webterm.web.row import Row

pytestmark = pytest.mark.asyncio(loop_scope="module")
ALL_ROWS = (*ROWS, *OWN_LOGIN_ROWS)
WITH_BODY = [row for row in ALL_ROWS if row.body is not None]
[SOCKET] = [row for row in ALL_ROWS if row.path == "/ws"]
LISTED, FOREIGN = "https://app.example", "https://evil.example"
FORMS = {
    "form": ("application/x-www-form-urlencoded", b"cols=80&rows=24&token=x&name=x&password=x"),
    "text": ("text/plain", b'{"cols":80,"rows":24,"name":"x","password":"x","token":"x"}'),
    "text with JSON inside": ("text/plain;application/json", b'{"cols":80,"rows":24}'),
    "multipart": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--',
    ),
    "none": ("", b'{"cols":80,"rows":24}'),
}
"""What a form can send to another site without asking there."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """A server that lets one other site's pages call, the same one for all."""
    async with started(
        tmp_path_factory.mktemp("shared") / "data", server={"cors_origins": ("https://App.example:443",)}
    ) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def page(running: Running) -> Proof:
    return await owners_cookie(running)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def program(running: Running, page: Proof) -> Proof:
    return await personal_token(running, page, Scope.TERMINALS_READ, Scope.TERMINALS_WRITE)


async def answer_to(
    running: Running, row: Row, headers: dict[str, str], body: bytes | None = None
) -> tuple[int, bytes]:
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client,
        client.request(row.method, running.url(path_of(row)), headers=headers, data=body) as answer,
    ):
        return answer.status, await answer.read()


@pytest.mark.parametrize("kind", FORMS)
async def test_what_forms_of_other_sites_can_send_is_refused(running: Running, page: Proof, kind: str) -> None:
    content_type, body = FORMS[kind]
    for row in ALL_ROWS:
        if row.origin == "own" and row.path != "/ws":
            headers = page.headers | {"Content-Type": content_type, "Origin": FOREIGN}
            status, told = await answer_to(running, row, headers, body)
            assert (status, b"wrong_origin" in told) == (403, True), named(row)
        if row.body is not None:  # and even from our own page it would be no JSON
            status, _ = await answer_to(running, row, page.headers | {"Content-Type": content_type}, body)
            assert status == 415, named(row)


@pytest.mark.parametrize("body", [b"[]", b"null", b'"x"', b"1", b"{}x", b'{"surely_unknown":1}', b"\xff", b"{", b""])
async def test_json_of_a_wrong_type_is_refused(running: Running, page: Proof, body: bytes) -> None:
    for row in WITH_BODY:
        headers = page.headers | {"Content-Type": "application/json"}
        status, told = await answer_to(running, row, headers, body)
        assert (status, b"invalid_request" in told) == (400, True), named(row)


# the socket


@pytest.mark.parametrize("origin", [FOREIGN, "null", "", "http://127.0.0.1:1", "https://xn--e1awd7f.example"])
async def test_a_token_in_the_hands_of_another_page_opens_no_socket(
    running: Running, program: Proof, origin: str
) -> None:
    assert await status_of(running, SOCKET, program, Origin=origin) == (403, "wrong_origin")


async def test_programs_say_no_origin(running: Running, program: Proof, page: Proof) -> None:
    assert await status_of(running, SOCKET, program) == (101, "")
    for origin in (running.origin, LISTED):
        assert await status_of(running, SOCKET, program, Origin=origin) == (101, "")
    without = Proof({"Cookie": page.headers["Cookie"]}, page.scopes)
    assert await status_of(running, SOCKET, without) == (403, "wrong_origin")
    assert await status_of(running, SOCKET, page, Origin=LISTED) == (
        403,
        "wrong_origin",
    )  # cookies are for our own page


async def test_a_ticket_is_good_from_anywhere(running: Running, program: Proof) -> None:
    for origin in (LISTED, "null"):
        assert await status_of(running, SOCKET, await ticket(running, program), Origin=origin) == (101, "")


# what the settings let pages of other sites do

API = [row for row in ALL_ROWS if row.path.startswith("/api/")]


async def preflight(running: Running, path: str, origin: str, method: str = "POST") -> aiohttp.ClientResponse:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    async with aiohttp.ClientSession() as client, client.options(running.url(path), headers=headers) as answer:
        return answer


@pytest.mark.parametrize("row", API, ids=named)
async def test_a_browser_may_ask_first(running: Running, row: Row) -> None:
    answer = await preflight(running, path_of(row), LISTED, row.method)
    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Origin"] == LISTED
    assert row.method in answer.headers["Access-Control-Allow-Methods"].split(", ")
    allowed = {name.strip() for name in answer.headers["Access-Control-Allow-Headers"].casefold().split(",")}
    assert allowed == {"authorization", "content-type", "if-match", "if-none-match", "if-range", "range"}
    assert answer.headers["Vary"] == "Origin"
    for origin in (FOREIGN, "null", running.origin, LISTED + ".evil.example", LISTED.upper(), f"{LISTED}, {FOREIGN}"):
        refused = await preflight(running, path_of(row), origin, row.method)
        assert refused.status == 405
        assert not [name for name in refused.headers if name.startswith("Access-Control-")]
        assert refused.headers["Vary"] == "Origin"


async def test_asking_first_is_for_the_api_alone(running: Running) -> None:
    for path in ("/", "/health", "/metrics", "/ws", "/assets/x", "/nowhere", "/api"):
        answer = await preflight(running, path, LISTED)
        assert answer.status in {404, 405}
        assert "Access-Control-Allow-Origin" not in answer.headers


async def test_a_listed_page_reads_answers_and_refusals(running: Running, program: Proof) -> None:
    for path, proof, status in (
        ("/api/v1/auth/me", program, 200),
        ("/api/v1/auth/me", None, 401),
        ("/api/v1/terminals/nowhere", program, 404),
        ("/api/v1/nowhere", program, 404),
        ("/api/v1/terminals", Proof({"Authorization": "Bearer x"}, ADMINS), 401),
    ):
        headers = (proof.headers if proof else {}) | {"Origin": LISTED, "Sec-Fetch-Site": "cross-site"}
        async with aiohttp.ClientSession() as client, client.get(running.url(path), headers=headers) as answer:
            assert answer.status == status
            assert answer.headers["Access-Control-Allow-Origin"] == LISTED
            assert "Access-Control-Allow-Credentials" not in answer.headers
            assert "RateLimit-Limit" in answer.headers["Access-Control-Expose-Headers"]


async def test_a_listed_page_acts_with_a_token_and_never_with_a_cookie(
    running: Running, program: Proof, page: Proof
) -> None:
    elsewhere = {"Origin": LISTED, "Sec-Fetch-Site": "cross-site"}
    body = {"cols": 80, "rows": 24, "driver": "echo"}
    assert (await call(running, "POST", "/api/v1/terminals", program, body, **elsewhere))[0] == 201
    status, told = await call(running, "POST", "/api/v1/terminals", page, body, **elsewhere)
    assert (status, told["code"]) == (403, "wrong_origin")
    # It may ask for a token by name and password: nothing rides on that.
    signing_in = {"name": "nobody", "password": "wrong"}
    assert (await call(running, "POST", "/api/v1/auth/token", None, signing_in, **elsewhere))[0] == 401
    refused = {"Origin": FOREIGN}
    assert (await call(running, "POST", "/api/v1/auth/token", None, signing_in, **refused))[0] == 403


async def test_other_pages_get_answers_that_their_browser_keeps_from_them(running: Running, program: Proof) -> None:
    headers = program.headers | {"Origin": FOREIGN}
    async with aiohttp.ClientSession() as client:
        for path, status in (("/api/v1/auth/me", 200), ("/api/v1/nowhere", 404)):
            async with client.get(running.url(path), headers=headers) as answer:
                assert answer.status == status
                assert not [name for name in answer.headers if name.startswith("Access-Control-")]
                assert answer.headers["Vary"] == "Origin"


async def test_without_origins_in_the_settings_nothing_is_said(directory: Path) -> None:
    async with started(directory) as running:
        answer = await preflight(running, "/api/v1/terminals", LISTED)
        assert answer.status == 405
        assert "Vary" not in answer.headers


async def test_a_preflight_for_another_host_is_misdirected(running: Running) -> None:
    request = (
        "OPTIONS /api/v1/terminals HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n"
        f"Origin: {LISTED}\r\nAccess-Control-Request-Method: POST\r\n\r\n"
    )
    assert (await running.raw(request.encode())).startswith(b"HTTP/1.1 421 ")

"""Every route, enumerated: a new one is tested by being there, and fails here without a row."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from tests.web.conftest import Running, browser, started
from tests.web.proofs import UPGRADE, named, path_of
from webterm.web.routes import OWN_LOGIN_ROWS, ROWS, rows
from webterm.web.row import Row
from webterm.web.site import SITE

ALL_ROWS = (*ROWS, *OWN_LOGIN_ROWS)
GUARDED = [row for row in ALL_ROWS if row.access is not None]
OWN_ORIGIN = [row for row in ALL_ROWS if row.origin == "own" and row.access is not None]
OPEN = {
    "GET /",
    "GET /assets/{name}",
    "GET /health",
    "GET /openapi.json",
    "GET /asyncapi.json",
    "GET /docs",
    "GET /redoc",
    "GET /api/v1/auth/options",
    "POST /api/v1/auth/login",
    "POST /api/v1/auth/link",
    "POST /api/v1/auth/register",
    "POST /api/v1/auth/token",
    "POST /api/v1/auth/refresh",
    "GET /api/v1/auth/oidc/{provider}",
    "GET /api/v1/auth/oidc/{provider}/callback",
}
"""All that is there for people who are not signed in. A route that is not in this list refuses them."""
UNCOUNTED = {
    "GET /",
    "GET /assets/{name}",
    "GET /health",
    "GET /openapi.json",
    "GET /asyncapi.json",
    "GET /docs",
    "GET /redoc",
}
"""The page and what monitoring asks for: nobody runs out of these. They cost no look into the store."""
SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Server": "webterm",
}


def headers_for(row: Row) -> dict[str, str]:
    return dict(UPGRADE) if row.path == "/ws" else {}


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A built page."""
    (tmp_path / "assets").mkdir()
    for name in ("index.html", "docs.html", "redoc.html"):
        (tmp_path / name).write_text("<!doctype html>")
    return tmp_path


@pytest.fixture
async def running(directory: Path, page: Path) -> AsyncIterator[Running]:
    async with started(directory, page=page) as running:
        yield running


on_one_server = pytest.mark.asyncio(loop_scope="module")
"""For tests that are refused, and hence change nothing: they take turns with `shared`."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    async with started(tmp_path_factory.mktemp("shared") / "data") as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def somebody(shared: Running) -> AsyncIterator[aiohttp.ClientSession]:
    """The owner's browser there, signed in."""
    async with browser(shared) as client:
        await shared.sign_in(client)
        yield client


def routes_of(app: web.Application) -> Iterator[tuple[str, str]]:
    for route in app.router.routes():
        assert route.resource is not None
        yield route.method, route.resource.canonical


@pytest.mark.parametrize("prefix", ["", "/terminal", "/a/b/"])
async def test_every_route_has_a_row(directory: Path, prefix: str) -> None:
    async with started(directory, prefix) as running:
        known = {(row.method, running.prefix + row.template) for row in rows(running.app[SITE])}
        found = {(method, path) for method, path in routes_of(running.app) if method not in {"*", "HEAD"}}
        assert found == known


def test_who_is_let_in_without_a_login_is_written_down() -> None:
    assert {named(row) for row in ALL_ROWS if row.access is None} == OPEN
    assert {named(row) for row in ALL_ROWS if row.limit == "none"} == UNCOUNTED


@pytest.mark.parametrize("row", ALL_ROWS, ids=named)
def test_rows_are_complete(row: Row) -> None:
    unsafe = row.method != "GET" or row.path == "/ws"
    assert row.origin == ("own" if unsafe else "any")
    assert row.doc.endswith(".")
    assert row.ticket == (row.path == "/ws")
    assert row.asks or row.access is None
    assert (row.limit == "auth") == (named(row) in PROVING)


PROVING = {
    *(named for named in OPEN - UNCOUNTED if named != "GET /api/v1/auth/options"),
    "PUT /api/v1/auth/password",
    "POST /api/v1/auth/oidc/{provider}/link",
}
"""What proves who one is counts against the smaller number."""

SPOOFS: list[dict[str, str]] = [
    {},
    {"X-Forwarded-For": "127.0.0.1"},
    {"X-Forwarded-User": "owner", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "localhost"},
    {"Forwarded": "for=127.0.0.1;host=localhost;proto=https"},
    {"X-Real-IP": "127.0.0.1", "Remote-User": "owner"},
    {"Authorization": "Bearer owner"},
    {"Cookie": "webterm=owner"},
]


async def test_nobody_gets_in_without_a_login(running: Running, stranger: aiohttp.ClientSession) -> None:
    for row, spoof in itertools.product(GUARDED, SPOOFS):
        headers = headers_for(row) | spoof
        async with stranger.request(row.method, running.url(path_of(row)), headers=headers) as answer:
            assert answer.status == 401, (named(row), spoof)
            assert (await answer.json(content_type="application/problem+json"))["code"] == "not_signed_in"


@on_one_server
@pytest.mark.parametrize("row", OWN_ORIGIN, ids=named)
async def test_pages_of_others_cannot_act(shared: Running, somebody: aiohttp.ClientSession, row: Row) -> None:
    port = shared.root.port
    assert port is not None
    for origin in [
        "https://evil.example",
        "null",
        "",
        f"http://127.0.0.1:{port + 1}",
        "http://127.0.0.1",
        f"https://127.0.0.1:{port}",
        f"http://localhost:{port}",
        f"http://localhost.evil.example:{port}",
        f"http://127.0.0.1.:{port}",
        f"HTTP://127.0.0.1:{port}",
        f"http://[::1]:{port}",
        f"http://127.0.0.1:{port}/",
        f"http://evil.example@127.0.0.1:{port}",
        f"http://127.0.0.1:{port}, https://evil.example",
    ]:
        headers = headers_for(row) | {"Origin": origin}
        async with somebody.request(row.method, shared.url(path_of(row)), headers=headers) as answer:
            assert answer.status == 403, origin
            assert (await answer.json(content_type=None))["code"] == "wrong_origin"


SITES = ("cross-site", "same-site", "Same-Origin", "evil", "")


@on_one_server
@pytest.mark.parametrize("row", OWN_ORIGIN, ids=named)
async def test_what_the_browser_says_about_the_page_counts_as_well(
    shared: Running, somebody: aiohttp.ClientSession, row: Row
) -> None:
    """`Sec-Fetch-Site`, which a page cannot set, even where it could make `Origin` look like ours."""
    for site in SITES:
        headers = headers_for(row) | {"Sec-Fetch-Site": site}
        async with somebody.request(row.method, shared.url(path_of(row)), headers=headers) as answer:
            assert (answer.status, (await answer.json(content_type=None))["code"]) == (403, "wrong_origin")


@on_one_server
@pytest.mark.parametrize("row", OWN_ORIGIN, ids=named)
async def test_saying_nothing_about_the_page_is_refused(
    shared: Running, somebody: aiohttp.ClientSession, row: Row
) -> None:
    cookies = somebody.cookie_jar.filter_cookies(shared.root)
    cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in cookies.items())
    async with aiohttp.ClientSession(headers={"Cookie": cookie}) as bare:
        async with bare.get(shared.url("/api/v1/auth/me")) as answer:
            assert answer.status == 200  # the cookie is good
        async with bare.request(row.method, shared.url(path_of(row)), headers=headers_for(row)) as answer:
            assert answer.status == 403


@on_one_server
@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.", "", "localhost@evil", "[::1"])
async def test_other_host_names_are_refused_everywhere(shared: Running, host: str) -> None:
    for path in [*map(path_of, ALL_ROWS), "/nowhere", "/assets/", "/assets/../x", "/%2e%2e/etc"]:
        request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        answer = await shared.raw(request.encode())
        if not answer.startswith(b"HTTP/1.1 400 "):  # aiohttp itself refuses what is no host at all
            assert answer.startswith(b"HTTP/1.1 421 "), path
            assert b"wrong_host" in answer
            assert b"Content-Security-Policy" in answer


@on_one_server
@pytest.mark.parametrize(
    "head",
    [
        "GET /health HTTP/1.1\r\n",
        "GET /health HTTP/1.0\r\n",
        "GET /health HTTP/1.1\r\nHost: {own}\r\nHost: evil.example\r\n",
        "GET http://evil.example/health HTTP/1.1\r\nHost: {own}\r\n",
        "GET /health HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: {own}\r\n",
        "GET /health HTTP/1.1\r\nHost: b\u00fccher.example\r\n",
    ],
)
async def test_one_host_name_and_no_other(shared: Running, head: str) -> None:
    request = head.format(own=shared.netloc) + "Connection: close\r\n\r\n"
    status = (await shared.raw(request.encode())).split(b" ", 2)[1]
    assert status in {b"421", b"400"}


@on_one_server
@pytest.mark.parametrize("host", ["127.0.0.1", "LOCALHOST", "localhost:9", "[::1]", "[0:0::1]:8080"])
async def test_the_loopback_names_are_ours_on_any_port(shared: Running, host: str) -> None:
    answer = await shared.raw(f"GET /health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_every_answer_has_the_security_headers(
    running: Running, owner: aiohttp.ClientSession, stranger: aiohttp.ClientSession
) -> None:
    for row, client, headers in itertools.product(ALL_ROWS, (stranger, owner), ({}, UPGRADE)):
        if client is owner and (row.path, row.method) in {
            ("/api/v1/auth/logout", "POST"),
            ("/api/v1/auth/devices", "DELETE"),
        }:
            continue
        async with client.request(row.method, running.url(path_of(row)), headers=headers) as answer:
            assert SECURITY.items() <= dict(answer.headers).items(), (named(row), answer.status)
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "Access-Control-Allow-Origin" not in answer.headers
            assert "Strict-Transport-Security" not in answer.headers


@pytest.mark.parametrize("prefix", ["", "/terminal"])
async def test_paths_and_methods_that_are_not_there(directory: Path, prefix: str) -> None:
    async with started(directory, prefix) as running, browser(running) as client:
        async with client.get(running.url("/nowhere")) as answer:
            assert answer.status == 404
            assert answer.content_type == "application/problem+json"
            assert SECURITY.items() <= dict(answer.headers).items()
        async with client.put(running.url("/api/v1/terminals")) as answer:
            assert answer.status == 405
            assert answer.headers["Allow"] == "GET,HEAD,POST"
            assert (await answer.json(content_type=None))["code"] == "method_not_allowed"


async def test_frames_only_where_the_settings_say_so(directory: Path) -> None:
    async with started(directory, server={"frame_ancestors": ("https://a.example",)}) as running:
        async with browser(running) as client, client.get(running.url("/health")) as answer:
            assert answer.headers["Content-Security-Policy"].endswith("frame-ancestors https://a.example")
            assert "X-Frame-Options" not in answer.headers


async def test_the_host_applications_own_routes_are_left_alone(directory: Path) -> None:
    async def hello(request: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_get("/", hello)
    async with started(directory, "/terminal", app=app) as running, aiohttp.ClientSession() as client:
        async with client.get(running.root, headers={"Host": "elsewhere.example"}) as answer:
            assert (answer.status, await answer.text()) == (200, "hello")
            assert "Content-Security-Policy" not in answer.headers
        async with client.get(running.root / "nowhere") as answer:
            assert answer.content_type == "text/plain"
        async with client.get(running.url("?a=b"), allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (307, "/terminal/?a=b")


@pytest.mark.parametrize("prefix", ["terminal", "/a b", "/a/../b?", "/{x}"])
def test_a_prefix_is_a_plain_path(directory: Path, prefix: str) -> None:
    from webterm.app import setup
    from webterm.settings import Server, Settings

    with pytest.raises(ValueError, match="plain path"):
        setup(web.Application(), Settings(server=Server(data_dir=str(directory))), prefix)

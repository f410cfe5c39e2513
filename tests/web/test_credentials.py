"""Every route with every kind of proof of identity: it lets in whom the table says, and nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from tests.web.conftest import Running, browser, started
from tests.web.proofs import (
    ADMINS,
    NOBODYS,
    Proof,
    access_token,
    call,
    cookie,
    make_person,
    named,
    path_of,
    personal_token,
    status_of,
    ticket,
)
from webterm.access import EVERYDAY, Actor, Scope
from webterm.ids import UserId
from webterm.settings_accounts import Accounts
from webterm.web.routes import OWN_LOGIN_ROWS, ROWS
from webterm.web.row import Row

pytestmark = pytest.mark.asyncio(loop_scope="module")
ALL_ROWS = (*ROWS, *OWN_LOGIN_ROWS)
ENDING = {"POST /api/v1/auth/logout", "DELETE /api/v1/auth/devices"}
"""What ends the proof that it is called with: tried last."""
IN_A_BROWSER = "POST /api/v1/auth/oidc/{provider}/link"
"""Refuses programs by itself."""
PROXY = "Remote-User"
NOT_LET_IN = {"not_signed_in", "missing_scope", "wrong_origin"}

Maker = Callable[[Running], Awaitable[Proof]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """A server behind a proxy that may name people, with an admin ``ada`` and an ordinary person ``ben``.

    The same one for all: each test makes proofs of its own.
    """
    page, directory = tmp_path_factory.mktemp("page"), tmp_path_factory.mktemp("shared") / "data"
    for name in ("index.html", "docs.html", "redoc.html"):
        (page / name).write_text("<!doctype html>")
    server = {"trusted_proxies": ("127.0.0.1",)}
    async with started(directory, page=page, server=server, accounts=Accounts(proxy_header=PROXY)) as running:
        async with browser(running) as owner:
            await running.sign_in(owner)
            await make_person(running, owner, "ada", role="admin")
            await make_person(running, owner, "ben")
        yield running


async def _personal(running: Running, *scopes: Scope) -> Proof:
    return await personal_token(running, await cookie(running, "ada"), *scopes)


MAKERS: dict[str, Maker] = {
    "cookie": lambda running: cookie(running, "ben"),
    "cookie of an admin": lambda running: cookie(running, "ada", ADMINS),
    "access token": lambda running: access_token(running, "ben"),
    "access token of an admin": lambda running: access_token(running, "ada", ADMINS),
    "personal token to read": lambda running: _personal(running, Scope.TERMINALS_READ),
    "personal token to write": lambda running: _personal(running, Scope.TERMINALS_WRITE),
    "personal token to administer": lambda running: _personal(running, Scope.ADMIN),
    "personal token for all": lambda running: _personal(
        running, Scope.TERMINALS_READ, Scope.TERMINALS_WRITE, Scope.ADMIN
    ),
    "a proxy's word": lambda running: _named_by_proxy(running, "ben", EVERYDAY),
    "a proxy's word for an admin": lambda running: _named_by_proxy(running, "ada", ADMINS),
    "a proxy's word for somebody new": lambda running: _named_by_proxy(running, "cyd@example.org", EVERYDAY),
}


async def _named_by_proxy(running: Running, name: str, scopes: frozenset[Scope]) -> Proof:
    return Proof({PROXY: name, "Origin": running.origin}, scopes)


def lets_in(row: Row, scopes: frozenset[Scope]) -> bool:
    """What the table says."""
    return row.access in (None, "any") or row.access in scopes


async def check(running: Running, row: Row, proof: Proof) -> None:
    """One route does what the table says."""
    status, code = await status_of(running, row, proof)
    said = f"{named(row)}: {status} {code}"
    if lets_in(row, proof.scopes):
        assert code not in NOT_LET_IN, said
        assert status < 500, said
        assert status != 403 or named(row) == IN_A_BROWSER, said
        assert status != 101 or row.path == "/ws", said
        assert row.path != "/ws" or status == 101, said
    else:
        assert (status, code) == (403, "missing_scope"), said


@pytest.mark.parametrize("kind", MAKERS)
async def test_every_route_lets_in_whom_the_table_says(running: Running, kind: str) -> None:
    proof = await MAKERS[kind](running)
    for row in ALL_ROWS:
        if named(row) not in ENDING:
            await check(running, row, proof)
    for row in ALL_ROWS:
        if named(row) in ENDING:
            await check(running, row, await MAKERS[kind](running))


async def test_a_ticket_is_for_one_socket_and_nothing_else(running: Running) -> None:
    reading = await _personal(running, Scope.TERMINALS_READ)
    for by in (await cookie(running, "ben"), await access_token(running, "ben"), reading):
        proof = await ticket(running, by)
        for row in ALL_ROWS:
            if row.access is not None and row.path != "/ws":
                assert await status_of(running, row, proof) == (401, "not_signed_in"), named(row)
        [socket] = [row for row in ALL_ROWS if row.path == "/ws"]
        assert await status_of(running, socket, proof) == (101, "")
        assert await status_of(running, socket, proof) == (401, "not_signed_in")


async def test_a_ticket_is_worth_no_more_than_what_it_was_made_with(running: Running) -> None:
    writing = await _personal(running, Scope.TERMINALS_WRITE)
    status, problem = await call(running, "POST", "/api/v1/auth/tickets", writing)
    assert (status, problem["code"]) == (403, "missing_scope")
    reading = await ticket(running, await _personal(running, Scope.TERMINALS_READ))
    async with aiohttp.ClientSession() as client:
        async with client.ws_connect(running.url("/ws").update_query(reading.query)) as socket:
            assert (await socket.receive_json())["type"] == "ready"
            await socket.send_json({"type": "open", "channel": 1, "cols": 80, "rows": 24, "driver": "echo"})
            assert (await socket.receive_json())["code"] == "missing_scope"


@pytest.mark.parametrize(
    "scopes", [frozenset[Scope](), *(frozenset({scope}) for scope in Scope), EVERYDAY, frozenset(Scope)], ids=sorted
)
async def test_people_of_a_host_application(directory: Path, scopes: frozenset[Scope]) -> None:
    async def who(request: web.Request) -> Actor | None:
        name = request.headers.get("X-Person")
        return Actor(id=UserId(name), name=name, scopes=scopes) if name else None

    async with started(directory, "/terminal", actor=who) as running:
        proof = Proof({"X-Person": "ann", "Origin": running.origin}, scopes)
        for row in ROWS:
            if row.path not in {"/", "/docs", "/redoc"}:  # the page may not have been built
                await check(running, row, proof)
        for row in OWN_LOGIN_ROWS:
            assert (await status_of(running, row, proof))[0] in {404, 405}, named(row)
        stranger = Proof({"Origin": running.origin, "Authorization": "Bearer ann"}, frozenset())
        for row in ROWS:
            if row.access is not None:
                assert (await status_of(running, row, stranger))[0] == 401, named(row)


# what is sent on purpose counts

BAD = ("x", "wt_x", "ey.ey.ey", "", "wt_" + "A" * 43, "\xff", "a b")


@pytest.mark.parametrize("token", BAD)
async def test_a_wrong_token_is_not_made_good_by_a_cookie(running: Running, token: str) -> None:
    good = await cookie(running, "ben")
    for scheme in ("Bearer", "bearer", "BEARER"):
        bad = {"Authorization": f"{scheme} {token}"}
        status, problem = await call(running, "GET", "/api/v1/auth/me", good, **bad)
        assert (status, problem["code"]) == (401, "not_signed_in")
    status, _ = await call(running, "GET", "/api/v1/auth/me", Proof({PROXY: "ben"}, EVERYDAY), **bad)
    assert status == 401


async def test_other_schemes_are_a_proxys_business(running: Running) -> None:
    good = await cookie(running, "ben")
    for value in ("Basic YTpi", "Negotiate x", "Digest a=b", "Bearers x"):
        assert (await call(running, "GET", "/api/v1/auth/me", good, Authorization=value))[0] == 200
        assert (await call(running, "GET", "/api/v1/auth/me", None, Authorization=value))[0] == 401


async def test_two_authorizations_are_none(running: Running) -> None:
    good = (await access_token(running, "ben")).headers["Authorization"]
    other = (await access_token(running, "ada")).headers["Authorization"]
    for second in (good, other, "Basic YTpi"):
        answer = await running.raw(
            f"GET /api/v1/auth/me HTTP/1.1\r\nHost: {running.netloc}\r\nAuthorization: {good}\r\n"
            f"Authorization: {second}\r\nConnection: close\r\n\r\n".encode()
        )
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"invalid_request" in answer


async def test_a_token_goes_before_the_cookie_and_both_before_the_proxy(running: Running) -> None:
    me = "/api/v1/auth/me"
    both = Proof((await cookie(running, "ben")).headers | (await access_token(running, "ada")).headers, ADMINS)
    assert (await call(running, "GET", me, both))[1]["username"] == "ada"
    with_proxy = Proof((await cookie(running, "ben")).headers | {PROXY: "ada"}, EVERYDAY)
    assert (await call(running, "GET", me, with_proxy))[1]["username"] == "ben"


async def test_a_wrong_answer_names_the_scheme(running: Running) -> None:
    async with aiohttp.ClientSession() as client, client.get(running.url("/api/v1/auth/me")) as answer:
        assert answer.headers["WWW-Authenticate"] == "Bearer"


# what no kind of proof changes


async def test_no_get_is_an_error_of_ours(running: Running) -> None:
    admin = await cookie(running, "ada", ADMINS)
    for row in ALL_ROWS:
        if row.method == "GET" and row.path != "/ws":
            for proof in (None, admin):
                for query in ("", "?after=x&limit=x&before=x&search=%00&next=//evil&state=%ff&code=x&error=%0d%0a"):
                    status, _ = await call(running, "GET", path_of(row) + query, proof)
                    assert status < 500, named(row)


async def test_nobody_learns_whether_a_terminal_is_there(running: Running) -> None:
    """Before anything is looked for, it is asked who looks."""
    status, _ = await call(running, "GET", f"/api/v1/terminals/{NOBODYS}")
    assert status == 401

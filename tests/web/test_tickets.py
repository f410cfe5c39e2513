"""Tickets over HTTP: one WebSocket each, soon, with no more rights than they were made with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.pace import within
from tests.web.conftest import Running, started
from tests.web.neighbours import browser_of, program_of, settled
from tests.web.proofs import Proof, call, personal_token, ticket
from webterm.access import EVERYDAY, Actor, Scope
from webterm.accounts.people import User
from webterm.app import sign_out
from webterm.ids import UserId

TICKETS = "/api/v1/auth/tickets"


@pytest.fixture
async def person(running: Running) -> User:
    return await settled(running, "ann")


@pytest.fixture
async def ann(running: Running, person: User) -> Proof:
    """Ann's browser."""
    return await browser_of(running, person)


async def opened(running: Running, proof: Proof, **headers: str) -> tuple[int, list[dict[str, Any]]]:
    """The status of the handshake, and what the socket says to an attempt to open a terminal.

    401 also stands for a socket that is closed before it says anything.
    """
    url = running.url("/ws").update_query(proof.query)
    async with aiohttp.ClientSession(headers=headers) as client:
        try:
            async with client.ws_connect(url) as socket:
                await socket.send_str('{"type":"open","channel":1,"driver":"echo","cols":80,"rows":24}')
                first = await socket.receive()
                if (first.type, first.data) == (aiohttp.WSMsgType.CLOSE, 1008):
                    return 401, []
                return 101, [json.loads(first.data), json.loads(await socket.receive_str())]
        except aiohttp.WSServerHandshakeError as error:
            return error.status, []


async def test_a_ticket_opens_one_socket(running: Running, ann: Proof) -> None:
    status, made = await call(running, "POST", TICKETS, ann)
    assert (status, made["expires_in"]) == (201, 30)
    good = Proof({}, ann.scopes, {"ticket": made["ticket"]})
    status, (ready, _) = await opened(running, good)
    assert (status, ready["type"], ready["user"]["name"]) == (101, "ready", "ann")
    assert await opened(running, good) == (401, [])


async def test_looking_at_the_address_does_not_use_a_ticket_up(running: Running, ann: Proof) -> None:
    good = await ticket(running, ann)
    assert (await call(running, "GET", "/ws", good))[0] == 401
    assert (await opened(running, good))[0] == 101


async def test_a_ticket_is_good_for_sockets_alone(running: Running, ann: Proof) -> None:
    good = await ticket(running, ann)
    for path in ("/api/v1/auth/me", "/api/v1/terminals"):
        assert (await call(running, "GET", path, good))[0] == 401
    secret = good.query["ticket"]
    assert (await call(running, "GET", "/api/v1/auth/me", None, Authorization=f"Bearer {secret}"))[0] == 401


async def test_a_ticket_needs_no_origin_and_a_wrong_one_is_not_made_good(running: Running, ann: Proof) -> None:
    good = await ticket(running, ann)
    assert (await opened(running, good, Origin="https://elsewhere.example"))[0] == 101
    wrong = Proof({}, ann.scopes, {"ticket": "wrong"})
    assert (await opened(running, wrong, **ann.headers))[0] == 401


async def test_a_ticket_has_the_scopes_of_what_it_was_made_from(running: Running, ann: Proof, person: User) -> None:
    reader = await personal_token(running, ann, Scope.TERMINALS_READ)
    writer = await personal_token(running, ann, Scope.TERMINALS_WRITE)
    status, (_, refused) = await opened(running, await ticket(running, reader))
    assert (status, refused["type"], refused["code"]) == (101, "error", "missing_scope")
    assert (await call(running, "POST", TICKETS, writer))[0] == 403
    _, (_, answer) = await opened(running, await ticket(running, await program_of(running, person)))
    assert answer["type"] == "attached", answer


async def test_a_ticket_ends_with_the_login_it_was_made_from(running: Running, ann: Proof) -> None:
    good = await ticket(running, ann)
    assert (await call(running, "POST", "/api/v1/auth/logout", ann))[0] == 204
    assert (await opened(running, good))[0] == 401


async def test_tickets_of_people_whom_a_host_application_knows(directory: Path) -> None:
    async def host(request: web.Request) -> Actor | None:
        return Actor(id=UserId("7"), name="Ann") if request.headers.get("X-Host") == "ann" else None

    async with started(directory, actor=host) as running:
        ann = Proof({"X-Host": "ann", "Origin": running.origin}, EVERYDAY)
        assert (await call(running, "POST", TICKETS))[0] == 401
        used, late = await ticket(running, ann), await ticket(running, ann)
        status, (ready, _) = await opened(running, used)
        assert (status, ready["user"]) == (101, {"id": "7", "name": "Ann"})
        await sign_out(running.app, UserId("7"))
        assert (await opened(running, late))[0] == 401


async def test_the_socket_of_a_ticket_closes_with_the_login(running: Running, ann: Proof) -> None:
    good = await ticket(running, ann)
    url = running.url("/ws").update_query(good.query)
    async with aiohttp.ClientSession() as client, client.ws_connect(url) as socket:
        assert json.loads(await socket.receive_str())["type"] == "ready"
        assert (await call(running, "POST", "/api/v1/auth/logout", ann))[0] == 204
        async with within(1):
            last = await socket.receive()
        assert (last.type, last.data) == (aiohttp.WSMsgType.CLOSE, 1008)

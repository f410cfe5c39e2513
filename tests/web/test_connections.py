"""The books of open connections: what ends or changes reaches all that it concerns, and nothing slips through."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from tests.pace import within
from tests.web.conftest import Running, browser
from tests.web.proofs import Proof, access_token, call, cookie, make_person, owners_cookie, personal_token, ticket
from webterm.access import Actor, Scope
from webterm.errors import NotSignedIn, ShuttingDown, Unavailable
from webterm.ids import LoginId, ProofId, UserId
from webterm.web.connections import HANDSHAKE, Connections
from webterm.web.site import SITE


class Recorded:
    """A connection that writes down what it is told."""

    def __init__(self, user: str, proof: str | None = None, asked: float = 0.0) -> None:
        self.actor = Actor(id=UserId(user), name=user)
        self.proof: ProofId | None = LoginId(proof) if proof else None
        self.asked = asked
        self.told: list[str] = []
        self.released = asyncio.Event()
        self.released.set()

    async def revoke(self) -> None:
        self.told.append("revoke")
        await self.released.wait()

    async def renew(self) -> None:
        self.told.append("renew")

    async def shutdown(self) -> None:
        self.told.append("shutdown")
        await self.released.wait()


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def joined(connections: Connections, *recorded: Recorded) -> AsyncIterator[None]:
    if not recorded:
        yield
        return
    async with connections.joined(recorded[0]), joined(connections, *recorded[1:]):
        yield


async def turn() -> None:
    """Let what was begun go on."""
    for _ in range(3):
        await asyncio.sleep(0)


async def test_who_is_concerned() -> None:
    connections = Connections()
    one, two, other, hosted = Recorded("ann", "1"), Recorded("ann", "2"), Recorded("ben", "3"), Recorded("ann")
    async with joined(connections, one, two, other, hosted):
        assert len(connections) == 4
        connections.revoke_proof(LoginId("1"))
        await turn()
        assert [each.told for each in (one, two, other, hosted)] == [["revoke"], [], [], []]
        connections.renew_user(UserId("ann"))
        await turn()
        assert [each.told for each in (one, two, other, hosted)] == [["revoke", "renew"], ["renew"], [], ["renew"]]
        connections.revoke_user(UserId("ben"))
        await turn()
        assert other.told == ["revoke"]
    assert len(connections) == 0


async def test_one_that_does_not_go_keeps_no_other_waiting() -> None:
    connections = Connections()
    slow, quick = Recorded("ann", "1"), Recorded("ann", "2")
    slow.released.clear()
    async with joined(connections, slow, quick):
        connections.revoke_user(UserId("ann"))
        connections.revoke_proof(LoginId("2"))
        await turn()
        assert (slow.told, quick.told) == (["revoke"], ["revoke", "revoke"])
        slow.released.set()
        await connections.shutdown()
        assert quick.told[-1] == "shutdown"
    with pytest.raises(ShuttingDown):
        async with connections.joined(Recorded("ann")):
            pass


async def test_one_that_fails_is_written_down(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Recorded):
        async def revoke(self) -> None:
            raise OSError("gone")

    connections = Connections()
    async with joined(connections, Failing("ann")):
        connections.revoke_user(UserId("ann"))
        await turn()
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


async def test_a_proof_that_ends_during_the_handshake() -> None:
    """It is in the books before it is looked at, so it is either told or found dead."""
    looking, answer = asyncio.Event(), asyncio.Event()

    async def is_live(proof: ProofId) -> bool:
        looking.set()
        await answer.wait()
        return proof == "good"

    connections = Connections(is_live)
    late, dead = Recorded("ann", "good"), Recorded("ann", "dead")

    async def join(connection: Recorded) -> None:
        async with connections.joined(connection):
            pass

    first = asyncio.create_task(join(late))
    await looking.wait()
    connections.revoke_proof(LoginId("good"))
    answer.set()
    await first
    assert late.told == ["revoke"]
    with pytest.raises(NotSignedIn):
        await join(dead)
    assert len(connections) == 0


async def test_rights_that_change_during_the_handshake() -> None:
    """Whose request came in before has rights of before, and comes back for those of now."""
    clock = Clock()
    connections = Connections(clock=clock)
    connections.renew_user(UserId("ann"))
    for asked, fine in ((99.0, False), (100.5, True)):
        if fine:
            async with connections.joined(Recorded("ann", asked=asked)):
                pass
        else:
            with pytest.raises(Unavailable):
                async with connections.joined(Recorded("ann", asked=asked)):
                    pass
    async with connections.joined(Recorded("ben", asked=99.0)):
        pass
    clock.now += HANDSHAKE + 1
    connections.revoke_user(UserId("ben"))  # which forgets what is too old to matter
    async with connections.joined(Recorded("ann", asked=99.0)):
        pass


# with a real server


async def closed(socket: aiohttp.ClientWebSocketResponse) -> object:
    """The code with which a socket is closed, within a second."""
    async with within(1):
        while (message := await socket.receive()).type is not aiohttp.WSMsgType.CLOSE:
            pass
        return message.data


@asynccontextmanager
async def socket_with(running: Running, proof: Proof) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    url = running.url("/ws").update_query(proof.query)
    async with aiohttp.ClientSession() as client, client.ws_connect(url, headers=proof.headers) as socket:
        assert (await socket.receive_json())["type"] == "ready"
        yield socket


async def test_what_ends_reaches_open_sockets_whatever_opened_them(running: Running) -> None:
    async with browser(running) as owner:
        await running.sign_in(owner)
        ann = await make_person(running, owner, "ann")
    admin, page, program = (
        await owners_cookie(running),
        await cookie(running, "ann"),
        await access_token(running, "ann"),
    )
    token = await personal_token(running, page, Scope.TERMINALS_READ)
    async with (
        socket_with(running, page) as by_cookie,
        socket_with(running, program) as by_program,
        socket_with(running, token) as by_token,
        socket_with(running, await ticket(running, token)) as by_ticket,
        socket_with(running, admin) as others,
    ):
        assert len(running.app[SITE].connections) == 5
        _, [made] = await call(running, "GET", "/api/v1/auth/tokens", page)
        assert (await call(running, "DELETE", f"/api/v1/auth/tokens/{made['id']}", page))[0] == 204
        assert (await closed(by_token), await closed(by_ticket)) == (1008, 1008)
        assert (await call(running, "POST", "/api/v1/auth/logout", program))[0] == 204
        assert await closed(by_program) == 1008
        assert (await call(running, "PATCH", f"/api/v1/users/{ann['id']}", admin, {"tier": "pro"}))[0] == 200
        assert await closed(by_cookie) == 1012  # it comes back, with the rights of now
        async with socket_with(running, page) as again:
            disabling = {"disabled": True}
            assert (await call(running, "PATCH", f"/api/v1/users/{ann['id']}", admin, disabling))[0] == 200
            assert await closed(again) == 1008
        await others.send_str('{"type":"ping"}')
        assert (await others.receive_json())["type"] == "pong"

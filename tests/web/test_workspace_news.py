"""What sockets tell of workspaces: of their files and runtimes, to those who may see them and to nobody else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.web.conftest import Running, started
from tests.web.filing import Desk, admit, desk_of
from tests.web.neighbours import bearing
from tests.web.proofs import Proof, call
from webterm.access import Scope
from webterm.settings import Local


@pytest.fixture
async def running(directory: Path) -> AsyncIterator[Running]:
    async with started(directory, local=Local(isolation="none")) as running:
        yield running


@pytest.fixture
async def desk(running: Running) -> Desk:
    return await desk_of(running, "ann")


class Line:
    """One person's socket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def say(self, **message: object) -> None:
        await self._socket.send_json(message)

    async def expect(self, kind: str, **fields: object) -> dict[str, Any]:
        """The next message of this kind with these fields."""
        async with asyncio.timeout(90):
            while True:
                message = json.loads(await self._socket.receive_str())
                if message["type"] == kind and fields.items() <= message.items():
                    return dict(message)

    async def kinds_until_pong(self) -> list[str]:
        """What has come by now."""
        await self.say(type="ping")
        kinds: list[str] = []
        async with asyncio.timeout(30):
            while not kinds or kinds[-1] != "pong":
                kinds.append(json.loads(await self._socket.receive_str())["type"])
        return kinds


@pytest.fixture
async def lines(running: Running) -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def line_of(running: Running, stack: AsyncExitStack, proof: Proof) -> Line:
    client = await stack.enter_async_context(aiohttp.ClientSession())
    socket = await stack.enter_async_context(client.ws_connect(running.url("/ws"), headers=proof.headers))
    line = Line(socket)
    await line.expect("ready")
    return line


async def test_runtimes_are_told_of_to_those_who_see_them(running: Running, desk: Desk, lines: AsyncExitStack) -> None:
    status, made = await call(
        running, "POST", "/api/v1/workspaces", desk.proof, {"name": "Echo", "environment": {"driver": "echo"}}
    )
    assert status == 201, made
    echo = Desk(running, desk.proof, made["id"])
    member, stranger = await admit(echo, "cal", "read"), await desk_of(running, "ben")
    owners, members, strangers = [await line_of(running, lines, who) for who in (desk.proof, member, stranger.proof)]
    assert (await echo.ask("POST", "start")).status == 200
    for line in (owners, members):
        told = await line.expect("runtime", workspace=echo.workspace, state="ready")
        assert isinstance(told["message"], str)
    assert await strangers.kinds_until_pong() == ["pong"]
    assert (await echo.ask("POST", "stop")).status == 200
    for line in (owners, members):
        await line.expect("runtime", workspace=echo.workspace, state="absent")
    assert await strangers.kinds_until_pong() == ["pong"]


async def test_a_token_without_the_scope_hears_and_does_nothing(
    running: Running, desk: Desk, lines: AsyncExitStack
) -> None:
    wanted = {"name": "terminals only", "scopes": [Scope.TERMINALS_READ, Scope.TERMINALS_WRITE]}
    status, made = await call(running, "POST", "/api/v1/auth/tokens", desk.proof, wanted)
    assert status == 201, made
    line = await line_of(running, lines, bearing(made["token"]))
    await line.say(type="list_files", request=1, workspace=desk.workspace)
    assert (await line.expect("error", request=1))["code"] == "missing_scope"
    await line.say(type="watch_runtime", request=2, workspace=desk.workspace)
    assert (await line.expect("error", request=2))["code"] == "missing_scope"
    await desk.ask("POST", "start")
    assert await line.kinds_until_pong() == ["pong"]


async def test_the_socket_and_http_see_the_same_bytes(running: Running, desk: Desk, lines: AsyncExitStack) -> None:
    line = await line_of(running, lines, desk.proof)
    await line.say(type="watch", request=1, workspace=desk.workspace, path="")
    watch = (await line.expect("watching", request=1))["watch"]
    put = await desk.ask("PUT", "files/f", b"one")
    told = await line.expect("file_changed", watch=watch)
    assert told["changes"][0]["name"] == "f"
    await line.say(
        type="write_file", request=2, workspace=desk.workspace, path="f", data="dHdv", expected=put.json["tag"]
    )
    tag = (await line.expect("file", request=2))["entry"]["tag"]
    got = await desk.ask("GET", "files/f")
    assert (got.body, got.headers["ETag"]) == (b"two", f'"{tag}"')
    (desk.files / "f").unlink()
    while {"name": "f", "kind": "removed"} not in told["changes"]:
        told = await line.expect("file_changed", watch=watch)


async def test_sockets_that_have_gone_watch_nothing(running: Running, desk: Desk, lines: AsyncExitStack) -> None:
    """The number that somebody may watch is free again."""
    most = 256
    for _ in range(2):
        async with AsyncExitStack() as stack:
            line = await line_of(running, stack, desk.proof)
            for number in range(1, most + 1):
                await line.say(type="watch", request=number, workspace=desk.workspace)
                assert (await line.expect("watching"))["request"] == number
            await line.say(type="watch", request=most + 1, workspace=desk.workspace)
            assert (await line.expect("error", request=most + 1))["code"] in ("too_many_watches", "limit_reached")

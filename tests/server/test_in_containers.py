"""A server whose workspaces run in containers: killed, it has everything back; nothing of it stays in the engine."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.engine import DEBIAN, SERVER, WORKSPACE, RealEngine
from tests.server.client import Client
from tests.server.process import Server, serving
from tests.server.programs import sequence
from tests.server.test_kills import grown
from webterm.datadir import identity
from webterm.session import Exit

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(240)]
LAST = 10**9
KILLS = 3
ROUNDS = 5


@pytest.fixture
def _cleared(directory: Path, engine: RealEngine) -> Iterator[None]:
    yield
    engine.remove(identity(directory))


@pytest.fixture
async def server(_cleared: None, directory: Path, engine: RealEngine) -> AsyncIterator[Server]:
    settings = {
        "runtimes__driver": "docker",
        "docker__host": engine.host,
        "docker__image": DEBIAN,
        "docker__guard_image": DEBIAN,
        "docker__pull": "false",
        "local__close_grace": 1,
    }
    async with serving(directory, **settings) as server:  # type: ignore[arg-type]
        yield server


@pytest.fixture
def mine(server: Server, directory: Path) -> str:
    """By which the server knows in the engine what is its own."""
    return identity(directory)


async def make_workspace(server: Server, **limits: int) -> str:
    wanted = {"name": "contained", "environment": {"limits": limits}}
    status, text = await server.request("POST", "/api/v1/workspaces", wanted)
    assert status == 201, text
    return str(json.loads(text)["id"])


async def execute(server: Server, workspace: str, *argv: str, stdin: str = "") -> dict[str, object]:
    wanted = {"argv": argv, "stdin": stdin}
    status, text = await server.request("POST", f"/api/v1/workspaces/{workspace}/exec", wanted)
    assert status == 200, text
    found = json.loads(text)
    assert isinstance(found, dict)
    return found


def container_of(engine: RealEngine, mine: str, workspace: str) -> str:
    (container,) = engine.labelled("containers", f"{SERVER}={mine}", f"{WORKSPACE}={workspace}")
    return container


def programs_in(engine: RealEngine, container: str) -> list[str]:
    """The commands that run in a container, but for what keeps it up."""
    listed = engine.call("GET", f"/containers/{container}/top", ps_args="-eo pid,args")
    assert isinstance(listed, dict)
    return [line[-1] for line in listed["Processes"] if "docker-init" not in line[-1]]


async def test_killed_and_back_at_the_very_byte(server: Server, mine: str, engine: RealEngine) -> None:
    chance = random.Random(5)
    workspace = await make_workspace(server)
    async with server.client("page", binary=True) as client:
        view = await client.open("seq", "1", str(LAST), workspace=workspace)
        tape = sequence(LAST)
        view.feed = tape.feed
        tape.feed(bytes(view.data))
        ending = await client.open("sh", "-c", "read x; seq 1 3000; exit 7", workspace=workspace)
        lost = await client.open("sh", "-c", "stty -echo; read x; echo never", workspace=workspace)
        for _ in range(KILLS):
            await grown(client, [view], chance.randrange(1_000_000))
            await server.kill()
            await server.start()
            await grown(client, [view], 1)
            assert tape.difference is None
        assert not [*view.faults, *ending.faults]
        assert {view.terminal, ending.terminal, lost.terminal} == {info.id for info in await client.list()}

        await client.input(ending, "\r")
        await client.settle()
        await server.kill()
        await server.start()
        await client.until(lambda: ending.exit is not None)
        assert ending.exit is not None
        assert ending.exit.status == 7
        assert bytes(ending.data) == b"\r\n" + b"".join(b"%d\r\n" % n for n in range(1, 3001))

        engine.call("POST", f"/containers/{container_of(engine, mine, workspace)}/kill")
        await client.until(lambda: lost.exit is not None and view.exit is not None)
        assert b"container has ended" in bytes(lost.data)


async def test_one_place_for_all(server: Server, mine: str, engine: RealEngine) -> None:
    """Files, terminals and commands of a workspace are all in its one container."""
    workspace = await make_workspace(server, memory=64 << 20)
    files = f"/api/v1/workspaces/{workspace}/files"
    async with server.client("page", binary=True) as client:
        told = await execute(server, workspace, "sh", "-c", "cat >said; cat said >&2; pwd; exit 3", stdin="hello")
        assert (told["stdout"], told["stderr"], told["status"]) == ("/workspace\n", "hello", 3)
        assert await server.request("GET", f"{files}/said") == (200, "hello")
        view = await client.open(workspace=workspace)
        await client.input(view, "cat said; exit 4\r")
        await client.until(lambda: view.exit is not None)
        assert b"hello" in bytes(view.data)
        assert view.exit == Exit(status=4)
    told = await execute(server, workspace, "tail", "/dev/zero")
    assert told["signal"] == "KILL"
    story = ""
    while "a program was killed, because memory ran out (64 MiB" not in story:
        _, story = await server.request("GET", f"/api/v1/workspaces/{workspace}/runtime/logs")
    assert container_of(engine, mine, workspace)


async def test_nothing_stays_behind(server: Server, mine: str, engine: RealEngine) -> None:
    workspace = await make_workspace(server)

    async def round_(client: Client) -> None:
        view = await client.open("sh", "-c", "setsid sleep 1000 & read x", workspace=workspace)
        told = await execute(server, workspace, "sh", "-c", "setsid sleep 1001 >/dev/null 2>&1 </dev/null & echo done")
        assert told["stdout"] == "done\n"
        await client.send_json({"type": "close", "channel": view.channel})
        await client.until(lambda: view.parted is not None)

    async with server.client("page") as client:
        for _ in range(ROUNDS):
            await round_(client)
        while programs_in(engine, container_of(engine, mine, workspace)) != ["sleep 2147483647"]:
            pass  # what has ended the others has said that it is done, and takes a moment to go itself
        status, _ = await server.request("POST", f"/api/v1/workspaces/{workspace}/runtime/stop")
        assert status < 300
        assert "containers" not in engine.of(mine)

"""Commands and line shells on a connection, with real programs and no socket."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.work.bench import ANN, EVE, serving
from webterm.access import Actor, Role, Scope
from webterm.drivers.local import LocalDriver
from webterm.hub.hub import Hub, HubLimits
from webterm.keeper.client import shut_down
from webterm.protocol.connection import Connection
from webterm.protocol.executing import CommandSpeaker
from webterm.runtime import Runtime
from webterm.terminals.rules import Place, TerminalRules
from webterm.work.executions import Executions
from webterm.work.holds import Holds
from webterm.work.line_shells import LineShells

PATIENCE = 60.0
LIMITS = HubLimits(per_actor=20, total=30, log_bytes=65536, resume_grace=0.5, idle_timeout=0.0, keep_exited=3600.0)
LOOKER = Actor(id=ANN.id, name="ann", scopes=frozenset({Scope.TERMINALS_READ, Scope.WORKSPACES_WRITE}))


class Peer:
    """The client's side."""

    def __init__(self, make: Callable[..., Connection], workspace: str) -> None:
        self._woken = asyncio.Event()
        self.workspace = workspace
        self.connection = make(wake=self._woken.set)

    def send(self, type_: str, **fields: object) -> None:
        self.connection.receive_text(json.dumps({"type": type_, **fields}).encode())

    def execute(self, channel: int, line: str, **fields: object) -> None:
        self.send("exec", channel=channel, workspace=self.workspace, line=line, **fields)

    async def next(self) -> dict[str, Any] | bytes:
        async with asyncio.timeout(PATIENCE):
            while (frame := self.connection.next_frame()) is None:
                self._woken.clear()
                await self._woken.wait()
        return dict(json.loads(frame.payload)) if frame.text else frame.payload

    async def until(self, *types: str) -> list[dict[str, Any]]:
        """Messages up to one of these types."""
        found: list[dict[str, Any]] = []
        while not found or found[-1]["type"] not in types:
            message = await self.next()
            assert isinstance(message, dict)
            found.append(message)
        return found

    async def run(self, channel: int, line: str) -> tuple[str, int]:
        """A command of a line shell: its text and status."""
        self.send("line", channel=channel, data=line)
        *texts, done = await self.until("line_done")
        assert {message["type"] for message in texts} <= {"line_output"}
        return "".join(message["data"] for message in texts), done["status"]


Join = Callable[..., Peer]


@pytest.fixture
async def join(tmp_path: Path) -> AsyncIterator[Join]:
    driver = LocalDriver(tmp_path / "keeper", patience=1, close_grace=0.5)
    async with serving(tmp_path / "server") as bench:
        workspace = await bench.make()

        async def place_of(actor: Actor, wanted: str | None, driver: str | None) -> Place:
            found = await bench.workspaces.allowed(actor, wanted or workspace.id, Role.WRITE)
            files = bench.workspaces.root(found)
            return Place(driver="local", runtime=Runtime(workspace=found.id, files=files, confined=False))

        holds = Holds(bench.workspaces)
        executions = Executions({"local": driver}, place_of, holds, lambda _event: None)
        shells = LineShells({"local": driver}, place_of, holds, lambda _event: None)
        hub = Hub({"local": driver}, default_driver="local", limits=LIMITS)
        await hub.start()
        peers: list[Peer] = []

        def make(actor: Actor = ANN, *, binary: bool = False) -> Peer:
            speaker = partial(CommandSpeaker, executions=executions, shells=shells)
            rules = TerminalRules(hub, place_of)
            peers.append(Peer(partial(Connection, rules, actor, binary=binary, speakers=[speaker]), workspace.id))
            return peers[-1]

        yield make
        for peer in peers:
            peer.connection.leave()
            await peer.connection.aclose()
        await executions.aclose()
        await shells.aclose()
        await hub.aclose(end=True)
    await driver.aclose()
    await shut_down(tmp_path / "keeper", 0)


def said(messages: list[dict[str, Any]], stream: str) -> str:
    return "".join(one["data"] for one in messages if one["type"] == "exec_output" and one["stream"] == stream)


async def test_a_command(join: Join) -> None:
    peer = join()
    peer.execute(1, "cat; echo err >&2; exit 3", stdin="ü\n")
    found = await peer.until("exited")
    assert (said(found, "stdout"), said(found, "stderr")) == ("ü\n", "err\n")
    assert found[-1] == {"type": "exited", "channel": 1, "status": 3}
    peer.execute(1, "sleep 1000", timeout=0.2)
    assert (await peer.until("exited"))[-1] == {"type": "exited", "channel": 1, "signal": "KILL", "timed_out": True}


async def test_a_command_in_conversation(join: Join) -> None:
    peer = join()
    peer.execute(7, 'read a; echo "got $a"; cat')
    peer.send("input", channel=7, data="one\n")
    assert said(await peer.until("exec_output"), "stdout") == "got one\n"
    peer.send("input", channel=7, data="rest")
    peer.send("end_input", channel=7)
    found = await peer.until("exited")
    assert said(found, "stdout") == "rest"
    assert found[-1]["status"] == 0
    peer.execute(7, "echo begun; exec sleep 1000")
    await peer.until("exec_output")
    peer.send("signal", channel=7, name="INT")
    assert (await peer.until("exited"))[-1]["signal"] == "INT"
    peer.execute(7, "sleep 1000")
    peer.send("close", channel=7)
    assert (await peer.until("exited"))[-1]["signal"] == "KILL"


async def test_characters_are_whole_and_bytes_are_bytes(join: Join) -> None:
    line = "printf '\\303'; sleep 0.2; printf '\\274\\377'"
    peer = join()
    peer.execute(1, line)
    assert said(await peer.until("exited"), "stdout") == "ü\ufffd"
    peer = join(binary=True)
    peer.execute(2, line + "; printf e >&2")
    pieces = b""
    while isinstance(frame := await peer.next(), bytes):
        assert frame[:5] == b"\x03\0\0\0\x02"
        pieces += frame[5:]
    assert pieces.replace(b"\x01", b"").replace(b"\x02e", b"") == b"\xc3\xbc\xff"
    assert frame["type"] == "exited"


async def test_much_output_waits_for_the_client(join: Join) -> None:
    peer = join()
    peer.execute(1, "head -c 5000000 /dev/zero | tr '\\0' x; touch done; cat done")
    await peer.until("exec_output")
    await asyncio.sleep(0.3)  # nobody takes frames meanwhile
    waiting = 0
    while (frame := peer.connection.next_frame()) is not None and waiting <= 1_000_000:
        waiting += len(frame.payload)
    assert waiting <= 1_000_000
    total = waiting
    while True:
        message = await peer.next()
        assert isinstance(message, dict)
        if message["type"] == "exited":
            break
        total += len(message["data"])
    assert total > 4_900_000


@pytest.mark.parametrize(("type_", "fields"), [("exec", {"line": "ls"}), ("open_lines", {})])
async def test_who_may_not(join: Join, type_: str, fields: dict[str, object]) -> None:
    for actor, code in ((LOOKER, "missing_scope"), (EVE, "no_such_workspace")):
        peer = join(actor)
        peer.send(type_, channel=1, workspace=peer.workspace, **fields)
        (refused,) = await peer.until("error")
        assert (refused["code"], refused["channel"]) == (code, 1)


async def test_channels(join: Join) -> None:
    peer = join()
    for type_ in ("end_input", "line"):
        peer.send(type_, channel=1, data="x")
        assert (await peer.until("error"))[-1]["code"] == "no_such_channel"
    peer.execute(1, "echo begun; cat")
    await peer.until("exec_output")
    refused: list[tuple[str, dict[str, object], str]] = [
        ("exec", {"workspace": peer.workspace, "line": "ls"}, "channel_in_use"),
        ("open_lines", {}, "channel_in_use"),
        ("line", {"data": "x"}, "invalid_request"),
        ("resize", {"cols": 80, "rows": 24}, "invalid_request"),
    ]
    for type_, fields, code in refused:
        peer.send(type_, channel=1, **fields)
        assert (await peer.until("error"))[-1]["code"] == code
    peer.execute(2, "")
    peer.send("exec", channel=3, workspace=peer.workspace, argv=["no-such-program"])
    found = await peer.until("error")
    assert (found[-1]["code"], found[-1]["channel"]) == ("launch_failed", 3)
    peer.send("end_input", channel=1)
    await peer.until("exited")


async def test_input_for_what_does_not_read_is_bounded(join: Join) -> None:
    peer = join()
    peer.execute(1, "echo begun; exec sleep 1000")
    await peer.until("exec_output")
    for _ in range(5):
        peer.send("input", channel=1, data="x" * 300_000)
    assert (await peer.until("error"))[-1]["code"] == "input_overflow"
    peer.send("signal", channel=1, name="INT")
    assert (await peer.until("exited"))[-1]["signal"] == "INT"


async def test_a_line_shell(join: Join) -> None:
    peer = join()
    peer.send("open_lines", channel=5, workspace=peer.workspace, env={"X": "y"})
    peer.send("line", channel=5, data="echo early $X")
    found = await peer.until("line_done")
    assert [one["type"] for one in found] == ["lines_opened", "line_output", "line_done"]
    assert found[1]["data"] == "early y\n"
    assert found[2]["cwd"].endswith(f"{peer.workspace}/files")
    assert await peer.run(5, "cd /; x='ü \"'; pwd") == ("/\n", 0)
    assert await peer.run(5, 'echo "$x"; false') == ('ü "\n', 1)
    peer.send("line", channel=5, data='read a; echo "got $a"; exec 3<&0; sleep 1000')
    peer.send("line", channel=5, data="a line")
    await peer.until("line_output")
    peer.send("signal", channel=5, name="INT")
    assert (await peer.until("line_done"))[-1]["status"] == 130
    peer.send("line", channel=5, data="cat")
    peer.send("end_input", channel=5)
    assert (await peer.until("line_done"))[-1]["status"] == 0
    peer.send("input", channel=5, data="x")
    assert (await peer.until("error"))[-1]["code"] == "invalid_request"
    peer.send("line", channel=5, data="exit 3")
    assert (await peer.until("exited"))[-1] == {"type": "exited", "channel": 5, "status": 3}


@pytest.mark.parametrize("how", ["close", "leave"])
async def test_what_runs_ends_with_its_channel_or_its_socket(join: Join, how: str) -> None:
    peer = join()
    peer.send("open_lines", channel=1)
    await peer.until("lines_opened")
    text, _ = await peer.run(1, "echo $$")
    processes = [os.pidfd_open(int(text))]
    peer.execute(2, "echo $$; sleep 1000")
    processes.append(os.pidfd_open(int(said(await peer.until("exec_output"), "stdout"))))
    if how == "close":
        for channel in (1, 2):
            peer.send("close", channel=channel)
            await peer.until("exited")
    else:
        peer.connection.leave()
        await peer.connection.aclose()
    for process in processes:
        gone = asyncio.Event()
        asyncio.get_running_loop().add_reader(process, gone.set)
        async with asyncio.timeout(PATIENCE):
            await gone.wait()
        asyncio.get_running_loop().remove_reader(process)
        os.close(process)

"""Commands in workspaces: who may run them, for how long, what is kept of them, and what ends them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.work.bench import ANN, BEN, EVE, Bench, by
from webterm.access import Actor, Role, Scope
from webterm.drivers.local import LocalDriver
from webterm.errors import (
    InvalidRequest,
    LaunchFailed,
    LimitReached,
    MissingScope,
    NoSuchWorkspace,
    ReadOnly,
    RuntimeBusy,
    ShuttingDown,
)
from webterm.events import CommandRun, Event
from webterm.execution import Stream
from webterm.exits import Exit
from webterm.keeper.client import shut_down
from webterm.runtime import Runtime, RuntimeState
from webterm.store.workspaces import Workspace
from webterm.terminals.rules import Place
from webterm.work.executions import Collected, Command, Executions
from webterm.work.holds import Holds
from webterm.work.line_shells import Done, LineShells, Text
from webterm.work.runtimes import RuntimeChanged

PATIENCE = 60.0
FOREVER = "echo begun; sleep 1000"


@dataclass
class Desk:
    """A workspace of Ann's, and commands in it."""

    bench: Bench
    workspace: Workspace
    executions: Executions
    shells: LineShells
    events: list[Event]

    async def run(self, line: str, who: Actor = ANN, **fields: object) -> Collected:
        """A shell's line to its end."""
        limits = {name: fields.pop(name) for name in ("stdout_limit", "stderr_limit") if name in fields}
        command = Command(line=line, **{"stdin": b"", **fields})  # type: ignore[arg-type] # fields of every type
        return await self.executions.collect(who, self.workspace.id, command, source=by(who), **limits)  # type: ignore[arg-type]


@pytest.fixture
async def desk(bench: Bench, tmp_path: Path) -> AsyncIterator[Desk]:
    workspace = await bench.make()
    driver = LocalDriver(tmp_path / "keeper", patience=1, close_grace=0.5)

    async def place_of(actor: Actor, wanted: str | None, driver: str | None) -> Place:
        mark = bench.workspaces.mark()
        found = await bench.workspaces.allowed(actor, wanted or workspace.id, Role.WRITE)

        def check() -> None:
            if bench.workspaces.ended(mark, found.id, actor.id, Role.WRITE):
                raise NoSuchWorkspace("gone")

        runtime = Runtime(workspace=found.id, files=bench.workspaces.root(found), confined=False)
        return Place(driver="local", runtime=runtime, check=check)

    events: list[Event] = []
    holds = Holds(bench.workspaces)
    executions = Executions({"local": driver}, place_of, holds, events.append, most=3)
    shells = LineShells({"local": driver}, place_of, holds, events.append, most=2)
    yield Desk(bench, workspace, executions, shells, events)
    await executions.aclose()
    await shells.aclose()
    await driver.aclose()
    await shut_down(tmp_path / "keeper", 0)


async def test_a_command_and_what_is_told_of_it(desk: Desk) -> None:
    found = await desk.run("pwd; echo $X; cat >&2; exit 3", env={"X": "y"}, stdin=b"\xff\x00in")
    root = desk.bench.workspaces.root(desk.workspace)
    assert (found.stdout, found.stderr) == (f"{root}\ny\n".encode(), b"\xff\x00in")
    assert found.outcome.exit == Exit(status=3)
    assert not found.outcome.timed_out
    assert 0 < found.outcome.duration < PATIENCE
    assert desk.events == [
        CommandRun(source=by(ANN), action="exec.run", workspace=desk.workspace.id, program="sh"),
    ]


async def test_argv_is_not_for_a_shell(desk: Desk) -> None:
    command = Command(argv=("/bin/echo", "$HOME;", "a b"), stdin=b"")
    found = await desk.executions.collect(ANN, desk.workspace.id, command, source=by(ANN))
    assert found.stdout == b"$HOME; a b\n"
    assert isinstance(event := desk.events[0], CommandRun)
    assert event.program == "echo"


@pytest.mark.parametrize(
    "command",
    [Command(), Command(argv=("ls",), line="ls"), Command(line="ls", timeout=0), Command(line="ls", timeout=3601)],
)
async def test_what_is_no_command(desk: Desk, command: Command) -> None:
    with pytest.raises(InvalidRequest):
        await desk.executions.start(ANN, desk.workspace.id, command, source=by(ANN))


async def test_what_cannot_be_started(desk: Desk) -> None:
    for fields in ({"argv": ("no-such-program",)}, {"argv": ("ls",), "cwd": "no-such-directory"}):
        with pytest.raises(LaunchFailed):
            await desk.executions.start(ANN, desk.workspace.id, Command(**fields), source=by(ANN))
    assert (await desk.run("echo room")).stdout == b"room\n"


async def test_too_much_output_is_cut_and_the_command_goes_on(desk: Desk) -> None:
    found = await desk.run("head -c 3000000 /dev/zero; echo err >&2; touch done", stdout_limit=1000, stderr_limit=1000)
    assert (found.stdout, found.stderr) == (b"\0" * 1000, b"err\n")
    assert found.truncated == {Stream.STDOUT}
    assert desk.bench.entries(f"{desk.workspace.id}/files") == ["done"]


async def test_a_command_that_takes_too_long(desk: Desk) -> None:
    async with asyncio.timeout(PATIENCE):
        found = await desk.run("echo before; sleep 1000 & sleep 1000; echo after", timeout=0.5)
    assert found.stdout == b"before\n"
    assert found.outcome.timed_out
    assert found.outcome.exit == Exit(signal="KILL")


async def test_who_may(desk: Desk) -> None:
    looker = replace(ANN, scopes=frozenset({Scope.WORKSPACES_WRITE, Scope.TERMINALS_READ}))
    with pytest.raises(MissingScope):
        await desk.run("ls", looker)
    with pytest.raises(MissingScope):
        await desk.shells.open(looker, source=by(looker))
    with pytest.raises(NoSuchWorkspace):
        await desk.run("ls", EVE)
    await desk.bench.workspaces.members.set_role(ANN, desk.workspace.id, BEN.id, Role.READ, by(ANN))
    with pytest.raises(ReadOnly):
        await desk.run("ls", BEN)
    with pytest.raises(ReadOnly):
        await desk.shells.open(BEN, source=by(BEN), workspace=desk.workspace.id)
    assert desk.events == []


async def test_so_many_at_a_time_and_no_more(desk: Desk) -> None:
    command = Command(line=FOREVER)
    running = [await desk.executions.start(ANN, desk.workspace.id, command, source=by(ANN)) for _ in range(3)]
    with pytest.raises(LimitReached):
        await desk.run("ls")
    await running.pop().aclose()
    assert (await desk.run("echo room")).stdout == b"room\n"
    for each in running:
        await each.aclose()


async def test_cancelling_ends_the_command(desk: Desk) -> None:
    running = await desk.executions.start(ANN, desk.workspace.id, Command(line="echo $$; sleep 1000"), source=by(ANN))
    found = await running.read()
    assert found is not None

    async def attend() -> None:
        async with running:
            await running.read()

    attending = asyncio.create_task(attend())
    await asyncio.sleep(0)
    attending.cancel()
    await asyncio.wait([attending])
    with pytest.raises(ProcessLookupError):
        os.kill(int(found[1]), 0)


@pytest.mark.parametrize("how", ["removed", "demoted", "deleted", "stopped", "shutdown"])
async def test_what_ends_the_right_ends_what_runs(desk: Desk, how: str) -> None:
    workspaces, workspace = desk.bench.workspaces, desk.workspace.id
    await workspaces.members.set_role(ANN, workspace, BEN.id, Role.WRITE, by(ANN))
    running = await desk.executions.start(BEN, workspace, Command(line=FOREVER), source=by(BEN))
    lines = await desk.shells.open(BEN, source=by(BEN), workspace=workspace)
    assert await running.read() == (Stream.STDOUT, b"begun\n")
    await lines.send(b"echo begun; sleep 1000")
    assert await lines.read() == Text(b"begun\n")
    if how == "removed":
        await workspaces.members.remove(ANN, workspace, BEN.id, by(ANN))
    elif how == "demoted":
        await workspaces.members.set_role(ANN, workspace, BEN.id, Role.READ, by(ANN))
    elif how == "deleted":
        await workspaces.delete(ANN, workspace, by(ANN))
    elif how == "stopped":
        for each in (desk.executions, desk.shells):
            each.on_runtime(RuntimeChanged(workspace=desk.workspace.id, state=RuntimeState.STOPPING))
    else:
        await desk.executions.aclose()
        await desk.shells.aclose()
    expected = {"demoted": ReadOnly, "stopped": RuntimeBusy, "shutdown": ShuttingDown}.get(how, NoSuchWorkspace)
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(expected):
            await running.read()
        with pytest.raises(expected):
            await lines.read()
    await running.aclose()
    await lines.aclose()


async def test_a_line_shell_in_a_workspace(desk: Desk) -> None:
    async with await desk.shells.open(ANN, source=by(ANN), workspace=desk.workspace.id) as lines:
        await lines.send(b"pwd")
        root = desk.bench.workspaces.root(desk.workspace)
        assert await lines.read() == Text(f"{root}\n".encode())
        assert await lines.read() == Done(0, str(root).encode())
        await lines.send(b"exit 3")
        assert await lines.read() is None
        assert await lines.wait() == Exit(status=3)
    assert desk.events == [
        CommandRun(source=by(ANN), action="lines.open", workspace=desk.workspace.id, program=""),
    ]

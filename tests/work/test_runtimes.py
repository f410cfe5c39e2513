"""Where terminals go, and how far a workspace's runtime has come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.work.bench import ANN, BEN, EVE, TIERS, Told, actor, by, serving
from tests.work.stage import ROOT, Stage, ended, staged
from webterm.access import Role, Scope
from webterm.errors import (
    Conflict,
    IsolationRefused,
    LimitReached,
    MissingScope,
    NoSuchDriver,
    NoSuchTerminal,
    NoSuchWorkspace,
    ReadOnly,
    RuntimeBusy,
    Unavailable,
)
from webterm.runtime import RuntimeState
from webterm.settings_runtimes import DEFAULT_IMAGE
from webterm.settings_workspaces import Sandbox
from webterm.store import members
from webterm.work.leaving import leave_all
from webterm.work.workspaces import Environment, EnvironmentLimits, MemberGone, WorkspaceGone


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as stage:
        yield stage


async def test_a_terminal_in_a_workspace_runs_in_its_runtime(stage: Stage) -> None:
    environment = Environment(env={"A": "b"}, cwd="src", image=DEFAULT_IMAGE)
    made = await stage.bench.make(environment=environment)
    terminal = await stage.open(ANN, made)
    (launch,) = stage.machine.launched
    runtime = launch.runtime
    assert runtime is not None
    assert (runtime.workspace, runtime.files) == (made.id, stage.bench.workspaces.root(made))
    assert (runtime.confined, runtime.account, runtime.network) == (True, made.account, False)
    assert (runtime.env, runtime.image, launch.cwd) == ({"A": "b"}, DEFAULT_IMAGE, "src")
    assert terminal.record.workspace == made.id
    assert stage.states() == ["starting", "starting: pulling", "ready"]
    await stage.open(ANN, made)
    assert (stage.states(), len(stage.machine.begun)) == ([], 1)
    with pytest.raises(LimitReached):  # of the tier
        await stage.open(ANN, made)


async def test_limits_are_the_smaller_ones(tmp_path: Path) -> None:
    limits = EnvironmentLimits(processes=500, memory=10, cpu=2.5)
    async with staged(tmp_path, sandbox=Sandbox(processes=500)) as stage:
        before = await stage.bench.make(environment=Environment(limits=limits, network=False))
    sandbox = Sandbox(network=True, processes=100, memory=1000, cpu=0.0, file_size=5000)
    async with staged(tmp_path, sandbox=sandbox) as stage:
        await stage.open(ANN, before)
        status = await stage.runtimes.status(ANN, before.id)
        assert status.cut == ("processes: 500 asked for, and the server's settings allow at most 100",)
        await stage.open(ANN, await stage.bench.make())
        first, second = [runtime.limits for runtime in stage.machine.begun]
        assert (first.processes, first.memory, first.cpu, first.file_size, first.disk) == (100, 10, 2.5, 1000, 2000)
        assert (second.processes, second.memory, second.cpu) == (100, 1000, 0.0)
        assert [runtime.network for runtime in stage.machine.begun] == [False, True]
        rich = actor("rich", tier="enterprise")
        await stage.open(rich, await stage.bench.make(rich))
        assert (stage.machine.begun[-1].limits.file_size, stage.machine.begun[-1].limits.disk) == (5000, 0)
    assert TIERS.tiers["free"].bytes == 1000


async def test_without_a_workspace_others_than_the_owner_are_at_home(stage: Stage) -> None:
    await stage.open(ROOT)
    assert stage.machine.launched[-1].runtime is None
    assert await stage.bench.names(ROOT) == []
    await asyncio.gather(stage.open(ANN), stage.open(ANN), stage.open(BEN))
    assert len({launch.runtime.workspace for launch in stage.machine.launched if launch.runtime}) == 2
    home = await stage.bench.workspaces.home(ANN)
    assert stage.hub.inhabitants() >= {(home.id, ANN.id)}
    await stage.open(ANN, driver="echo")  # which runs no program at all
    assert len(stage.machine.launched) == 4


async def test_the_owner_is_free_in_own_workspaces_alone(stage: Stage) -> None:
    """What others put into theirs does not run as the owner of the machine."""
    own, anns = await stage.bench.make(ROOT), await stage.bench.make(ANN)
    await stage.bench.workspaces.members.set_role(ANN, anns.id, ROOT.id, Role.OWN, by(ANN))
    await stage.bench.workspaces.members.set_role(ROOT, own.id, ANN.id, Role.WRITE, by(ROOT))
    for who, workspace, confined in ((ROOT, own, False), (ROOT, anns, True), (ANN, own, True)):
        await stage.open(who, workspace)
        runtime = stage.machine.launched[-1].runtime
        assert runtime is not None
        assert runtime.confined is confined


async def test_where_people_are_refused(tmp_path: Path) -> None:
    async with staged(tmp_path, "refuse") as stage:
        own, anns = await stage.bench.make(ROOT), await stage.bench.make(ANN)
        await stage.bench.workspaces.members.set_role(ANN, anns.id, ROOT.id, Role.OWN, by(ANN))
        for who, workspace in ((ANN, None), (ANN, anns), (ROOT, anns)):
            with pytest.raises(IsolationRefused, match=r"local\.isolation"):
                await stage.open(who, workspace)
        assert await stage.bench.names(ANN) == ["Work"]
        await stage.open(ROOT)
        await stage.open(ROOT, own)
        await stage.open(ANN, anns, "echo")


async def test_where_nobody_is_kept_apart(tmp_path: Path) -> None:
    async with staged(tmp_path, "none") as stage:
        made = await stage.bench.make()
        await stage.open(ANN)
        await stage.open(ANN, made)
        first, second = stage.machine.launched
        assert first.runtime is None
        assert second.runtime is not None
        assert not second.runtime.confined


async def test_who_may_not_be_there_opens_nothing(stage: Stage) -> None:
    made = await stage.bench.make()
    await stage.bench.workspaces.members.set_role(ANN, made.id, BEN.id, Role.READ, by(ANN))
    for who, error in ((BEN, ReadOnly), (EVE, NoSuchWorkspace), (ROOT, NoSuchWorkspace)):
        with pytest.raises(error):
            await stage.open(who, made)
        with pytest.raises(error):
            await stage.runtimes.start(who, made.id, by(who))
    for who, error in ((BEN, ReadOnly), (EVE, NoSuchWorkspace)):
        with pytest.raises(error):
            await stage.runtimes.stop(who, made.id, by(who))
    assert (await stage.runtimes.status(BEN, made.id)).state is RuntimeState.ABSENT
    with pytest.raises(NoSuchWorkspace):
        await stage.runtimes.status(EVE, made.id)
    assert stage.machine.begun == []


async def test_a_proof_that_is_not_good_for_workspaces_opens_nothing_there(stage: Stage) -> None:
    made = await stage.bench.make()
    scopes = frozenset({Scope.TERMINALS_READ, Scope.TERMINALS_WRITE, Scope.WORKSPACES_READ})
    with pytest.raises(MissingScope):
        await stage.open(replace(ANN, scopes=scopes), made)
    await stage.open(replace(ANN, scopes=scopes))


async def test_a_workspace_has_one_driver(stage: Stage) -> None:
    made = await stage.bench.make(environment=Environment(driver="echo"))
    await stage.open(ANN, made)
    await stage.open(ANN, made, "echo")
    with pytest.raises(Conflict):
        await stage.open(ANN, made, "local")
    with pytest.raises(NoSuchDriver):
        await stage.open(ANN, await stage.bench.make(), "docker")


async def test_starting_and_stopping(stage: Stage) -> None:
    made = await stage.bench.make()
    runtimes = stage.runtimes
    assert (await runtimes.status(ANN, made.id)).state is RuntimeState.ABSENT
    started = await runtimes.start(ANN, made.id, by(ANN))
    assert (started.state, started.driver, started.terminals, started.ports) == (RuntimeState.READY, "local", 0, ())
    assert await runtimes.start(ANN, made.id, by(ANN)) == started
    terminal = await stage.open(ANN, made)
    assert (await runtimes.status(ANN, made.id)).terminals == 1
    stage.states()
    stopped = await runtimes.stop(ANN, made.id, by(ANN))
    assert (stopped.state, stopped.terminals) == (RuntimeState.ABSENT, 0)
    assert stage.states() == ["stopping", "absent"]
    with pytest.raises(NoSuchTerminal):
        stage.hub.get(ANN, terminal.id)
    assert stage.machine.up == set()
    assert (await runtimes.stop(ANN, made.id, by(ANN))).state is RuntimeState.ABSENT
    assert await stage.bench.actions() == [
        "workspace.create", "workspace.start", "workspace.stop", "workspace.stop",
    ]  # fmt: skip


async def test_many_that_want_it_start_it_once(stage: Stage) -> None:
    made = await stage.bench.make()
    await asyncio.gather(
        *(stage.runtimes.start(ANN, made.id, by(ANN)) for _ in range(5)), stage.open(ANN, made), stage.open(ANN, made)
    )
    assert len(stage.machine.begun) == 1
    assert stage.states() == ["starting", "starting: pulling", "ready"]


async def test_what_takes_long_goes_on(stage: Stage) -> None:
    made = await stage.bench.make()
    stage.machine.free.clear()
    opening = asyncio.create_task(stage.open(ANN, made))
    await stage.until(RuntimeState.STARTING)
    status = await stage.runtimes.start(ANN, made.id, by(ANN))  # waits for a moment
    assert (status.state, status.message) == (RuntimeState.STARTING, "pulling")
    opening.cancel()  # others may still want it
    stage.machine.free.set()
    await stage.until(RuntimeState.READY)
    assert (await stage.runtimes.status(ANN, made.id)).state is RuntimeState.READY


async def test_a_start_that_fails_says_why(stage: Stage) -> None:
    made = await stage.bench.make()
    stage.machine.fault = Unavailable("no such image")
    status = await stage.runtimes.start(ANN, made.id, by(ANN))
    assert (status.state, status.message) == (RuntimeState.FAILED, "no such image")
    with pytest.raises(Unavailable, match="no such image"):
        await stage.open(ANN, made)
    stage.machine.fault = None
    stage.states()
    await stage.open(ANN, made)
    assert stage.states() == ["starting", "starting: pulling", "ready"]


async def test_what_nobody_foresaw_is_not_told_to_people(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    made = await stage.bench.make()
    stage.machine.fault = ValueError("a secret")
    status = await stage.runtimes.start(ANN, made.id, by(ANN))
    assert (status.state, status.message) == (RuntimeState.FAILED, "the server's log says why")
    assert "a secret" in caplog.text


async def test_stopping_ends_a_start(stage: Stage) -> None:
    made = await stage.bench.make()
    stage.machine.free.clear()
    opening = asyncio.create_task(stage.open(ANN, made))
    await stage.until(RuntimeState.STARTING)
    stopping = asyncio.create_task(stage.runtimes.stop(ANN, made.id, by(ANN)))
    await stage.until(RuntimeState.STOPPING)
    with pytest.raises(RuntimeBusy):
        await stage.open(ANN, made)
    with pytest.raises(RuntimeBusy):
        await stage.runtimes.start(ANN, made.id, by(ANN))
    stage.machine.free.set()
    assert (await stopping).state is RuntimeState.ABSENT
    with pytest.raises(RuntimeBusy):
        await opening
    assert stage.hub.alive_in(made.id) == []


async def test_a_runtime_that_ends_by_itself_is_absent(stage: Stage) -> None:
    made = await stage.bench.make()
    await stage.runtimes.start(ANN, made.id, by(ANN))
    stage.machine.up.clear()
    assert (await stage.runtimes.status(ANN, made.id)).state is RuntimeState.ABSENT
    await stage.open(ANN, made)
    assert len(stage.machine.begun) == 2


async def test_a_member_who_is_no_more_has_no_terminals(stage: Stage) -> None:
    made, other = await stage.bench.make(), await stage.bench.make(BEN)
    rules = stage.bench.workspaces.members
    for who in (BEN, EVE):
        await rules.set_role(ANN, made.id, who.id, Role.WRITE, by(ANN))
    for who in (BEN, EVE):
        await stage.open(who, made)
    elsewhere = await stage.open(BEN, other)
    bens, eves, _ = stage.machine.sessions
    await rules.set_role(ANN, made.id, EVE.id, Role.OWN, by(ANN))  # takes nothing away
    await rules.remove(ANN, made.id, BEN.id, by(ANN))
    await ended(bens)
    await rules.set_role(ANN, made.id, EVE.id, Role.READ, by(ANN))
    await ended(eves)
    assert stage.hub.get(BEN, elsewhere.id) is elsewhere


async def test_a_deleted_workspace_stops(stage: Stage) -> None:
    made = await stage.bench.make()
    await stage.open(ANN, made)
    await stage.bench.workspaces.delete(ANN, made.id, by(ANN))
    await stage.until(RuntimeState.ABSENT)
    await ended(stage.machine.sessions[0])
    assert stage.machine.up == set()


@pytest.mark.parametrize("way", ["member", "workspace", "stop"])
async def test_what_is_being_opened_does_not_slip_through(stage: Stage, way: str) -> None:
    made = await stage.bench.make()
    rules = stage.bench.workspaces.members
    await rules.set_role(ANN, made.id, BEN.id, Role.WRITE, by(ANN))
    await stage.runtimes.start(ANN, made.id, by(ANN))
    told = Told()
    stage.bench.workspaces.subscribe(told)
    stage.machine.opening.clear()
    opening = asyncio.create_task(stage.open(BEN, made))
    await stage.machine.waiting.wait()
    if way == "stop":
        await stage.runtimes.stop(ANN, made.id, by(ANN))
    elif way == "member":
        await rules.remove(ANN, made.id, BEN.id, by(ANN))
        await told.until(MemberGone(made.id, BEN.id))
    else:
        await stage.bench.workspaces.delete(ANN, made.id, by(ANN))
        await told.until(WorkspaceGone(made.id))
    stage.machine.opening.set()
    with pytest.raises(RuntimeBusy if way == "stop" else NoSuchWorkspace):
        await opening
    await ended(stage.machine.sessions[0])


async def test_a_server_that_starts_ends_what_may_not_be_there(stage: Stage) -> None:
    """Rights end while no server runs, too: by commands, and on another server."""
    made = await stage.bench.make()
    await stage.bench.workspaces.members.set_role(ANN, made.id, BEN.id, Role.WRITE, by(ANN))
    anns = await stage.open(ANN, made)
    await stage.open(BEN, made)
    async with stage.bench.store.writing() as conn:
        await members.remove(conn, made.id, BEN.id)
    await stage.runtimes.start_up()
    await ended(stage.machine.sessions[1])
    assert stage.hub.get(ANN, anns.id) is anns


async def test_a_sandbox_that_outlived_the_server_is_looked_after(stage: Stage) -> None:
    """Its driver is told its limits before anybody opens something in it."""
    made, roots = await stage.bench.make(), await stage.bench.make(ROOT)
    await stage.open(ANN, made)
    await stage.open(ROOT, roots)
    stage.machine.up.discard(roots.id)  # the owner's programs need none
    before = list(stage.machine.begun)
    stage.states()
    await stage.runtimes.start_up()
    await stage.until(RuntimeState.READY)
    (again,) = stage.machine.begun[len(before) :]
    assert (again.workspace, again.confined, again.account) == (made.id, True, made.account)
    assert (again.files, again.limits.disk) == (stage.bench.workspaces.root(made), 2000)


async def test_what_was_deleted_while_no_server_ran_stops(tmp_path: Path) -> None:
    async with serving(tmp_path) as bench:
        made = await bench.make()
    async with serving(tmp_path, started=False) as bench:
        async with bench.store.writing() as conn:
            await leave_all(conn, ANN.id, by(ROOT), bench.clock.now)
        stage = Stage(bench)
        stage.machine.up.add(made.id)  # as a sandbox that outlived the server
        await bench.workspaces.start()
        await stage.runtimes.start_up()
        await stage.until(RuntimeState.ABSENT)
        assert stage.machine.up == set()
        await stage.runtimes.aclose()

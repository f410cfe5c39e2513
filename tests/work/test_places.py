"""Workspaces between containers and this machine: who takes over, what stays, what ends, and what people are told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from tests.work.bench import ANN, BEN, by
from tests.work.stage import ROOT, Stage, staged
from webterm.access import Role
from webterm.errors import Conflict, EngineUnavailable, ImageRefused, ReadOnly
from webterm.ids import WorkspaceId
from webterm.runtime import DriverHealth, RuntimeState
from webterm.settings_runtimes import Docker, Previews, Runtimes
from webterm.store import workspaces
from webterm.work.choosing import RESTART
from webterm.work.looks import Looks
from webterm.work.ports import PortChanged
from webterm.work.runtimes import RuntimeChanged
from webterm.work.workspaces import Environment

DOWN = DriverHealth(works=False, reason="no such socket")
MINUTES = 10.0


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    docker, runtimes = Docker(images=("python:*",)), Runtimes(idle_minutes=MINUTES)
    async with staged(tmp_path, usual="auto", docker=docker, runtimes=runtimes) as stage:
        yield stage


async def lose_engine(stage: Stage) -> None:
    """The engine has gone, and not just now."""
    stage.engine.works = DOWN
    stage.clock.now += RESTART
    await stage.runtimes.choosing.look()
    assert not stage.runtimes.choosing.works


async def change_unasked(stage: Stage, workspace: WorkspaceId, environment: Environment) -> None:
    """As if it had been changed when the settings were others."""
    async with stage.bench.store.writing() as conn:
        await workspaces.change(conn, workspace, environment=environment)


async def test_workspaces_run_in_containers_the_owners_too(stage: Stage) -> None:
    for who in (ANN, ROOT):
        made = await stage.bench.make(who)
        terminal = await stage.open(who, made)
        assert terminal.driver == "docker"
        runtime = stage.engine.begun[-1]
        assert (runtime.workspace, runtime.confined, runtime.network) == (made.id, True, True)
    assert (await stage.open(ANN)).record.workspace == (await stage.bench.workspaces.home(ANN)).id
    outside = await stage.open(ROOT)
    assert (outside.driver, outside.record.workspace) == ("local", None)
    assert stage.machine.begun == []


async def test_where_no_engine_answers_this_machine_takes_over_and_says_so(stage: Stage) -> None:
    await lose_engine(stage)
    made = await stage.bench.make()
    terminal = await stage.open(ANN, made)
    assert terminal.driver == "local"
    assert stage.machine.begun[0].confined
    words = stage.states()
    assert "no container engine" in words[0]
    assert "no such socket" not in str(words)  # which is for administrators
    assert "no container engine" in words[-1]
    status = await stage.runtimes.status(ANN, made.id)
    assert (status.driver, status.image) == ("local", "")
    assert "no container engine" in status.reason


async def test_what_runs_stays_where_it_is(stage: Stage) -> None:
    await lose_engine(stage)
    made = await stage.bench.make()
    first = await stage.open(ANN, made)
    stage.engine.works = DriverHealth(works=True)
    stage.clock.now += RESTART
    assert (await stage.open(ANN, made)).driver == "local"
    with pytest.raises(Conflict, match="local"):
        await stage.open(ANN, made, "docker")
    assert (await stage.runtimes.stop(ANN, made.id, by(ANN))).state is RuntimeState.ABSENT
    again = await stage.open(ANN, made)
    assert (first.driver, again.driver) == ("local", "docker")


async def test_only_its_person_takes_a_workspace_out_of_its_container(stage: Stage) -> None:
    """What they run would join it, and be confined by nothing where they are the server's owner."""
    made = await stage.bench.make()
    await stage.bench.workspaces.members.set_role(ANN, made.id, BEN.id, Role.WRITE, by(ANN))
    with pytest.raises(ReadOnly, match="driver local"):
        await stage.open(BEN, made, "local")
    assert (await stage.open(BEN, made, "docker")).driver == "docker"
    await stage.runtimes.stop(ANN, made.id, by(ANN))
    assert (await stage.open(ANN, made, "local")).driver == "local"
    assert (await stage.open(BEN, made, "local")).driver == "local"


async def test_who_asks_for_containers_is_told_why_there_are_none(stage: Stage) -> None:
    await lose_engine(stage)
    stage.engine.fault = EngineUnavailable("the engine does not answer")
    made = await stage.bench.make(environment=Environment(driver="docker"))
    with pytest.raises(EngineUnavailable):
        await stage.open(ANN, made)
    status = await stage.runtimes.status(ANN, made.id)
    assert (status.state, status.message) == (RuntimeState.FAILED, "the engine does not answer")
    here = await stage.bench.make(environment=Environment(driver="local"))
    assert (await stage.open(ANN, here)).driver == "local"


async def test_containers_may_be_what_one_workspace_alone_asks_for(tmp_path: Path) -> None:
    async with staged(tmp_path, usual="local", docker=Docker()) as stage:
        stage.drivers["docker"] = stage.engine
        made = await stage.bench.make(environment=Environment(driver="docker"))
        stage.engine.up.add(made.id)  # since another server ran
        assert (await stage.runtimes.status(ANN, made.id)).state is RuntimeState.READY
        await stage.runtimes.stop(ANN, made.id, by(ANN))
        assert stage.engine.up == set()
        await stage.runtimes.start(ANN, made.id, by(ANN))
        status = await stage.runtimes.status(ANN, made.id)
        assert (status.state, status.driver) == (RuntimeState.READY, "docker")
        assert (await stage.open(ANN, await stage.bench.make())).driver == "local"


async def test_an_engine_that_is_away_holds_up_no_stop(stage: Stage) -> None:
    await lose_engine(stage)
    stage.engine.free.clear()
    made = await stage.bench.make()
    await stage.open(ANN, made)
    assert (await stage.runtimes.stop(ANN, made.id, by(ANN))).state is RuntimeState.ABSENT


@pytest.mark.parametrize(("image", "allowed"), [("", True), ("python:3.12", True), ("webterm-workspace:latest", True),
                                                ("python", False), ("evil/python:3", False)])  # fmt: skip
async def test_images_are_those_of_the_settings(stage: Stage, image: str, allowed: bool) -> None:
    wanted = Environment(image=image)
    if allowed:
        made = await stage.bench.make(environment=wanted)
        await stage.open(ANN, made)
        assert stage.engine.begun[-1].image == image
        assert (await stage.runtimes.status(ANN, made.id)).image == (image or "webterm-workspace:latest")
        return
    with pytest.raises(ImageRefused, match=r"python:\*"):
        await stage.bench.make(environment=wanted)
    made = await stage.bench.make()
    with pytest.raises(ImageRefused, match=r"python:\*"):
        await stage.bench.workspaces.change(ANN, made.id, by(ANN), environment=wanted)
    await change_unasked(stage, made.id, wanted)
    await stage.bench.workspaces.change(ANN, made.id, by(ANN), environment=msgspec.structs.replace(wanted, ports=(80,)))
    with pytest.raises(ImageRefused, match=r"python:\*"):
        await stage.open(ANN, made)
    assert stage.engine.begun == []


async def test_what_image_a_template_names_workspaces_may_use_for_as_long(tmp_path: Path) -> None:
    async with staged(tmp_path, usual="auto") as stage:
        described = stage.bench.settings.templates_dir / "tools" / "template.toml"
        await asyncio.to_thread(described.parent.mkdir, parents=True)
        await asyncio.to_thread(described.write_text, '[environment]\nimage = "tools:1"\n')
        made, other = await stage.bench.make(template="tools"), await stage.bench.make()
        same = msgspec.structs.replace(other.environment, image="tools:1")
        await stage.bench.workspaces.change(ANN, other.id, by(ANN), environment=same)
        await stage.open(ANN, made)
        assert [runtime.image for runtime in stage.engine.begun] == ["tools:1"]
        await asyncio.to_thread(described.unlink)
        with pytest.raises(ImageRefused, match="'tools:1' is none of those"):
            await stage.open(ANN, await stage.bench.workspaces.allowed(ANN, other.id))


async def test_a_container_that_ends_by_itself_is_told_with_its_reason(stage: Stage) -> None:
    made = await stage.bench.make()
    await stage.runtimes.start(ANN, made.id, by(ANN))
    stage.states()
    stage.engine.up.clear()
    tell = stage.engine.on_runtime_ended
    assert tell is not None
    tell(made.id, "it was out of memory")
    assert stage.states() == ["absent: it was out of memory"]
    status = await stage.runtimes.status(ANN, made.id)
    assert (status.state, status.message) == (RuntimeState.ABSENT, "it was out of memory")
    await stage.open(ANN, made)
    status = await stage.runtimes.status(ANN, made.id)
    assert (status.state, status.message) == (RuntimeState.READY, "")


async def test_what_happens_in_one_that_goes_on_is_told_and_kept_in_its_story(stage: Stage) -> None:
    made = await stage.bench.make()
    tell = stage.engine.on_runtime_note
    assert tell is not None
    tell(made.id, "too early")
    await stage.runtimes.start(ANN, made.id, by(ANN))
    stage.states()
    for killed in ("a program was killed", "programs were killed 2 times", "programs were killed 31 times"):
        tell(made.id, killed)
    assert stage.states()[-1] == "ready: programs were killed 31 times"
    story = [entry.text for entry in stage.runtimes.journals.of(made.id)]
    assert story[-3:] == ["ready", "ready: a program was killed", "ready: programs were killed 31 times"]
    status = await stage.runtimes.status(ANN, made.id)
    assert (status.state, status.message) == (RuntimeState.READY, "")


async def turned(stage: Stage, *, works: bool) -> None:
    """The engine goes away, or comes back, and its driver says that something is new."""
    stage.engine.works = DriverHealth(works=works)
    assert stage.engine.on_doubt is not None
    stage.engine.on_doubt()


async def test_everybody_hears_that_the_engine_has_gone_and_is_back(stage: Stage) -> None:
    lives_on, ended = await stage.bench.make(), await stage.bench.make()
    for made in (lives_on, ended):
        await stage.runtimes.start(ANN, made.id, by(ANN))
    stage.states()
    stage.engine.up.discard(ended.id)
    tell = stage.engine.on_runtime_ended
    assert tell is not None
    tell(ended.id, "its container was stopped")  # by an engine that ends its containers before itself
    await turned(stage, works=False)
    await stage.until_told(3)
    gone = "absent: the container engine has gone away"
    assert stage.states() == ["absent: its container was stopped", gone, gone]
    await turned(stage, works=True)
    await stage.until(RuntimeState.READY)
    assert [each.workspace for each in stage.told] == [lives_on.id] * len(stage.told)
    assert stage.states() == ["starting", "starting: pulling", "ready"]


async def test_what_was_stopped_while_the_engine_was_away_goes_when_it_is_back(stage: Stage) -> None:
    first, second = await stage.bench.make(), await stage.bench.make()
    for made in (first, second):
        await stage.runtimes.start(ANN, made.id, by(ANN))
    await turned(stage, works=False)
    await stage.until(RuntimeState.ABSENT)
    for made in (first, second):
        assert (await stage.runtimes.stop(ANN, made.id, by(ANN))).state is RuntimeState.ABSENT
    assert stage.engine.up == {first.id, second.id}
    begun = len(stage.engine.begun)
    stage.engine.works = DriverHealth(works=True)
    await stage.runtimes.start(ANN, second.id, by(ANN))  # is the first to find that it is back
    await stage.engine.has_only(second.id)
    assert [runtime.workspace for runtime in stage.engine.begun[begun:]] == [second.id]


async def test_each_person_has_ten_ports_of_the_machine(tmp_path: Path) -> None:
    async with staged(tmp_path, usual="auto", previews=Previews(ports_base=20_000)) as stage:
        first = await stage.bench.make(environment=Environment(ports=(80, 443)))
        second = await stage.bench.make(environment=Environment(ports=tuple(range(8000, 8009))))
        here = await stage.bench.make(environment=Environment(ports=(80,), driver="local"))
        bens = await stage.bench.make(BEN, environment=Environment(ports=(80,)))
        for who, made in ((ANN, second), (ANN, first), (ANN, here), (BEN, bens)):
            await stage.open(who, made)
        beyond, own, other = (dict(runtime.published) for runtime in stage.engine.begun)
        base = own[80]
        assert (base - 20_000) % 10 == 0
        assert own == {80: base, 443: base + 1}
        assert beyond == {8000 + each: base + 2 + each for each in range(8)}  # and the ninth has none
        assert abs(other[80] - base) >= 10
        assert (await stage.runtimes.status(ANN, first.id)).published == own
        assert stage.machine.begun[0].published == {}


async def test_restarting_takes_the_environment_as_it_is_now(stage: Stage) -> None:
    made = await stage.bench.make()
    await stage.bench.workspaces.members.set_role(ANN, made.id, BEN.id, Role.WRITE, by(ANN))
    await stage.open(ANN, made)
    await stage.bench.workspaces.change(ANN, made.id, by(ANN), environment=Environment(image="python:3"))
    stage.states()
    with pytest.raises(ReadOnly):
        await stage.runtimes.restart(BEN, made.id, by(BEN))
    status = await stage.runtimes.restart(ANN, made.id, by(ANN))
    assert (status.state, status.image, status.terminals) == (RuntimeState.READY, "python:3", 0)
    assert stage.states() == ["stopping", "absent", "starting", "starting: pulling", "ready"]
    assert stage.engine.begun[-1].image == "python:3"
    assert "workspace.restart" in await stage.bench.actions()


async def test_what_could_not_start_again_does_not_stop(stage: Stage) -> None:
    made = await stage.bench.make()
    terminal = await stage.open(ANN, made)
    await change_unasked(stage, made.id, Environment(image="evil"))
    with pytest.raises(ImageRefused):
        await stage.runtimes.restart(ANN, made.id, by(ANN))
    assert stage.hub.get(ANN, terminal.id) is terminal


async def test_everything_may_end_with_the_server(stage: Stage) -> None:
    made = await stage.bench.make()
    await stage.open(ANN, made)
    await stage.runtimes.aclose()
    await stage.runtimes.end_containers()
    assert stage.engine.up == set()


async def test_what_nobody_uses_stops_and_wakes_when_somebody_comes(stage: Stage) -> None:
    made = await stage.bench.make()
    await stage.runtimes.start(ANN, made.id, by(ANN))
    stage.engine.idle = True
    await stage.idle_look()
    stage.told.clear()
    await stage.idle_look(after=MINUTES * 60 - 60)
    (warning,) = stage.told
    assert (warning.state, warning.stops_in) == (RuntimeState.READY, 60.0)
    status = await stage.runtimes.keep(ANN, made.id)
    assert status.stops_in is None
    assert stage.told[-1] == RuntimeChanged(workspace=made.id, state=RuntimeState.READY)
    stage.engine.free.clear()
    await stage.idle_look(after=MINUTES * 60)
    await stage.idle_look()
    coming = asyncio.create_task(stage.open(ANN, made))  # while it stops
    await stage.until(RuntimeState.STOPPING)
    stage.engine.free.set()
    assert (await coming).driver == "docker"
    assert len(stage.engine.begun) == 2
    assert "workspace.idle" in await stage.bench.actions()
    stage.told.clear()
    await stage.idle_look(after=60)  # somebody opened something just now
    assert stage.told == []


async def test_why_something_stopped_is_told_to_those_who_come_later(stage: Stage) -> None:
    made = await stage.bench.make()
    await stage.runtimes.start(ANN, made.id, by(ANN))
    stage.engine.idle = True
    await stage.idle_look()
    await stage.idle_look(after=MINUTES * 60)
    await stage.idle_look()
    await stage.until(RuntimeState.ABSENT)
    status = await stage.runtimes.status(ANN, made.id)
    assert (status.state, "10 minutes" in status.message) == (RuntimeState.ABSENT, True)


async def test_containers_that_are_there_at_the_start_are_taken_over(tmp_path: Path) -> None:
    async with staged(tmp_path, usual="auto") as stage:
        made, gone, lost = [await stage.bench.make() for _ in range(3)]
        async with stage.bench.store.writing() as conn:
            await workspaces.remove(conn, lost.id)  # as in a backup from before it was made
        await stage.bench.workspaces.delete(ANN, gone.id, by(ANN))
        await stage.until(RuntimeState.ABSENT)
        stage.engine.works = DOWN
        stage.clock.now += RESTART
        await stage.runtimes.choosing.look()
        stage.engine.up |= {made.id, gone.id, lost.id}
        stage.engine.works = DriverHealth(works=True)
        stage.clock.now += RESTART
        await stage.runtimes.choosing.look()  # as an engine that was absent when the server started
        await stage.until(RuntimeState.READY)
        assert stage.engine.up == stage.engine.wanted == {made.id, lost.id}
        assert [runtime.workspace for runtime in stage.engine.begun] == [made.id]
        assert (await stage.runtimes.status(ANN, made.id)).driver == "docker"


async def test_ports_are_told_as_they_open_and_close(stage: Stage) -> None:
    made = await stage.bench.make()
    looks = Looks(stage.bench.workspaces, stage.runtimes)
    told: asyncio.Queue[PortChanged] = asyncio.Queue()
    close = looks.ports.watch(made.id, told.put_nowait)
    stage.engine.listening = {8080, 3000}
    await stage.runtimes.start(ANN, made.id, by(ANN))  # which has it looked at at once
    async with asyncio.timeout(30):
        assert [(await told.get()).port for _ in range(2)] == [3000, 8080]
        stage.engine.listening = {8080}
        assert await told.get() == PortChanged(workspace=made.id, port=3000, open=False)
        assert (await looks.status(ANN, made.id)).ports == (8080,)
        await stage.runtimes.stop(ANN, made.id, by(ANN))
        assert await told.get() == PortChanged(workspace=made.id, port=8080, open=False)
    close()
    close()
    await looks.aclose()

"""All runtimes at a glance: whose they are, what they use, and what is said where nobody can tell."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.work.bench import ANN, BEN, Clock, actor, by
from tests.work.stage import ROOT, Stage, staged
from webterm.access import Source
from webterm.errors import NoSuchWorkspace, Unavailable
from webterm.ids import UserId
from webterm.runtime import RuntimeState, RuntimeStats
from webterm.store import audit
from webterm.work.overview import FRESH, STOPPED, Overview
from webterm.work.workspaces import Environment, Workspace

MIB = 1 << 20
RICH = actor("rich", tier="enterprise")


@asynccontextmanager
async def seen_from_above(stage: Stage, clock: Clock, patience: float = 30.0) -> AsyncIterator[Overview]:
    bench = stage.bench
    overview = Overview(bench.store, bench.workspaces, stage.runtimes, stage.drivers, clock=clock, patience=patience)
    try:
        yield overview
    finally:
        await overview.aclose()


async def using(stage: Stage, memory: int, name: str = "Work") -> Workspace:
    """A workspace with a terminal, and so much memory in use."""
    made = await stage.bench.make(RICH, name)
    await stage.open(RICH, made)
    stage.machine.uses[made.id] = RuntimeStats(memory=memory, memory_limit=512 * MIB, cpu=0.5, processes=3)
    return made


async def test_whose_memory_is_the_largest_comes_first(tmp_path: Path) -> None:
    clock = Clock()
    async with staged(tmp_path) as stage, seen_from_above(stage, clock) as overview:
        assert (await overview.page(), overview.counts()) == (([], None), {"docker": 0, "local": 0})
        made = [await using(stage, memory * MIB, f"uses {memory}") for memory in (20, 50, 10, 40, 30)]
        clock.now += FRESH
        pages: list[list[str]] = []
        after: int | None = 0
        while after is not None:
            found, after = await overview.page(after=after, limit=2)
            pages.append([running.workspace.name for running in found])
        assert pages == [["uses 50", "uses 40"], ["uses 30", "uses 20"], ["uses 10"]]
        (first, *_), _ = await overview.page(limit=1)
        assert (first.workspace.id, first.workspace.owner, first.driver) == (made[1].id, RICH.id, "local")
        assert (first.stats.memory, first.stats.memory_limit, first.stats.cpu) == (50 * MIB, 512 * MIB, 0.5)
        standing = first.standing
        assert (standing.state, standing.terminals, standing.viewers) == (RuntimeState.READY, 1, 0)
        (terminal,) = stage.hub.alive_in(made[1].id)
        assert standing.since is not None
        assert standing.since <= terminal.record.created
        assert overview.counts() == {"docker": 0, "local": 5}

        stage.machine.uses[made[2].id] = RuntimeStats(memory=60 * MIB)
        assert (await overview.page(limit=1))[0] == [first], "what was just seen is not asked for again"
        clock.now += FRESH
        assert [running.workspace.id for running in (await overview.page(limit=1))[0]] == [made[2].id]


async def test_what_starts_and_what_has_failed_is_there_too(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage, seen_from_above(stage, Clock()) as overview:
        made = await stage.bench.make(name="Fails")
        stage.machine.fault = Unavailable("there is no room")
        with pytest.raises(Unavailable):
            await stage.open(ANN, made)
        (failed,), _ = await overview.page()
        assert (failed.standing.state, failed.standing.message) == (RuntimeState.FAILED, "there is no room")
        assert (failed.driver, failed.stats, overview.counts()["local"]) == ("local", RuntimeStats(), 0)


async def test_an_administrator_stops_what_is_somebody_elses(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage, seen_from_above(stage, Clock()) as overview:
        made = await stage.bench.make()
        await stage.open(ANN, made)
        stage.told.clear()
        with pytest.raises(NoSuchWorkspace):
            await stage.runtimes.stop(ROOT, made.id, by(ROOT))
        stopped = await overview.stop(made.id, by(ROOT))
        assert (stopped.workspace.id, stopped.standing.state) == (made.id, RuntimeState.ABSENT)
        assert (stage.machine.up, stage.hub.alive_in(made.id)) == (set(), [])
        assert stage.states() == [f"stopping: {STOPPED}", f"absent: {STOPPED}"]
        assert (await stage.runtimes.status(ANN, made.id)).message == STOPPED
        assert (await overview.page())[0] == []
        async with stage.bench.store.reading() as conn:
            (entry, *_) = await audit.page(conn, limit=1)
        assert (entry.action, entry.target, entry.user, entry.detail) == ("workspace.stop", made.id, ROOT.id, STOPPED)
        await stage.bench.workspaces.delete(ANN, made.id, by(ANN))
        for gone in (made.id, "none"):
            with pytest.raises(NoSuchWorkspace):
                await overview.stop(gone, Source(user=UserId("x"), name="x", address=""))


async def test_an_engine_that_hangs_is_not_waited_for(tmp_path: Path) -> None:
    """Others are told of meanwhile, and when the engine is known to be away that is said."""
    clock = Clock()
    async with staged(tmp_path, usual="auto") as stage, seen_from_above(stage, clock, patience=1.0) as overview:
        contained = await stage.bench.make(ANN)
        local = await stage.bench.make(BEN, environment=Environment(driver="local"))
        for who, made in ((ANN, contained), (BEN, local)):
            await stage.open(who, made)
        stage.machine.uses[local.id] = stage.engine.uses[contained.id] = RuntimeStats(memory=MIB)
        stage.engine.answers.clear()
        first, second = (await overview.page())[0]
        assert (first.workspace.id, first.stats.memory) == (local.id, MIB)
        assert (second.workspace.id, second.stats.memory, second.driver) == (contained.id, None, "docker")
        assert (overview.problem, overview.counts()) == ("", {"docker": 1, "local": 1})
        await stage.runtimes.choosing.doubt()
        _, second = (await overview.page())[0]
        assert (second.standing.state, second.standing.message) == (
            RuntimeState.ABSENT,
            "the container engine has gone away",
        )
        assert (overview.problem, overview.counts()) == ("it does not answer", {"docker": 0, "local": 1})

"""What killed servers leave, what time purges, and what is nobody's to remove."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from pathlib import Path

import pytest

from tests.work.bench import ANN, DAY, NOW, Bench, Clock, by, serving
from webterm.ids import WorkspaceId, new_workspace_id
from webterm.store import workspaces
from webterm.work.directories import Directories, Spot
from webterm.work.trash import ABANDONED, PURGED, Trash
from webterm.work.workspaces import Workspace


def trash_of(bench: Bench) -> Trash:
    """Another hand on the same directories: one round of it is what the server's own does every minute."""
    days = bench.settings.workspaces.trash_days
    return Trash(bench.store, Directories(bench.settings.workspaces_dir), days=days, clock=bench.clock)


def place(bench: Bench, workspace: WorkspaceId, spot: Spot) -> Path:
    return Directories(bench.settings.workspaces_dir).at(workspace, spot)


def where(bench: Bench, workspace: WorkspaceId) -> list[Spot]:
    """In which places a workspace has a directory."""
    return [spot for spot in Spot if place(bench, workspace, spot).exists()]


def put(bench: Bench, workspace: WorkspaceId, source: Spot, target: Spot) -> None:
    """As a server that was killed between the database and the disk leaves it."""
    place(bench, workspace, source).rename(place(bench, workspace, target))


async def told(bench: Bench, workspace: Workspace, deleted: float | None) -> None:
    """What the database says, without what follows."""
    async with bench.store.writing() as conn:
        await workspaces.change(conn, workspace.id, deleted=deleted)


@pytest.mark.parametrize("spot", [Spot.NEW, Spot.LIVE, Spot.TRASH])
@pytest.mark.parametrize("deleted", [None, NOW])
async def test_a_server_that_starts_puts_everything_in_its_place(
    tmp_path: Path, spot: Spot, deleted: float | None
) -> None:
    async with serving(tmp_path) as bench:
        made = await bench.make()
        await bench.write(made, text="precious")
    async with serving(tmp_path, started=False) as bench:
        await told(bench, made, deleted)
        if spot is not Spot.LIVE:
            await asyncio.to_thread(put, bench, made.id, Spot.LIVE, spot)
        await bench.workspaces.start()
        right = Spot.LIVE if deleted is None else Spot.TRASH
        assert await asyncio.to_thread(where, bench, made.id) == [right]
        path = place(bench, made.id, right) / "files" / "file"
        assert await asyncio.to_thread(path.read_text) == "precious"


@pytest.mark.parametrize("spot", [Spot.LIVE, Spot.TRASH, Spot.GONE])
async def test_purging_goes_on_after_a_kill(tmp_path: Path, spot: Spot) -> None:
    async with serving(tmp_path) as bench:
        made = await bench.make()
        await bench.write(made)
    async with serving(tmp_path, started=False) as bench:
        await told(bench, made, PURGED)
        if spot is not Spot.LIVE:
            await asyncio.to_thread(put, bench, made.id, Spot.LIVE, spot)
        await trash_of(bench).tend()
        assert await asyncio.to_thread(where, bench, made.id) == []
        async with bench.store.reading() as conn:
            assert await workspaces.by_id(conn, made.id) is None


async def test_time_purges_what_is_in_the_trash(bench: Bench) -> None:
    first, second = await bench.make(), await bench.make()
    await bench.workspaces.delete(ANN, first.id, by(ANN))
    bench.clock.now += 3 * DAY
    await bench.workspaces.delete(ANN, second.id, by(ANN))
    trash = trash_of(bench)
    bench.clock.now += 4 * DAY - 1
    await trash.tend()
    assert await asyncio.to_thread(where, bench, first.id) == [Spot.TRASH]
    bench.clock.now += 1
    await trash.tend()
    assert await asyncio.to_thread(where, bench, first.id) == []
    assert await asyncio.to_thread(where, bench, second.id) == [Spot.TRASH]
    assert (await bench.actions())[-1] == "workspace.purge"
    async with bench.store.reading() as conn:
        assert [each.id for each in await workspaces.of_owner(conn, ANN.id)] == [second.id]


async def test_a_purge_by_hand_removes_the_files(bench: Bench) -> None:
    made = await bench.make()
    path = await bench.write(made)

    def lock() -> None:
        (path.parent / "deep" / "er").mkdir(parents=True)
        (path.parent / "deep" / "er" / "file").write_text("x")
        (path.parent / "link").symlink_to("/etc")
        (path.parent / "deep").chmod(0o500)
        path.parent.chmod(0o500)

    await asyncio.to_thread(lock)
    await bench.workspaces.delete(ANN, made.id, by(ANN), purge=True)
    await trash_of(bench).tend()
    assert await asyncio.to_thread(bench.entries, ".gone") == []
    assert await asyncio.to_thread(os.path.isdir, "/etc")


async def test_what_was_never_finished_goes_after_an_hour(bench: Bench) -> None:
    half = new_workspace_id()
    await asyncio.to_thread(Directories(bench.settings.workspaces_dir).make, half, None)
    trash = trash_of(bench)
    await trash.tend()
    bench.clock.now += ABANDONED - 1
    await trash.tend()
    assert await asyncio.to_thread(where, bench, half) == [Spot.NEW]
    bench.clock.now += 1
    await trash.tend()
    assert await asyncio.to_thread(where, bench, half) == []


async def test_files_that_the_database_does_not_know_stay(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A database that was put back from an old backup does not take newer files along."""
    async with serving(tmp_path) as bench:
        live, trashed = await bench.make(), await bench.make()
        await bench.workspaces.delete(ANN, trashed.id, by(ANN))
    async with serving(tmp_path, started=False) as bench:
        async with bench.store.writing() as conn:
            for made in (live, trashed):
                await workspaces.remove(conn, made.id)
        with caplog.at_level(logging.WARNING, "webterm.work"):
            await bench.workspaces.start()
        bench.clock.now += 400 * DAY
        await trash_of(bench).tend()
        assert await asyncio.to_thread(where, bench, live.id) == [Spot.LIVE]
        assert await asyncio.to_thread(where, bench, trashed.id) == [Spot.TRASH]
        assert live.id in caplog.text


async def test_a_missing_directory_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is not made anew: perhaps the disk with the files is just not there."""
    async with serving(tmp_path) as bench:
        made = await bench.make()
        await asyncio.to_thread(shutil.rmtree, place(bench, made.id, Spot.LIVE))
    async with serving(tmp_path) as bench:
        assert f"{made.id} among them" in caplog.text
        assert await asyncio.to_thread(where, bench, made.id) == []
        await bench.make()


async def test_a_clock_that_is_set_back_brings_nothing_back(bench: Bench) -> None:
    made = await bench.make()
    await bench.workspaces.delete(ANN, made.id, by(ANN), purge=True)
    bench.clock.now = 1.0
    await trash_of(bench).tend()
    assert await bench.names(trash=True) == []


async def test_two_servers_tidy_the_same_directories(tmp_path: Path) -> None:
    clock = Clock()
    async with serving(tmp_path, clock=clock) as one, serving(tmp_path, clock=clock) as two:
        made = [await one.make(name=str(number)) for number in range(3)]
        for workspace in made:
            await two.workspaces.delete(ANN, workspace.id, by(ANN))
        clock.now += 30 * DAY
        await asyncio.gather(*(trash_of(bench).tend() for bench in (one, two, one, two)))
        for place_name in ("", ".trash", ".gone"):
            assert await asyncio.to_thread(one.entries, place_name) == []

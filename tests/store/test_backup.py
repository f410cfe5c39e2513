"""Backups: consistent while others write, whole or refused, and good for either engine."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import re
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.store.conftest import ENGINES, Stores
from tests.store.people import NOW, add, added
from tests.store.postgres import Cluster
from tests.store.test_migrations import at_revision
from tests.store.workspaces import add_workspace
from tests.store.writer import ANN, write
from webterm.access import Role, Source
from webterm.errors import NewerSchema, StoreError
from webterm.ids import LoginId, ShareId, UserId, WorkspaceId
from webterm.store import (
    archive,
    audit,
    backup,
    changes,
    logins,
    members,
    preview_shares,
    users,
    workspace_changes,
    workspaces,
)
from webterm.store.engine import Store
from webterm.store.logins import Login
from webterm.store.preview_shares import PreviewShare

EVERYTHING = {
    "users": 2, "names": 3, "logins": 1, "changes": 1, "audit": 1,
    "refreshes": 0, "tokens": 0, "invitations": 0, "identities": 0,
    "guests": 1, "workspaces": 1, "members": 1, "workspace_changes": 1, "preview_shares": 1,
}  # fmt: skip


@pytest.fixture(params=ENGINES)
def target_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of another empty database, of either engine."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'target.db'}"
    cluster: Cluster = request.getfixturevalue("cluster")
    return cluster.url()


def unfinished(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir() if path.name.endswith(".part")]


def link_to(workspace: WorkspaceId) -> PreviewShare:
    return PreviewShare(
        id=ShareId("s"),
        hash="h",
        workspace=workspace,
        port=8000,
        created_by=UserId("id-ann"),
        created=NOW,
        expires=NOW + 9,
    )


async def fill(store: Store) -> None:
    async with store.writing() as conn:
        await add(conn, "ann \U0001f600", email="ann@x.org", owner=True)
        await users.remove(conn, (await add(conn, "gone")).id)
        bob = await add(conn, "bob")
        await users.change(conn, bob.id, disabled=True)
        await logins.add(
            conn,
            Login(
                id=LoginId("l"), user=bob.id, kind="api", created=NOW, seen=2.0, expires=3.0, address="::1", agent=""
            ),
        )
        for at in (1.0, 2.0):
            await changes.note(conn, bob.id, LoginId("l"), "ended", at)
        await changes.prune(conn, 2.0)
        await audit.append(conn, Source(user=None, name="root", address="local"), "user.disable", "bob", now=NOW)
        work = await add_workspace(conn, UserId("id-ann"), "Work \U0001f600")
        await members.set_role(conn, work.id, bob.id, Role.WRITE, NOW)
        await workspace_changes.note(conn, work.id, bob.id, Role.WRITE, now=NOW)
        await preview_shares.add(conn, link_to(work.id))


async def everything(store: Store) -> list[Any]:
    async with store.reading() as conn:
        return [
            await users.page(conn, limit=99),
            await users.by_name(conn, "ANN@X.ORG"),
            await logins.of_user(conn, UserId("id-bob")),
            await changes.since(conn, 0),
            await audit.page(conn, limit=99),
            await workspaces.of_owner(conn, UserId("id-ann")),
            await members.of_workspaces(conn, [WorkspaceId("id-Work \U0001f600")]),
            await preview_shares.of_workspace(conn, WorkspaceId("id-Work \U0001f600"), NOW),
            await workspace_changes.since(conn, 0),
        ]


async def test_a_backup_goes_into_either_engine(store: Store, stores: Stores, target_url: str, tmp_path: Path) -> None:
    await fill(store)
    path = tmp_path / "backup"
    assert await backup.save(store.database, path, clock=lambda: NOW) == EVERYTHING
    target = stores(target_url)
    await asyncio.to_thread(target.database.prepare)
    assert await backup.restore(target.database, path) == EVERYTHING
    await target.open()
    assert await everything(target) == await everything(store)
    async with target.writing() as conn:
        assert (await add(conn, "carl")).alias == 4
        await users.remove(conn, UserId("id-carl"))
        await changes.note(conn, ANN, None, "changed", NOW)
        assert await changes.latest(conn) == 3
        assert (await audit.verify(conn)).fault is None


async def test_a_number_is_not_given_again_after_a_restore(store: Store, tmp_path: Path) -> None:
    """Not even the highest, of a person who is gone from the backup, too."""
    async with store.writing() as conn:
        for name in ("ann", "bob"):
            await users.remove(conn, (await add(conn, name)).id)
    path = tmp_path / "backup"
    await backup.save(store.database, path)
    await store.aclose()
    await backup.restore(store.database, path)
    await store.open()
    assert [user.alias for user in await added(store, "carl")] == [3]


async def test_the_file_is_private_and_can_be_read(store: Store, tmp_path: Path) -> None:
    await added(store, "ann")
    path = tmp_path / "backup"
    await backup.save(store.database, path, clock=lambda: NOW)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert await asyncio.to_thread(unfinished, tmp_path) == []
    header, *rows, end = (json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines())
    assert header["revision"] == "0005"
    assert header["made"] == NOW
    assert [row[0] for row in rows] == ["users", "names"]
    assert end["rows"]["users"] == 1


async def test_a_backup_while_two_write_is_one_moment(store: Store, stores: Stores, url: str, tmp_path: Path) -> None:
    """Each write moves the counter and notes it: in one moment of the database both are the same."""
    await added(store, "ann")
    async with store.writing() as conn:
        await users.change(conn, ANN, tier="0")
    other = stores(url)
    await other.open()
    done = asyncio.Event()

    async def keep_writing(writer: Store) -> int:
        count = 0
        while not done.is_set():
            count = await write(writer, "writer")
        return count

    async with asyncio.TaskGroup() as tasks:
        writers = [tasks.create_task(keep_writing(each)) for each in (store, other)]
        counts = []
        for number in range(4):
            rows = await backup.save(store.database, tmp_path / f"backup{number}")
            counts.append(rows["changes"])
        done.set()
    assert counts == sorted(set(counts)), "the writers went on"
    assert max(writer.result() for writer in writers) > counts[-1]
    for number, count in enumerate(counts):
        target = stores(f"sqlite:///{tmp_path / f'target{number}.db'}")
        await asyncio.to_thread(target.database.prepare)
        await backup.restore(target.database, tmp_path / f"backup{number}")
        await target.open()
        async with target.reading() as conn:
            user = await users.by_id(conn, ANN)
            assert user is not None
            assert int(user.tier) == count == await changes.latest(conn)


@pytest.mark.parametrize("revision", ["0001", "0002"])
async def test_a_backup_of_an_earlier_revision_is_brought_up_to_date(
    stores: Stores, url: str, target_url: str, tmp_path: Path, revision: str
) -> None:
    source, target = stores(url), stores(target_url)
    await at_revision(source, revision)
    path = tmp_path / "backup"
    await backup.save(source.database, path)
    await asyncio.to_thread(target.database.prepare)
    await backup.restore(target.database, path)
    await target.open()
    async with target.writing() as conn:
        assert [user.username for user in await users.page(conn, limit=9)] == ["ann", "bob"]
        assert (await add(conn, "carl")).alias == 3


async def test_a_database_that_is_not_empty_is_left_alone(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "backup"
    await fill(store)
    await backup.save(store.database, path)
    await added(store, "carl")
    before = await everything(store)
    with pytest.raises(StoreError, match="is not empty; --replace removes what it holds"):
        await backup.restore(store.database, path)
    assert await everything(store) == before
    await backup.restore(store.database, path, replace=True)
    assert [user.username for user in (await everything(store))[0]] == ["ann \U0001f600", "bob"]


def lines(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[bytes], bytes]:
    return lambda data: gzip.compress(b"".join(change(gzip.decompress(data).splitlines(keepends=True))))


def replacing(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lines(lambda found: [line.replace(old, new) for line in found])


NOT_WHOLE = "not a whole backup"
OTHER_NUMBERS = "does not hold as many rows as it says"
DAMAGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", NOT_WHOLE),
    "no gzip": (lambda _: b"hello\n", NOT_WHOLE),
    "another file": (lambda _: gzip.compress(b"hello\n"), NOT_WHOLE),
    "cut": (lambda data: data[: len(data) // 2], NOT_WHOLE),
    "cut at the end": (lambda data: data[:-1], NOT_WHOLE),
    "a bit is wrong": (lambda data: data[:100] + bytes([data[100] ^ 4]) + data[101:], NOT_WHOLE),
    "no end": (lines(lambda found: found[:-1]), NOT_WHOLE),
    "half a line": (lines(lambda found: [*found[:-1], found[-1][:9]]), NOT_WHOLE),
    "a row is missing": (lines(lambda found: found[:2] + found[3:]), OTHER_NUMBERS),
    "a row is there twice": (lines(lambda found: [*found[:2], *found[1:]]), f"{OTHER_NUMBERS}|does not take"),
    "more after the end": (lines(lambda found: [*found, found[1]]), OTHER_NUMBERS),
    "a short row": (lines(lambda found: [found[0], b'["users",1]\n', *found[2:]]), "a row does not fit its table"),
    "a row of nothing": (lines(lambda found: [found[0], b"[]\n", *found[2:]]), "a row does not fit its table"),
    "another table": (replacing(b'"names":', b'"others":'), "it has other tables"),
    "a number that is a text": (replacing(b'["changes",2', b'["changes","x"'), "changes does not take"),
    "a truth that is a text": (replacing(b"false,true", b'false,"x"'), "users does not take"),
    "a row that leads nowhere": (replacing(b'"l","id-bob"', b'"l","nobody"'), "refer to rows|logins does not take"),
}


def rewrite(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_file_is_refused_whole(store: Store, tmp_path: Path, damage: str) -> None:
    await fill(store)
    path = tmp_path / "backup"
    await backup.save(store.database, path)
    change, text = DAMAGES[damage]
    await asyncio.to_thread(rewrite, path, change)
    before = await everything(store)
    with pytest.raises(StoreError, match=text):
        await backup.restore(store.database, path, replace=True)
    assert await everything(store) == before


async def test_whatever_bit_is_wrong(store: Store, tmp_path: Path) -> None:
    """Nothing that a damaged file says is believed, not even that a newer webterm has made it."""
    await fill(store)
    path = tmp_path / "backup"
    await backup.save(store.database, path)

    def damage() -> int:
        whole, refused = path.read_bytes(), 0
        with contextlib.closing(archive.Reader(path)) as reader:
            header = reader.header
        for place in range(len(whole)):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
            try:
                reader = archive.Reader(path)
            except StoreError as error:
                assert re.search(NOT_WHOLE, str(error))  # noqa: PT017 - some bits are of no meaning
                refused += 1
            else:
                assert reader.header == header
                reader.close()
        return len(whole) - refused

    assert await asyncio.to_thread(damage) < 10


@pytest.mark.parametrize(("old", "new"), [(b'"revision":"0005"', b'"revision":"9999"'), (b'"format":1', b'"format":2')])
async def test_a_backup_of_a_newer_webterm_is_refused(store: Store, tmp_path: Path, old: bytes, new: bytes) -> None:
    await added(store, "ann")
    path = tmp_path / "backup"
    await backup.save(store.database, path)
    await asyncio.to_thread(rewrite, path, replacing(old, new))
    with pytest.raises(NewerSchema, match=f"{path}"):
        await backup.restore(store.database, path, replace=True)
    assert len((await everything(store))[0]) == 1


async def refused(work: Awaitable[object], text: str) -> None:
    with pytest.raises(StoreError, match=text):
        await work


async def test_where_nothing_can_be_saved(store: Store, stores: Stores, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("mine")
    await refused(backup.save(store.database, there), "is there already")
    assert there.read_text() == "mine"
    await refused(backup.save(store.database, tmp_path / "no" / "such"), "No such file or directory")
    empty = stores(f"sqlite:///{tmp_path / 'empty.db'}")
    await asyncio.to_thread(empty.database.prepare)
    await refused(backup.save(empty.database, tmp_path / "backup"), "is empty: there is nothing to save")
    await refused(backup.restore(empty.database, tmp_path / "backup"), "backup: No such file or directory")
    assert not (tmp_path / "backup").exists()


async def test_nobody_waits_for_a_backup_to_write_into_their_file(store: Store, tmp_path: Path) -> None:
    await added(store, "ann")
    planted = tmp_path / "backup.part"
    planted.touch()
    planted.chmod(0o666)
    with planted.open() as file:
        await backup.save(store.database, tmp_path / "backup")
        assert file.read() == ""


async def test_several_backups_at_once_are_whole(store: Store, tmp_path: Path) -> None:
    await added(store, *(f"user{number}" for number in range(50)))
    await asyncio.gather(*(backup.save(store.database, tmp_path / "backup") for _ in range(4)), return_exceptions=True)
    await store.aclose()
    assert (await backup.restore(store.database, tmp_path / "backup", replace=True))["users"] == 50
    await store.open()


async def test_numbers_never_go_back(store: Store, tmp_path: Path) -> None:
    """Another server on this database has read the changes so far, and sees only those with higher numbers."""
    await added(store, "ann")
    await backup.save(store.database, tmp_path / "backup")
    await added(store, "bob", "carl")
    async with store.writing() as conn:
        for _ in range(3):
            await changes.note(conn, UserId("ann"), None, "ended", NOW)
    async with store.reading() as conn:
        read = await changes.latest(conn)
    await store.aclose()
    await backup.restore(store.database, tmp_path / "backup", replace=True)
    await store.open()
    async with store.writing() as conn:
        await changes.note(conn, UserId("ann"), None, "ended", NOW)
        assert len(await changes.since(conn, read)) == 1
    assert [user.alias for user in await added(store, "dora")] == [4]


async def test_a_cancelled_backup_leaves_no_file(store: Store, tmp_path: Path) -> None:
    await added(store, "ann")
    for steps in (1, 5, 20, 60):
        task = asyncio.create_task(backup.save(store.database, tmp_path / "backup"))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await asyncio.to_thread(unfinished, tmp_path) == []
        (tmp_path / "backup").unlink(missing_ok=True)
    await added(store, "bob")

"""Opening: the URL, the file, and what cannot be opened."""

from __future__ import annotations

import asyncio
import os
import socket
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import aclosing, closing
from pathlib import Path

import pytest

from tests.store.conftest import Stores
from tests.store.people import added
from tests.store.postgres import Cluster
from webterm.errors import InvalidRequest, NewerSchema, StoreError, StoreUnavailable
from webterm.store import changes, users
from webterm.store.engine import Store


async def opens(url: str) -> None:
    async with aclosing(Store(url)) as store:
        await store.open()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_the_file_and_its_directory_are_private(stores: Stores, tmp_path: Path) -> None:
    path = tmp_path / "new" / "deep" / "web term?#%20.db"
    store = stores(f"sqlite:///{path}")
    await store.open()
    await added(store, "ann")
    assert mode(path.parent) == 0o700
    files = sorted(path.parent.iterdir())
    assert [file.name.removeprefix(path.name) for file in files] == ["", "-shm", "-wal"]
    assert {mode(file) for file in files} == {0o600}
    await store.aclose()
    assert [file.name for file in path.parent.iterdir()] == [path.name], "closed files need no others"


async def test_a_file_that_others_may_read_is_made_private(tmp_path: Path) -> None:
    path = tmp_path / "webterm.db"
    path.touch(mode=0o644)
    await opens(f"sqlite:///{path}")
    assert mode(path) == 0o600


@pytest.fixture
def relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store in a file that is named from the working directory."""
    monkeypatch.chdir(tmp_path)
    return Store("sqlite:///here.db")


async def test_a_relative_path_is_taken_from_here(relative: Store, tmp_path: Path) -> None:
    await relative.open()
    await relative.aclose()
    assert (tmp_path / "here.db").exists()


@pytest.mark.parametrize(
    "url", ["", "sqlite://", "sqlite:///", "sqlite:///:memory:", "mysql://host/name", "postgresql:name", "/a/path"]
)
def test_what_is_no_url_of_a_database_is_refused(url: str) -> None:
    with pytest.raises(StoreError, match=r"database\.url"):
        Store(url)


async def test_garbage_is_not_a_database(tmp_path: Path) -> None:
    path = tmp_path / "webterm.db"
    path.write_bytes(b"this is no database\n" * 300)
    with pytest.raises(StoreError, match=f"{path} cannot be read as a database: file is not a database"):
        await opens(f"sqlite:///{path}")
    assert path.read_bytes() == b"this is no database\n" * 300


async def test_a_directory_is_not_a_database(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=f"{tmp_path} cannot be opened: Is a directory"):
        await opens(f"sqlite:///{tmp_path}")


async def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=f"{tmp_path}/file/webterm.db cannot be opened: File exists"):
        await opens(f"sqlite:///{tmp_path}/file/webterm.db")


@pytest.fixture
def somebody() -> Iterator[None]:
    """Not root, who may read everything."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    yield
    os.seteuid(before)


async def test_an_unreadable_file(tmp_path: Path, somebody: None) -> None:
    with pytest.raises(StoreError, match=f"{tmp_path}/unreadable.db cannot be opened: Permission denied"):
        await opens(f"sqlite:///{tmp_path}/unreadable.db")


async def test_somebody_else_s_tables_are_left_alone(stores: Stores, url: str) -> None:
    """A database in which there is a table of ours, but not from us."""
    store = stores(url)
    await asyncio.to_thread(store.database.prepare)
    engine = await asyncio.to_thread(store.database.migrator)
    async with engine.begin() as conn:
        await conn.exec_driver_sql("CREATE TABLE users (name TEXT)")
        await conn.exec_driver_sql("INSERT INTO users VALUES ('theirs')")
    with pytest.raises(StoreError, match=r"could not be migrated from .* already exists"):
        await store.open()
    async with engine.begin() as conn:
        assert (await conn.exec_driver_sql("SELECT * FROM users")).all() == [("theirs",)]
    await engine.dispose()


async def test_a_newer_schema_is_refused(stores: Stores, url: str) -> None:
    await opens(url)
    store = stores(url)
    engine = await asyncio.to_thread(store.database.migrator)
    async with engine.begin() as conn:
        await conn.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    await engine.dispose()
    with pytest.raises(NewerSchema, match=r"the database .* is at revision 9999, and this webterm knows .* up to 0"):
        await store.open()


async def test_several_servers_start_together(stores: Stores, url: str) -> None:
    servers = [stores(url) for _ in range(5)]
    await asyncio.gather(*(store.open() for store in servers))
    await asyncio.gather(*(added(store, f"user{number}") for number, store in enumerate(servers)))
    async with servers[0].reading() as conn:
        assert [user.alias for user in await users.page(conn, limit=9)] == [1, 2, 3, 4, 5]


async def test_a_new_file_that_somebody_else_is_writing_into(stores: Stores, tmp_path: Path) -> None:
    """A file that is not in WAL yet, where SQLite refuses at once."""
    path = tmp_path / "webterm.db"
    store = stores(f"sqlite:///{path}")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        opening = asyncio.create_task(store.open())
        done, _ = await asyncio.wait([opening], timeout=0.3)
        assert not done, "it waits"
        other.execute("COMMIT")
        await opening
    assert len(await added(store, "ann")) == 1


@pytest.mark.postgres
async def test_nobody_listens() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(StoreUnavailable, match=f"the database postgresql://127.0.0.1:{port}/name does not answer"):
        await opens(f"postgresql://ann:secret@127.0.0.1:{port}/name")


@pytest.mark.postgres
async def test_no_such_database(cluster: Cluster) -> None:
    url = cluster.url()
    with pytest.raises(StoreError, match='refuses: database "nowhere" does not exist'):
        await opens(url.replace("/test_", "/nowhere?user=postgres&was=", 1).replace("?host", "&host", 1))


@pytest.mark.postgres
async def test_a_password_is_never_told(cluster: Cluster) -> None:
    url = cluster.url().replace("postgres@", "nobody:very-secret@").replace("postgresql", "postgres", 1)
    with pytest.raises(StoreError, match="refuses") as caught:
        await opens(url)
    assert "very-secret" not in str(caught.value) + repr(Store(url).database.__dict__["name"])


@pytest.mark.postgres
@pytest.mark.parametrize("query", ["sslmode=perhaps", "target_session_attrs=x"])
async def test_a_url_that_cannot_be_used(query: str) -> None:
    with pytest.raises(StoreError, match="cannot be reached by this URL"):
        await opens(f"postgresql://ann:secret@127.0.0.1:1/name?{query}")


async def test_values_that_no_column_holds(store: Store) -> None:
    """Numbers are cut to what a column holds; what is refused all the same is the asker's fault, not the database's."""
    async with store.reading() as conn:
        assert await changes.since(conn, 2**70) == []
        assert await users.page(conn, after_alias=-(2**70), limit=9) == []
    with pytest.raises((InvalidRequest, OverflowError)):
        async with store.reading() as conn:
            await users.page(conn, limit=2**70)

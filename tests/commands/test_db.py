"""``webterm db``: schema, backup and restore, as people run them."""

from __future__ import annotations

import asyncio
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import update

from tests.store.people import add
from tests.store.postgres import Cluster
from webterm import datadir
from webterm.cli import main
from webterm.store import migrating, tables, users
from webterm.store.engine import Store


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def run(data: Path, *words: object, answer: str = "", url: str | None = None) -> Result:
    environ = {"WEBTERM_DATABASE__URL": url, "DB_URL": None, "WEBTERM_CONFIG": None}
    return CliRunner().invoke(main, ["db", *map(str, words), "--data-dir", str(data)], input=answer, env=environ)


def fill(url: str, *names: str) -> None:
    async def work() -> None:
        store = Store(url)
        await store.open()
        async with store.writing() as conn:
            for name in names:
                await add(conn, name)
        await store.aclose()

    asyncio.run(work())


def people(url: str) -> list[str]:
    async def work() -> list[str]:
        store = Store(url)
        await store.open()
        async with store.reading() as conn:
            found = await users.page(conn, limit=99)
        await store.aclose()
        return [user.username for user in found]

    return asyncio.run(work())


def sqlite(data: Path) -> str:
    return f"sqlite:///{data / 'webterm.db'}"


def set_revision(url: str, revision: str) -> None:
    async def work() -> None:
        store = Store(url)
        await store.open()
        async with store.writing() as conn:
            await conn.execute(update(migrating.VERSION).values(version_num=revision))
        await store.aclose()

    asyncio.run(work())


def test_migrate_makes_the_schema_once(data: Path) -> None:
    assert run(data, "migrate").stdout == f"The schema is at revision {tables.HEAD} now; it was empty.\n"
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert stat.S_IMODE((data / "webterm.db").stat().st_mode) == 0o600
    assert run(data, "migrate").stdout == f"The schema is up to date: revision {tables.HEAD}.\n"


def test_status_says_where_the_database_is_and_how_it_stands(data: Path) -> None:
    run(data, "migrate")
    fill(sqlite(data), "ann", "bob")
    done = run(data, "status")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[:2] == [
        f"Database: {data}/webterm.db",
        f"Schema: revision {tables.HEAD}; the newest is {tables.HEAD}.",
    ]
    assert "  users: 2" in lines


def test_status_of_what_is_not_there_makes_nothing(data: Path) -> None:
    done = run(data, "status")
    assert (done.exit_code, done.stderr) == (
        1,
        f"webterm: the database {data}/webterm.db cannot be opened: No such file or directory\n",
    )
    assert not data.exists()


def test_status_of_an_empty_database_is_not_well(data: Path) -> None:
    data.mkdir()
    (data / "webterm.db").touch()
    done = run(data, "status")
    assert done.exit_code == 1
    assert f"Schema: empty; the newest is {tables.HEAD}." in done.stdout


@pytest.mark.parametrize("words", [("migrate",), ("status",)])
def test_a_newer_schema_is_named(data: Path, words: tuple[str, ...]) -> None:
    run(data, "migrate")
    set_revision(sqlite(data), "9999")
    done = run(data, *words)
    assert done.exit_code == 1
    assert done.stderr.startswith(
        f"webterm: the database {data}/webterm.db is at revision 9999, and this webterm knows"
    )
    assert "Traceback" not in done.output


def test_backup_and_restore(data: Path, tmp_path: Path) -> None:
    run(data, "migrate")
    fill(sqlite(data), "ann", "bob")
    file = tmp_path / "backup"
    assert run(data, "backup", file).stdout == f"Saved to {file}: users 2, names 2.\n"
    assert run(tmp_path / "other", "restore", file).stdout == f"Restored from {file}: users 2, names 2.\n"
    assert people(sqlite(tmp_path / "other")) == ["ann", "bob"]
    again = run(data, "backup", file)
    assert (again.exit_code, again.stderr) == (
        1,
        f"webterm: {file} is there already; name another file for the backup\n",
    )


def test_replacing_asks_first(data: Path, tmp_path: Path) -> None:
    run(data, "migrate")
    fill(sqlite(data), "ann")
    file = tmp_path / "backup"
    run(data, "backup", file)
    fill(sqlite(data), "bob")
    refused = run(data, "restore", file)
    assert refused.exit_code == 1
    assert "is not empty; --replace removes what it holds" in refused.stderr
    assert run(data, "restore", "--replace", file, answer="n\n").exit_code == 1
    assert people(sqlite(data)) == ["ann", "bob"]
    asked = run(data, "restore", "--replace", file, answer="y\n")
    assert f"Remove everything in the database {data}/webterm.db and restore {file}? [y/N]: y" in asked.stdout
    assert people(sqlite(data)) == ["ann"]
    fill(sqlite(data), "carl")
    assert run(data, "restore", "--replace", "--yes", file).exit_code == 0
    assert people(sqlite(data)) == ["ann"]


def test_nothing_is_restored_under_a_running_server(data: Path, tmp_path: Path) -> None:
    run(data, "migrate")
    run(data, "backup", tmp_path / "backup")
    hold = datadir.Hold(data)
    try:
        done = run(data, "restore", "--replace", "--yes", tmp_path / "backup")
    finally:
        hold.release()
    assert done.exit_code == 1
    assert "stop it first: webterm stop" in done.stderr
    assert run(data, "restore", "--replace", "--yes", tmp_path / "backup").exit_code == 0


@pytest.mark.parametrize("words", [("backup", "FILE"), ("restore", "FILE")])
def test_a_file_that_is_not_there(data: Path, tmp_path: Path, words: tuple[str, str]) -> None:
    run(data, "migrate")
    done = run(data, words[0], tmp_path / "no" / "such")
    assert (done.exit_code, done.stderr) == (1, f"webterm: {tmp_path}/no/such: No such file or directory\n")


@pytest.mark.postgres
def test_from_sqlite_to_postgresql_and_back(data: Path, tmp_path: Path, cluster: Cluster) -> None:
    url = cluster.url()
    run(data, "migrate")
    fill(sqlite(data), "ann", "bob")
    run(data, "backup", tmp_path / "there")
    assert run(data, "restore", tmp_path / "there", url=url).exit_code == 0
    fill(url, "carl")
    status = run(data, "status", url=url).stdout
    assert "  users: 3" in status.splitlines()
    assert "Database: postgresql:///test_" in status
    run(data, "backup", tmp_path / "back", url=url)
    assert run(data, "restore", "--replace", "--yes", tmp_path / "back").exit_code == 0
    assert people(sqlite(data)) == ["ann", "bob", "carl"]


def test_help_imports_no_database() -> None:
    """So that ``webterm --help`` is quick."""

    code = (
        "import sys; from click.testing import CliRunner; from webterm.cli import main\n"
        "assert CliRunner().invoke(main, ['db', '--help']).exit_code == 0\n"
        "print({'sqlalchemy', 'alembic', 'aiohttp'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "set()\n", done.stderr

"""``webterm audit``: looking into the log, and a verdict on it that scripts can act on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from webterm.access import Source
from webterm.accounts.audit import HEAD_FILE, HeadFile
from webterm.cli import main
from webterm.ids import UserId
from webterm.store import audit
from webterm.store.engine import Store

ANN = Source(user=UserId("id-ann"), name="ann\x1b[31m", address="192.0.2.1")
COMMAND = Source(user=None, name="root", address="local")
NOW = 1_800_000_000.0


def run(directory: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["audit", *words, "--data-dir", str(directory)])


async def fill(directory: Path) -> None:
    store = Store(f"sqlite:///{directory / 'webterm.db'}")
    await store.open()
    async with store.writing() as conn:
        for number in range(1, 6):
            source = ANN if number % 2 else COMMAND
            await audit.append(conn, source, f"token.{number}", f"target {number}", now=NOW + number, detail="why")
        newest = await audit.head(conn)
    await store.aclose()
    await HeadFile(directory / HEAD_FILE).keep(newest)


async def tamper(directory: Path, *statements: str) -> None:
    store = Store(f"sqlite:///{directory / 'webterm.db'}")
    await store.open()
    async with store.writing() as conn:
        for statement in ("DROP TRIGGER audit_is_not_changed", "DROP TRIGGER audit_is_not_shortened", *statements):
            await conn.execute(sa.text(statement))
    await store.aclose()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    asyncio.run(fill(tmp_path))
    return tmp_path


def test_a_whole_log(directory: Path) -> None:
    done = run(directory, "verify")
    assert done.exit_code == 0
    first, second = done.stdout.splitlines()
    assert first == "The audit log is whole: 5 rows."
    assert run(directory, "verify", "--expect", second).exit_code == 0
    number, _, digits = second.partition(":")
    wrong = run(directory, "verify", "--expect", f"{number}:{digits[::-1]}")
    assert (wrong.exit_code, wrong.stderr.split(":")[0]) == (1, "Row 5")


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE audit SET detail = 'x' WHERE number = 3", "Row 3: this row has been changed.\n"),
        ("DELETE FROM audit WHERE number = 2", "Row 2: this row is missing.\n"),
        ("DELETE FROM audit WHERE number > 3", "Row 4: the log ends before this row, and once had 5.\n"),
    ],
)
def test_a_log_that_somebody_changed(directory: Path, statement: str, told: str) -> None:
    asyncio.run(tamper(directory, statement))
    done = run(directory, "verify")
    assert (done.exit_code, done.stdout, done.stderr) == (1, "", told)


def test_a_clock_that_went_back(directory: Path) -> None:
    async def later() -> None:
        store = Store(f"sqlite:///{directory / 'webterm.db'}")
        await store.open()
        async with store.writing() as conn:
            await audit.append(conn, ANN, "a.b", now=NOW - 3600)
        await store.aclose()

    asyncio.run(later())
    done = run(directory, "verify")
    assert done.exit_code == 0
    assert done.stdout.startswith("The clock went back before row 6.\nThe audit log is whole: 6 rows.\n")


@pytest.mark.parametrize("expect", ["", "5", "5:abc", "x:" + "0" * 64])
def test_what_is_expected_has_a_form(directory: Path, expect: str) -> None:
    done = run(directory, "verify", "--expect", expect)
    assert done.exit_code == 1
    assert "NUMBER:HASH" in done.stderr


def test_looking_into_it(directory: Path) -> None:
    lines = run(directory, "list").stdout.splitlines()
    assert lines[0] == "1\t2027-01-15T08:00:01Z\tann\\x1b[31m\t192.0.2.1\ttoken.1\ttarget 1\twhy"
    assert [line.split("\t")[0] for line in lines] == ["1", "2", "3", "4", "5"]
    assert [line.split("\t")[0] for line in run(directory, "list", "--limit", "2").stdout.splitlines()] == ["4", "5"]
    found = run(directory, "list", "--before", "5", "--user", "root", "--action", "token.").stdout
    assert [line.split("\t")[0] for line in found.splitlines()] == ["2", "4"]


@pytest.mark.parametrize("word", ["list", "verify"])
def test_a_database_that_is_not_there_is_not_made(tmp_path: Path, word: str) -> None:
    done = run(tmp_path, word)
    assert (done.exit_code, done.stderr.startswith("webterm: the database")) == (1, True)
    assert list(tmp_path.iterdir()) == []

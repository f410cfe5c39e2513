"""Logins: what lasts, what runs out, and what is on disk."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from webterm.accounts.logins import FRESH, LIFETIME, Logins, id_of
from webterm.ids import UserId

OWNER = UserId("owner")


class Clock:
    """Time that stands still until it is told to move on."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "logins.json"


async def reread(file: Path, clock: Clock) -> Logins:
    logins = Logins(file, clock=clock)
    await logins.load()
    return logins


async def test_a_login_is_found_by_its_token_and_on_disk_at_once(file: Path, clock: Clock) -> None:
    logins = await reread(file, clock)
    token, login = await logins.add(OWNER)
    assert logins.get(id_of(token)) == login
    assert (await reread(file, clock)).get(login.id) == login
    assert token not in await asyncio.to_thread(file.read_text)
    assert logins.get(id_of(token + "x")) is None


async def test_an_ended_login_is_gone_from_the_disk(file: Path, clock: Clock) -> None:
    logins = await reread(file, clock)
    _, login = await logins.add(OWNER)
    await logins.remove(login.id)
    await logins.remove(login.id)
    assert logins.get(login.id) is None
    assert (await reread(file, clock)).get(login.id) is None


async def test_use_makes_a_login_last(file: Path, clock: Clock) -> None:
    logins = await reread(file, clock)
    _, used = await logins.add(OWNER)
    _, unused = await logins.add(OWNER)
    clock.now += LIFETIME
    await logins.touch(used)
    clock.now += FRESH
    assert logins.get(used.id) is not None
    assert logins.get(unused.id) is None
    reread_ = await reread(file, clock)
    assert reread_.get(used.id) is not None
    assert reread_.get(unused.id) is None


async def test_touching_an_ended_login_does_not_bring_it_back(file: Path, clock: Clock) -> None:
    logins = await reread(file, clock)
    _, login = await logins.add(OWNER)
    await logins.remove(login.id)
    clock.now += FRESH + 1
    await logins.touch(login)
    assert logins.get(login.id) is None


async def test_the_longest_unused_make_room(file: Path, clock: Clock) -> None:
    logins = await reread(file, clock)
    added = []
    for _ in range(5):
        clock.now += 1
        added.append((await logins.add(OWNER))[1].id)
    assert set(await logins.trim(3)) == set(added[:2])
    assert [logins.get(login) is not None for login in added] == [False, False, True, True, True]


async def test_many_changes_at_once_all_arrive(file: Path, clock: Clock) -> None:
    logins = await reread(file, clock)
    added = await asyncio.gather(*(logins.add(OWNER) for _ in range(20)))
    again = await reread(file, clock)
    assert all(again.get(login.id) == login for _, login in added)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff", b'[{"id":"x"}]', b"[" * 100_000])
async def test_a_file_that_makes_no_sense_signs_everybody_out(file: Path, clock: Clock, content: bytes) -> None:
    await asyncio.to_thread(file.write_bytes, content)
    logins = await reread(file, clock)
    token, login = await logins.add(OWNER)
    assert (await reread(file, clock)).get(id_of(token)) == login

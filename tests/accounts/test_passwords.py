"""Passwords: what is kept, what is accepted, how much work it is and who pays for it."""

from __future__ import annotations

import asyncio
import statistics
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from webterm.accounts.passwords import COMMON, LONGEST, NICENESS, THREADS, Passwords
from webterm.errors import InvalidRequest, RateLimited

PEPPER = bytes(32)
GOOD = "correct horse battery"


@pytest.fixture
async def passwords() -> AsyncIterator[Passwords]:
    passwords = Passwords(PEPPER, cost=4)
    yield passwords
    await passwords.aclose()


@pytest.mark.both_loops
async def test_a_password_is_recognised_and_another_is_not(passwords: Passwords) -> None:
    kept = await passwords.hash(GOOD)
    assert kept.startswith("wt1$$2b$04$")
    assert GOOD not in kept
    assert await passwords.verify(GOOD, kept)
    for wrong in (GOOD + " ", GOOD.upper(), "", kept):
        assert not await passwords.verify(wrong, kept)


async def test_the_same_password_is_kept_differently_each_time(passwords: Passwords) -> None:
    assert await passwords.hash(GOOD) != await passwords.hash(GOOD)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x" * 72 + "a", "x" * 72 + "b"),
        ("x" * LONGEST, "x" * (LONGEST - 1)),
        ("before\0after one", "before\0after two"),
        ("\0", ""),
        ("\ud800", "\ud801"),
    ],
)
async def test_every_character_counts(passwords: Passwords, one: str, other: str) -> None:
    """bcrypt itself looks at 72 bytes, and refuses NUL."""
    kept = await passwords.hash(one)
    assert await passwords.verify(one, kept)
    assert not await passwords.verify(other, kept)


async def test_an_accent_is_the_same_however_it_was_typed(passwords: Passwords) -> None:
    assert await passwords.verify("cafe\u0301 \ufb01nale", await passwords.hash("caf\u00e9 finale"))


async def test_without_the_pepper_nothing_can_be_checked(passwords: Passwords) -> None:
    kept = await passwords.hash(GOOD)
    other = Passwords(b"\1" * 32, cost=4)
    assert not await other.verify(GOOD, kept)
    await other.aclose()


@pytest.mark.parametrize("kept", [None, "", "x", "$2b$04$" + "." * 53, "wt9$" + "." * 60])
async def test_what_is_no_password_of_ours_fits_nothing(passwords: Passwords, kept: str | None) -> None:
    assert not await passwords.verify(GOOD, kept)
    assert not await passwords.verify("", kept)


async def test_nobody_costs_as_much_as_somebody() -> None:
    passwords = Passwords(PEPPER, cost=8)
    kept = await passwords.hash(GOOD)

    async def spent(kept: str | None) -> float:
        started = time.process_time()
        await passwords.verify("wrong", kept)
        return time.process_time() - started

    known, unknown = [], []
    for _ in range(24):  # in turn: what slows the processor down falls on both
        known.append(await spent(kept))
        unknown.append(await spent(None))
    await passwords.aclose()
    # Time of the processor, since the threads stand back for whatever else runs on this machine.
    typical = [statistics.quantiles(times, n=4)[0] for times in (known, unknown)]
    assert max(typical) < 1.2 * min(typical), typical


@pytest.mark.parametrize("size", [LONGEST + 1, 1_000_000])
async def test_too_long_is_refused_before_any_work(passwords: Passwords, size: int) -> None:
    long, before = "x" * size, threading.active_count()
    for attempt in (
        passwords.hash("x" * size),
        passwords.verify(long, None),
    ):
        with pytest.raises(InvalidRequest, match="at most 1024"):
            await attempt
    with pytest.raises(InvalidRequest, match="at most 1024"):
        passwords.check_new(long, username="ann", email=None)
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("password", "says"),
    [
        ("too short", "at least 10 characters"),
        ("\ufb03" * 3 + "\0", "different characters"),  # NFKC makes it ten
        ("my name is Alice", "user name"),
        ("ALICE-wonderland", "user name"),
        ("for alice.l@example.com", "user name"),
        ("hey alice.l! hey", "user name"),
        ("aaaaaaaaaaaa", "different characters"),
        ("abababababab", "different characters"),
        ("Password123", "tried first"),
        ("1234567890", "tried first"),
        ("qwertyuiop", "tried first"),
    ],
)
def test_a_poor_password_is_refused_in_words(password: str, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        Passwords(PEPPER, cost=4).check_new(password, username="alice", email="alice.l@example.com")


@pytest.mark.parametrize(
    "password", [GOOD, "ten chars!", "channel tunnel", "ein schöner Tag", "\0\1\2\3\4\5\6\7\x08\t"]
)
def test_a_good_password_is_taken(password: str) -> None:
    Passwords(PEPPER, cost=4).check_new(password, username="ann", email="a@example.com")


def test_how_long_is_a_setting() -> None:
    Passwords(PEPPER, cost=4, fewest=6).check_new("sixsun", username="ann", email=None)
    with pytest.raises(InvalidRequest, match="at least 20"):
        Passwords(PEPPER, cost=4, fewest=20).check_new("x1y2z3" * 3, username="ann", email=None)


def test_the_refused_ones_can_be_met() -> None:
    assert all(word == word.casefold() and len(word) >= 6 for word in COMMON)
    assert len(COMMON) >= 50


async def test_the_threads_stand_back_and_are_their_own() -> None:
    passwords = Passwords(PEPPER, cost=4)
    await asyncio.gather(*(passwords.hash(GOOD) for _ in range(8)))
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("passwords")]
    assert 1 <= len(threads) <= THREADS
    for thread in threads:
        stat = await asyncio.to_thread(Path(f"/proc/self/task/{thread.native_id}/stat").read_text)
        assert int(stat.rpartition(")")[2].split()[16]) == NICENESS
    await passwords.aclose()
    assert not any(thread.is_alive() for thread in threads)
    await passwords.aclose()


async def test_only_so_many_wait_and_the_rest_are_told_to_come_back() -> None:
    passwords = Passwords(PEPPER, cost=4, most_waiting=3)
    done = await asyncio.gather(*(passwords.hash(GOOD) for _ in range(20)), return_exceptions=True)
    refused = [error for error in done if isinstance(error, RateLimited)]
    assert len(refused) == 20 - THREADS - 3
    assert all(error.retry_after > 0 for error in refused)
    assert await passwords.hash(GOOD)  # the places are free again
    await passwords.aclose()


async def test_who_goes_away_leaves_its_place(passwords: Passwords) -> None:
    attempts = [asyncio.create_task(passwords.hash(GOOD)) for _ in range(40)]
    await asyncio.sleep(0)
    for attempt in attempts:
        attempt.cancel()
    await asyncio.gather(*attempts, return_exceptions=True)
    assert await passwords.hash(GOOD)


async def test_whether_an_attempt_is_allowed_is_asked_when_its_turn_comes(passwords: Passwords) -> None:
    """What is noted after an attempt is seen by all that waited meanwhile, save those at work."""
    kept = await passwords.hash(GOOD)
    failures = 0

    def allowed() -> None:
        if failures >= 5:
            raise RateLimited("wait", 1.0)

    async def attempt() -> None:
        nonlocal failures
        if not await passwords.verify("wrong", kept, allowed=allowed):
            failures += 1

    await asyncio.gather(*(attempt() for _ in range(100)), return_exceptions=True)
    assert 5 <= failures < 5 + THREADS

"""Counting calls, in memory and in a real Redis."""

from __future__ import annotations

import asyncio
import inspect
import logging
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.pace import within
from tests.web.redis_server import RedisServer
from webterm.access import Actor
from webterm.errors import RateLimited, SettingsError
from webterm.ids import UserId
from webterm.settings import Settings
from webterm.settings_accounts import Limits as LimitSettings
from webterm.settings_accounts import Redis, Tier
from webterm.web import counts
from webterm.web.counts import Counts
from webterm.web.limits import PAUSE, Limits, Standing

TIERS = {"free": Tier(general=3, auth=2, ai=1), "pro": Tier(general=5, auth=0, ai=0)}
ANN = Actor(id=UserId("ann"), name="ann")
BOB = Actor(id=UserId("bob"), name="bob", tier="pro")
HERE, THERE = "203.0.113.9", "2001:db8::/64"


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[RedisServer]:
    server = RedisServer(tmp_path)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def settings(redis: str | None = None, **limits: object) -> Settings:
    fields = {"tiers": TIERS, **limits}
    return Settings(limits=LimitSettings(**fields), redis=Redis(url=redis))  # type: ignore[arg-type]


@asynccontextmanager
async def counting(settings: Settings, clock: Clock) -> AsyncIterator[Limits]:
    limits = Limits(settings, clock=clock)
    try:
        yield limits
    finally:
        await limits.aclose()


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str | None]:
    """Where calls are counted."""
    server = RedisServer(tmp_path)
    if request.param == "redis":
        await server.start()
    try:
        yield server.url if request.param == "redis" else None
    finally:
        await server.stop()


@pytest.mark.redis
async def test_redis_counts_the_tiers_number(redis: RedisServer, clock: Clock) -> None:
    async with counting(settings(redis.url), clock) as limits:
        for fine, left in ((True, 2), (True, 1), (True, 0), (False, 0)):
            standing = await _standing(limits)
            assert (standing.fine, standing.left) == (fine, left)
            assert 50 < standing.reset <= 60


async def test_the_tiers_number_within_any_minute(clock: Clock) -> None:
    async with counting(settings(), clock) as limits:
        standings = []
        for _ in range(4):
            standings.append(await limits.count("general", ANN, HERE))
            clock.now += 10
        assert standings == [
            Standing(fine=True, most=3, left=2, reset=60),
            Standing(fine=True, most=3, left=1, reset=50),
            Standing(fine=True, most=3, left=0, reset=40),
            Standing(fine=False, most=3, left=0, reset=30),
        ]
        clock.now += 15  # 55 seconds after the first: a window that begins anew each minute would let it through
        assert await limits.count("general", ANN, HERE) == Standing(fine=False, most=3, left=0, reset=5)
        clock.now += 6
        again = await limits.count("general", ANN, HERE)
        assert again is not None
        assert again.fine
        with pytest.raises(RateLimited) as refused:
            (await _standing(limits)).check()
        assert refused.value.retry_after > 0


async def _standing(limits: Limits) -> Standing:
    standing = await limits.count("general", ANN, HERE)
    assert standing is not None
    return standing


async def test_people_places_kinds_and_tiers_count_apart(url: str | None, clock: Clock) -> None:
    async with counting(settings(url), clock) as limits:
        for actor, place, kind, most in (
            (ANN, HERE, "general", 3),
            (ANN, HERE, "auth", 2),
            (ANN, HERE, "ai", 1),
            (BOB, HERE, "general", 5),
            (None, HERE, "general", 3),
            (None, THERE, "general", 3),
            (None, HERE, "auth", 2),
        ):
            for left in reversed(range(most)):
                standing = await limits.count(kind, actor, place)  # type: ignore[arg-type]
                assert standing is not None
                assert (standing.fine, standing.left) == (True, left)
        for actor, place in ((ANN, THERE), (BOB, THERE), (None, HERE), (None, THERE)):  # a person wherever they are
            standing = await limits.count("general", actor, place)
            assert standing is not None
            assert not standing.fine


async def test_zero_is_as_often_as_one_likes(url: str | None, clock: Clock) -> None:
    async with counting(settings(url), clock) as limits:
        assert await limits.count("auth", BOB, HERE) is None
    async with counting(settings(url, enabled=False), clock) as limits:
        assert {await limits.count("general", ANN, HERE) for _ in range(10)} == {None}
        for _ in range(10):
            await limits.wrong_proof(HERE, "x")
        await limits.check_proofs(HERE, "y")


async def test_a_tier_that_is_gone_counts_as_the_lowest(clock: Clock) -> None:
    lost = Actor(id=UserId("lost"), name="lost", tier="gold")
    async with counting(settings(anonymous_tier="silver"), clock) as limits:
        for actor in (lost, None):
            standing = await limits.count("general", actor, HERE)
            assert standing is not None
            assert standing.most == 3


async def test_a_day_for_ai(clock: Clock) -> None:
    async with counting(settings(), clock) as limits:
        await limits.count("ai", ANN, HERE)
        clock.now += 3600
        assert await limits.count("ai", ANN, HERE) == Standing(fine=False, most=1, left=0, reset=82_800)


async def test_wrong_tokens_close_a_place_for_unknown_ones(clock: Clock) -> None:
    async with counting(settings(), clock) as limits:
        limits.good_proof("good")
        for number in range(2):
            await limits.check_proofs(HERE, f"guess {number}")
            await limits.wrong_proof(HERE, f"guess {number}")
        with pytest.raises(RateLimited):
            await limits.check_proofs(HERE, "guess 3")
        await limits.check_proofs(HERE, "good")  # a neighbour's guesses stop nobody who has been here before
        await limits.check_proofs(THERE, "guess 3")
        await limits.wrong_proof(THERE, "good")  # it has ended meanwhile
        with pytest.raises(RateLimited):
            await limits.check_proofs(HERE, "good")
        clock.now += 61
        await limits.check_proofs(HERE, "guess 3")


@pytest.mark.redis
async def test_servers_count_together(redis: RedisServer, clock: Clock) -> None:
    async with counting(settings(redis.url), clock) as one, counting(settings(redis.url), clock) as other:
        lefts = []
        for limits in (one, other, one, other):
            standing = await limits.count("general", ANN, HERE)
            assert standing is not None
            lefts.append((standing.fine, standing.left))
        assert lefts == [(True, 2), (True, 1), (True, 0), (False, 0)]


@pytest.mark.redis
async def test_without_redis_calls_go_on_and_are_counted(
    redis: RedisServer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "webterm")
    async with counting(settings(redis.url), clock) as limits:
        assert (await _standing(limits)).left == 2
        await redis.stop()
        assert [(await _standing(limits)).left for _ in range(3)] == [2, 1, 0]
        assert not (await _standing(limits)).fine
        clock.now += PAUSE
        assert not (await _standing(limits)).fine  # it was asked again, and is still away
        assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [
            "Redis does not answer (ConnectionError); calls are counted in memory"
        ]
        await redis.start()
        assert not (await _standing(limits)).fine  # not asked yet
        clock.now += PAUSE
        assert (await _standing(limits)).left == 2
        assert caplog.records[-1].getMessage() == "Redis answers again"


@pytest.mark.redis
async def test_a_redis_that_says_nothing_keeps_nobody_waiting(tmp_path: Path, clock: Clock) -> None:
    """It has taken the connection and never answers, as behind a firewall that drops packets."""
    silent = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await silent.wait()
        writer.close()

    server = await asyncio.start_unix_server(say_nothing, tmp_path / "redis.sock")
    async with server, counting(settings(f"unix://{tmp_path / 'redis.sock'}"), clock) as limits:
        async with within(2):
            for _ in range(3):
                assert (await _standing(limits)).fine
        silent.set()


def test_a_redis_url_that_is_none(clock: Clock) -> None:
    with pytest.raises(SettingsError, match=r"redis\.url"):
        Limits(settings("redis://127.0.0.1:port/0"), clock=clock)


@pytest.fixture
def without_redis_package() -> Iterator[None]:
    """As where only `pip install webterm` was run: no module redis can be imported."""
    kept = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "redis"}
    for name in kept:
        del sys.modules[name]
    blocker = _Blocker()
    sys.meta_path.insert(0, blocker)
    try:
        yield
    finally:
        sys.meta_path.remove(blocker)
        sys.modules.update(kept)


class _Blocker:
    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] == "redis":
            raise ModuleNotFoundError(name)


def test_a_missing_package_is_named(clock: Clock, without_redis_package: None) -> None:
    with pytest.raises(SettingsError, match=r"pip install 'webterm\[redis\]'"):
        Limits(settings("redis://127.0.0.1/0"), clock=clock)


async def test_old_keys_go_and_there_are_never_too_many(clock: Clock) -> None:
    kept = Counts(clock=clock)
    for number in range(counts.MOST + 10):
        await kept.acquire_entry(f"place {number}", 1, 60)
    assert len(kept) == counts.MOST
    clock.now += 61
    await kept.acquire_entry("another", 1, 60)
    assert len(kept) == 1


async def test_the_storage_keeps_the_librarys_promises(clock: Clock) -> None:
    kept = Counts(clock=clock)
    assert (await kept.get("a"), await kept.check()) == (0, True)
    assert [await kept.incr("a", 60) for _ in range(3)] == [1, 2, 3]
    assert (await kept.get("a"), await kept.get_expiry("a")) == (3, clock.now + 60)
    assert [await kept.acquire_entry("b", 3, 60) for _ in range(4)] == [True, True, True, False]
    await kept.clear("a")
    assert await kept.get("a") == 0
    assert await kept.reset() == 1


def test_a_day_that_begins_anew_keeps_nobody_waiting() -> None:
    """When the time of day is set back, calls must not seem to lie in the future."""
    for counting in (Limits, Counts):
        assert inspect.signature(counting).parameters["clock"].default is time.monotonic

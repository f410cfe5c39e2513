"""How often somebody may call: counted by person, or by address while nobody is signed in.

The numbers are the tier's, over a moving window: "60 per minute" holds for any minute. Several servers count together
in Redis. When that does not answer, each counts in memory until it does: calls go on, and stay limited.
"""

from __future__ import annotations

import logging
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerMinute
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError

from webterm.access import Actor
from webterm.accounts.secret_texts import hash_of
from webterm.errors import RateLimited, SettingsError
from webterm.settings import Settings
from webterm.web.counts import Counts

if TYPE_CHECKING:
    from redis.asyncio import ConnectionPool

Kind = Literal["general", "auth", "ai", "files"]
WINDOWS: Mapping[Kind, type[RateLimitItem]] = {
    "general": RateLimitItemPerMinute,
    "auth": RateLimitItemPerMinute,
    "ai": RateLimitItemPerDay,
    "files": RateLimitItemPerMinute,
}
PATIENCE = 0.5
"""Seconds to wait for Redis."""
PAUSE = 5.0
"""Seconds without Redis after it has not answered, so that not every call waits for it."""
REMEMBERED = 10_000
"""Bearer tokens remembered as good."""

log = logging.getLogger("webterm.web")


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a caller stands: ``most`` calls in a window, ``left`` of them, and seconds until there is one more.

    ``fine``: the call that was counted is within the limit.
    """

    fine: bool
    most: int
    left: int
    reset: int

    @property
    def headers(self) -> Mapping[str, str]:
        """For the answer, as in draft-ietf-httpapi-ratelimit-headers-07."""
        return {
            "RateLimit-Limit": str(self.most),
            "RateLimit-Remaining": str(self.left),
            "RateLimit-Reset": str(self.reset),
        }

    def check(self) -> None:
        """Raises `webterm.errors.RateLimited` when there were too many calls."""
        if not self.fine:
            raise RateLimited(f"too many calls; come back in {self.reset} s", self.reset)


class Limits:
    """Counts calls. ``clock`` is for what is counted in memory: in seconds, and it never goes back."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises `webterm.errors.SettingsError` where Redis is asked for and its package is missing."""
        self._settings = settings.limits
        self._clock = clock
        self._memory = MovingWindowRateLimiter(Counts(clock=clock))
        self._redis = _redis(settings.redis.url) if settings.redis.url else None
        self._shared = MovingWindowRateLimiter(_storage(self._redis)) if self._redis else None
        self._shared_from = 0.0  # when to try Redis again
        self._warned = False
        self._good: OrderedDict[str, None] = OrderedDict()

    async def count(self, kind: Kind, actor: Actor | None, place: str) -> Standing | None:
        """Count one call of ``actor``, or of ``place`` (an address group) when nobody is signed in.

        None: such calls are not counted. A call that is too many does not count itself.
        """
        item = self._item(kind, actor)
        if item is None:
            return None
        who = ("person", actor.id) if actor else ("place", place)
        return await self._counted(item, f"{kind}:{who[0]}", who[1])

    async def check_proofs(self, place: str, token: str, kind: Kind = "auth") -> None:
        """Refuse to look at another bearer token from a place where many were wrong; known good ones always pass.

        So that a flood of guesses costs no look into the database. Each ``kind`` is counted apart. Raises
        `webterm.errors.RateLimited`.
        """
        item = self._item(kind, None)
        if item is None or hash_of(token) in self._good:
            return
        key = (f"proofs:{kind}", place)
        if not await self._memory.test(item, *key):
            (await self._standing(self._memory, item, key, fine=False)).check()

    async def wrong_proof(self, place: str, token: str, kind: Kind = "auth") -> None:
        """A bearer token was wrong: that counts against the place."""
        self._good.pop(hash_of(token), None)
        item = self._item(kind, None)
        if item is not None:
            await self._memory.hit(item, f"proofs:{kind}", place)

    def good_proof(self, token: str) -> None:
        """A bearer token was good."""
        known = hash_of(token)
        self._good[known] = None
        self._good.move_to_end(known)
        if len(self._good) > REMEMBERED:
            self._good.popitem(last=False)

    async def aclose(self) -> None:
        """Leave Redis."""
        if self._redis is not None:
            await self._redis.aclose()

    def _item(self, kind: Kind, actor: Actor | None) -> RateLimitItem | None:
        if not self._settings.enabled:
            return None
        tier = self._settings.tier(actor.tier if actor else self._settings.anonymous_tier)
        number: int = getattr(tier, kind)
        return WINDOWS[kind](number, namespace="webterm") if number else None

    async def _counted(self, item: RateLimitItem, *key: str) -> Standing:
        if self._shared is not None and self._clock() >= self._shared_from:
            try:
                standing = await self._hit(self._shared, item, key)
            except StorageError as error:
                self._give_up_redis(error)
            else:
                self._found_redis()
                return standing
        return await self._hit(self._memory, item, key)

    async def _hit(self, limiter: MovingWindowRateLimiter, item: RateLimitItem, key: tuple[str, ...]) -> Standing:
        fine = await limiter.hit(item, *key)
        return await self._standing(limiter, item, key, fine=fine)

    async def _standing(
        self, limiter: MovingWindowRateLimiter, item: RateLimitItem, key: tuple[str, ...], *, fine: bool
    ) -> Standing:
        reset, left = await limiter.get_window_stats(item, *key)
        now = self._clock() if limiter is self._memory else time.time()  # which is how the library asks Redis
        return Standing(fine, item.amount, max(left, 0), max(math.ceil(reset - now), 1))

    def _give_up_redis(self, error: StorageError) -> None:
        self._shared_from = self._clock() + PAUSE
        if not self._warned:
            self._warned = True
            # The error's own text may hold the URL, and that a password.
            log.warning("Redis does not answer (%s); calls are counted in memory", type(error.__cause__).__name__)

    def _found_redis(self) -> None:
        if self._warned:
            self._warned = False
            log.info("Redis answers again")


def _redis(url: str) -> ConnectionPool:
    try:
        # Imported here, because only who uses Redis has it.
        from redis.asyncio import ConnectionPool
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
    except ImportError as error:
        raise SettingsError(["redis.url: needs the package redis (pip install 'webterm[redis]')"]) from error
    try:
        return ConnectionPool.from_url(
            url,
            socket_timeout=PATIENCE,
            socket_connect_timeout=PATIENCE,
            retry=Retry(NoBackoff(), 0),
            driver_info=None,  # otherwise each new connection reads the package's files
        )
    except ValueError as error:
        raise SettingsError([f"redis.url: {error}"]) from error


def _storage(pool: ConnectionPool) -> RedisStorage:
    options: dict[str, Any] = {"connection_pool": pool}  # the library types options as plain values
    return RedisStorage(
        "async+redis://", wrap_exceptions=True, implementation="redispy", key_prefix="webterm", **options
    )

"""Slowing down who guesses passwords, without letting a stranger lock somebody out.

Failures are counted in three ways:

- by name and address group (one IPv4 address, or the /64 network that one customer has of IPv6). From the fifth on,
  the next attempt has to wait: a second, and each time twice as long, up to a quarter of an hour;
- by name, over all groups. While a name is under attack from elsewhere, a group's waits begin with its first failure.
  But a group without a failure of its own never waits, and neither does one from which this account has been signed
  in to before, save for its own failures: others cannot lock anybody out;
- by address group, over all names: thirty in a quarter of an hour. Groups that the account knows are exempt.

Names that nobody has count like all others, and what was typed is the key and not the account. So nothing here tells
which names exist, or that a name and an e-mail address are one person's. It is all in the memory of one server.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
import time
import unicodedata
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from webterm.errors import RateLimited

FREE = 5
"""Failures by name and group that cost no wait, and failures elsewhere from which on a name is under attack."""
MOST_PRESSURE = 5
"""How often an attack from elsewhere doubles a group's waits at most: its first failure costs 64 seconds then."""
LONGEST_WAIT = 900.0
MEMORY = 86_400.0
"""Seconds that a name, alone or with a group, is remembered after its last failure."""
PER_GROUP = 30
WINDOW = 900.0
"""Seconds in which `PER_GROUP` failures of a group are too many."""
MOST = 20_000
"""Entries of each kind. Beyond these, what failed longest ago is forgotten."""

K = TypeVar("K", bound=Hashable)


@dataclass(slots=True)
class _Failures:
    count: int = 0
    last: float = -math.inf
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=PER_GROUP))


class _Counts(Generic[K]):
    """Failures by key, those that failed last at the end."""

    def __init__(self, most: int, memory: float) -> None:
        self._most = most
        self._memory = memory
        self._kept: OrderedDict[K, _Failures] = OrderedDict()

    def get(self, key: K, now: float) -> _Failures:
        found = self._kept.get(key)
        return found if found is not None and now - found.last < self._memory else _Failures()

    def add(self, key: K, now: float, *, dated: bool = False) -> None:
        failures = self._kept[key] = self.get(key, now)
        failures.count += 1
        failures.last = now
        if dated:
            failures.recent.append(now)
        self._kept.move_to_end(key)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def forgive(self, key: K, count: int) -> None:
        """Take back so many failures of a key."""
        if (failures := self._kept.get(key)) is not None:
            failures.count -= count
            if failures.count <= 0:
                del self._kept[key]


class Throttle:
    """Asked before each attempt, told after it. ``clock`` is in seconds and never goes back."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, most: int = MOST) -> None:
        self._clock = clock
        self._pairs: _Counts[tuple[bytes, str]] = _Counts(most, MEMORY)
        self._names: _Counts[bytes] = _Counts(most, MEMORY)
        self._groups: _Counts[str] = _Counts(most, WINDOW)

    def check(self, name: str, address: str, *, known: bool) -> None:
        """Raises `webterm.errors.RateLimited` when an attempt on a name from an address comes too early.

        ``known``: the account has been signed in to from this address group before.
        """
        now, key, group = self._clock(), _key(name), group_of(address)
        wait = self._wait_of_pair(now, key, group, known=known)
        if not known:
            wait = max(wait, self._wait_of_group(now, group))
        if wait > 0:
            seconds = math.ceil(wait)
            raise RateLimited(f"too many attempts have failed; try again in {seconds} seconds", float(seconds))

    def failed(self, name: str, address: str) -> None:
        """An attempt was made, and failed."""
        now, key, group = self._clock(), _key(name), group_of(address)
        self._pairs.add((key, group), now)
        self._names.add(key, now)
        self._groups.add(group, now, dated=True)

    def succeeded(self, name: str, address: str) -> None:
        """An attempt was made, and was right: what failed before by this name from there was its owner's mistyping."""
        now, key, group = self._clock(), _key(name), group_of(address)
        own = self._pairs.get((key, group), now).count
        self._pairs.forgive((key, group), own)
        self._names.forgive(key, own)

    def _wait_of_pair(self, now: float, key: bytes, group: str, *, known: bool) -> float:
        own = self._pairs.get((key, group), now)
        elsewhere = self._names.get(key, now).count - own.count
        if own.count == 0:
            return 0
        if not known and elsewhere >= FREE:
            doublings = own.count + min(elsewhere - FREE, MOST_PRESSURE)
        elif own.count >= FREE:
            doublings = own.count - FREE
        else:
            return 0
        return own.last + min(2.0 ** min(doublings, 10), LONGEST_WAIT) - now

    def _wait_of_group(self, now: float, group: str) -> float:
        recent = self._groups.get(group, now).recent
        return recent[0] + WINDOW - now if len(recent) == PER_GROUP else 0


def group_of(address: str) -> str:
    """What counts as one sender: an IPv4 address, the /64 of an IPv6 address (RFC 6177), any other text as it is."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((int(ip), 64), strict=False))
    return str(ip)


def _key(name: str) -> bytes:
    """Of one size, however long the name that was typed; spelled differently it is the same name."""
    spelled = unicodedata.normalize("NFKC", name).casefold()
    return hashlib.sha256(spelled.encode("utf-8", "surrogatepass")).digest()

"""Networks of containers: one with the internet, one without, and a guard in the kernel for both.

The guard is set by the engine itself, in a container of ours that is in the machine's own network for a moment: so it
is the same for servers that are not root, and for engines elsewhere. Where it cannot be set containers have no network.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from webterm.drivers.docker.engine import Engine, EngineRefusal
from webterm.drivers.docker.errand import run_errand
from webterm.drivers.docker.images import Images
from webterm.drivers.docker.news import EngineNews
from webterm.drivers.docker.rules import (
    CLOSED_BRIDGE,
    LOOK,
    OPEN_BRIDGE,
    TABLE,
    Surroundings,
    bridge_rules,
    resolvers_of,
    rules,
    seen,
)
from webterm.drivers.kernel_tables import has_table, is_here
from webterm.errors import EngineUnavailable, ImageMissing, Unavailable, WebtermError
from webterm.runtime import Progress
from webterm.tasks import Tasks

_log = logging.getLogger("webterm.drivers")

Reach = Literal["internet", "none"]
ISOLATED = "none"
"""The engine's own network mode without anything but a loopback."""
AGAIN = 60.0
"""Seconds after which the guard is looked at once more: other firewalls may have swept it away."""
RETRY = 10.0
"""Seconds for which nothing is tried again that did not work."""

_NAMES: dict[Reach, str] = {"internet": "webterm-internet", "none": "webterm-inside"}
_BRIDGES: dict[Reach, str] = {"internet": OPEN_BRIDGE, "none": CLOSED_BRIDGE}


_FILTERED = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")


@dataclass(frozen=True, slots=True)
class _Guard:
    """The rules as they were set ``at`` that time. ``bridge``: with those of `bridge_rules`."""

    at: float
    bridge: bool
    around: Surroundings


class Networks:
    """The networks of one engine, shared by all servers there. ``guard_image`` has ``nft``, ``sh`` and ``cat``.

    ``problem`` says for people why containers have no network, where that is so; empty where it is not. Once the
    engine has told that it is up the guard is looked at every ``interval`` seconds in which containers need it.
    """

    def __init__(
        self,
        engine: Engine,
        images: Images,
        *,
        server: str,
        guard_image: str,
        interval: float = AGAIN,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.problem = ""
        self._engine = engine
        self._images = images
        self._server = server
        self._guard_image = guard_image
        self._interval = interval
        self._clock = clock
        self._lock = asyncio.Lock()
        self._made: set[Reach] = set()
        self._guard: _Guard | None = None
        self._retry = 0.0
        self._asked = asyncio.Event()
        self._looks = False
        self._tasks = Tasks("networks of containers")
        self._unsubscribe = engine.subscribe(self._hear)

    async def ready(self, reach: Reach, progress: Progress = lambda _line: None) -> str:
        """The network for a container that reaches so much: its name, or `ISOLATED` where it could not be guarded.

        Raises `webterm.errors.EngineUnavailable`.
        """
        if self._lock.locked():
            progress("waiting for the network of containers")
        async with self._lock:
            if self._guard is not None and reach in self._made:
                if self._clock() >= self._guard.at + self._interval:
                    self._asked.set()  # not waited for: whoever starts a container is in a hurry
            elif self._clock() >= self._retry:
                await self._try_to_get_ready(reach, progress)
        if self.problem:
            progress(f"without any network: {self.problem}")
            return ISOLATED
        return _NAMES[reach]

    async def guard(self, progress: Progress = lambda _line: None) -> None:
        """Set the guard, whether it is there or not. Raises `webterm.errors.Unavailable`, which says what is missing.

        Others' rules are left alone, and connections that are allowed stay open.
        """
        self._guard = await self._hand_over_rules(await self._images.ensure(self._guard_image, progress))

    async def check(self) -> None:
        """Try whether the guard can be set, and change nothing.

        Raises `webterm.errors.Unavailable`, also where it is needed just now and is not there.
        """
        image = await self._images.find(self._guard_image)
        if image is None:
            raise ImageMissing(f"the container engine has no image {self._guard_image}")
        await self._hand_over_rules(image, "--check")
        if await self._is_needed() and (await self._nft(image, "list", "table", "inet", TABLE))[0] != 0:
            raise Unavailable("the rules for the packets of containers that run have been removed")

    async def _hand_over_rules(self, image: str, *options: str) -> _Guard:
        around = await self._look_around(image)
        status, said = await self._nft(image, *options, rules(around) + bridge_rules(around))
        guard = _Guard(self._clock(), True, around)
        if status != 0 and around.filtered:  # which will do in a kernel without tables for bridges
            status, said = await self._nft(image, *options, rules(around))
            guard = replace(guard, bridge=False)
        if status != 0:
            hint = "" if around.filtered else "; net.bridge.bridge-nf-call-iptables is not 1"
            raise Unavailable(f"the rules for its packets were refused: {' '.join(said.split())[:300]}{hint}")
        return guard

    async def _nft(self, image: str, *words: str) -> tuple[int, str]:
        return await run_errand(
            self._engine, image, ("nft", *words), server=self._server, network="host", capabilities=("NET_ADMIN",)
        )

    def forget(self) -> None:
        """A network of ours turned out to be missing: `ready` makes it again."""
        self._made.clear()

    async def remove_unused(self) -> list[str]:
        """Remove our networks in which no container is; their names. Raises `webterm.errors.EngineUnavailable`."""
        removed = []
        for reach, name in _NAMES.items():
            try:
                await self._engine.call("DELETE", f"networks/{name}")
            except EngineRefusal as refusal:
                if refusal.answer not in (403, 404, 409):
                    raise
            else:
                removed.append(name)
            self._made.discard(reach)
        return removed

    async def aclose(self) -> None:
        """End what is under way. Networks and guard stay. Twice is harmless."""
        self._unsubscribe()
        await self._tasks.aclose()

    def _hear(self, news: EngineNews) -> None:
        if news.kind == "down":  # whatever the machine has gone through meanwhile
            self._guard, self._retry = None, 0.0
            self._made.clear()
        elif news.kind == "up":
            self._asked.set()
            if not self._looks:
                self._looks = True
                self._tasks.run(self._look_after())

    async def _look_after(self) -> None:
        """See to it that the guard is there, for ever."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), self._interval)
            asked = self._asked.is_set()
            self._asked.clear()
            try:
                if self._engine.up and (asked or await self._is_needed()):
                    await self._look(anew=asked)
            except WebtermError as error:
                _log.warning("the guard of containers' networks could not be looked at: %s", error)
            except Exception:
                _log.exception("the guard of containers' networks could not be looked at")

    async def _look(self, *, anew: bool) -> None:
        """``anew``: what the rules depend on may be otherwise now."""
        async with self._lock:
            if not anew and self._guard is not None and await asyncio.to_thread(_is_there, self._guard):
                return
            if await self._images.find(self._guard_image) is None and not await self._is_needed():
                self._guard = None  # whoever needs it waits until it is made
                return
            await self._try_to_guard(lambda _line: None)

    async def _is_needed(self) -> bool:
        """Whether any container is in our networks, whosever it is."""
        found = [await self._found(name) for name in _NAMES.values()]
        return any(network is not None and network.get("Containers") for network in found)

    async def _try_to_get_ready(self, reach: Reach, progress: Progress) -> None:
        """The network first: the guard has to know what its addresses are."""
        try:
            made = reach not in self._made and await self._make(reach)
        except EngineUnavailable:
            raise
        except WebtermError as error:
            self._give_up(f"it cannot be made ({error})")
            return
        self._made.add(reach)
        if made or self._guard is None:
            await self._try_to_guard(progress)

    async def _try_to_guard(self, progress: Progress) -> None:
        try:
            await self.guard(progress)
        except EngineUnavailable:
            raise
        except WebtermError as error:
            self._give_up(f"what it could reach cannot be bounded here ({error})")
        else:
            self.problem, self._retry = "", 0.0

    async def _look_around(self, image: str) -> Surroundings:
        """What there is about the engine's machine, and whom the engine asks for names on behalf of containers."""
        around = seen(await self._run(image, "host", LOOK))
        if any(ipaddress.ip_address(each).is_loopback for each in around.resolvers):
            # Containers cannot ask that one. What the engine takes instead is told to those in its own network.
            with contextlib.suppress(EngineRefusal):  # which need not be there
                said = await self._run(image, "bridge", "cat /etc/resolv.conf")
                return replace(around, resolvers=tuple(resolvers_of(said)))
        return around

    async def _run(self, image: str, network: str, script: str) -> str:
        argv = ("/bin/sh", "-c", script)
        status, said = await run_errand(self._engine, image, argv, server=self._server, network=network)
        if status != 0:
            raise Unavailable(f"a container of {self._guard_image} could not look around: {said[:300].strip()}")
        return said

    def _give_up(self, problem: str) -> None:
        self._guard, self._retry, self.problem = None, self._clock() + RETRY, problem
        _log.warning("containers have no network: %s", problem)

    async def _make(self, reach: Reach) -> bool:
        """See to it that a network is there; whether it was not before."""
        name = _NAMES[reach]
        found = await self._found(name)
        if found is not None and not _is_ours(found, reach):
            await self._engine.call("DELETE", f"networks/{name}")  # refused where containers are in it
            found = None
        if found is not None:
            return False
        try:
            await self._engine.call("POST", "networks/create", body=_network(reach))
        except EngineRefusal:
            found = await self._found(name)  # another server may just have made it
            if found is None or not _is_ours(found, reach):
                raise
        return True

    async def _found(self, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = await self._engine.call("GET", f"networks/{name}")
        except EngineRefusal as refusal:
            if refusal.answer == 404:
                return None
            raise
        return found


def _is_there(guard: _Guard) -> bool:
    """Whether rules of ours are still in place; where that cannot be told, they are not. Blocks."""
    if not is_here(guard.around) or not has_table("inet", TABLE):
        return False
    if guard.bridge:
        return bool(has_table("bridge", TABLE))
    try:
        return _FILTERED.read_text().strip() == "1"
    except OSError:
        return False


def _network(reach: Reach) -> dict[str, Any]:
    return {
        "Name": _NAMES[reach],
        "CheckDuplicate": True,
        "Driver": "bridge",
        "Internal": reach == "none",
        "EnableIPv6": False,
        "Options": {
            "com.docker.network.bridge.name": _BRIDGES[reach],
            "com.docker.network.bridge.enable_icc": "false",
        },
    }


def _is_ours(found: dict[str, Any], reach: Reach) -> bool:
    """Whether a network is as we make it."""
    wanted = _network(reach)
    options = found.get("Options") or {}
    return all(found.get(key) == wanted[key] for key in ("Driver", "Internal", "EnableIPv6")) and all(
        options.get(key) == value for key, value in wanted["Options"].items()
    )

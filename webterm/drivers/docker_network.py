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
from typing import Any, Literal

from webterm.drivers.docker_engine import Engine, EngineRefusal
from webterm.drivers.docker_errand import run_errand
from webterm.drivers.docker_images import Images
from webterm.drivers.docker_news import EngineNews
from webterm.drivers.docker_rules import CLOSED_BRIDGE, OPEN_BRIDGE, neighbours_of, resolvers_of, rules
from webterm.errors import EngineUnavailable, ImageMissing, Unavailable, WebtermError
from webterm.runtime import Progress

_log = logging.getLogger("webterm.drivers")

Reach = Literal["internet", "none"]
ISOLATED = "none"
"""The engine's own network mode without anything but a loopback."""
AGAIN = 60.0
"""Seconds after which a container's start has the guard set once more: other firewalls may have swept it away."""
RETRY = 10.0
"""Seconds for which nothing is tried again that did not work."""

_NAMES: dict[Reach, str] = {"internet": "webterm-internet", "none": "webterm-inside"}
_BRIDGES: dict[Reach, str] = {"internet": OPEN_BRIDGE, "none": CLOSED_BRIDGE}


class Networks:
    """The networks of one engine, shared by all servers there. ``guard_image`` has ``nft`` and ``cat``.

    ``problem`` says for people why containers have no network, where that is so; empty where it is not.
    """

    def __init__(
        self,
        engine: Engine,
        images: Images,
        *,
        server: str,
        guard_image: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.problem = ""
        self._engine = engine
        self._images = images
        self._server = server
        self._guard_image = guard_image
        self._clock = clock
        self._lock = asyncio.Lock()
        self._made: set[Reach] = set()
        self._guarded: float | None = None
        self._retry = 0.0
        self._again: asyncio.Task[None] | None = None
        self._unsubscribe = engine.subscribe(self._hear)

    async def ready(self, reach: Reach, progress: Progress = lambda _line: None) -> str:
        """The network for a container that reaches so much: its name, or `ISOLATED` where it could not be guarded.

        Raises `webterm.errors.EngineUnavailable`.
        """
        if self._lock.locked():
            progress("waiting for the network of containers")
        async with self._lock:
            if self._guarded is None and self._clock() >= self._retry:
                await self._try_to_guard(progress)
            elif (
                self._guarded is not None
                and self._clock() >= self._guarded + AGAIN
                and (self._again is None or self._again.done())
            ):
                # Not waited for: whoever starts a container is in a hurry, and it was there a minute ago.
                self._again = asyncio.get_running_loop().create_task(self._guard_again())
            if not self.problem and reach not in self._made:
                await self._try_to_make(reach)
        if self.problem:
            progress(f"without any network: {self.problem}")
            return ISOLATED
        return _NAMES[reach]

    async def guard(self, progress: Progress = lambda _line: None) -> None:
        """Set the guard, whether it is there or not. Raises `webterm.errors.Unavailable`, which says what is missing.

        Others' rules are left alone, and connections that are allowed stay open.
        """
        await self._hand_over_rules(await self._images.ensure(self._guard_image, progress))

    async def check(self) -> None:
        """Try whether the guard can be set, and change nothing. Raises `webterm.errors.Unavailable`."""
        image = await self._images.find(self._guard_image)
        if image is None:
            raise ImageMissing(f"the container engine has no image {self._guard_image}")
        await self._hand_over_rules(image, "--check")

    async def _hand_over_rules(self, image: str, *options: str) -> None:
        argv = ("nft", *options, rules(*await self._surroundings(image)))
        status, said = await run_errand(
            self._engine, image, argv, server=self._server, network="host", capabilities=("NET_ADMIN",)
        )
        if status != 0:
            raise Unavailable(f"the rules for its packets were refused: {' '.join(said.split())[:300]}")

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
        if self._again is not None:
            self._again.cancel()
            await asyncio.wait([self._again])

    def _hear(self, news: EngineNews) -> None:
        if news.kind == "down":  # whatever the machine has gone through meanwhile
            self._guarded, self._retry = None, 0.0
            self._made.clear()
        elif news.kind == "up" and (self._again is None or self._again.done()):
            self._again = asyncio.get_running_loop().create_task(self._guard_again())

    async def _guard_again(self) -> None:
        try:
            async with self._lock:
                if await self._images.find(self._guard_image) is not None:  # else it is made when somebody needs it
                    await self._try_to_guard(lambda _line: None)
        except WebtermError as error:
            _log.warning("the guard of containers' networks could not be looked at: %s", error)

    async def _try_to_guard(self, progress: Progress) -> None:
        try:
            await self.guard(progress)
        except EngineUnavailable:
            raise
        except WebtermError as error:
            self._give_up(f"what it could reach cannot be bounded here ({error})")
        else:
            self._guarded, self.problem = self._clock(), ""

    async def _surroundings(self, image: str) -> tuple[list[str], list[str]]:
        """Whom the engine asks for names on behalf of containers, and networks that its machine is in."""
        said = await self._read(image, "host", "/etc/resolv.conf", "/proc/net/route")
        resolvers = resolvers_of(said)
        if any(ipaddress.ip_address(each).is_loopback for each in resolvers):
            # Containers cannot ask that one. What the engine takes instead is told to those in its own network.
            with contextlib.suppress(EngineRefusal):  # which need not be there
                resolvers = resolvers_of(await self._read(image, "bridge", "/etc/resolv.conf"))
        return resolvers, neighbours_of(said)

    async def _read(self, image: str, network: str, *paths: str) -> str:
        status, said = await run_errand(self._engine, image, ("cat", *paths), server=self._server, network=network)
        if status != 0:
            raise Unavailable(f"a container of {self._guard_image} could not look around: {said[:300].strip()}")
        return said

    async def _try_to_make(self, reach: Reach) -> None:
        try:
            await self._make(reach)
        except EngineUnavailable:
            raise
        except WebtermError as error:
            self._give_up(f"it cannot be made ({error})")
        else:
            self._made.add(reach)

    def _give_up(self, problem: str) -> None:
        self._guarded, self._retry, self.problem = None, self._clock() + RETRY, problem
        _log.warning("containers have no network: %s", problem)

    async def _make(self, reach: Reach) -> None:
        name = _NAMES[reach]
        found = await self._found(name)
        if found is not None and not _is_ours(found, reach):
            await self._engine.call("DELETE", f"networks/{name}")  # refused where containers are in it
            found = None
        if found is None:
            try:
                await self._engine.call("POST", "networks/create", body=_network(reach))
            except EngineRefusal:
                found = await self._found(name)  # another server may just have made it
                if found is None or not _is_ours(found, reach):
                    raise

    async def _found(self, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = await self._engine.call("GET", f"networks/{name}")
        except EngineRefusal as refusal:
            if refusal.answer == 404:
                return None
            raise
        return found


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

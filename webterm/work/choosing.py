"""Which driver runs a workspace's programs: containers where an engine answers, this machine where none does."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from webterm.errors import NoSuchDriver, WebtermError
from webterm.runtime import DriverHealth
from webterm.session import Driver
from webterm.tasks import Tasks

AUTO = "auto"
LOOK_EVERY = 15.0
"""Seconds between two looks at the engine."""
FRESH = 1.0
"""Seconds for which a look at an engine that works is good when something is to be started."""
PATIENCE = 2.0
"""Seconds that somebody waits for a look; an engine that takes longer counts as one that does not answer."""
LOOK_TIMEOUT = 30.0
RESTART = 20.0
"""Seconds for which an engine that has just gone is expected back, before others do its work."""

log = logging.getLogger("webterm.work")


@dataclass(frozen=True, slots=True)
class Choice:
    """A driver, and for people why it is another one than usual; empty where it is the usual one.

    ``cause`` says more, with the engine's address, to those who look after the server.
    """

    driver: str
    reason: str = ""
    cause: str = ""

    @property
    def full_reason(self) -> str:
        """The reason together with its cause."""
        return f"{self.reason} ({self.cause})" if self.cause else self.reason


class Choosing:
    """Chooses among ``drivers``. ``usual`` is the name of one, or `AUTO`: ``contained`` where it works, else ``local``.

    ``contained`` names the driver that runs each workspace in a container, ``local`` the one of this machine; a
    ``contained`` that is none of the drivers never works. ``patience`` is in seconds. `start`
    it before anything is chosen.
    """

    def __init__(
        self,
        drivers: Mapping[str, Driver],
        usual: str,
        *,
        contained: str = "docker",
        local: str = "local",
        clock: Callable[[], float] = time.monotonic,
        patience: float = PATIENCE,
    ) -> None:
        self.usual = usual
        self.contained = contained
        self.local = local
        self._drivers = drivers
        self._clock = clock
        self._patience = patience
        self._health: DriverHealth | None = None
        self._looked = self._worked = float("-inf")
        self._looking: asyncio.Task[None] | None = None
        self._late = False
        self._subscribers: list[Callable[[bool], object]] = []
        self._tasks = Tasks("choice of drivers")

    @property
    def health(self) -> DriverHealth | None:
        """How the contained driver was when last looked at; None: nobody has needed to know."""
        return self._health

    @property
    def works(self) -> bool:
        """Whether the contained driver worked when last looked at."""
        return self._health is not None and self._health.works

    @property
    def missing(self) -> str:
        """Why containers cannot be used where they are the usual ones, or could be before, in full; else empty."""
        expected = self.usual == self.contained or self._worked > float("-inf")
        return self._health.reason if expected and self._health is not None and not self._health.works else ""

    def subscribe(self, callback: Callable[[bool], object]) -> None:
        """Have ``callback`` called with whether the contained driver works, whenever that changes. It may not wait."""
        self._subscribers.append(callback)

    async def start(self) -> None:
        """Look for the first time, and then from time to time, where the contained driver is wanted."""
        if self.contained in self._drivers:
            self._drivers[self.contained].on_doubt = self._suspect
        if self.usual != self.local and self.contained in self._drivers:
            await self.look()
            self._tasks.run(self._look_for_ever())

    async def aclose(self) -> None:
        """Look no more. Twice is harmless."""
        if self.contained in self._drivers:
            self._drivers[self.contained].on_doubt = None
        await self._tasks.aclose()

    async def choose(self, wish: str | None) -> Choice:
        """The driver for something that is to be started. ``wish`` is what somebody asks for, None: the usual one.

        Who asks for one gets it, also where it does not work: the start says why. Raises `webterm.errors.NoSuchDriver`.
        """
        if wish is not None and wish not in self._drivers:
            raise NoSuchDriver(f"there is no driver {wish[:64]!r}; there are {', '.join(sorted(self._drivers))}")
        if wish == self.contained or (wish is None and self.usual == AUTO and self.contained in self._drivers):
            await self.look()
        return self.chosen(wish)

    def chosen(self, wish: str | None) -> Choice:
        """As `choose`, by the last look, whatever somebody asks for."""
        if wish is not None:
            return Choice(wish)
        if self.usual != AUTO:
            return Choice(self.usual)
        expected_back = self._clock() - self._worked < RESTART
        if self.works or expected_back:
            return Choice(self.contained)
        why = self._health.reason if self._health is not None else ""
        return Choice(self.local, "programs run on the server's machine: no container engine can be used", why)

    def trouble(self, driver: str) -> str:
        """Why a driver cannot be used at the moment, as was last seen; empty where it can, or nobody has looked."""
        if driver != self.contained or self._health is None or self._health.works:
            return ""
        return "containers cannot be used now"

    async def look_for(self, wish: str | None) -> None:
        """See whether what somebody asks for works, if nobody has ever looked: it is not the usual one then."""
        if wish == self.contained and self._health is None and self.contained in self._drivers:
            await self.look()

    async def look(self) -> None:
        """See whether the contained driver works, unless it was just seen to. Waits for ``patience`` at most."""
        if self.works and self._clock() - self._looked < FRESH:
            return  # one that did not may be there by now
        task = self._looking
        if task is None or task.done():
            task = self._looking = self._tasks.run(self._see())
            self._late = False
        elif self._late:
            return
        await asyncio.wait([task], timeout=self._patience)
        if not task.done():
            self._late = True
            self._note(DriverHealth(works=False, reason="it does not answer"))

    async def doubt(self) -> None:
        """As `look`, also where it was just seen to work: somebody has found that it does not."""
        self._looked = float("-inf")
        await self.look()

    def _suspect(self) -> None:
        self._tasks.run(self.doubt())

    async def _see(self) -> None:
        try:
            async with asyncio.timeout(LOOK_TIMEOUT):
                health = await self._drivers[self.contained].health()
        except TimeoutError:
            health = DriverHealth(works=False, reason="it does not answer")
        except WebtermError as error:
            health = DriverHealth(works=False, reason=str(error))
        self._note(health)

    def _note(self, health: DriverHealth) -> None:
        before, self._health = self._health, health
        self._looked = self._clock()
        if health.works:
            self._worked = self._looked
        if before is not None and before.works == health.works:
            return
        if health.works:
            log.info("containers can be used: %s %s", self.contained, health.version)
        else:
            log.warning("containers cannot be used: %s", health.reason)
        for callback in list(self._subscribers):
            callback(health.works)

    async def _look_for_ever(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            await self.look()

"""All runtimes and what they use, for those who look after the server."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from webterm.access import Source
from webterm.errors import WebtermError
from webterm.ids import WorkspaceId
from webterm.runtime import RuntimeState, RuntimeStats
from webterm.session import Driver
from webterm.store import users, workspaces
from webterm.store.engine import Store
from webterm.tasks import Tasks
from webterm.work.admission import no_such
from webterm.work.runtimes import Runtimes
from webterm.work.standings import Standing
from webterm.work.workspaces import Workspace, Workspaces

MOST_PER_PAGE = 100
AT_ONCE = 4
"""Runtimes that a driver is asked about at the same time; ..."""
CONTAINED_AT_ONCE = 16
"""... or that of containers, whose engine may take a second for each, and does nothing meanwhile."""
FRESH = 3.0
"""Seconds for which it counts as known what runtimes use; longer where it takes longer to ask them all."""
LONGEST = 10.0
"""Seconds within which a driver has to answer."""
KEPT = 30.0
"""Seconds after which what a driver has said is told no more, if it has said nothing since."""
PATIENCE = 3.0
"""Seconds that somebody waits for the answers of all; those that come later are for the next look."""
STOPPED = "stopped by an administrator"

log = logging.getLogger("webterm.work")


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A runtime that is not absent, whose it is and what it uses.

    ``owner_name`` is empty where a host application has the people; ``image`` where it is no container.
    """

    workspace: Workspace
    owner_name: str
    driver: str
    image: str
    standing: Standing
    stats: RuntimeStats


class Overview:
    """Tells of all runtimes, and stops them, whosever they are. Who may know and do that, its callers say.

    Nothing of what is in workspaces is told. ``clock`` and ``patience`` are in seconds. `aclose` before the drivers are
    closed.
    """

    def __init__(
        self,
        store: Store,
        workspaces: Workspaces,
        runtimes: Runtimes,
        drivers: Mapping[str, Driver],
        *,
        clock: Callable[[], float] = time.monotonic,
        patience: float = PATIENCE,
    ) -> None:
        self._store = store
        self._workspaces = workspaces
        self._runtimes = runtimes
        self._drivers = drivers
        self._clock = clock
        self._patience = patience
        self._seen: dict[WorkspaceId, tuple[float, RuntimeStats]] = {}
        self._round: asyncio.Task[None] | None = None
        self._good_until = float("-inf")
        self._tasks = Tasks("overview")

    @property
    def problem(self) -> str:
        """Why containers cannot be asked now, for those who look after the server; empty where they can."""
        return self._runtimes.choosing.missing

    async def aclose(self) -> None:
        """Ask nobody any more. Twice is harmless."""
        await self._tasks.aclose()

    def counts(self) -> dict[str, int]:
        """How many runtimes are ready, by driver."""
        found = dict.fromkeys(sorted(self._runtimes.plans.homes), 0)
        for standing in self._runtimes.standings.all():
            if standing.state is RuntimeState.READY and standing.driver is not None:
                found[standing.driver] = found.get(standing.driver, 0) + 1
        return found

    async def page(self, *, after: int = 0, limit: int = 50) -> tuple[list[Running], int | None]:
        """At most ``limit`` of those behind the first ``after``: first those that use the most memory.

        And where the next ones begin; None: these are the last. Waits for `PATIENCE` at most for what they use, and
        does without what cannot be told by then.
        """
        limit = min(max(limit, 1), MOST_PER_PAGE)
        await self._look()
        standings = sorted(self._runtimes.standings.all(), key=self._rank)
        shown = await self._told(standings[after : after + limit])
        return shown, after + limit if len(standings) > after + limit else None

    async def stop(self, workspace: str, by: Source) -> Running:
        """End everything that runs in a workspace, though nobody of its members asks for it: they are told.

        Waits a moment, as `webterm.work.runtimes.Runtimes.stop` does. Raises `webterm.errors.NoSuchWorkspace`.
        """
        found = await self._workspaces.known(WorkspaceId(workspace))
        if found is None:
            raise no_such(workspace)
        await self._runtimes.end(found, by, STOPPED)
        (told,) = await self._told([self._runtimes.standings.one(found.id)])
        return told

    async def _told(self, standings: Sequence[Standing]) -> list[Running]:
        async with self._store.reading() as conn:
            found = await workspaces.among(conn, [each.workspace for each in standings])
            names = await users.names_of(conn, {each.owner for each in found.values()})
        return [
            self._running(each, found[each.workspace], names.get(found[each.workspace].owner, ""))
            for each in standings
            if each.workspace in found
        ]

    def _running(self, standing: Standing, workspace: Workspace, owner: str) -> Running:
        driver = standing.driver or self._runtimes.choosing.chosen(workspace.environment.driver).driver
        return Running(
            workspace=workspace,
            owner_name=owner,
            driver=driver,
            image=self._runtimes.plans.image(workspace, driver),
            standing=standing,
            stats=self._stats(standing),
        )

    def _stats(self, standing: Standing) -> RuntimeStats:
        when, stats = self._seen.get(standing.workspace, (float("-inf"), RuntimeStats()))
        known = standing.state is RuntimeState.READY and self._clock() - when <= KEPT
        return stats if known else RuntimeStats()

    def _rank(self, standing: Standing) -> tuple[int, str]:
        return -(self._stats(standing).memory or 0), standing.workspace

    async def _look(self) -> None:
        """See what all use, unless that was just seen."""
        if self._round is None or (self._round.done() and self._clock() >= self._good_until):
            self._round = self._tasks.run(self._go_round())
        await asyncio.wait([self._round], timeout=self._patience)

    async def _go_round(self) -> None:
        began = self._clock()
        up = [each for each in self._runtimes.standings.all() if each.state is RuntimeState.READY]
        self._seen = {each.workspace: self._seen[each.workspace] for each in up if each.workspace in self._seen}
        # A driver that hangs keeps nobody from asking another.
        gates: defaultdict[str | None, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(AT_ONCE))
        gates[self._runtimes.choosing.contained] = asyncio.Semaphore(CONTAINED_AT_ONCE)
        await asyncio.gather(*(self._see(each, gates[each.driver]) for each in up))
        took = self._clock() - began
        self._good_until = self._clock() + max(FRESH, min(took, LONGEST))

    async def _see(self, standing: Standing, gate: asyncio.Semaphore) -> None:
        workspace, choosing = standing.workspace, self._runtimes.choosing
        contained = standing.driver == choosing.contained
        async with gate:
            driver = self._drivers.get(standing.driver or "")
            if driver is None or (contained and not choosing.works):
                return
            try:
                async with asyncio.timeout(LONGEST):
                    stats = await driver.stats(workspace)
            except (WebtermError, TimeoutError) as error:
                log.debug("workspace %s: nobody can tell what it uses: %s", workspace, error)
                if contained:
                    await choosing.doubt()  # so that the others are not waited for, and it can be said why
            except Exception:  # others are asked all the same
                log.exception("workspace %s: what it uses cannot be told", workspace)
            else:
                self._seen[workspace] = self._clock(), stats

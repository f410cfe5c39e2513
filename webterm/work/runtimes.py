"""What runs in workspaces, where, and how far it has come with that."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial

from webterm.access import ITSELF, Actor, Role, Scope, Source
from webterm.errors import MissingScope, RuntimeBusy, WebtermError
from webterm.hub.hub import Hub
from webterm.ids import WorkspaceId
from webterm.runtime import Runtime, RuntimeState
from webterm.session import Driver
from webterm.settings import Settings
from webterm.tasks import Tasks
from webterm.terminals.rules import Place
from webterm.work.admission import no_such
from webterm.work.choosing import Choice, Choosing
from webterm.work.endings import Ending, MemberChanged, MemberGone, WorkspaceGone
from webterm.work.idle import Idle, InUse
from webterm.work.journals import Journals
from webterm.work.outages import Outages
from webterm.work.plans import Plans
from webterm.work.runtime_news import OnRuntime, RuntimeChanged, RuntimeNews, RuntimeStatus
from webterm.work.standings import Standings
from webterm.work.whereabouts import Whereabouts
from webterm.work.workspaces import Workspace, Workspaces

__all__ = ["OnRuntime", "RuntimeChanged", "RuntimeState", "RuntimeStatus", "Runtimes"]

LOGGED = "the server's log says why"
PATIENCE = 2.0
"""Seconds for which `Runtimes.start` and `Runtimes.stop` wait; what takes longer goes on."""

log = logging.getLogger("webterm.work")


class Runtimes:
    """The runtimes of all workspaces, which are started when something is to run there.

    ``Runtimes(workspaces, hub, drivers, settings, choosing)``. `start_up` when workspaces and hub have started;
    `aclose` before the hub is closed. What runs outlives that, as the driver says. `place` is the
    `webterm.terminals.rules.PlaceOf` of all terminals.
    """

    def __init__(
        self,
        workspaces: Workspaces,
        hub: Hub,
        drivers: Mapping[str, Driver],
        settings: Settings,
        choosing: Choosing,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._workspaces = workspaces
        self._hub = hub
        self._drivers = drivers
        self._settings = settings
        self.choosing = choosing
        self.plans = Plans(workspaces, settings, shared={choosing.local}, contained={choosing.contained})
        self._where = Whereabouts(hub, drivers, choosing, self.plans.homes)
        self._news = RuntimeNews()
        self.journals = Journals(self._news)
        self.standings = Standings(hub, self._where, self._news, choosing)
        self._starts: dict[WorkspaceId, asyncio.Task[None]] = {}
        self._stops: dict[WorkspaceId, asyncio.Task[None]] = {}
        self._resting: set[WorkspaceId] = set()  # stopping, and who wants to be there may come in afterwards
        self._stopped: Counter[WorkspaceId] = Counter()
        self.idle = Idle(
            settings.runtimes.idle_minutes * 60,
            up=lambda: self._where.at(choosing.contained),
            is_idle=self._where.is_idle,
            tell=self._news.warn,
            stop=self._rest,
            clock=clock,
        )
        self.idle.subscribe(self._is_viewed)
        self._tasks = Tasks("runtimes")
        self._outages = Outages(workspaces, drivers, choosing, self._where, self._news, self._take_over, clock=clock)
        workspaces.subscribe(self._on_ending)

    def subscribe(self, callback: OnRuntime) -> None:
        """Have ``callback`` called with every change of a runtime's state, and every line of progress."""
        self._news.subscribe(callback)

    def unsubscribe(self, callback: OnRuntime) -> None:
        """No longer. Twice is harmless."""
        self._news.unsubscribe(callback)

    def used_by(self, in_use: InUse) -> None:
        """Have ``in_use`` asked before a runtime is stopped because nobody uses it."""
        self.idle.subscribe(in_use)
        self._where.subscribe(in_use)

    def touch(self, workspace: WorkspaceId) -> None:
        """Somebody uses a runtime: it does not stop by itself for as long as the settings say."""
        self.idle.touch(workspace)

    async def start_up(self) -> None:
        """End what runs where its person may not be any more: rights end while no server runs, too.

        Sandboxes and containers that have outlived the server before are taken over in the background.
        """
        for name in self.plans.homes & self._drivers.keys():
            self._drivers[name].on_runtime_ended = partial(self._on_runtime_ended, name)
            self._drivers[name].on_runtime_note = self._news.note
        await self.choosing.start()
        for left in self._workspaces.left():
            self._end(left, ITSELF)
        await self._where.collect(self.choosing.local, await self._workspaces.present())
        lived_on: set[WorkspaceId] = set()
        for workspace, user in self._hub.inhabitants():
            if await self._workspaces.may_be_in(user, workspace, Role.WRITE):
                lived_on.add(workspace)
            else:
                self._hub.evict(workspace, user)
        for workspace in lived_on:
            self._tasks.run(self._take_over(workspace))
        self.idle.start()

    async def aclose(self) -> None:
        """Stop starting and stopping. Runtimes stay as they are. Twice is harmless."""
        await self.idle.aclose()
        await self.choosing.aclose()
        await self._outages.aclose()
        await self._tasks.aclose()

    async def end_containers(self) -> None:
        """Stop those that are up, when everything is to end with the server. After `aclose`."""
        await self._where.end_containers()

    async def place(self, actor: Actor, workspace: str | None, driver: str | None) -> Place:
        """Where a terminal or command goes. The runtime of its workspace is up then.

        Without a workspace the server's owner gets the machine as it is, and others, where a sandbox or container keeps
        people apart, their home workspace. Raises `webterm.errors.NoSuchWorkspace`, `webterm.errors.ReadOnly`,
        `webterm.errors.MissingScope` for a proof of identity that is not good for workspaces,
        `webterm.errors.NoSuchDriver`, `webterm.errors.Conflict` for a driver that is not the workspace's,
        `webterm.errors.RuntimeBusy`, `webterm.errors.IsolationRefused`, `webterm.errors.ImageRefused`, and what
        `Driver.start` raises.
        """
        mark = self._workspaces.mark()
        if workspace is not None and not actor.may(Scope.WORKSPACES_WRITE):
            raise MissingScope(f"programs in a workspace need the scope {Scope.WORKSPACES_WRITE}")
        if workspace is None:
            if (outside := await self._outside(actor, driver)) is not None:
                return Place(driver=outside)
            found = await self._workspaces.home(actor)
        else:
            found = await self._workspaces.allowed(actor, workspace, Role.WRITE)
        self.touch(found.id)
        await self._rested(found.id)
        choice = await self._where.choose(found, driver, own=found.owner == actor.id)
        stops = self._stopped[found.id]
        runtime = await self._up(actor, found, choice)
        return Place(
            driver=choice.driver,
            runtime=runtime,
            terminals=self._workspaces.tier(found).terminals,
            cwd=found.environment.cwd or None,
            check=partial(self._check_still, actor, found, mark, stops),
        )

    async def start(self, actor: Actor, workspace: str, by: Source) -> RuntimeStatus:
        """Start a workspace's runtime, if it is not up. Needs `Role.WRITE`.

        Waits a moment; one that takes longer is ``starting`` then, and subscribers are told. One that fails is
        ``failed``, with a message. Raises `webterm.errors.RuntimeBusy` while it stops.
        """
        found = await self._workspaces.allowed(actor, workspace, Role.WRITE)
        self.touch(found.id)
        await self._rested(found.id)
        choice = await self._where.choose(found, None)
        runtime = await self.plans.runtime(actor, found, choice.driver)
        if not await self._is_up(choice, runtime):
            start = self._begin(choice, runtime, actor)
            await self._workspaces.note("workspace.start", found, by)
            await asyncio.wait([start], timeout=PATIENCE)
        return await self._status(found)

    async def stop(self, actor: Actor, workspace: str, by: Source) -> RuntimeStatus:
        """End everything that runs in a workspace, for all its members. Needs `Role.OWN`.

        Waits a moment; what takes longer is ``stopping`` then, and subscribers are told.
        """
        return await self.end(await self._workspaces.allowed(actor, workspace, Role.OWN), by)

    async def end(self, found: Workspace, by: Source, why: str = "") -> RuntimeStatus:
        """As `stop`, for those who have looked at rights. ``why`` is for people, and for the audit log."""
        await self._where.seek(found)
        self._resting.discard(found.id)
        stop = self._end(found.id, by, why)
        await self._workspaces.note("workspace.stop", found, by, why)
        await asyncio.wait([stop], timeout=PATIENCE)
        return await self._status(found)

    async def restart(self, actor: Actor, workspace: str, by: Source) -> RuntimeStatus:
        """As `stop`, and then `start`: with the environment as it is now. Needs `Role.OWN`."""
        found = await self._workspaces.allowed(actor, workspace, Role.OWN)
        self._check_not_stopping(found.id)
        choice = await self.choosing.choose(found.environment.driver)
        await self.plans.runtime(actor, found, choice.driver)  # what cannot start again does not stop
        self._resting.add(found.id)
        again = self._tasks.run(self._again(actor, found, self._end(found.id, by)))
        await self._workspaces.note("workspace.restart", found, by)
        await asyncio.wait([again], timeout=PATIENCE)
        return await self._status(found)

    async def keep(self, actor: Actor, workspace: str) -> RuntimeStatus:
        """Have it not stop by itself for as long as the settings say. Needs `Role.WRITE`."""
        found = await self._workspaces.allowed(actor, workspace, Role.WRITE)
        self.touch(found.id)
        return await self._status(found)

    async def status(self, actor: Actor, workspace: str) -> RuntimeStatus:
        """How it stands. See `webterm.work.looks.Looks.status` for its ports."""
        return await self._status(await self._workspaces.allowed(actor, workspace))

    async def driver_at(self, workspace: WorkspaceId) -> Driver | None:
        """The driver with which a workspace's programs run now; None: none do."""
        here = await self._where.find(workspace) or self._where.last(workspace)
        return None if here is None else self._drivers[here.driver]

    async def _status(self, found: Workspace) -> RuntimeStatus:
        here = await self._where.seek(found)
        terminals = len(self._hub.alive_in(found.id))
        choice = here or self._where.last(found.id) or self.choosing.chosen(found.environment.driver)
        last = self._news.last(found.id)
        state, message = last.state, last.message
        if state in (RuntimeState.ABSENT, RuntimeState.READY):
            up = here is not None or terminals or self._where.is_bare(found.id)
            state = RuntimeState.READY if up else RuntimeState.ABSENT
            message = "" if up else last.message or self.choosing.trouble(choice.driver)
        return RuntimeStatus(
            state=state,
            message=message,
            driver=choice.driver,
            reason=choice.reason,
            image=self.plans.image(found, choice.driver),
            terminals=terminals,
            stops_in=self.idle.stops_in(found.id),
            limits=self.plans.limits(found),
            cut=tuple(self._workspaces.environments.excess(found.environment.limits)),
            network=self.plans.network(choice.driver) and found.environment.network,
            published=await self.plans.published(found, choice.driver),
        )

    async def _outside(self, actor: Actor, asked: str | None) -> str | None:
        """The driver of a program that belongs to no workspace; None where this actor's have to."""
        if asked is None and actor.owner:
            return self.choosing.local
        return self.plans.outside(actor, (await self.choosing.choose(asked)).driver)

    def _check_still(self, actor: Actor, found: Workspace, mark: int, stops: int) -> None:
        if self._workspaces.ended(mark, found.id, actor.id, Role.WRITE):
            raise no_such(found.id)
        if self._stopped[found.id] != stops:
            raise RuntimeBusy("the workspace has just been stopped")

    async def _up(self, actor: Actor, found: Workspace, choice: Choice) -> Runtime:
        runtime = await self.plans.runtime(actor, found, choice.driver)
        if not await self._is_up(choice, runtime):
            start = self._begin(choice, runtime, actor)
            await asyncio.wait([start])  # others may wait for it, too: who is cancelled does not cancel it
            if start.cancelled():
                raise RuntimeBusy("the workspace has just been stopped")
            start.result()
        return runtime

    async def _is_up(self, choice: Choice, runtime: Runtime) -> bool:
        self._check_not_stopping(runtime.workspace)
        if runtime.workspace in self._starts:
            return False
        # What is not confined has nothing that could be up or not.
        if not runtime.confined and self._where.is_bare(runtime.workspace):
            return True
        if up := await self._drivers[choice.driver].is_up(runtime.workspace):
            self._where.settle(runtime.workspace, choice, bare=False)
        return up

    def _check_not_stopping(self, workspace: WorkspaceId) -> None:
        if workspace in self._stops:
            raise RuntimeBusy("the workspace is just stopping; come back in a moment")

    async def _rested(self, workspace: WorkspaceId) -> None:
        """Wait for a stop that nobody asked for, or that is half of a restart."""
        while workspace in self._resting and (stop := self._stops.get(workspace)) is not None:
            await asyncio.wait([stop])

    async def _take_over(self, workspace: WorkspaceId) -> None:
        """Have a driver know of a runtime again in which programs have lived on: it looks after their limits."""
        try:
            if (found := await self._workspaces.known(workspace)) is None:
                return
            choice = await self._where.choose(found, None)
            runtime = await self.plans.runtime(None, found, choice.driver)
            if runtime.confined and await self._is_up(choice, runtime):
                self._begin(choice, runtime)
        except WebtermError as error:
            log.warning("workspace %s: what runs there is not looked after: %s", workspace, error)

    def _begin(self, choice: Choice, runtime: Runtime, by: Actor | None = None) -> asyncio.Task[None]:
        """The start of a runtime, whoever asked for it first."""
        self._check_not_stopping(runtime.workspace)
        if (task := self._starts.get(runtime.workspace)) is None:
            self.journals.start(runtime.workspace, choice, by)
            task = self._starts[runtime.workspace] = self._tasks.run(self._start(choice, runtime))
        return task

    async def _start(self, choice: Choice, runtime: Runtime) -> None:
        workspace = runtime.workspace
        tell = partial(self._news.tell, workspace)
        self._where.begin(workspace, choice)
        tell(RuntimeState.STARTING, choice.reason)
        try:
            await self._drivers[choice.driver].start(runtime, partial(tell, RuntimeState.STARTING))
        except BaseException as error:
            self._where.forget(workspace)
            if isinstance(error, Exception):
                tell(RuntimeState.FAILED, str(error) if isinstance(error, WebtermError) else LOGGED)
            raise
        else:
            self._where.settle(workspace, choice, bare=not runtime.confined)
            self.touch(workspace)
            tell(RuntimeState.READY, choice.reason)
        finally:
            self._starts.pop(workspace, None)

    def _end(self, workspace: WorkspaceId, source: Source, why: str = "") -> asyncio.Task[None]:
        """The stop of a runtime, whoever asked for it first."""
        if (task := self._stops.get(workspace)) is None:
            self.journals.stop(workspace, source)
            task = self._stops[workspace] = self._tasks.run(self._stop(workspace, source, why))
        return task

    async def _stop(self, workspace: WorkspaceId, source: Source, why: str) -> None:
        self._stopped[workspace] += 1
        tell = partial(self._news.tell, workspace)
        tell(RuntimeState.STOPPING, why)
        try:
            if (start := self._starts.get(workspace)) is not None:
                start.cancel()
                await asyncio.wait([start])
            await self._hub.close_all_in(workspace, source)
            await self._where.stop(workspace)
        except WebtermError as error:
            tell(RuntimeState.FAILED, str(error))
            raise
        except Exception:
            tell(RuntimeState.FAILED, f"it could not be stopped; {LOGGED}")
            raise
        else:
            tell(RuntimeState.ABSENT, why)
        finally:
            self._stops.pop(workspace, None)
            self._resting.discard(workspace)

    async def _again(self, actor: Actor, found: Workspace, stop: asyncio.Task[None]) -> None:
        await asyncio.shield(stop)
        found = await self._workspaces.allowed(actor, found.id, Role.WRITE)  # it may have another environment now
        await self._up(actor, found, await self._where.choose(found, None))

    def _is_viewed(self, workspace: WorkspaceId) -> bool:
        return workspace in self._starts or self._hub.is_viewed(workspace)

    async def _rest(self, workspace: WorkspaceId) -> None:
        """Nobody uses it: stop it until somebody comes."""
        if workspace in self._stops:
            return
        self._resting.add(workspace)
        minutes = self._settings.runtimes.idle_minutes
        why = f"stopped because for {minutes:g} minutes nobody looked, and nothing ran but shells at their prompt"
        self._end(workspace, ITSELF, why)
        if (found := await self._workspaces.known(workspace)) is not None:
            await self._workspaces.note("workspace.idle", found, ITSELF)

    def _on_runtime_ended(self, driver: str, workspace: WorkspaceId, reason: str) -> None:
        """A runtime has ended that we have not asked to end. Its terminals hear of that by their own ends."""
        elsewhere = (here := self._where.last(workspace)) is not None and here.driver != driver
        if elsewhere or workspace in self._stops or workspace in self._starts:
            return
        self._where.forget(workspace)
        self._outages.ended(workspace, reason)

    def _on_ending(self, ending: Ending) -> None:
        """Rights that end do so on what runs."""
        match ending:
            case WorkspaceGone(workspace):
                self._hub.evict(workspace)
                self._end(workspace, ITSELF)
                self.journals.forget(workspace)
            case MemberGone(workspace, user):
                self._hub.evict(workspace, user)
            case MemberChanged(workspace, user, role) if role < Role.WRITE:
                self._hub.evict(workspace, user)

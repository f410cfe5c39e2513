"""What runs in workspaces, where, and how far it has come with that."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial

from webterm.access import ITSELF, Actor, Role, Scope, Source
from webterm.errors import (
    Conflict,
    IsolationRefused,
    MissingScope,
    NoSuchDriver,
    RuntimeBusy,
    WebtermError,
)
from webterm.hub.hub import Hub
from webterm.hub.tasks import Tasks
from webterm.ids import WorkspaceId
from webterm.runtime import Runtime, RuntimeLimits, RuntimeState
from webterm.session import Driver
from webterm.settings import Settings
from webterm.settings_accounts import Tier
from webterm.terminals.rules import Place
from webterm.work.admission import no_such
from webterm.work.endings import Ending, MemberChanged, MemberGone, WorkspaceGone
from webterm.work.workspaces import Workspace, Workspaces

__all__ = ["OnRuntime", "RuntimeChanged", "RuntimeState", "RuntimeStatus", "Runtimes"]

PATIENCE = 2.0
"""Seconds for which `Runtimes.start` and `Runtimes.stop` wait; what takes longer goes on."""

BLOCK = 4096
"""Bytes that even an empty file's room is rounded up to, on most disks."""

log = logging.getLogger("webterm.work")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeChanged:
    """A runtime has come to this state, or has said how far it is. ``message`` is a line for people, or empty."""

    workspace: WorkspaceId
    state: RuntimeState
    message: str = ""


OnRuntime = Callable[[RuntimeChanged], None]
"""Called in the loop. It may not wait; what it raises is logged and keeps nobody else from being told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeStatus:
    """How a workspace's runtime stands. ``terminals`` is how many run there, ``ports`` what its programs listen on."""

    state: RuntimeState
    message: str
    driver: str
    terminals: int
    ports: tuple[int, ...] = ()


class Runtimes:
    """The runtimes of all workspaces, which are started when something is to run there.

    ``Runtimes(workspaces, hub, drivers, settings, shared={LocalDriver.name}, default=LocalDriver.name)``: ``shared``
    are the drivers whose programs run on this machine itself, so that only a sandbox keeps people's apart. `start_up`
    when workspaces and hub have started; `aclose` before the hub is closed. What runs outlives that, as the driver
    says. `place` is the `webterm.terminals.rules.PlaceOf` of all terminals.
    """

    def __init__(
        self,
        workspaces: Workspaces,
        hub: Hub,
        drivers: Mapping[str, Driver],
        settings: Settings,
        *,
        shared: Collection[str],
        default: str,
    ) -> None:
        self._workspaces = workspaces
        self._hub = hub
        self._drivers = drivers
        self._settings = settings
        self._shared = frozenset(shared)
        self._default = default
        self._states: dict[WorkspaceId, RuntimeChanged] = {}
        self._starts: dict[WorkspaceId, asyncio.Task[None]] = {}
        self._stops: dict[WorkspaceId, asyncio.Task[None]] = {}
        self._stopped: Counter[WorkspaceId] = Counter()
        self._bare: set[WorkspaceId] = set()  # started, without a sandbox that could be asked
        self._subscribers: list[OnRuntime] = []
        self._tasks = Tasks("runtimes")
        workspaces.subscribe(self._on_ending)

    def subscribe(self, callback: OnRuntime) -> None:
        """Have ``callback`` called with every change of a runtime's state, and every line of progress."""
        self._subscribers.append(callback)

    def unsubscribe(self, callback: OnRuntime) -> None:
        """No longer. Twice is harmless."""
        if callback in self._subscribers:
            self._subscribers.remove(callback)

    async def start_up(self) -> None:
        """End what runs where its person may not be any more: rights end while no server runs, too.

        Sandboxes that have outlived the server before are taken over by their drivers in the background.
        """
        for left in self._workspaces.left():
            self._end(left, ITSELF)
        lived_on: set[WorkspaceId] = set()
        for workspace, user in self._hub.inhabitants():
            if await self._workspaces.may_be_in(user, workspace, Role.WRITE):
                lived_on.add(workspace)
            else:
                self._hub.evict(workspace, user)
        for workspace in lived_on:
            self._tasks.run(self._take_over(workspace))

    async def aclose(self) -> None:
        """Stop starting and stopping. Runtimes stay as they are. Twice is harmless."""
        await self._tasks.aclose()

    async def place(self, actor: Actor, workspace: str | None, driver: str | None) -> Place:
        """Where a terminal or command goes. The runtime of its workspace is up then.

        Without a workspace the server's owner gets the machine as it is, and others, where a sandbox keeps people
        apart, their home workspace. Raises `webterm.errors.NoSuchWorkspace`, `webterm.errors.ReadOnly`,
        `webterm.errors.MissingScope` for a proof of identity that is not good for workspaces,
        `webterm.errors.NoSuchDriver`, `webterm.errors.Conflict` for a driver that is not the workspace's,
        `webterm.errors.RuntimeBusy`, `webterm.errors.IsolationRefused`, and what `Driver.start` raises.
        """
        mark = self._workspaces.mark()
        if workspace is not None and not actor.may(Scope.WORKSPACES_WRITE):
            raise MissingScope(f"programs in a workspace need the scope {Scope.WORKSPACES_WRITE}")
        if workspace is None:
            name = driver or self._default
            if actor.owner or name not in self._shared or self._settings.local.isolation == "none":
                return Place(driver=name)
            self._check_isolation(name)
            found = await self._workspaces.home(actor)
        else:
            found = await self._workspaces.allowed(actor, workspace, Role.WRITE)
        name = self._driver_of(found, driver)
        stops = self._stopped[found.id]
        runtime = await self._up(actor, found, name)
        return Place(
            driver=name,
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
        name = self._driver_of(found, None)
        runtime = self._runtime(actor, found, name)
        if not await self._is_up(name, runtime):
            start = self._begin(name, runtime)
            await self._workspaces.note("workspace.start", found, by)
            await asyncio.wait([start], timeout=PATIENCE)
        return await self._status(found)

    async def stop(self, actor: Actor, workspace: str, by: Source) -> RuntimeStatus:
        """End everything that runs in a workspace, for all its members. Needs `Role.OWN`.

        Waits a moment; what takes longer is ``stopping`` then, and subscribers are told.
        """
        found = await self._workspaces.allowed(actor, workspace, Role.OWN)
        stop = self._end(found.id, by)
        await self._workspaces.note("workspace.stop", found, by)
        await asyncio.wait([stop], timeout=PATIENCE)
        return await self._status(found)

    async def status(self, actor: Actor, workspace: str) -> RuntimeStatus:
        """How it stands."""
        return await self._status(await self._workspaces.allowed(actor, workspace))

    async def _status(self, found: Workspace) -> RuntimeStatus:
        name = found.environment.driver or self._default
        terminals = len(self._hub.alive_in(found.id))
        last = self._states.get(found.id, RuntimeChanged(workspace=found.id, state=RuntimeState.ABSENT))
        state, message = last.state, last.message
        if state in (RuntimeState.ABSENT, RuntimeState.READY):
            up = (
                terminals
                or found.id in self._bare
                or (name in self._drivers and await self._drivers[name].is_up(found.id))
            )
            state, message = (RuntimeState.READY if up else RuntimeState.ABSENT), ""
        return RuntimeStatus(state=state, message=message, driver=name, terminals=terminals)

    def _driver_of(self, found: Workspace, asked: str | None) -> str:
        own = found.environment.driver
        if asked is not None and own is not None and asked != own:
            raise Conflict(f"programs of this workspace run with the driver {own}, not {asked[:64]}")
        name = asked or own or self._default
        if name not in self._drivers:
            raise NoSuchDriver(f"there is no driver {name[:64]!r}; there are {', '.join(sorted(self._drivers))}")
        return name

    def _runtime(self, actor: Actor | None, found: Workspace, name: str) -> Runtime:
        """For programs of ``actor``; None is anybody but the server's owner."""
        # What others have put into their workspace must not run with everything that the server's owner may do.
        at_home = actor is not None and actor.owner and found.owner == actor.id
        free = self._settings.local.isolation == "none" or at_home
        confined = name in self._shared and not free
        if confined:
            self._check_isolation(name)
        sandbox, wanted, tier = self._settings.sandbox, found.environment, self._workspaces.tier(found)
        return Runtime(
            workspace=found.id,
            files=self._workspaces.root(found),
            confined=confined,
            account=found.account,
            network=sandbox.network and wanted.network,
            env=wanted.env,
            image=wanted.image,
            limits=RuntimeLimits(
                processes=int(_least(sandbox.processes, wanted.limits.processes)),
                memory=int(_least(sandbox.memory, wanted.limits.memory)),
                cpu=_least(sandbox.cpu, wanted.limits.cpu),
                file_size=int(_least(sandbox.file_size, tier.bytes)),
                disk=_room(tier),
            ),
        )

    def _check_isolation(self, name: str) -> None:
        if self._settings.local.isolation == "refuse":
            raise IsolationRefused(
                f"only the owner of this server may start programs with the driver {name}, which keeps nobody's"
                ' programs apart here; the setting local.isolation = "sandbox" gives everybody a sandbox'
            )

    def _check_still(self, actor: Actor, found: Workspace, mark: int, stops: int) -> None:
        if self._workspaces.ended(mark, found.id, actor.id, Role.WRITE):
            raise no_such(found.id)
        if self._stopped[found.id] != stops:
            raise RuntimeBusy("the workspace has just been stopped")

    async def _up(self, actor: Actor, found: Workspace, name: str) -> Runtime:
        runtime = self._runtime(actor, found, name)
        if not await self._is_up(name, runtime):
            start = self._begin(name, runtime)
            await asyncio.wait([start])  # others may wait for it, too: who is cancelled does not cancel it
            if start.cancelled():
                raise RuntimeBusy("the workspace has just been stopped")
            start.result()
        return runtime

    async def _is_up(self, name: str, runtime: Runtime) -> bool:
        self._check_not_stopping(runtime.workspace)
        if runtime.workspace in self._starts:
            return False
        # What is not confined has nothing that could be up or not.
        bare = not runtime.confined and runtime.workspace in self._bare
        return bare or await self._drivers[name].is_up(runtime.workspace)

    def _check_not_stopping(self, workspace: WorkspaceId) -> None:
        if workspace in self._stops:
            raise RuntimeBusy("the workspace is just stopping; come back in a moment")

    async def _take_over(self, workspace: WorkspaceId) -> None:
        """Have a driver know of a sandbox again in which programs have lived on: it looks after their limits."""
        try:
            if (found := await self._workspaces.known(workspace)) is None:
                return
            name = self._driver_of(found, None)
            runtime = self._runtime(None, found, name)
            if runtime.confined and await self._is_up(name, runtime):
                self._begin(name, runtime)
        except WebtermError as error:
            log.warning("workspace %s: what runs there is not looked after: %s", workspace, error)

    def _begin(self, name: str, runtime: Runtime) -> asyncio.Task[None]:
        """The start of a runtime, whoever asked for it first."""
        self._check_not_stopping(runtime.workspace)
        if (task := self._starts.get(runtime.workspace)) is None:
            task = self._starts[runtime.workspace] = self._tasks.run(self._start(name, runtime))
        return task

    async def _start(self, name: str, runtime: Runtime) -> None:
        workspace = runtime.workspace
        tell = partial(self._tell, workspace)
        tell(RuntimeState.STARTING)
        try:
            await self._drivers[name].start(runtime, partial(tell, RuntimeState.STARTING))
        except WebtermError as error:
            tell(RuntimeState.FAILED, str(error))
            raise
        except Exception:
            tell(RuntimeState.FAILED, "the server's log says why")
            raise
        else:
            if not runtime.confined:
                self._bare.add(workspace)
            tell(RuntimeState.READY)
        finally:
            self._starts.pop(workspace, None)

    def _end(self, workspace: WorkspaceId, source: Source) -> asyncio.Task[None]:
        """The stop of a runtime, whoever asked for it first."""
        if (task := self._stops.get(workspace)) is None:
            task = self._stops[workspace] = self._tasks.run(self._stop(workspace, source))
        return task

    async def _stop(self, workspace: WorkspaceId, source: Source) -> None:
        self._stopped[workspace] += 1
        self._bare.discard(workspace)
        self._tell(workspace, RuntimeState.STOPPING)
        try:
            if (start := self._starts.get(workspace)) is not None:
                start.cancel()
                await asyncio.wait([start])
            await self._hub.close_all_in(workspace, source)
            for driver in self._drivers.values():  # another than now may have been the workspace's when it was started
                await driver.stop(workspace)
        except WebtermError as error:
            self._tell(workspace, RuntimeState.FAILED, str(error))
            raise
        except Exception:
            self._tell(workspace, RuntimeState.FAILED, "it could not be stopped; the server's log says why")
            raise
        else:
            self._tell(workspace, RuntimeState.ABSENT)
            self._states.pop(workspace, None)
        finally:
            self._stops.pop(workspace, None)

    def _tell(self, workspace: WorkspaceId, state: RuntimeState, message: str = "") -> None:
        changed = self._states[workspace] = RuntimeChanged(workspace=workspace, state=state, message=message)
        for callback in list(self._subscribers):
            try:
                callback(changed)
            except Exception:
                log.exception("a change of a runtime did not arrive everywhere")

    def _on_ending(self, ending: Ending) -> None:
        """Rights that end do so on what runs."""
        match ending:
            case WorkspaceGone(workspace):
                self._hub.evict(workspace)
                self._end(workspace, ITSELF)
            case MemberGone(workspace, user):
                self._hub.evict(workspace, user)
            case MemberChanged(workspace, user, role) if role < Role.WRITE:
                self._hub.evict(workspace, user)


def _room(tier: Tier) -> int:
    """The room on the disk that programs may fill.

    Quotas count the bytes of files, a disk whole blocks, and directories as well: what the quotas allow must not end
    anybody's programs. At most twice the bytes, so that a small quota stays one.
    """
    return tier.bytes + min(tier.bytes, BLOCK * tier.entries or tier.bytes)


def _least(first: float, second: float) -> float:
    """The smaller of two limits; 0 is none."""
    return min(first, second) if first and second else first or second

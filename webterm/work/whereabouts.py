"""Where the programs of workspaces run: with which driver they do now, and with which they will."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from webterm.errors import Conflict, ReadOnly, Unavailable, WebtermError
from webterm.hub.hub import Hub
from webterm.ids import WorkspaceId
from webterm.session import Driver
from webterm.work.choosing import Choice, Choosing
from webterm.work.idle import InUse
from webterm.work.workspaces import Workspace

log = logging.getLogger("webterm.work")

PATIENCE = 5.0
"""Seconds within which a driver has to say whether something is up; one that does not is not waited for."""


class Whereabouts:
    """What runs already stays where it is, and others join it: so a workspace's programs see each other.

    ``homes`` are the drivers that have a workspace's programs, one at a time; others look after nothing.
    """

    def __init__(self, hub: Hub, drivers: Mapping[str, Driver], choosing: Choosing, homes: frozenset[str]) -> None:
        self._hub = hub
        self._drivers = drivers
        self._choosing = choosing
        self._homes = sorted(homes, key=lambda name: name != choosing.contained)
        self._at: dict[WorkspaceId, Choice] = {}
        self._coming: set[WorkspaceId] = set()
        self._bare: set[WorkspaceId] = set()  # without a sandbox or container that could be asked
        self._owed: set[WorkspaceId] = set()  # to be stopped when their engine is back
        self._paying = asyncio.Lock()
        self._users: list[InUse] = []

    def subscribe(self, in_use: InUse) -> None:
        """Have ``in_use`` asked whether something runs in a workspace that is bare."""
        self._users.append(in_use)

    def begin(self, workspace: WorkspaceId, choice: Choice) -> None:
        """It is being started there."""
        self._at[workspace] = choice
        self._coming.add(workspace)

    def settle(self, workspace: WorkspaceId, choice: Choice, *, bare: bool) -> None:
        """It is up there. ``bare``: nothing holds its programs together, so that it cannot be asked whether it is."""
        self._coming.discard(workspace)
        self._at[workspace] = choice
        if bare:
            self._bare.add(workspace)

    def forget(self, workspace: WorkspaceId) -> None:
        """It is nowhere any more."""
        self._at.pop(workspace, None)
        self._coming.discard(workspace)
        self._bare.discard(workspace)

    def last(self, workspace: WorkspaceId) -> Choice | None:
        """Where it was when last looked at."""
        return self._at.get(workspace)

    def is_bare(self, workspace: WorkspaceId) -> bool:
        """Whether it was started, and nothing holds its programs together."""
        return workspace in self._bare

    def everywhere(self) -> dict[WorkspaceId, Choice]:
        """Where all of them were when last looked at."""
        return dict(self._at)

    def at(self, driver: str) -> list[WorkspaceId]:
        """Which workspaces are there."""
        return [workspace for workspace, choice in self._at.items() if choice.driver == driver]

    def settled_at(self, driver: str) -> list[WorkspaceId]:
        """Which workspaces are there, without those that are just being started."""
        return [workspace for workspace in self.at(driver) if workspace not in self._coming]

    async def seek(self, found: Workspace) -> Choice | None:
        """As `find`, also where nobody has used its driver since the server started."""
        await self._choosing.look_for(found.environment.driver)
        return await self.find(found.id)

    async def find(self, workspace: WorkspaceId) -> Choice | None:
        """Where a workspace's programs run now, or are about to; None: nothing of it runs."""
        known = self._at.get(workspace)
        used = {terminal.driver for terminal in self._hub.alive_in(workspace)}
        if known is not None:
            if workspace in self._coming or known.driver in used or await self._holds(known.driver, workspace):
                return known
            if self._at.get(workspace) is known and workspace not in self._bare:
                del self._at[workspace]
        for name in self._homes:
            if name in used or (known is None and name in self._drivers and await self._is_up(name, workspace)):
                return self._at.setdefault(workspace, Choice(name))
        return None

    async def choose(self, found: Workspace, asked: str | None, *, own: bool = True) -> Choice:
        """Where programs of a workspace go. ``asked``: the driver that somebody wants for them, None: any.

        ``own``: it is the workspace of who asks. Others do not take it out of its container: what its owner runs would
        join it, which on this machine nothing may confine. Raises `webterm.errors.Conflict` for another than the
        workspace's, `webterm.errors.NoSuchDriver`, `webterm.errors.ReadOnly` and `webterm.errors.Unavailable`.
        """
        choice = await self._choose(found, asked, own=own)
        if choice.driver == self._choosing.contained:
            await self._pay(found.id)
        return choice

    async def stop(self, workspace: WorkspaceId) -> None:
        """End everything of a workspace, wherever it is. Raises `webterm.errors.Unavailable`.

        What cannot be asked now is stopped when it can be, and before anything is started there.
        """
        known = self._at.get(workspace)
        for name, driver in self._drivers.items():  # another than now may have been the workspace's when it was started
            contained = name == self._choosing.contained
            if contained:
                self._owed.add(workspace)
            if not contained or self._choosing.works or (known is not None and known.driver == name):
                await driver.stop(workspace)
                self._owed.discard(workspace)
        self.forget(workspace)

    async def collect(self, name: str, wanted: frozenset[WorkspaceId]) -> None:
        """Remove what a driver has of others than the ``wanted`` workspaces, as far as that can be done now."""
        try:
            if name == self._choosing.contained:
                for workspace in list(self._owed):
                    await self._pay(workspace)
            for line in await self._drivers[name].collect(wanted) if name in self._drivers else ():
                log.info("removed %s", line)
        except WebtermError as error:
            log.warning("what is left of workspaces that are gone stays for now: %s", error)

    async def is_idle(self, workspace: WorkspaceId) -> bool:
        """Whether nothing runs in a container but shells at their prompt. Raises `webterm.errors.Unavailable`."""
        return await self._drivers[self._choosing.contained].is_idle(workspace)

    async def end_containers(self) -> None:
        """Stop all that are up, as far as somebody can."""
        driver = self._drivers.get(self._choosing.contained)
        if driver is not None and self._choosing.works:
            endings = (driver.stop(workspace) for workspace in self.at(self._choosing.contained))
            for failed in await asyncio.gather(*endings, return_exceptions=True):
                if isinstance(failed, Exception):
                    log.warning("a container could not be stopped: %s", failed)

    async def _choose(self, found: Workspace, asked: str | None, *, own: bool) -> Choice:
        its = found.environment.driver
        if asked is not None and its is not None and asked != its:
            raise Conflict(f"programs of this workspace run with the driver {its}, not {asked[:64]}")
        wish = asked or its
        here = await self.seek(found) if wish is None or wish in self._homes else None
        if here is None:
            choice = await self._choosing.choose(wish)
            if not own and asked == self._choosing.local and (await self._choosing.choose(its)).driver != asked:
                raise ReadOnly(f"only the person whose workspace it is may start it with the driver {asked}")
            return choice
        if asked is not None and asked != here.driver:
            raise Conflict(f"this workspace runs with the driver {here.driver} now; stop it to change that")
        return here

    async def _pay(self, workspace: WorkspaceId) -> None:
        """Stop what was to stop while its engine was away."""
        async with self._paying:
            if workspace in self._owed:
                await self._drivers[self._choosing.contained].stop(workspace)
                self._owed.discard(workspace)

    async def _holds(self, name: str, workspace: WorkspaceId) -> bool:
        if workspace in self._bare:
            return any(in_use(workspace) for in_use in self._users)
        return await self._is_up(name, workspace)

    async def _is_up(self, name: str, workspace: WorkspaceId) -> bool:
        if name == self._choosing.contained and not self._choosing.works:
            return False  # it could not be asked, or was not wanted so far
        if name == self._choosing.contained and workspace in self._owed:
            return False  # what is there has only not been stopped yet
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._drivers[name].is_up(workspace)
        except (Unavailable, TimeoutError):
            if name == self._choosing.contained:
                await self._choosing.doubt()  # so that it can be said why
            return False

"""What a workspace's runtime is made of: its environment, within what the settings allow."""

from __future__ import annotations

from collections.abc import Collection

from webterm.access import Actor
from webterm.errors import IsolationRefused
from webterm.runtime import Runtime, RuntimeLimits
from webterm.settings import Settings
from webterm.settings_accounts import Tier
from webterm.work.workspaces import Workspace, Workspaces

BLOCK = 4096
"""Bytes that even an empty file's room is rounded up to, on most disks."""


class Plans:
    """Makes plans of runtimes.

    ``shared`` are the drivers whose programs run on this machine itself, so that only a sandbox keeps people's apart;
    ``contained`` those that have a container for each workspace.
    """

    def __init__(
        self, workspaces: Workspaces, settings: Settings, *, shared: Collection[str], contained: Collection[str]
    ) -> None:
        self._workspaces = workspaces
        self._settings = settings
        self.shared = frozenset(shared)
        self.contained = frozenset(contained)

    @property
    def homes(self) -> frozenset[str]:
        """The drivers that workspaces' programs live with, one at a time."""
        return self.shared | self.contained

    async def runtime(self, actor: Actor | None, found: Workspace, driver: str) -> Runtime:
        """For programs of ``actor``; None is anybody but the server's owner.

        Raises `webterm.errors.IsolationRefused` and `webterm.errors.ImageRefused`.
        """
        # What others have put into their workspace must not run with everything that the server's owner may do.
        at_home = actor is not None and actor.owner and found.owner == actor.id
        free = self._settings.local.isolation == "none" or at_home
        confined = driver in self.contained or (driver in self.shared and not free)
        if confined:
            self.check_isolation(driver)
        if driver in self.contained:
            image = found.environment.image
            self._workspaces.environments.images.check(image, await self._workspaces.template_images(image))
        return Runtime(
            workspace=found.id,
            files=self._workspaces.root(found),
            confined=confined,
            account=found.account,
            network=self.network(driver) and found.environment.network,
            env=found.environment.env,
            image=found.environment.image,
            published=await self.published(found, driver),
            limits=self.limits(found),
        )

    async def published(self, found: Workspace, driver: str) -> dict[int, int]:
        """The ports of a workspace's programs that lead out of its container, each with the one of this machine."""
        return await self._workspaces.published(found) if driver in self.contained else {}

    def limits(self, found: Workspace | None = None) -> RuntimeLimits:
        """What all programs of a workspace may use together; None: of one that asks for as much as there may be."""
        sandbox = self._settings.sandbox
        if found is None:
            return RuntimeLimits(processes=sandbox.processes, memory=sandbox.memory, cpu=sandbox.cpu)
        wanted, tier = found.environment.limits, self._workspaces.tier(found)
        return RuntimeLimits(
            processes=int(_least(sandbox.processes, wanted.processes)),
            memory=int(_least(sandbox.memory, wanted.memory)),
            cpu=_least(sandbox.cpu, wanted.cpu),
            file_size=int(_least(sandbox.file_size, tier.bytes)),
            disk=_room(tier),
        )

    def network(self, driver: str) -> bool:
        """Whether a workspace may have its programs reach anything beside each other."""
        if driver in self.contained:
            return self._settings.docker.network == "internet"
        return self._settings.sandbox.network

    def image(self, found: Workspace, driver: str) -> str:
        """What a workspace's container is made of; empty for a driver that has none."""
        return (found.environment.image or self._settings.docker.image) if driver in self.contained else ""

    def outside(self, actor: Actor, driver: str) -> str | None:
        """The driver of a program that belongs to no workspace; None where this actor's have to.

        Raises `webterm.errors.IsolationRefused`.
        """
        if driver in self.contained:
            return None
        if driver not in self.shared or actor.owner or self._settings.local.isolation == "none":
            return driver
        self.check_isolation(driver)
        return None

    def check_isolation(self, driver: str) -> None:
        """Raise `webterm.errors.IsolationRefused` where only the server's owner may use a driver."""
        if driver in self.shared and self._settings.local.isolation == "refuse":
            raise IsolationRefused(
                f"only the owner of this server may start programs with the driver {driver}, which keeps nobody's"
                ' programs apart here; the setting local.isolation = "sandbox" gives everybody a sandbox'
            )


def _room(tier: Tier) -> int:
    """The room on the disk that programs may fill.

    Quotas count the bytes of files, a disk whole blocks, and directories as well: what the quotas allow must not end
    anybody's programs. At most twice the bytes, so that a small quota stays one.
    """
    return tier.bytes + min(tier.bytes, BLOCK * tier.entries or tier.bytes)


def _least(first: float, second: float) -> float:
    """The smaller of two limits; 0 is none."""
    return min(first, second) if first and second else first or second

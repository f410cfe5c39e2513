"""How much fits into a workspace: the numbers of its owner's tier.

What is there is counted on the disk, because programs write without asking us; and as counting takes a while, it is
remembered, with what we have added since. Before we write anything, room for it is set aside, so that several who
write at a time cannot pass the quota together. What programs write beyond it is seen at the next count; then nothing
more can be written here until enough is removed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from webterm.errors import QuotaReached
from webterm.files.entries import Usage
from webterm.files.root import Root
from webterm.ids import WorkspaceId
from webterm.work.threads import Threads
from webterm.work.workspaces import Ending, Workspace, WorkspaceGone, Workspaces

FRESH = 5.0
"""Seconds for which a count is believed, at least."""
SHARE = 20
"""And for so many times as long as counting took: it takes up a twentieth of a thread at most."""
AGAIN = 1.0
"""Seconds after which it is counted again before somebody is refused, or asks; and 5 times as long as it took."""
AGAIN_SHARE = 5
NOTHING = Usage(bytes=0, entries=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What there is in a workspace, and what there may be (0: as much as they like)."""

    bytes: int
    entries: int
    most_bytes: int
    most_entries: int


class Quotas:
    """Counts what is in workspaces, and sets room aside in them."""

    def __init__(
        self, workspaces: Workspaces, threads: Threads, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._workspaces = workspaces
        self._threads = threads
        self._clock = clock
        self._accounts: dict[WorkspaceId, _Account] = {}
        workspaces.subscribe(self._on_ending)

    async def standing(self, workspace: Workspace) -> Standing:
        """How much is there now; at most a few seconds old."""
        account = self._account(workspace.id)
        await self._count(workspace, account, AGAIN, AGAIN_SHARE)
        tier = self._workspaces.tier(workspace)
        return Standing(bytes=account.bytes, entries=account.entries, most_bytes=tier.bytes, most_entries=tier.entries)

    async def reserve(self, workspace: Workspace, *, bytes: int, entries: int) -> Reservation:  # noqa: A002
        """Set room aside, until it is settled or released. Raises `webterm.errors.QuotaReached`."""
        reservation = self.keep(workspace.id, bytes=0, entries=0)
        await reservation.grow(workspace, bytes=bytes, entries=entries)
        return reservation

    def keep(self, workspace: WorkspaceId, *, bytes: int, entries: int) -> Reservation:  # noqa: A002
        """Set room aside without asking whether it is there: it was, before the server was started anew."""
        reservation = Reservation(self, self._account(workspace))
        reservation.take(Usage(bytes=bytes, entries=entries))
        return reservation

    async def ask(self, workspace: Workspace, account: _Account, wanted: Usage) -> None:
        """For `Reservation.grow`: returns when there is room; what follows before the next wait may take it."""
        tier = self._workspaces.tier(workspace)
        if (not tier.bytes or wanted.bytes <= 0) and (not tier.entries or wanted.entries <= 0):
            return
        await self._count(workspace, account, FRESH, SHARE)
        if account.fault(wanted, tier.bytes, tier.entries) is not None:
            await self._count(workspace, account, AGAIN, AGAIN_SHARE)
        fault = account.fault(wanted, tier.bytes, tier.entries)
        if fault is not None:
            raise QuotaReached(fault)

    def _account(self, workspace: WorkspaceId) -> _Account:
        return self._accounts.setdefault(workspace, _Account())

    async def _count(self, workspace: Workspace, account: _Account, fresh: float, share: float) -> None:
        """Count again if the last count is older than ``fresh`` seconds and ``share`` times what it took."""
        async with account.counting:
            if account.counted is not None and self._clock() - account.counted < max(fresh, share * account.cost):
                return
            begun = self._clock()
            account.since = NOTHING
            usage = await self._threads.step(lambda: self._usage(workspace))
            account.counted = self._clock()
            account.cost = account.counted - begun
            # What was added meanwhile may have been counted or not: it counts, until the next time.
            account.bytes = usage.bytes + account.since.bytes
            account.entries = usage.entries + account.since.entries

    def _usage(self, workspace: Workspace) -> Usage:
        with Root(self._workspaces.root(workspace)) as root:
            return root.usage()

    def _on_ending(self, ending: Ending) -> None:
        if isinstance(ending, WorkspaceGone):
            self._accounts.pop(ending.workspace, None)


@dataclass(slots=True)
class _Account:
    """One workspace, as it was counted, with what has been added since. ``since``: during the last count and after."""

    bytes: int = 0
    entries: int = 0
    counted: float | None = None
    cost: float = 0.0
    since: Usage = field(default_factory=lambda: NOTHING)
    reserved_bytes: int = 0
    reserved_entries: int = 0
    counting: asyncio.Lock = field(default_factory=asyncio.Lock)

    def fault(self, wanted: Usage, most_bytes: int, most_entries: int) -> str | None:
        """Why there is no room for so much, or None."""
        used_bytes, used_entries = self.bytes + self.reserved_bytes, self.entries + self.reserved_entries
        if most_bytes and wanted.bytes > 0 and used_bytes + wanted.bytes > most_bytes:
            left = max(most_bytes - used_bytes, 0)
            return (
                f"the workspace is full: {wanted.bytes:,} bytes more would be needed, and {left:,} of"
                f" {most_bytes:,} are left"
            )
        if most_entries and wanted.entries > 0 and used_entries + wanted.entries > most_entries:
            return f"the workspace is full: it can hold {most_entries:,} files and directories"
        return None

    def add(self, usage: Usage) -> None:
        """So much is there now in addition."""
        self.bytes += usage.bytes
        self.entries += usage.entries
        self.since = Usage(
            bytes=self.since.bytes + max(usage.bytes, 0), entries=self.since.entries + max(usage.entries, 0)
        )


class Reservation:
    """Room that was set aside in one workspace. Leaving its context releases what was not settled."""

    def __init__(self, quotas: Quotas, account: _Account) -> None:
        self._quotas = quotas
        self._account = account
        self.bytes = 0
        self.entries = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()

    async def grow(self, workspace: Workspace, *, bytes: int = 0, entries: int = 0) -> None:  # noqa: A002
        """Set more aside. Raises `webterm.errors.QuotaReached`; what was set aside before stays so."""
        wanted = Usage(bytes=max(bytes, 0), entries=max(entries, 0))
        await self._quotas.ask(workspace, self._account, wanted)
        self.take(wanted)

    def take(self, wanted: Usage) -> None:
        """Set more aside without asking."""
        self.bytes += wanted.bytes
        self.entries += wanted.entries
        self._account.reserved_bytes += wanted.bytes
        self._account.reserved_entries += wanted.entries

    def settle(self, *, bytes: int, entries: int) -> None:  # noqa: A002
        """It is on the disk: so much more than before, or less. The rest of what was set aside is free again."""
        self.release()
        self._account.add(Usage(bytes=bytes, entries=entries))

    def release(self) -> None:
        """Nothing came of it. Twice is harmless, and so is it after `settle`."""
        self._account.reserved_bytes -= self.bytes
        self._account.reserved_entries -= self.entries
        self.bytes = self.entries = 0

"""The audit log as the server keeps it: what happens to terminals, how far the log has gone, and looking into it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from webterm.access import ITSELF, Source
from webterm.datadir import write_private
from webterm.errors import StoreUnavailable
from webterm.events import CommandRun, Event, TerminalOpened
from webterm.store import audit
from webterm.store.audit import Entry, Head, Verdict
from webterm.store.engine import Connection, Store

__all__ = ["HEAD_FILE", "AuditTrail", "Entry", "Head", "HeadFile", "Verdict"]
log = logging.getLogger("webterm.accounts")

HEAD_FILE = "audit.head"
INTERVAL = 5.0
"""Seconds between two looks at how far the log has gone, and between attempts when the database is away."""
MOST_WAITING = 10_000
"""Entries about terminals that wait while the database is away. What comes on top is lost, and that is written down."""
FLUSH = 5.0
"""Seconds that the last entries may take when the server stops."""
LATE = 2.0
"""Seconds after which an entry says that it was written later than it happened."""
_BATCH = 200


@dataclass(frozen=True, slots=True)
class _Waiting:
    at: float
    event: Event


class HeadFile:
    """Remembers outside of the database how far the log has gone, so that an end that was cut off is missed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._alarmed = False

    async def read(self) -> Head | None:
        """What was remembered last; None when there is nothing, or nothing that can be understood."""
        try:
            return msgspec.json.decode(await asyncio.to_thread(self._path.read_bytes), type=Head)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError:
            log.error("%s cannot be understood; the audit log's end is not checked against it", self._path)
            return None

    async def advance(self, store: Store) -> None:
        """Remember the newest row, unless the log no longer holds the row that was remembered before."""
        known = await self.read()
        async with store.reading() as conn:
            newest = await audit.head(conn)
            holds = known is None or await audit.hash_of(conn, known.number) == known.hash
        if holds and newest != known:
            await self.keep(newest)
        if not holds and not self._alarmed:
            log.error("the audit log has lost rows or they were replaced; `webterm audit verify` says which")
        self._alarmed = not holds

    async def keep(self, head: Head) -> None:
        """Remember this row, whatever was remembered before."""
        await asyncio.to_thread(write_private, self._path, msgspec.json.encode(head))


class AuditTrail:
    """Looks into the audit log, and writes what happens to terminals into it without keeping them waiting."""

    def __init__(
        self,
        store: Store,
        head_file: Path,
        *,
        clock: Callable[[], float] = time.time,
        interval: float = INTERVAL,
        most: int = MOST_WAITING,
    ) -> None:
        """``head_file`` is where to remember how far the log has gone: `HEAD_FILE` in the data directory."""
        self._store = store
        self._head = HeadFile(head_file)
        self._clock = clock
        self._interval = interval
        self._most = most
        self._waiting: deque[_Waiting] = deque()
        self._lost = 0
        self._away = False
        self._next_look = 0.0
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to write. What `note` was told before is written, too."""
        self._task = asyncio.create_task(self._run(), name="audit")

    async def aclose(self) -> None:
        """Write what waits, within `FLUSH` seconds, and stop. Twice is harmless."""
        task, self._task = self._task, None
        if task is None:
            return
        self._stopping.set()
        self._wake.set()
        await asyncio.wait([task], timeout=FLUSH)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        if self._waiting or self._lost:
            log.error("%d entries about terminals did not reach the audit log", len(self._waiting) + self._lost)

    def note(self, event: Event) -> None:
        """Something happened to a terminal. Does not wait, and does not fail."""
        if len(self._waiting) < self._most:
            self._waiting.append(_Waiting(self._clock(), event))
        else:
            if not self._lost:
                log.error("entries about terminals are being lost: %d wait for the audit log", self._most)
            self._lost += 1
        self._wake.set()

    async def page(self, *, before: int | None, limit: int, action: str = "", user: str = "") -> list[Entry]:
        """The newest entries; see `webterm.store.audit.page`."""
        async with self._store.reading() as conn:
            return await audit.page(conn, before=before, limit=limit, action=action, user=user)

    async def verify(self, expected: Head | None = None) -> Verdict:
        """Go through the whole log. ``expected`` instead of what this server remembers of its end."""
        known = expected or await self._head.read()
        async with self._store.reading() as conn:
            return await audit.verify(conn, known)

    async def restored(self, by: Source) -> None:
        """The database was put back from a backup: write down what was known of the log's end, and go on from here."""
        known = await self._head.read()
        detail = f"the audit log had {known.number} rows before, {known.hash}" if known is not None else ""
        async with self._store.writing() as conn:
            await audit.append(conn, by, "database.restore", now=self._clock(), detail=detail)
            newest = await audit.head(conn)
        await self._head.keep(newest)

    async def _run(self) -> None:
        while True:
            stopping = self._stopping.is_set()
            self._wake.clear()
            await self._work(look=stopping)
            if stopping:
                return
            waking = self._stopping if self._away else self._wake
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._interval):  # wait_for can lose a cancellation on Python 3.11
                    await waking.wait()

    async def _work(self, *, look: bool) -> None:
        """Write what waits; now and then, and if told so, remember how far the log has gone."""
        try:
            while self._waiting or self._lost:
                await self._write()
            now = asyncio.get_running_loop().time()
            if look or now >= self._next_look:
                self._next_look = now + self._interval
                await self._head.advance(self._store)
            self._away = False
        except StoreUnavailable as error:
            if not self._away:
                log.warning("entries for the audit log wait until the database answers: %s", error)
            self._away = True
        except Exception:
            log.exception("writing the audit log failed")
            self._away = True

    async def _write(self) -> None:
        """One transaction: what has been committed waits no longer."""
        batch = [self._waiting[index] for index in range(min(_BATCH, len(self._waiting)))]
        lost = self._lost if len(batch) == len(self._waiting) else 0
        async with self._store.writing() as conn:
            now = self._clock()
            for waiting in batch:
                await _append(conn, waiting, now)
            if lost:
                detail = f"{lost} entries about terminals were lost while the database was away"
                await audit.append(conn, ITSELF, "audit.lost", now=now, detail=detail)
        for _ in batch:
            self._waiting.popleft()
        self._lost -= lost


async def _append(conn: Connection, waiting: _Waiting, now: float) -> None:
    event = waiting.event
    action: str
    if isinstance(event, CommandRun):
        action, target, words = event.action, event.workspace or "", [event.program]
    else:
        action = "terminal.open" if isinstance(event, TerminalOpened) else "terminal.close"
        target, words = event.terminal, [event.driver, event.program]
    if now - waiting.at >= LATE:
        words.append(f"({now - waiting.at:.0f} s earlier)")
    await audit.append(conn, event.source, action, target, now=now, detail=" ".join(filter(None, words)))

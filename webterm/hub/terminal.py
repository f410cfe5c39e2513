"""A terminal: a session with its output log, its viewers and its end."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import os
from collections.abc import Callable
from dataclasses import dataclass

from webterm.access import Actor, Role
from webterm.errors import InputOverflow, InvalidRequest, LimitReached
from webterm.hub.audience import Audience
from webterm.hub.flow import UNLIMITED, allowance, next_expiry, unfinished_from
from webterm.hub.gathering import Gathering
from webterm.hub.history import History, Start
from webterm.hub.input import Author, InputQueue
from webterm.hub.intake import Intake
from webterm.hub.log import Log
from webterm.hub.queries import Queries
from webterm.hub.reader import Reader
from webterm.hub.record import Record
from webterm.hub.repaint import Repaint
from webterm.hub.scanner import clean_title
from webterm.hub.viewer import Event, Gone, InputPaused, Item, Parting, TitleChanged, Viewer, ViewerState
from webterm.ids import ProofId, TerminalId, UserId
from webterm.session import Exit, Session, Size
from webterm.tasks import Tasks

VIEWERS = 256
"""How many may look at one terminal at a time."""


class State(enum.IntEnum):
    """A terminal's life; it only moves forward."""

    RUNNING = 1
    CLOSING = 2
    EXITED = 3
    REMOVED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A viewer that has just attached, and where its stream starts."""

    viewer: Viewer
    start: Start
    size: Size


class Terminal:
    """One terminal as the hub keeps it. All methods belong to the event loop's thread."""

    def __init__(
        self, session: Session, log: Log, intake: Intake, record: Record, size: Size, driver: str, grace: float
    ) -> None:
        """Take over ``session`` and ``log``. ``grace``: how long a writer without progress counts, in seconds."""
        self._loop = asyncio.get_running_loop()
        self.record = record
        self.driver = driver
        self.state = State.RUNNING
        self.exit: Exit | None = None
        self.active = self._now()
        """When somebody last typed or looked, in the event loop's time."""
        self._session = session
        self._log = log
        self._intake = intake
        self._grace = grace
        self._history = History(log, size)
        self._title = self._history.modes.title
        self.audience = Audience()
        """Who looks at it."""
        self._queries = Queries(self._say)
        self._fd = None if session.fd is None else os.dup(session.fd)
        self._input = InputQueue(session, self._fd, lambda paused: self.audience.tell(InputPaused(paused)))
        self._reader = Reader(session, self._fd, log, intake, record.id, self)
        self._tasks = Tasks(f"terminal {record.id}")
        self._gathering = Gathering(self._tell_ready)
        self._repaint = Repaint(self._apply, lambda: self.size)
        self._complete = asyncio.Event()
        if log.hold is not None:
            hold = max(log.hold, log.tail)
            self.audience.restore(log.writers, hold, grace, self.detach)
            if log.writers == 1 and (only := self.audience.held):  # of several nobody knows who was asked
                self._queries.ask(self._history.asked_since(hold), only.id)

    # What it is.

    @property
    def id(self) -> TerminalId:
        """Its id, for its whole life."""
        return self.record.id

    @property
    def owner(self) -> UserId:
        """Whose it is."""
        return self.record.owner

    @property
    def title(self) -> str:
        """The name somebody gave it, else what the program says."""
        return self.record.title or self._title

    @property
    def size(self) -> Size:
        """Its size now."""
        return self._history.size

    @property
    def durable(self) -> bool:
        """Whether it outlives the server."""
        return self._session.token is not None

    @property
    def pid(self) -> int | None:
        """The program's process id, for people."""
        return self._session.pid

    @property
    def head(self) -> int:
        """The offset after the newest byte."""
        return self._log.head

    @property
    def tail(self) -> int:
        """The offset of the oldest byte kept."""
        return self._log.tail

    def at_prompt(self) -> bool | None:
        """Whether the program itself is in the foreground; see `Session.at_prompt`."""
        return self._session.at_prompt()

    # Its life.

    def start(self, *, again: bool = False) -> None:
        """Begin to read. ``again``: another server did before, and may have been killed in the middle of anything."""
        if again:
            self._apply(self.size)
        self._reader.start()

    def end_soon(self) -> bool:
        """It is to be closed: its program is slowed by nobody any more. Returns whether that is news."""
        news = self.state is State.RUNNING
        self.state = max(self.state, State.CLOSING)
        return news

    async def close(self) -> None:
        """End the program and wait until its last output is in. Cancelling leaves the ending under way."""
        self.end_soon()
        self._reader.listen()
        await self._session.aclose()
        await self._complete.wait()

    def remove(self, reason: Parting) -> None:
        """Let go of everything here; viewers are told ``reason``. The program is not touched. Twice is harmless."""
        if self.state is State.REMOVED:
            return
        self.state = State.REMOVED
        for viewer in self.audience:
            viewer.state = ViewerState.GONE
            viewer.notify(Gone(reason, self.exit))
        self._reader.close()
        self._input.close()
        self._gathering.cancel()
        self._repaint.cancel()
        self._tasks.cancel()
        self.audience.cancel()
        if self._fd is not None:
            os.close(self._fd)
        self._log.close()

    # Viewers.

    def attach(
        self,
        actor: Actor,
        role: Role,
        window: int,
        *,
        after: int | None,
        size: Size | None,
        ready: Callable[[], None],
        notify: Callable[[Event], None],
        proof: ProofId | None = None,
    ) -> Attachment:
        """Join: from here on the viewer takes items (`take`), starting where this says.

        Raises `InvalidRequest` for an ``after`` that the log has not reached, and `LimitReached`.
        """
        if after is not None and after > self._log.head:
            raise InvalidRequest(f"after: {after} is beyond the end of the output, {self._log.head}")
        if len(self.audience.live) >= VIEWERS:
            raise LimitReached(f"This terminal has {VIEWERS} viewers, and may not have more.")
        viewer = self.audience.new(actor, role, window, ready, notify, proof)
        start = self._start_of(viewer, after)
        viewer.cursor = viewer.acked = start.offset
        viewer.catch_up_until = self._log.head
        viewer.next_size = self._history.sizes_before(start.offset)
        viewer.size = size
        viewer.progress = self.active = self._now()
        viewer.picture_lost = self._repaint.ask
        if self.state >= State.EXITED:
            viewer.ended = self.exit
        shown = self._history.size_at(start.offset)
        self.audience.join(viewer)
        self._lead_changed()
        self._note_hold()
        self._reader.listen()
        if self._input.paused:
            notify(InputPaused(True))
        if not start.redraws:
            self._repaint.ask()
        return Attachment(viewer=viewer, start=start, size=shown)

    def take(self, viewer: Viewer, limit: int, *, characters: bool = False) -> Item | None:
        """The next item for ``viewer``; see `Viewer.take`."""
        if viewer.state is not ViewerState.LIVE:
            return None
        return viewer.take(self._log, self._history, limit, characters=characters)

    def ack(self, viewer: Viewer, offset: int) -> None:
        """``viewer`` has drawn everything before ``offset``. Raises `InvalidRequest` beyond what it has taken."""
        if offset > viewer.cursor:
            raise InvalidRequest(f"offset: {offset} was never sent; the last was {viewer.cursor}")
        if offset <= viewer.acked or viewer.state is not ViewerState.LIVE:
            return
        viewer.acked = offset
        viewer.progress = self._now()
        viewer.holds = viewer.holds and offset < viewer.catch_up_until
        self._queries.drawn(viewer.id, offset)
        self._note_hold()
        self._reader.listen()
        viewer.ready()

    def detach(self, viewer: Viewer) -> None:
        """``viewer`` leaves."""
        if self.audience.leave(viewer) and self.state is not State.REMOVED:
            self.active = self._now()
            self._left(viewer)

    def broke(self, viewer: Viewer) -> None:
        """The socket of ``viewer`` broke. A writer's place is held for the grace period."""
        if viewer.state is not ViewerState.LIVE or not viewer.writes or self.state >= State.EXITED:
            self.detach(viewer)
            return
        self.active = self._now()
        self.audience.hold(viewer, self._grace, self.detach)
        self._lead_changed()

    def revoke(self, user: UserId, proof: ProofId | None) -> None:
        """A proof, or without ``proof`` all of that person's, is no longer good: nothing goes either way any more.

        Its viewers leave, held places too, with what they typed and still waits here. Others are not disturbed.
        """
        self._input.drop(lambda author: author.rests_on(user, proof))
        for viewer in self.audience:
            author = viewer.author or Author(self.owner, None)  # of a place held over a restart nobody knows more
            if author.rests_on(user, proof):
                self.detach(viewer)
                viewer.notify(Gone("revoked", self.exit))

    # What viewers do.

    def type(self, viewer: Viewer, data: bytes) -> None:
        """Input of a person. Raises `InputOverflow` where nothing of it was taken."""
        self.active = self._intake.typed = self._now()
        if self.audience.promote(viewer):
            self._lead_changed()
        if self.state < State.EXITED:
            self._gathering.hurry()
            self._input.put(data, viewer.author)

    def answer(self, viewer: Viewer, data: str) -> None:
        """What a viewer's emulator says by itself. Counts only as the one answer to a query of this viewer's."""
        if self._queries.answer(viewer.id, data):
            self._say(data.encode(), viewer.author)

    def resize_from(self, viewer: Viewer, size: Size) -> None:
        """A viewer's screen has this size; it counts if the viewer leads."""
        viewer.size = size
        if self.audience.lead is viewer:
            self.resize(size)

    def resize(self, size: Size) -> None:
        """Give the terminal this size, until a lead writer gives it its own."""
        if size == self.size or self.state >= State.EXITED:
            return
        self._history.resized(size)
        self._apply(size)
        self._tell_ready()

    def signal(self, name: str) -> asyncio.Future[None]:
        """Send a signal to the foreground process group. It is on its way even if nobody waits for it."""
        return self._tasks.run(self._session.signal(name))

    def rename(self, title: str) -> asyncio.Future[None]:
        """Give it a name; an empty one returns to what the program says. It is kept even if nobody waits for it."""
        before = self.title
        self.record = self.record.named(clean_title(title))
        if self.title != before:
            self.audience.tell(TitleChanged(self.title))
        return self._tasks.run(self._session.keep(self.record.dump()))

    def text_from(self, after: int | None, limit: int) -> tuple[int, int, bytes]:
        """Output from ``after`` (or the oldest byte kept, where that is later): start, end, bytes."""
        start = self._history.oldest_start().offset if after is None or after < self.tail else after
        end = min(self.head, start + limit)
        return start, end, self._log.read(start, end)

    # What the reader asks and tells.

    def allowed(self) -> int:
        """See `Listener`. A terminal that is being closed is waited for by nobody."""
        if self.state is State.CLOSING:
            return UNLIMITED
        return allowance(self._log.head, self._log.size, self.audience, self._now(), self._grace)

    def paused_for(self) -> float | None:
        """See `Listener`."""
        return next_expiry(self.audience, self._now(), self._grace)

    def grew(self, start: int) -> None:
        """See `Listener`."""
        now = self._now()
        for viewer in self.audience:
            if viewer.acked >= start and viewer.state is ViewerState.LIVE:
                viewer.progress = now
        asked = self._history.grew(start)
        if asked:
            answerer = self.audience.lead or self.audience.held
            self._queries.ask(asked, answerer.id if answerer else None)
        if self._history.modes.title != self._title:
            self._titled(self._history.modes.title)
        self._gathering.add(self._log.head - start, now)

    def ended(self, exit_: Exit) -> None:
        """See `Listener`."""
        self.exit = exit_
        self.state = max(self.state, State.EXITED)
        self._input.close()
        for viewer in self.audience:
            viewer.ended = exit_
        self._complete.set()
        self._gathering.flush()

    # Within.

    def _now(self) -> float:
        return self._loop.time()

    def _tell_ready(self) -> None:
        for viewer in self.audience.live:
            viewer.ready()

    def _say(self, data: bytes, author: Author | None = None) -> None:
        if self.state < State.EXITED:
            with contextlib.suppress(InputOverflow):  # a program that only asks and never reads
                self._input.put(data, author)

    def _titled(self, title: str) -> None:
        self._title = title
        if not self.record.title:
            self.audience.tell(TitleChanged(title))

    def _start_of(self, viewer: Viewer, after: int | None) -> Start:
        """Where ``viewer`` starts. Who comes back to a held place takes it over with all that waits there."""
        viewer.replay_until = self._log.head
        if after is None or after < self._log.tail:
            return self._history.oldest_start()
        held = self.audience.held_for(viewer.actor, after) if viewer.actor and viewer.writes else None
        if held is not None:
            self.audience.leave(held)
            viewer.holds = True
            if self._queries.take_over(held.id, viewer.id, after):
                viewer.replay_until = after  # nothing after it was answered: it is as live as ever
            self._queries.forget(held.id)
        return self._history.resume_at(after)

    def _left(self, viewer: Viewer) -> None:
        self._queries.forget(viewer.id)
        self._lead_changed()
        self._note_hold()
        self._reader.listen()

    def _lead_changed(self) -> None:
        lead = self.audience.new_lead()
        if lead is not None and lead.size is not None:
            self.resize(lead.size)

    def _note_hold(self) -> None:
        self._log.hold = unfinished_from(self.audience)
        self._log.writers = sum(viewer.writes for viewer in self.audience)

    def _apply(self, size: Size) -> None:
        if self.state is State.RUNNING:
            self._tasks.run(self._session.resize(size))

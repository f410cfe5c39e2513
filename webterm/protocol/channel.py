"""One terminal on one socket: what waits to be said about it, and its stream of items as frames."""

from __future__ import annotations

import enum
from collections.abc import Callable

from webterm.errors import InputOverflow
from webterm.hub.terminal import Terminal
from webterm.hub.viewer import Chunk, Ended, Event, Gone, InputPaused, Item, SizeChange, Skip, TitleChanged, Viewer
from webterm.protocol import messages
from webterm.protocol.describe import describe_viewers
from webterm.protocol.frames import Frame, encode, encode_output
from webterm.protocol.message import ChannelMessage
from webterm.session import Exit

TURN = 32 * 1024
"""Bytes of output that one terminal may send before the next has its turn."""
_BACKLOG, _BACKLOG_BYTES = 1000, 64 * 1024  # messages, and bytes in them, that may wait for a terminal to open

Received = ChannelMessage | bytes


class ChannelState(enum.IntEnum):
    """A channel's life; it only moves forward."""

    OPENING = 1
    ATTACHED = 2
    GONE = 3


class Channel:
    """A channel of one connection. ``ready`` is called when `next_frame` may have something."""

    def __init__(self, number: int, *, binary: bool, ready: Callable[[Channel], None]) -> None:
        self.number = number
        self.state = ChannelState.OPENING
        self.terminal: Terminal
        self.viewer: Viewer
        self._binary = binary
        self._ready = ready
        self._pending: dict[str, messages.FromServer] = {}  # the newest of each kind, so that it stays bounded
        self._viewers_changed = False
        self._told_exit = False
        self._backlog: list[Received] = []
        self._backlog_bytes = 0

    @property
    def over(self) -> bool:
        """Whether there is nothing more to say about it."""
        return self.state is ChannelState.GONE

    def hold_back(self, message: Received) -> None:
        """Keep a message that came before the terminal was open. Raises `InputOverflow` for too many."""
        texts = messages.Input | messages.Answer
        data = message.data if isinstance(message, texts) else message if isinstance(message, bytes) else b""
        if len(self._backlog) >= _BACKLOG or self._backlog_bytes + len(data) > _BACKLOG_BYTES:
            raise InputOverflow("The terminal is not open yet, and too much waits for it already.")
        self._backlog.append(message)
        self._backlog_bytes += len(data)

    def attached(self, terminal: Terminal, viewer: Viewer) -> list[Received]:
        """The terminal is there. Returns what was held back for it."""
        self.terminal, self.viewer = terminal, viewer
        self.state = ChannelState.ATTACHED
        self._viewers_changed = False  # `messages.Attached` says who is there
        backlog, self._backlog = self._backlog, []
        return backlog

    def mark(self) -> None:
        """The viewer may take more."""
        if self.state is ChannelState.ATTACHED:
            self._ready(self)

    def note(self, event: Event) -> None:
        """Something about the terminal that has no place in its stream."""
        if isinstance(event, TitleChanged):
            self._pending["title"] = messages.Title(channel=self.number, title=event.title)
        elif isinstance(event, InputPaused):
            kind = messages.InputPaused if event.paused else messages.InputResumed
            self._pending["input"] = kind(channel=self.number)
        elif isinstance(event, Gone):
            self._part(event)
        else:
            self._viewers_changed = True
        self.mark()

    def next_frame(self) -> Frame | None:
        """The next frame of this channel: control before data."""
        if self._viewers_changed:
            self._viewers_changed = False
            return encode(messages.Viewers(channel=self.number, viewers=describe_viewers(self.terminal)))
        if self._pending:
            message = self._pending.pop(next(iter(self._pending)))
            if isinstance(message, messages.Detached):
                self.state = ChannelState.GONE
            return encode(message)
        item = self.terminal.take(self.viewer, TURN, characters=not self._binary)
        return None if item is None else self._encode(item)

    def _part(self, event: Gone) -> None:
        self._viewers_changed = False
        if event.exit is not None and not self._told_exit:
            self._pending["exit"] = self._exited(event.exit)
        self._pending["detached"] = messages.Detached(channel=self.number, reason=event.reason)

    def _exited(self, exit_: Exit) -> messages.Exited:
        self._told_exit = True
        return messages.Exited(channel=self.number, status=exit_.status, signal=exit_.signal)

    def _encode(self, item: Item) -> Frame:
        if isinstance(item, Chunk):
            return self._output(item)
        if isinstance(item, Ended):
            return encode(self._exited(item.exit))
        if isinstance(item, SizeChange):
            size = item.size
            return encode(messages.Resized(channel=self.number, offset=item.offset, cols=size.cols, rows=size.rows))
        return encode(self._skipped(item))

    def _output(self, chunk: Chunk) -> Frame:
        if self._binary:
            return encode_output(self.number, chunk.offset, chunk.data)
        end = chunk.offset + len(chunk.data)
        text = chunk.data.decode("utf-8", "replace")
        return encode(messages.Output(channel=self.number, offset=chunk.offset, end=end, data=text))

    def _skipped(self, skip: Skip) -> messages.Skipped:
        return messages.Skipped(channel=self.number, from_=skip.start, to=skip.end, preamble=skip.preamble)

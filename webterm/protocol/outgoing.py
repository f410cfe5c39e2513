"""What waits to be sent to one client: control before data, and all that has data in turns."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from webterm.protocol.channel import Channel
from webterm.protocol.frames import Frame

_CONGESTED = 256 * 1024  # bytes of control
_FULL = 128 * 1024  # bytes of bulk


class Outgoing:
    """Frames and, of terminals, only who has some: nothing of theirs is queued here.

    ``wake`` is called whenever there is something new to send.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._control: deque[Frame] = deque()
        self._control_bytes = 0
        self._bulk: deque[Frame] = deque()
        self._bulk_bytes = 0
        self._bulk_next = False
        self._ready: dict[Channel, None] = {}
        self._room = asyncio.Event()
        self._room.set()

    @property
    def congested(self) -> bool:
        """Whether so much control waits that the client should not be listened to."""
        return self._control_bytes > _CONGESTED

    def add(self, frame: Frame) -> None:
        """A frame that goes before all data."""
        self._control.append(frame)
        self._control_bytes += len(frame.payload)
        self._wake()

    def add_bulk(self, frame: Frame) -> None:
        """A frame of data that is no terminal's; see `room`."""
        self._bulk.append(frame)
        self._bulk_bytes += len(frame.payload)
        if self._bulk_bytes >= _FULL:
            self._room.clear()
        self._wake()

    async def room(self) -> None:
        """Wait until bulk may be added. Whoever does not wait is not refused: memory would be the client's to fill."""
        await self._room.wait()

    def mark(self, channel: Channel) -> None:
        """This terminal has something to send."""
        self._ready[channel] = None
        self._wake()

    def forget(self, channel: Channel) -> None:
        """This terminal has nothing to send any more."""
        self._ready.pop(channel, None)

    def clear(self) -> None:
        """Forget everything. Whoever waits for room goes on."""
        self._ready.clear()
        self._control.clear()
        self._bulk.clear()
        self._room.set()

    def next_frame(self, gone: Callable[[Channel], None]) -> Frame | None:
        """The next frame. ``gone`` hears of channels that had their last turn."""
        if self._control:
            frame = self._control.popleft()
            self._control_bytes -= len(frame.payload)
            return frame
        if self._bulk and (self._bulk_next or not self._ready):
            return self._next_bulk()
        while self._ready:
            channel = next(iter(self._ready))
            turn = channel.next_frame()
            self._ready.pop(channel, None)
            if channel.over:
                gone(channel)
            elif turn is not None:
                self._ready[channel] = None  # behind the others
            if turn is not None:
                self._bulk_next = True
                return turn
        return self._next_bulk() if self._bulk else None

    def _next_bulk(self) -> Frame:
        self._bulk_next = False
        frame = self._bulk.popleft()
        self._bulk_bytes -= len(frame.payload)
        if self._bulk_bytes < _FULL:
            self._room.set()
        return frame

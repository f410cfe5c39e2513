"""A small client that keeps the page's view of the world, and finds fault with what breaks the protocol's promises."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import struct
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Self

import aiohttp
import msgspec
from aiohttp import WSMsgType
from yarl import URL

from webterm.protocol import messages
from webterm.protocol.frames import BINARY_SUBPROTOCOL, JSON_SUBPROTOCOL
from webterm.protocol.message import DEFAULT_WINDOW, ChannelMessage, RoleName
from webterm.session import Exit

ACK_EVERY = 32 * 1024
ACK_WITHIN = 0.05
PATIENCE = 30.0
_decoder: msgspec.json.Decoder[messages.FromServer] = msgspec.json.Decoder(messages.FromServer)
_encoder = msgspec.json.Encoder()


class View:
    """What the client knows of one terminal."""

    def __init__(self, channel: int) -> None:
        self.channel = channel
        self.terminal = ""
        self.attached: messages.Attached | None = None
        """The newest answer to an open or attach."""
        self.role: RoleName = "write"
        self.window = DEFAULT_WINDOW
        self.start = 0
        self.offset = 0
        """Where the next byte comes from."""
        self.acked = 0
        self.data = bytearray()
        """Everything from ``start`` on, unless ``feed`` was replaced."""
        self.feed: Callable[[bytes], object] = self.data.extend
        self.answer: Callable[[bytes], list[str]] | None = None
        """An emulator: takes live output, and says what it answers by itself."""
        self.replay: Callable[[bytes], object] | None = None
        """An emulator's other entrance: what it parses without answering."""
        self.exit: Exit | None = None
        self.parted: str | None = None
        self.skips: list[messages.Skipped] = []
        self.sizes: list[messages.Resized] = []
        self.viewers: list[messages.ViewerInfo] = []
        self.title = ""
        self.input_paused = False
        self.errors: list[messages.Error] = []
        self.faults: list[str] = []
        """Broken promises."""

    def __repr__(self) -> str:
        return (
            f"{self.channel}: {self.start} to {self.offset}, acked {self.acked}, exit {self.exit},"
            f" parted {self.parted}, {len(self.skips)} skips, {self.errors}, {self.faults}, {self.attached}"
        )


class Client:
    """One page: a socket that is opened again as soon as it breaks, and the terminals on it."""

    def __init__(
        self, browser: aiohttp.ClientSession, url: URL, up: asyncio.Event, *, name: str, binary: bool, acks: bool
    ) -> None:
        self.name = name
        self.acks = acks
        self.reconnects = True
        self.ready: messages.Ready | None = None
        self.views: dict[int, View] = {}
        self.errors: list[messages.Error] = []
        self.terminals: list[messages.TerminalInfo] = []
        self.close_codes: list[int | None] = []
        """How each socket so far was closed."""
        self.pongs: list[str | None] = []
        self._browser = browser
        self._url = url
        self._up = up
        self._binary = binary
        self._numbers = itertools.count(1)
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._ack_timers: dict[int, asyncio.TimerHandle] = {}
        self._acking: set[asyncio.Future[None]] = set()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(lambda _: self._news.set())
        await self.until(lambda: self._socket is not None and self.ready is not None)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.reconnects = False
        if self._socket is not None:
            await self._socket.close()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    # Waiting.

    async def until(self, condition: Callable[[], object], patience: float = PATIENCE) -> None:
        """Wait until something that came makes ``condition`` true. Raises TimeoutError, and what the client raised."""
        try:
            async with asyncio.timeout(patience):
                while not condition():
                    if self._task is not None and self._task.done():
                        self._task.result()
                        raise ConnectionError(f"{self.name}: the socket has ended: {self.close_codes}")
                    await self.news()
        except TimeoutError:
            raise TimeoutError(self.story()) from None

    def story(self) -> str:
        """What happened so far, for people who wonder."""
        views = "".join(f"\n    {view}" for view in self.views.values())
        return f"{self.name}: closed {len(self.close_codes)} times, {self.close_codes[-3:]}, {self.errors}{views}"

    async def news(self) -> None:
        """Wait for anything to come."""
        self._news.clear()
        await self._news.wait()

    # Speaking.

    async def open(self, *argv: str, cols: int = 80, rows: int = 24, **fields: object) -> View:
        """Start a program and wait until it is there. ``fields`` as in `messages.Open`."""
        view = self._new_view()
        opening = {"type": "open", "channel": view.channel, "argv": argv, "cols": cols, "rows": rows, **fields}
        view.window = int(str(fields.get("window", view.window)))
        await self.send_json(opening)
        return await self._joined(view)

    async def attach(self, terminal: str, after: int | None = None, **fields: object) -> View:
        """Join a terminal and wait until that is done. ``fields`` as in `messages.Attach`."""
        return await self.join(self.begin(terminal), after, **fields)

    async def join(self, view: View, after: int | None = None, **fields: object) -> View:
        """The same for a view that was prepared by `begin`."""
        view.role = "read" if fields.get("role") == "read" else "write"
        view.window = int(str(fields.get("window", view.window)))
        await self.send_json(self._attaching(view, after) | fields)
        return await self._joined(view)

    def begin(self, terminal: str) -> View:
        """A view of a terminal that this client will attach to when it connects next."""
        view = self._new_view()
        view.terminal = terminal
        return view

    async def input(self, view: View, data: str | bytes) -> None:
        """Type."""
        if self._binary:
            payload = data.encode() if isinstance(data, str) else data
            await self.send_bytes(struct.pack(">BL", 2, view.channel) + payload)
        else:
            text = data if isinstance(data, str) else data.decode()
            await self.send(messages.Input(channel=view.channel, data=text))

    async def ack(self, view: View, offset: int | None = None) -> None:
        """Everything before ``offset`` has been drawn."""
        view.acked = view.offset if offset is None else offset
        await self.send(messages.Ack(channel=view.channel, offset=view.acked))

    async def list(self) -> list[messages.TerminalInfo]:
        """Ask for the terminals."""
        self.terminals = []
        before = len(self.pongs)
        await self.send(messages.List())
        await self.send(messages.Ping(nonce="listed"))
        await self.until(lambda: len(self.pongs) > before)
        return self.terminals

    async def settle(self) -> None:
        """Wait until the server has taken everything sent so far."""
        before = len(self.pongs)
        await self.send(messages.Ping(nonce="settle"))
        await self.until(lambda: len(self.pongs) > before)

    async def send(self, message: messages.FromClient) -> None:
        """Send a message; a socket that breaks meanwhile is no fault."""
        await self.send_text(_encoder.encode(message))

    async def send_json(self, value: object) -> None:
        """Send anything as JSON."""
        await self.send_text(_encoder.encode(value))

    async def send_text(self, text: bytes) -> None:
        """Send a text frame as it is."""
        await self._send(text, WSMsgType.TEXT)

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary frame as it is."""
        await self._send(data, WSMsgType.BINARY)

    async def _send(self, data: bytes, kind: WSMsgType) -> None:
        if self._socket is not None:
            with contextlib.suppress(ConnectionError, aiohttp.ClientError):
                await self._socket.send_frame(data, kind)

    def _new_view(self) -> View:
        view = View(next(self._numbers))
        self.views[view.channel] = view
        return view

    async def _joined(self, view: View) -> View:
        await self.until(lambda: view.attached is not None or view.errors)
        return view

    @staticmethod
    def _attaching(view: View, after: int | None) -> dict[str, object]:
        fields = {"type": "attach", "channel": view.channel, "terminal": view.terminal, "role": view.role}
        return fields | {"window": view.window} | ({} if after is None else {"after": after})

    # Listening.

    async def _run(self) -> None:
        while self.reconnects or not self.close_codes:
            await self._up.wait()
            with contextlib.suppress(aiohttp.ClientError, ConnectionError):
                async with self._connected() as socket:
                    await self._listen(socket)
                    self.close_codes.append(socket.close_code)
            self._news.set()
            await asyncio.sleep(0)

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        protocol = BINARY_SUBPROTOCOL if self._binary else JSON_SUBPROTOCOL
        headers = {"Origin": str(self._url.origin())}
        async with self._browser.ws_connect(self._url / "ws", protocols=[protocol], headers=headers) as socket:
            self._socket = socket
            try:
                for view in self.views.values():
                    if view.terminal and view.parted is None:
                        after = view.offset if view.attached is not None else None
                        await self.send_json(self._attaching(view, after))
                yield socket
            finally:
                self._socket = self.ready = None
                for timer in self._ack_timers.values():
                    timer.cancel()
                self._ack_timers.clear()

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for frame in socket:
            if frame.type is WSMsgType.TEXT:
                await self._take(_decoder.decode(frame.data))
            elif frame.type is WSMsgType.BINARY:
                kind, channel, offset = struct.unpack_from(">BLQ", frame.data)
                assert kind == 1
                await self._output(self.views[channel], offset, offset + len(frame.data) - 13, frame.data[13:])
            self._news.set()

    async def _take(self, message: messages.FromServer) -> None:
        match message:
            case ChannelMessage(channel=channel) if channel not in self.views:
                pass  # of something that was sent by hand
            case messages.Ready():
                self.ready = message
            case messages.Output():
                data, view = message.data.encode(), self.views[message.channel]
                if len(data) != message.end - message.offset and "\ufffd" not in message.data:
                    view.faults.append(f"{len(data)} bytes are said to lie from {message.offset} to {message.end}")
                await self._output(view, message.offset, message.end, data)
            case messages.Attached():
                self._attached(self.views[message.channel], message)
            case messages.Error():
                holder = self.errors if message.channel not in self.views else self.views[message.channel].errors
                holder.append(message)
            case messages.Terminals():
                self.terminals = message.terminals
            case messages.Pong():
                self.pongs.append(message.nonce)
            case messages.Notice():
                pass
            case ChannelMessage():
                _note(self.views[message.channel], message)
            case _:
                pass  # about workspaces

    @staticmethod
    def _attached(view: View, message: messages.Attached) -> None:
        first = view.attached is None
        view.attached = message
        view.terminal, view.viewers, view.title = message.terminal, message.viewers, message.title
        view.acked = message.offset
        if first:
            view.start = view.offset = message.offset
        elif message.offset != view.offset:
            view.faults.append(f"came back with {view.offset}, and was put at {message.offset}")
            view.offset = message.offset

    async def _output(self, view: View, offset: int, end: int, data: bytes) -> None:
        if offset != view.offset:
            view.faults.append(f"output from {offset}, where {view.offset} was next")
        view.offset = end
        view.feed(data)
        live = view.attached is not None and view.offset > view.attached.replay_until
        if live and view.answer is not None:
            for answer in view.answer(data):
                await self.send(messages.Answer(channel=view.channel, data=answer))
        elif view.replay is not None:
            view.replay(data)
        if self.acks:
            await self._ack_soon(view)

    async def _ack_soon(self, view: View) -> None:
        if view.offset - view.acked >= ACK_EVERY:
            await self.ack(view)
        elif view.channel not in self._ack_timers:
            loop = asyncio.get_running_loop()
            self._ack_timers[view.channel] = loop.call_later(ACK_WITHIN, self._ack_late, view)

    def _ack_late(self, view: View) -> None:
        del self._ack_timers[view.channel]
        if view.offset > view.acked and self._socket is not None:
            task = asyncio.ensure_future(self.ack(view))
            self._acking.add(task)
            task.add_done_callback(self._acking.discard)


def _note(view: View, message: ChannelMessage) -> None:
    match message:
        case messages.Exited():
            view.exit = Exit(message.status, message.signal)
        case messages.Detached():
            view.parted = message.reason
        case messages.Skipped():
            view.skips.append(message)
            if message.from_ != view.offset:
                view.faults.append(f"skipped from {message.from_}, where {view.offset} was next")
            view.offset = message.to
        case messages.Resized():
            view.sizes.append(message)
        case messages.Title():
            view.title = message.title
        case messages.Viewers():
            view.viewers = message.viewers
        case messages.InputPaused():
            view.input_paused = True
        case messages.InputResumed():
            view.input_paused = False
        case _:
            raise AssertionError(f"nobody knows {message}")

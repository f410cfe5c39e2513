"""The WebSocket: pumps frames between one client and its `Connection`, and knows nothing of what they mean."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
import struct
from collections.abc import AsyncIterator, Sequence
from functools import partial

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from webterm.access import Actor, Scope
from webterm.errors import InvalidRequest, NotSignedIn, ShuttingDown, Unavailable
from webterm.ids import ProofId
from webterm.protocol.connection import MESSAGE_LIMIT, Connection
from webterm.protocol.executing import CommandSpeaker
from webterm.protocol.files import FileSpeaker
from webterm.protocol.frames import BINARY_SUBPROTOCOL, SUBPROTOCOLS, Frame
from webterm.protocol.runtimes import RuntimeSpeaker
from webterm.protocol.speaker import MakeSpeaker
from webterm.web.row import Row
from webterm.web.site import ASKED, REQUEST_ID, actor, client_address, site, visitor
from webterm.work.workbench import Workbench

_logger = logging.getLogger("webterm.web")

PING_EVERY = 15.0
"""Seconds between pings, and from a ping to the end of a peer that says nothing."""
_CLOSING_TIME = 1.0  # seconds for a peer to take part in closing
_REVOKING_TIME = 0.3  # the same for one that may not be here any more
_FULL = 64 * 1024  # bytes in the transport above which nobody writes but the pump, which waits


class Phase(enum.IntEnum):
    """A socket's life; it only moves forward."""

    OPEN = 1
    CLOSING = 2


class Socket:
    """One open WebSocket, as `webterm.web.connections` looks after it.

    Frames are written in the very callback that made them while the transport takes them, without a task in between;
    when it is full, the pump takes over and waits.
    """

    def __init__(self, request: web.Request, response: web.WebSocketResponse, transport: asyncio.Transport) -> None:
        self.actor: Actor = actor(request)
        self.proof: ProofId | None = visitor(request).proof
        self.asked = request[ASKED]
        self._version = site(request).version
        self._response = response
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._phase = Phase.OPEN
        self._direct = not response.compress  # a compressor has state, so then only the pump writes
        self._pumping = self._writing = False
        self._more = asyncio.Event()
        self._eased = asyncio.Event()  # nothing keeps us from listening to the peer
        self._eased.set()
        self._heard = self._loop.time()
        self._connection = Connection(
            site(request).terminals,
            self.actor,
            binary=response.ws_protocol == BINARY_SUBPROTOCOL,
            wake=self._wake,
            proof=self.proof,
            address=client_address(request),
            speakers=_speakers(site(request).work),
        )

    async def run(self) -> None:
        """Pump until either side is done."""
        self._connection.greet(f"webterm/{self._version}")
        try:
            async with self._company():
                while self._phase is Phase.OPEN and await self._take(await self._response.receive()):
                    await self._eased.wait()
        finally:
            self._phase = Phase.CLOSING
            self._connection.broke()
            await self._connection.aclose()

    async def revoke(self) -> None:
        """The right to be here has ended: from now on nothing goes either way. Closes with 1008."""
        self._connection.revoke()
        await self._close(WSCloseCode.POLICY_VIOLATION, b"your right to be here has ended", _REVOKING_TIME)

    async def renew(self) -> None:
        """The rights are others now. Closes with 1012: come back with ``after``."""
        self._connection.broke()
        await self._close(WSCloseCode.SERVICE_RESTART, b"your rights have changed; come back")

    async def shutdown(self) -> None:
        """The server stops. Closes with 1012: come back with ``after``."""
        self._connection.broke()
        await self._close(WSCloseCode.SERVICE_RESTART, b"the server restarts")

    async def fail(self, log_id: str) -> None:
        """It is our fault. Closes with 1011."""
        await self._close(WSCloseCode.INTERNAL_ERROR, f"our fault; log id {log_id}".encode())

    # In.

    async def _take(self, message: WSMessage) -> bool:
        """One frame; returns whether there will be more."""
        self._heard = self._loop.time()
        if self._phase is Phase.CLOSING:
            return False
        if message.type is WSMsgType.TEXT:
            self._connection.receive_text(message.data)
        elif message.type is WSMsgType.BINARY:
            self._connection.receive_binary(message.data)
        elif message.type is WSMsgType.PING:
            await self._response.pong(message.data)
        elif message.type is not WSMsgType.PONG:
            self._part(message)
            return False
        return True

    def _part(self, message: WSMessage) -> None:
        goodbye = message.type is WSMsgType.CLOSE and message.data in (WSCloseCode.OK, WSCloseCode.GOING_AWAY)
        if goodbye:
            self._connection.leave()

    # Out.

    def _wake(self) -> None:
        self._note_congestion()
        if self._pumping or self._writing or not self._direct:
            self._more.set()
            return
        self._writing = True
        try:
            self._write_while_there_is_room()
        finally:
            self._writing = False

    def _write_while_there_is_room(self) -> None:
        self._more.clear()
        while self._phase is Phase.OPEN and not self._transport.is_closing():
            if self._transport.get_write_buffer_size() >= _FULL:
                self._pumping = True
                self._more.set()
                return
            frame = self._connection.next_frame()
            if frame is None:
                if not self._more.is_set():
                    return
                self._more.clear()  # something came up while the last frame was made
                continue
            self._note_congestion()
            self._write(WSMsgType.TEXT if frame.text else WSMsgType.BINARY, frame.payload)

    def _note_congestion(self) -> None:
        if self._connection.congested:
            self._eased.clear()
        else:
            self._eased.set()

    def _write(self, opcode: WSMsgType, payload: bytes) -> None:
        """A whole frame, unmasked (RFC 6455, section 5.2)."""
        length = len(payload)
        if length < 126:
            header = struct.pack(">BB", 0x80 | opcode, length)
        elif length < 65536:
            header = struct.pack(">BBH", 0x80 | opcode, 126, length)
        else:
            header = struct.pack(">BBQ", 0x80 | opcode, 127, length)
        self._transport.write(header + payload)

    async def _pump(self) -> None:
        try:
            while True:
                await self._more.wait()
                self._more.clear()
                self._pumping = True
                while self._phase is Phase.OPEN and (frame := self._connection.next_frame()) is not None:
                    self._note_congestion()
                    await self._send(frame)
                self._pumping = False
        except ConnectionError:
            self._eased.set()  # the receiving side sees it, too, and ends the socket

    async def _send(self, frame: Frame) -> None:
        await self._response.send_frame(frame.payload, WSMsgType.TEXT if frame.text else WSMsgType.BINARY)

    async def _keep_alive(self) -> None:
        asked = self._heard
        while True:
            await asyncio.sleep(PING_EVERY)
            if self._heard < asked:
                self._transport.abort()
                return
            asked = self._loop.time()
            if self._direct:
                self._write(WSMsgType.PING, b"")
            else:
                await self._response.ping()

    # Around.

    @contextlib.asynccontextmanager
    async def _company(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._pump()), group.create_task(self._keep_alive())]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()

    async def _close(self, code: WSCloseCode, reason: bytes, patience: float = _CLOSING_TIME) -> None:
        self._phase = Phase.CLOSING
        try:
            async with asyncio.timeout(patience):
                await self._response.close(code=code, message=reason)
        except TimeoutError:
            self._transport.abort()


def _speakers(bench: Workbench | None) -> list[MakeSpeaker]:
    if bench is None:
        return []
    return [
        partial(FileSpeaker, files=bench.files, watches=bench.watches),
        partial(CommandSpeaker, executions=bench.executions, shells=bench.line_shells),
        partial(
            RuntimeSpeaker,
            runtimes=bench.runtimes,
            workspaces=bench.workspaces,
            looks=bench.looks,
            holds=bench.files.holds,
        ),
    ]


async def socket(request: web.Request) -> web.StreamResponse:
    """Open a WebSocket (docs/protocol.md).

    Raises `InvalidRequest` for a request that is none, or that offers subprotocols but none of ours.
    """
    response = web.WebSocketResponse(
        protocols=SUBPROTOCOLS,
        max_msg_size=MESSAGE_LIMIT,
        compress=site(request).settings.server.compression,
        autoping=False,
        decode_text=False,
        writer_limit=0,
    )
    offered = request.headers.get("Sec-WebSocket-Protocol")
    if not response.can_prepare(request):
        raise InvalidRequest("This is the address of a WebSocket.")
    if offered is not None and not {name.strip() for name in offered.split(",")}.intersection(SUBPROTOCOLS):
        raise InvalidRequest(f"The subprotocols here are {' and '.join(SUBPROTOCOLS)}.")
    await response.prepare(request)
    if request.transport is None:
        raise Unavailable("The connection is gone.")
    opened = Socket(request, response, request.transport)
    try:
        async with site(request).connections.joined(opened):
            await opened.run()
    except NotSignedIn:  # between the handshake and here
        await opened.revoke()
    except ShuttingDown:
        await opened.shutdown()
    except Unavailable:
        await opened.renew()
    except Exception:  # an answer in HTTP would go into the middle of the socket
        _logger.exception("%s the socket failed", request[REQUEST_ID])
        await opened.fail(request[REQUEST_ID])
    return response


ROWS: Sequence[Row] = (
    Row(
        method="GET",
        path="/ws",
        handler=socket,
        access=Scope.TERMINALS_READ,
        origin="own",
        ticket=True,
        status=101,
        doc="The WebSocket for any number of terminals (docs/protocol.md).",
    ),
)

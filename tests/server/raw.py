"""A WebSocket as bytes, for frames that no client library would send (RFC 6455, section 5)."""

from __future__ import annotations

import asyncio
import base64
import os
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from yarl import URL

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
PATIENCE = 20.0


class RawSocket:
    """One end of a WebSocket, after the handshake."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, opcode: int, payload: bytes, *, fin: bool = True, reserved: int = 0, masked: bool = True) -> None:
        """One frame."""
        first = (0x80 if fin else 0) | reserved << 4 | opcode
        length = len(payload)
        size = struct.pack(">B", length) if length < 126 else struct.pack(">BQ", 127, length)
        if not masked:
            self.writer.write(bytes([first]) + size + payload)
            return
        size = bytes([size[0] | 0x80]) + size[1:]
        self.writer.write(bytes([first]) + size + bytes(4) + payload)  # a mask of zeros changes nothing

    async def receive(self) -> tuple[int, bytes]:
        """The next frame: opcode and payload. Raises `asyncio.IncompleteReadError` at the end."""
        async with asyncio.timeout(PATIENCE):
            first, size = await self.reader.readexactly(2)
            length = size & 0x7F
            if length == 126:
                (length,) = struct.unpack(">H", await self.reader.readexactly(2))
            elif length == 127:
                (length,) = struct.unpack(">Q", await self.reader.readexactly(8))
            return first & 0x0F, await self.reader.readexactly(length)

    async def until(self, opcode: int) -> bytes:
        """The payload of the next frame of this kind."""
        while True:
            kind, payload = await self.receive()
            if kind == opcode:
                return payload

    async def close_code(self) -> int | None:
        """How the server closes: its code, or None when it just hangs up."""
        try:
            payload = await self.until(CLOSE)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        return int(struct.unpack(">H", payload[:2])[0]) if payload else None


@asynccontextmanager
async def raw_socket(url: URL, headers: Mapping[str, str]) -> AsyncIterator[RawSocket]:
    """Connect and shake hands; the server must agree."""
    reader, writer = await asyncio.open_connection(url.host, url.port)
    try:
        writer.write(handshake(url, headers))
        async with asyncio.timeout(PATIENCE):
            answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 101"), answer
        yield RawSocket(reader, writer)
    finally:
        writer.transport.abort()


def handshake(url: URL, headers: Mapping[str, str]) -> bytes:
    """The request that asks for a WebSocket."""
    lines = [
        f"GET {url.raw_path} HTTP/1.1",
        f"Host: {url.host}:{url.port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        f"Origin: {url.origin()}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode()

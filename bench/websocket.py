"""A WebSocket client that does next to nothing: it blocks, and looks at frame headers and the beginning of payloads."""

from __future__ import annotations

import base64
import os
import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
_BUFFER = 512 * 1024
_WHOLE = 2**31


class Frame(NamedTuple):
    """A frame: its payload's first bytes (all of them, where the client wants whole frames), and its full length."""

    opcode: int
    payload: bytes
    length: int


class WebSocket:
    """One connection. ``peek``: how much of each payload is wanted; None for all of it."""

    def __init__(self, port: int, path: str, *, headers: dict[str, str], peek: int | None = None) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._peek = _WHOLE if peek is None else peek
        self._view = memoryview(bytearray(_BUFFER))
        self._start = self._end = 0
        self._skip = 0  # bytes of the last frame's payload that have yet to come
        self._shake_hands(port, path, headers)

    def send(self, payload: bytes, opcode: int = TEXT) -> None:
        """Send one frame, masked with zeros (RFC 6455, section 5.3, asks for a mask and not for a good one)."""
        length = len(payload)
        if length < 126:
            header = struct.pack(">BB", 0x80 | opcode, 0x80 | length)
        elif length < 65536:
            header = struct.pack(">BBH", 0x80 | opcode, 0x80 | 126, length)
        else:
            header = struct.pack(">BBQ", 0x80 | opcode, 0x80 | 127, length)
        self._socket.sendall(header + b"\0\0\0\0" + payload)

    def receive(self) -> Iterator[Frame]:
        """Wait for bytes, and give the frames that they begin. Raises `ConnectionError` at the end."""
        if self._start == self._end:
            self._start = self._end = 0
        elif self._end - self._start < self._start or self._end == _BUFFER:
            rest = bytes(self._view[self._start : self._end])
            self._start, self._end = 0, len(rest)
            self._view[: self._end] = rest
        count = self._socket.recv_into(self._view[self._end :])
        if count == 0:
            raise ConnectionError("the server closed the connection")
        self._end += count
        while (frame := self._next()) is not None:
            if frame.opcode == PING:
                self.send(frame.payload, PONG)
            elif frame.opcode == CLOSE:
                raise ConnectionError(f"the server closed the WebSocket: {frame.payload!r}")
            elif frame.opcode != PONG:
                yield frame

    def frames(self) -> Iterator[Frame]:
        """All frames, for ever."""
        while True:
            yield from self.receive()

    def set_timeout(self, seconds: float) -> None:
        """How long `receive` waits before it raises `TimeoutError`."""
        self._socket.settimeout(seconds)

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close without a word."""
        self._socket.close()

    def _next(self) -> Frame | None:
        step = min(self._skip, self._end - self._start)
        self._start += step
        self._skip -= step
        have = self._end - self._start
        if self._skip or have < 2:
            return None
        view, at = self._view, self._start
        opcode, length, header = view[at] & 0x0F, view[at + 1], 2
        if length == 126:
            header = 4
        elif length == 127:
            header = 10
        if have < header:
            return None
        if header == 4:
            length = int.from_bytes(view[at + 2 : at + 4], "big")
        elif header == 10:
            length = int.from_bytes(view[at + 2 : at + 10], "big")
        wanted = min(length, self._peek)
        if have < header + wanted:
            return None
        payload = bytes(view[at + header : at + header + wanted])
        self._start += header + wanted
        self._skip = length - wanted
        return Frame(opcode, payload, length)

    def _shake_hands(self, port: int, path: str, headers: dict[str, str]) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Connection: Upgrade", "Upgrade: websocket"]
        lines += ["Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            more = self._socket.recv(65536)
            if not more:
                raise ConnectionError(f"no handshake: {answer!r}")
            answer += more
        head, _, rest = answer.partition(b"\r\n\r\n")
        if b" 101 " not in head.splitlines()[0]:
            raise ConnectionError(f"no WebSocket: {head.splitlines()[0]!r}")
        self._view[: len(rest)] = rest
        self._end = len(rest)

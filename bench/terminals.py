"""One terminal each way, to the same few calls: through webterm, through terminado, and bare."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from abc import ABC, abstractmethod
from pathlib import Path

from bench.programs import READY
from bench.servers import Terminado, Webterm, cpu_of
from bench.websocket import BINARY, TEXT, Frame

ACK_EVERY = 32 * 1024
_PEEK = 160
_HEADER = struct.Struct(">BLQ")
_OUTPUT = re.compile(rb'\{"type":"output","channel":(\d+),"offset":(\d+),"end":(\d+),"data":"')


class Contender(ABC):
    """A way to a program in a terminal. ``whole``: `read` gives all bytes, else whatever is cheapest to count."""

    name: str

    @abstractmethod
    def write(self, data: str) -> None:
        """Input for the program."""

    @abstractmethod
    def read(self) -> bytes:
        """Some output, once there is any; needs ``whole``."""

    @abstractmethod
    def count(self, total: int, escaped: int) -> None:
        """Take ``total`` bytes of output, which are ``escaped`` bytes inside JSON strings, and look at none of them."""

    @abstractmethod
    def cpu(self) -> float:
        """Seconds of CPU of whatever brings the output, so far."""

    @abstractmethod
    def close(self) -> None:
        """End the program."""

    def read_until(self, what: bytes) -> int:
        """Read until ``what`` comes. Returns how many bytes there were, and ``what`` is their last or nearly so."""
        count, tail = 0, b""
        while True:
            data = self.read()
            count += len(data)
            if what in tail + data:
                return count
            tail = (tail + data)[-len(what) :]


class Channels:
    """A connection to webterm with several terminals; acknowledges every 32 KiB."""

    def __init__(self, server: Webterm, mode: str, *, peek: int | None = None) -> None:
        self.mode = mode
        self._socket = server.web_socket(mode, peek=peek)
        self._acked: dict[int, int] = {}
        self._number = 0

    def open(self, *argv: Path | str, workspace: str | None = None) -> int:
        """Start a program; returns its channel, without waiting for anything."""
        self._number += 1
        message: dict[str, object] = {"type": "open", "channel": self._number, "cols": 80, "rows": 24}
        message["argv"] = [str(part) for part in argv]
        if workspace is not None:
            message["workspace"] = workspace
        self._tell(message)
        return self._number

    def write(self, channel: int, data: str) -> None:
        """Input."""
        if self.mode == "binary":
            self._socket.send(b"\x02" + channel.to_bytes(4, "big") + data.encode(), BINARY)
        else:
            self._tell({"type": "input", "channel": channel, "data": data})

    def outputs(self) -> list[tuple[int, int, Frame, int]]:
        """Wait for frames; of those with output the channel, the end offset, the frame, and where data begins in it."""
        found = []
        for frame in self._socket.receive():
            output = _output(frame)
            if output is not None:
                channel, end, at = output
                if end - self._acked.get(channel, 0) >= ACK_EVERY:
                    self._acked[channel] = end
                    self._tell({"type": "ack", "channel": channel, "offset": end})
                found.append((channel, end, frame, at))
        return found

    def data(self, frame: Frame, at: int) -> bytes:
        """The output in a whole frame."""
        if self.mode == "binary":
            return frame.payload[at:]
        return str(json.loads(frame.payload)["data"]).encode()

    def end(self, channel: int) -> None:
        """Close a terminal, without waiting."""
        self._tell({"type": "close", "channel": channel})

    def await_message(self, kind: str, count: int = 1) -> dict[str, object]:
        """Wait for so many messages of this type; the last of them."""
        for frame in self._socket.frames():
            if frame.opcode == TEXT and frame.payload.startswith(b'{"type":"%s"' % kind.encode()):
                count -= 1
                if not count:
                    message: dict[str, object] = json.loads(frame.payload)
                    return message
        raise AssertionError

    def attach(self, terminal: str, *, window: int | None = None) -> int:
        """Join a terminal."""
        self._number += 1
        message: dict[str, object] = {"type": "attach", "channel": self._number, "terminal": terminal}
        if window is not None:
            message["window"] = window
        self._tell(message)
        return self._number

    def set_timeout(self, seconds: float) -> None:
        """How long anything is waited for."""
        self._socket.set_timeout(seconds)

    def close(self) -> None:
        """Break the connection."""
        self._socket.close()

    def _tell(self, message: dict[str, object]) -> None:
        self._socket.send(json.dumps(message).encode())


class ThroughWebterm(Contender):
    """Through webterm: one terminal on a connection of its own."""

    def __init__(self, server: Webterm, mode: str, script: Path, *, whole: bool = True) -> None:
        self.name = f"webterm, {mode}"
        self._server = server
        self._channels = Channels(server, mode, peek=None if whole else _PEEK)
        self._channel = self._channels.open(script)
        self._end = 0

    def write(self, data: str) -> None:
        self._channels.write(self._channel, data)

    def read(self) -> bytes:
        parts = [self._channels.data(frame, at) for _, _, frame, at in self._channels.outputs()]
        return b"".join(parts)

    def count(self, total: int, escaped: int) -> None:
        goal = self._end + total
        while self._end < goal:
            for _, end, _, _ in self._channels.outputs():
                self._end = end

    def await_ready(self) -> None:
        """Wait for `READY`, also where frames are not whole."""
        self.count(len(READY), 0)

    def cpu(self) -> float:
        return self._server.cpu()

    def close(self) -> None:
        self._channels.end(self._channel)
        self._channels.await_message("detached")
        self._channels.close()


class ThroughTerminado(Contender):
    """Through terminado: the server's shell, which becomes the program."""

    name = "terminado"
    _FRAME = len('["stdout", ""]')

    def __init__(self, server: Terminado, script: Path, *, whole: bool = True) -> None:
        self._server = server
        self._socket = server.web_socket(peek=None if whole else _PEEK)
        self.write(f"exec {script}\r")

    def write(self, data: str) -> None:
        self._socket.send(json.dumps(["stdin", data]).encode())

    def read(self) -> bytes:
        parts = []
        for frame in self._socket.receive():
            kind, *rest = json.loads(frame.payload)
            if kind == "stdout":
                parts.append(str(rest[0]).encode())
        return b"".join(parts)

    def await_ready(self) -> None:
        """Wait for `READY`, whose output nothing else follows."""
        tail = b""
        while READY not in tail:
            for frame in self._socket.receive():
                tail = tail[-len(READY) :] + frame.payload

    def count(self, total: int, escaped: int) -> None:
        while escaped > 0:
            for frame in self._socket.receive():
                escaped -= frame.length - self._FRAME

    def cpu(self) -> float:
        return self._server.cpu()

    def close(self) -> None:
        self._socket.close()


class Bare(Contender):
    """The program in a pseudo-terminal of this very process, read by `os.read` when `epoll` says so."""

    name = "bare"

    def __init__(self, script: Path) -> None:
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            os.execv(script, [str(script)])
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        os.set_blocking(self._fd, False)
        self._epoll = select.epoll()
        self._epoll.register(self._fd, select.EPOLLIN)

    def write(self, data: str) -> None:
        os.write(self._fd, data.encode())

    def read(self) -> bytes:
        self._epoll.poll()
        return os.read(self._fd, 65536)

    def await_ready(self) -> None:
        """Wait for `READY`."""
        self.read_until(READY)

    def count(self, total: int, escaped: int) -> None:
        poll, read, fd = self._epoll.poll, os.read, self._fd
        while total > 0:
            poll()
            total -= len(read(fd, 65536))

    def cpu(self) -> float:
        return cpu_of(os.getpid())

    def close(self) -> None:
        self._epoll.close()
        os.close(self._fd)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)


Measured = ThroughWebterm | ThroughTerminado | Bare


def _output(frame: Frame) -> tuple[int, int, int] | None:
    """Channel, end offset and where the data begins, of a frame with output; None for others."""
    if frame.opcode == BINARY:
        _, channel, offset = _HEADER.unpack_from(frame.payload)
        return channel, offset + frame.length - _HEADER.size, _HEADER.size
    match = _OUTPUT.match(frame.payload)
    return None if match is None else (int(match[1]), int(match[3]), match.end())


def now() -> float:
    """The clock of all measurements, in seconds."""
    return time.perf_counter()

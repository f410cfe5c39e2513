"""Connections to what listens in another network namespace.

A socket belongs for ever to the namespace that it was made in, whoever uses it. So a small process enters namespaces,
makes sockets in them and hands them over; connecting them is done here, like with any other socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from webterm.drivers import inner_sockets_process
from webterm.drivers.cancelling import opened
from webterm.drivers.duplex import readable
from webterm.errors import NoSuchPort, Unavailable

_ANSWER_TIMEOUT = 10.0
_CONNECT_TIMEOUT = 10.0
_REST = 60.0
"""Seconds without requests after which the process ends."""
_LONGEST = 512


class CannotEnter(Unavailable):
    """We are not let into that namespace, or no socket can be made there."""


class InnerSockets:
    """Makes sockets in namespaces of others. The process for it is started when first needed, and again later."""

    def __init__(self, rest: float = _REST) -> None:
        self._rest = rest
        self._lock = asyncio.Lock()
        self._link: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._reaping: set[asyncio.Future[int]] = set()

    async def make(self, family: socket.AddressFamily, namespaces: Sequence[int]) -> socket.socket:
        """A new, non-blocking TCP socket that was made after entering ``namespaces``, open descriptors, in this order.

        Raises `CannotEnter`. Cancelling leaves nothing open.
        """
        async with self._lock:
            if self._process is not None and self._process.poll() is not None:
                self._stop()  # somebody has ended it meanwhile
            try:
                link = self._link or await self._start()
                async with asyncio.timeout(_ANSWER_TIMEOUT):
                    made = await _ask(link, family, namespaces)
            except CannotEnter:
                self._rest_later()
                raise
            except BaseException as error:
                self._stop()  # an answer that comes too late would be the next one's
                if isinstance(error, OSError | subprocess.SubprocessError):  # TimeoutError is one
                    raise CannotEnter("no connection can be made into the workspace's network") from error
                raise
            self._rest_later()
            return made

    async def aclose(self) -> None:
        """End the process and wait for it. Twice is harmless."""
        async with self._lock:
            self._stop()
            if self._reaping:
                await asyncio.wait(set(self._reaping))

    async def _start(self) -> socket.socket:
        link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        link.setblocking(False)
        self._link = link
        self._process = await opened(lambda: _run(theirs), self._reap)
        return link

    def _rest_later(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(self._rest, self._stop_if_idle)

    def _stop_if_idle(self) -> None:
        if self._lock.locked():
            self._rest_later()
        else:
            self._stop()

    def _stop(self) -> None:
        link, self._link = self._link, None
        process, self._process = self._process, None
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        if link is not None:
            link.close()
        if process is not None:
            self._reap(process)

    def _reap(self, process: subprocess.Popen[bytes]) -> None:
        """Wait for a process whose link is closed: it ends at once."""
        reaping = asyncio.get_running_loop().run_in_executor(None, process.wait)
        self._reaping.add(reaping)
        reaping.add_done_callback(self._reaping.discard)


async def connect(sock: socket.socket, address: str, port: int, *, timeout: float = _CONNECT_TIMEOUT) -> None:
    """Connect a socket of ours, wherever it was made. It is closed where that fails, also by cancelling.

    Raises `webterm.errors.NoSuchPort` where nobody listens there, and `webterm.errors.Unavailable`.
    """
    try:
        async with asyncio.timeout(timeout):
            await asyncio.get_running_loop().sock_connect(sock, (address, port))
    except BaseException as error:
        sock.close()
        if isinstance(error, TimeoutError):
            raise Unavailable(f"port {port} of the workspace does not answer") from error
        if isinstance(error, OSError):
            reason = os.strerror(error.errno or 0)
            raise NoSuchPort(f"nothing of this workspace can be reached at port {port}: {reason}") from error
        raise
    with contextlib.suppress(OSError):  # it has gone already
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _run(theirs: socket.socket) -> subprocess.Popen[bytes]:
    """Start the process with its end of the link, which is closed here. Blocks."""
    program = str(Path(inner_sockets_process.__file__))
    with theirs:
        return subprocess.Popen(
            (sys.executable, "-I", "-S", program, str(theirs.fileno())),
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
            start_new_session=True,  # keys that are pressed where the server was started are not for it
        )


async def _ask(link: socket.socket, family: socket.AddressFamily, namespaces: Sequence[int]) -> socket.socket:
    key = {kind: key for key, kind in inner_sockets_process.FAMILIES.items()}[family]
    socket.send_fds(link, [key], list(namespaces))
    await readable(link.fileno())
    answer, fds, _, _ = socket.recv_fds(link, _LONGEST, 1)
    if answer.startswith(b"-"):
        reason = answer[1:].decode(errors="replace")
        raise CannotEnter(f"no connection can be made into the workspace's network: {reason}")
    if not fds:
        raise ConnectionError("the process that makes them has ended, or there are no descriptors left")
    made = socket.socket(fileno=fds[0])
    made.setblocking(False)
    os.set_inheritable(made.fileno(), False)
    return made

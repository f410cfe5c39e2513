"""The container engine: calls, streams, raw connections, news of what happens in it. The only home of aiodocker.

aiodocker finds out the version and speaks HTTP. What it leaves open when somebody is cancelled is closed here, and its
faults become ours here: `webterm.errors.EngineUnavailable` where no answer came, `EngineRefusal` where it was no.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import re
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import aiodocker
import aiohttp

from webterm.drivers.docker.bridge import Bridges
from webterm.drivers.docker.news import EngineNews, Watch
from webterm.errors import EngineUnavailable, ShuttingDown, Unavailable

CONNECT_TIMEOUT = 10.0
_LONGEST_LINE = 4 * 1024 * 1024
_LONGEST_REASON = 1000


class EngineRefusal(Unavailable):
    """The engine said no. ``answer`` is its status (404: no such thing, 409: not in this state; 0: in mid-stream)."""

    def __init__(self, answer: int, text: str) -> None:
        super().__init__(text[:_LONGEST_REASON].strip() or f"the container engine refuses (status {answer})")
        self.answer = answer

    @property
    def is_gone(self) -> bool:
        """Whether a container that somebody has just found is not there any more, or does not run."""
        return self.answer in (404, 409)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInfo:
    """What an engine says of itself and its machine.

    ``api`` is the newest version of its language. ``storage`` is the storage driver and ``filesystem`` what lies under
    it. ``rootless``: its containers' users are others on the machine.
    """

    version: str
    api: tuple[int, ...]
    cpus: int
    storage: str
    filesystem: str
    rootless: bool


class Engine:
    """One engine, at ``unix:///path`` or ``tcp://host:port``; ``tls`` is a directory of ca.pem, cert.pem, key.pem.

    Nothing is connected before it is needed; whatever fails may be tried again at any time.
    """

    def __init__(self, host: str, tls: Path | None) -> None:
        self.host = host
        self.is_unix = self.host.startswith("unix://")
        self._tls = None if self.is_unix else tls
        self._context: ssl.SSLContext | None = None
        self._docker: aiodocker.Docker | None = None
        self._connector: aiohttp.BaseConnector | None = None
        self._opening = asyncio.Lock()
        self._closed = False
        self._watch = Watch(self)
        self._bridges = Bridges()

    @property
    def up(self) -> bool | None:
        """Whether the engine answers, as far as its news tell; None before it has been looked for."""
        return self._watch.up

    @property
    def descriptors(self) -> bool:
        """Whether its raw connections are plain sockets, which can be handed to other processes."""
        return self._tls is None

    async def start(self) -> None:
        """Begin to listen for news, whether the engine answers or not. Twice is harmless."""
        self._watch.start()

    async def aclose(self) -> None:
        """Close all connections, and listen no more. Twice is harmless."""
        self._closed = True
        await self._watch.aclose()
        await self._bridges.aclose()
        async with self._opening:
            if self._docker is not None:
                await self._docker.close()
            if self._connector is not None:
                await self._connector.close()
            self._docker = self._connector = None

    def subscribe(self, callback: Callable[[EngineNews], None]) -> Callable[[], None]:
        """Have ``callback`` told what happens, in order; it may not wait. Returns what ends that.

        It hears at once whether the engine is up, if that is known.
        """
        return self._watch.subscribe(callback)

    async def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | bytes | None = None,
        timeout: float = 30.0,
    ) -> Any:  # noqa: ANN401 - whatever JSON says
        """The answer of ``/path``: what JSON says, else bytes. A body of bytes is a tar archive.

        ``timeout`` is in seconds. Raises `webterm.errors.EngineUnavailable` and `EngineRefusal`. Cancelling closes the
        connection; whether the engine has done it then is not known.
        """
        with _faults(self.host, timeout):
            async with asyncio.timeout(timeout), self._answer(method, path, params, body) as answer:
                data = await answer.read()
                return json.loads(data) if answer.content_type == "application/json" and data else data

    @asynccontextmanager
    async def lines(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | bytes | AsyncIterable[bytes] | None = None,
    ) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """The objects of an answer that grows, one by one. Leaving closes the connection at once, which ends the work.

        Raises what `call` does; also in mid-stream, where the engine tells of a fault there.
        """
        async with contextlib.AsyncExitStack() as stack:
            with _faults(self.host, CONNECT_TIMEOUT):  # not around what the caller does
                answer = await stack.enter_async_context(self._answer(method, path, params, body))
            async with contextlib.aclosing(_objects(answer.content, self.host)) as objects:
                yield objects

    async def info(self) -> EngineInfo:
        """What it says of itself. Raises what `call` does."""
        said, versions = await self.call("GET", "info", timeout=10), await self.call("GET", "version", timeout=10)
        options = said.get("SecurityOptions") or []
        return EngineInfo(
            version=said.get("ServerVersion", ""),
            api=tuple(int(each) for each in re.findall(r"\d+", versions.get("ApiVersion", ""))),
            cpus=said.get("NCPU", 0),
            storage=said.get("Driver", ""),
            filesystem=dict(map(tuple, said.get("DriverStatus") or [])).get("Backing Filesystem", ""),
            rootless=any(option.startswith("name=rootless") for option in options),
        )

    async def connect(self) -> socket.socket:
        """A connected, non-blocking socket for a raw stream, which is the caller's.

        Where the engine wants TLS the socket stands for the connection, and ends with us. Raises
        `webterm.errors.EngineUnavailable`. Cancelling leaves nothing open.
        """
        if not self.descriptors:
            await self._opened()  # with it the certificates are read
        sock = await self._connected()
        if self._context is None:
            return sock
        with _faults(self.host, CONNECT_TIMEOUT):
            async with asyncio.timeout(CONNECT_TIMEOUT):
                return await self._bridges.bridge(sock, self._context, self._place()[0])

    async def _connected(self) -> socket.socket:
        loop = asyncio.get_running_loop()
        with _faults(self.host, CONNECT_TIMEOUT):
            async with asyncio.timeout(CONNECT_TIMEOUT):
                fault = OSError(errno.EADDRNOTAVAIL, "it has no address")
                for family, address in await self._addresses():
                    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
                    try:
                        if not self.is_unix:
                            _feel_alive(sock)
                        await loop.sock_connect(sock, address)
                    except BaseException as error:
                        sock.close()
                        if not isinstance(error, OSError):
                            raise
                        fault = error
                    else:
                        return sock
                raise fault

    async def _addresses(self) -> list[tuple[socket.AddressFamily, Any]]:
        if self.is_unix:
            return [(socket.AF_UNIX, self.host.removeprefix("unix://"))]
        host, port = self._place()
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return [(family, address) for family, _, _, _, address in found]

    def _place(self) -> tuple[str, int]:
        parts = urlsplit(self.host)
        return parts.hostname or "localhost", parts.port or (2376 if self._tls else 2375)

    @asynccontextmanager
    async def _answer(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        body: Mapping[str, Any] | bytes | AsyncIterable[bytes] | None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        docker = await self._opened()
        plain = body is None or isinstance(body, Mapping)
        kind = "application/json" if plain else "application/x-tar"
        data = json.dumps(body) if isinstance(body, Mapping) else body
        async with docker._query(
            quote(path, safe="/:@"), method, params=params, data=data, headers={"Content-Type": kind}
        ) as answer:
            try:
                yield answer
            finally:
                answer.close()  # aiodocker does not; where all has been read the connection is in use again already

    async def _opened(self) -> aiodocker.Docker:
        async with self._opening:
            if self._closed:
                raise ShuttingDown("the server is stopping")
            if self._docker is None:
                if self._tls is not None and self._context is None:
                    self._context = await asyncio.to_thread(_tls_context, self._tls)
                self._docker = self._made()
            return self._docker

    def _made(self) -> aiodocker.Docker:
        # Made by ourselves: aiodocker would look into the environment and into files of its own.
        if self.is_unix:
            url, self._connector = "http://engine", aiohttp.UnixConnector(self.host.removeprefix("unix://"), limit=0)
        else:
            host, port = self._place()
            url = f"{'https' if self._context else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
            self._connector = aiohttp.TCPConnector(ssl=self._context or True, limit=0)
        waiting = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT)
        return aiodocker.Docker(url, connector=self._connector, timeout=waiting)


async def _objects(content: aiohttp.StreamReader, host: str) -> AsyncGenerator[dict[str, Any], None]:
    rest = b""
    with _faults(host, CONNECT_TIMEOUT):
        async for data in content.iter_any():
            *lines, rest = (rest + data).split(b"\n")
            if len(rest) > _LONGEST_LINE:
                raise EngineUnavailable("the container engine sends a line without end")
            for line in lines:
                if line.strip():
                    yield _object(line)
        if rest.strip():
            yield _object(rest)


def _object(line: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(line)
    if "errorDetail" in found:
        raise EngineRefusal(0, str((found["errorDetail"] or {}).get("message") or found.get("error")))
    return found


def _feel_alive(sock: socket.socket) -> None:
    """A terminal may say nothing for days. That the engine's machine has gone is to be noticed within two minutes."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4)):
        sock.setsockopt(socket.IPPROTO_TCP, option, value)


def _tls_context(directory: Path) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(directory / "ca.pem"))
        context.load_cert_chain(str(directory / "cert.pem"), str(directory / "key.pem"))
    except (OSError, ssl.SSLError) as error:
        raise EngineUnavailable(f"the certificates in {directory} cannot be used: {error}") from error
    return context


@contextlib.contextmanager
def _faults(host: str, timeout: float) -> Iterator[None]:
    """The gate at which other people's errors become ours."""
    try:
        yield
    except aiodocker.DockerError as error:
        if error.status == 900:  # aiodocker's own for "not connected"
            raise EngineUnavailable(_unanswered(host, error.__context__)) from error
        raise EngineRefusal(error.status, error.message) from error
    except TimeoutError as error:
        raise EngineUnavailable(f"the container engine did not answer within {timeout:g} seconds") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise EngineUnavailable(_unanswered(host, error)) from error


def _unanswered(host: str, error: BaseException | None) -> str:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    number = cause.errno if isinstance(cause, OSError) else None
    reason = (os.strerror(number) if number else str(cause or "")) or "it hung up"
    hint = "; this user may not use it" if isinstance(cause, PermissionError) else ""
    return f"the container engine at {host} does not answer: {reason}{hint}"

"""Speaking HTTP to what listens in a workspace, over sockets that somebody else has dialled.

What is at the other end is trusted with nothing: its answers are read strictly, streamed, and never followed, kept or
unpacked; no cookie of one request gets into another. Requests and answers are passed on as they are given here: which
headers may go which way is for others to say.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_parser import RawResponseMessage
from yarl import URL

from webterm.errors import PreviewFailed, WebtermError
from webterm.ids import WorkspaceId

Dial = Callable[[WorkspaceId, int], Awaitable[socket.socket]]
"""A connected, non-blocking socket to a port of a workspace; whoever calls closes it."""
Headers = Iterable[tuple[str, str]]

KEPT = 2.0
"""Seconds that a connection is kept for the next request: less than after what servers close theirs."""
BUFFER = 256 * 1024
"""Bytes of an answer that are read ahead, and of a tunnel."""
LONGEST_LINE = 64 * 1024
"""Bytes of a first line, of one header, and of a tunnel's whole head."""
PATIENCE = 60.0
"""Seconds in which a WebSocket has to be accepted or refused."""
MOST_HINTS = 16
"""Answers before the answer (1xx), which nobody here needs: an app could send them for ever."""
BARE = frozenset({"Accept", "Accept-Encoding", "Content-Type", "User-Agent"})
"""Headers that the library would add by itself."""
STATUS = re.compile(r"HTTP/1\.[01] (?P<status>[1-9][0-9]{2})(?: (?P<reason>[^\x00-\x08\x0a-\x1f\x7f]*))?")
FIELD = re.compile(r"(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(?P<value>[^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*")
UNFIT = re.compile(rb"[^\x21-\x7e]")
BROKEN = (aiohttp.ClientError, OSError, TimeoutError, ValueError, asyncio.IncompleteReadError)
"""What goes wrong with a peer that does not speak HTTP, or breaks off."""


class Answer:
    """What came back: status, reason and headers as they were sent, and the body as it comes.

    ``length`` is the body's, None where it ends when it ends.
    """

    def __init__(self, response: aiohttp.ClientResponse, port: int) -> None:
        self.status = response.status
        self.reason = _printable(response.reason or "").encode("utf-8", "replace").decode()
        self.headers = [(_decoded(name), _decoded(value)) for name, value in response.raw_headers]
        self.length = None if response.headers.get("Transfer-Encoding") else response.content_length
        self._response = response
        self._port = port

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it arrives, not unpacked. Raises `webterm.errors.PreviewFailed` for one that breaks off."""
        content = self._response.content
        while True:
            try:
                piece = await content.readany()
            except BROKEN as error:
                raise _cause(error, self._port) from error
            if not piece:
                return
            yield piece


class Tunnel:
    """A connection that has been upgraded: bytes both ways. ``headers`` are those of the answer that did so."""

    def __init__(
        self, headers: list[tuple[str, str]], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.headers = headers
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        """What comes next; ``b""`` at the end, however that came about."""
        try:
            return await self._reader.read(BUFFER)
        except OSError:
            return b""

    async def write(self, data: bytes) -> None:
        """Send ``data``; waits while the peer does not read. Raises ConnectionError when it has gone."""
        self._writer.write(data)
        try:
            await self._writer.drain()
        except OSError as error:
            raise ConnectionResetError("the peer has gone") from error


class Refusal:
    """An answer that did not upgrade. Its body is of no use to anybody: no browser shows it to a page."""

    def __init__(self, status: int, headers: list[tuple[str, str]]) -> None:
        self.status = status
        self.headers = headers


class PreviewClient:
    """Asks what listens in workspaces. ``dial`` makes connections, which are kept for a moment after use.

    Every call raises what ``dial`` raises, and `webterm.errors.PreviewFailed` for a peer that does not speak HTTP.
    """

    def __init__(self, dial: Dial) -> None:
        self._dial = dial
        self._session: aiohttp.ClientSession | None = None

    async def aclose(self) -> None:
        """Close all connections. Twice is harmless."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    @asynccontextmanager
    async def asking(
        self,
        workspace: WorkspaceId,
        port: int,
        *,
        method: str,
        target: str,
        headers: Headers,
        body: AsyncIterable[bytes] | None = None,
    ) -> AsyncIterator[Answer]:
        """Send a request; its answer, while the block runs.

        ``target`` is path and query as they are to stand there. ``headers`` hold ``Host``, and ``Content-Length`` for
        a body of known length; without that it goes out in chunks. The body is sent while the answer is read.
        """
        url = URL(f"http://{workspace}:{port}{_fit(target)}", encoded=True)
        try:
            response = await self._opened().request(
                method, url, headers=list(headers), data=body, allow_redirects=False
            )
        except BROKEN as error:
            raise _cause(error, port) from error
        async with response:
            yield Answer(response, port)

    @asynccontextmanager
    async def tunnelling(
        self, workspace: WorkspaceId, port: int, *, target: str, headers: Headers
    ) -> AsyncIterator[Tunnel | Refusal]:
        """Ask for a WebSocket: ``headers`` are those of its handshake. What came of it, while the block runs."""
        dialled = await self._dial(workspace, port)
        try:
            reader, writer = await asyncio.open_connection(sock=dialled, limit=LONGEST_LINE)
        except BaseException:
            dialled.close()
            raise
        try:
            writer.write(_head(target, headers))
            yield await _upgraded(reader, writer, port)
        finally:
            writer.transport.abort()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=_Dialled(self._dial),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                auto_decompress=False,
                skip_auto_headers=BARE,
                read_bufsize=BUFFER,
                max_line_size=LONGEST_LINE,
                max_field_size=LONGEST_LINE,
            )
        return self._session


class _Dialled(aiohttp.BaseConnector):
    """Connections over dialled sockets: a URL's host is a workspace here. As the library's own connectors do it."""

    def __init__(self, dial: Dial) -> None:
        super().__init__(limit=0, keepalive_timeout=KEPT)
        self._dial = dial

    async def _create_connection(
        self, req: aiohttp.ClientRequest, traces: object, timeout: aiohttp.ClientTimeout
    ) -> ResponseHandler:
        dialled = await self._dial(WorkspaceId(req.url.host or ""), req.url.port or 0)
        try:
            _, protocol = await self._loop.create_connection(lambda: _Answering(self._loop), sock=dialled)
        except BaseException:
            dialled.close()
            raise
        return protocol


class _Answering(ResponseHandler):
    """The library's own reader of answers, which passes over hints: so many and no more."""

    _hints = 0

    async def read(self) -> tuple[RawResponseMessage, aiohttp.StreamReader]:
        """For the library: what comes next."""
        message, payload = await super().read()
        self._hints = self._hints + 1 if _is_hint(message.code) else 0
        if self._hints > MOST_HINTS:
            raise aiohttp.ClientPayloadError("hints without end")
        return message, payload


async def _upgraded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> Tunnel | Refusal:
    try:
        async with asyncio.timeout(PATIENCE):
            await writer.drain()
            for _ in range(MOST_HINTS + 1):
                status, headers = _parsed(await reader.readuntil(b"\r\n\r\n"))
                if not _is_hint(status):
                    return Tunnel(headers, reader, writer) if status == 101 else Refusal(status, headers)
    except (*BROKEN, asyncio.LimitOverrunError) as error:
        raise _failed(port) from error
    raise _failed(port)


def _is_hint(status: int) -> bool:
    return 100 <= status < 200 and status != 101


def _head(target: str, headers: Headers) -> bytes:
    lines = [f"GET {_fit(target)} HTTP/1.1", *(f"{name}: {_printable(value)}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape")


def _parsed(head: bytes) -> tuple[int, list[tuple[str, str]]]:
    """Status and headers (RFC 9112, sections 4 and 5). Raises ValueError."""
    first, *lines = _decoded(head.removesuffix(b"\r\n\r\n")).split("\r\n")
    told = STATUS.fullmatch(first)
    fields = [found for found in map(FIELD.fullmatch, lines) if found is not None]
    if told is None or len(fields) != len(lines):
        raise ValueError("no head of an answer")
    return int(told["status"]), [(field["name"], field["value"]) for field in fields]


def _fit(target: str) -> str:
    """``target`` with what cannot stand in a request's first line percent-encoded; everything else as it is."""
    return UNFIT.sub(lambda found: b"%%%02X" % found[0][0], target.encode("utf-8", "surrogateescape")).decode("ascii")


def _decoded(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _printable(text: str) -> str:
    return "".join(character if character >= " " else " " for character in text)


def _failed(port: int) -> PreviewFailed:
    return PreviewFailed(f"what listens at port {port} did not answer as HTTP")


def _cause(error: BaseException, port: int) -> WebtermError:
    """Our own error, if that is what kept a request from being sent."""
    cause = error.__cause__
    return cause if isinstance(cause, WebtermError) else _failed(port)

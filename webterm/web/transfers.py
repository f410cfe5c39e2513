"""Long requests: bodies that are read, and answers that are written, piece by piece for as long as it takes.

None of them outlives the right that it began with. When that ends, on whatever server, the request ends within a
second; and before something appears that a body has brought, it is looked at once more whether its sender is still
who they were (`Transfer.pieces`, `Transfer.still`). Nor does one outlive the patience with a peer that stands still.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import ClientError, HttpVersion11, web

from webterm.access import Actor
from webterm.errors import InvalidRequest, NotSignedIn, ShuttingDown
from webterm.ids import ProofId
from webterm.web.gate import ROW, check_access
from webterm.web.large_bodies import LargeBody, large_body
from webterm.web.long_requests import MOST_LARGE
from webterm.web.site import ASKED, CLOSING, actor, site, visitor
from webterm.web.spans import Span
from webterm.web.visitors import find
from webterm.work.receiving import Chunk

RECENT = 0.5
"""Seconds for which it is believed that the sender is still who they were, where it would be looked at often."""
PIECE = 512 * 1024
"""Bytes that are handed on at a time."""
INVITED = web.RequestKey("webterm_invited", bool)
BROKEN = (ClientError, ConnectionError, web.PayloadAccessError, web.RequestPayloadError)
"""What reading raises when no more comes of a body that is not whole."""


class Transfer(Span):
    """One such request, as `webterm.web.connections` looks after it."""

    def __init__(self, request: web.Request) -> None:
        super().__init__(site(request).long_requests.standstill)
        self.actor: Actor = actor(request)
        self.proof: ProofId | None = visitor(request).proof
        self.asked = request[ASKED]
        self._request = request
        self._good_until = 0.0
        self._large: LargeBody | None = None

    async def revoke(self) -> None:
        """The right has ended."""
        self.end(NotSignedIn("you have signed out"))

    async def renew(self) -> None:
        """Role and tier are others now, which changes nothing here."""

    async def shutdown(self) -> None:
        """The server stops."""
        self.end(ShuttingDown("the server stops"))

    async def pieces(self) -> AsyncIterator[Chunk]:
        """The request's body in pieces of about `PIECE` bytes or more, as fast as they are taken.

        A piece that is a view may be used until the one after the next is asked for. Before the end the sender's right
        is looked at once more. Raises `webterm.errors.InvalidRequest` for a body that breaks off, and
        `webterm.errors.NotSignedIn` and others as the gate does.
        """
        await invite(self._request)
        books = site(self._request).long_requests
        if len(books.large) < MOST_LARGE:
            self._large = large_body(self._request, self)
        if self._large is not None:
            books.large.add(self)
            self._request[CLOSING] = True
            async for view in self._large.pieces():
                yield view
        else:
            async for piece in gathered(self.arriving()):
                yield piece
        await self.still()

    def close(self) -> None:
        """What still comes of the body is not wanted."""
        if self._large is not None:
            self._large.give_up()
            site(self._request).long_requests.large.discard(self)

    async def still(self) -> None:
        """Raises what the gate raises when the sender may not do this any more."""
        here, row = site(self._request), self._request[ROW]
        if self.proof is not None:
            if not await here.long_requests.is_live(self.proof):
                raise NotSignedIn("you have signed out")
            return
        found = await find(row, self._request)
        check_access(row, found.actor)
        if found.actor is None or found.actor.id != self.actor.id:
            raise NotSignedIn("somebody else is signed in now")

    async def lately(self) -> None:
        """The same before each of many things, one soon after the other: looked at now and then."""
        now = asyncio.get_running_loop().time()
        if now >= self._good_until:
            await self.still()
            self._good_until = now + RECENT

    def arriving(self) -> AsyncIterator[bytes]:
        """The request's body as it arrives. Raises `webterm.errors.InvalidRequest` for one that breaks off."""
        return arriving(self._request, self)


@asynccontextmanager
async def transferring(request: web.Request) -> AsyncIterator[Transfer]:
    """Keep a long request in the books while the block runs, and end it there as `Transfer` says.

    Raises `webterm.errors.LimitReached` for too many of one person.
    """
    transfer = Transfer(request)
    try:
        async with site(request).long_requests.joined(transfer), transfer.running():
            yield transfer
    finally:
        transfer.close()


async def arriving(request: web.Request, span: Span) -> AsyncIterator[bytes]:
    """A request's body as it arrives. Raises `webterm.errors.InvalidRequest` for one that breaks off."""
    await invite(request)
    while True:
        try:
            async with span.waiting():
                piece = await request.content.readany()
        except BROKEN as error:
            raise InvalidRequest("the body broke off") from error
        if not piece:
            return
        yield piece


async def gathered(arriving: AsyncIterable[bytes], size: int = PIECE) -> AsyncIterator[bytes]:
    """The same bytes in pieces of at least ``size`` bytes, but for the last one, also when no more come than that."""
    kept: list[bytes] = []
    length = 0
    broken: InvalidRequest | None = None
    try:
        async for piece in arriving:
            kept.append(piece)
            length += len(piece)
            if length >= size:
                yield b"".join(kept)
                kept, length = [], 0
    except InvalidRequest as error:
        broken = error
    if kept:
        yield b"".join(kept)
    if broken is not None:
        raise broken


def plain(request: web.Request) -> None:
    """Refuse a body that is not simply the bytes that it is: in parts of a file, or compressed on the way.

    Raises `webterm.errors.InvalidRequest` and HTTP 415.
    """
    if "Content-Range" in request.headers:
        raise InvalidRequest("a body is a whole one here; parts go to uploads")
    if request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise web.HTTPUnsupportedMediaType(text="the body has to come without a Content-Encoding")
    expected = request.headers.get("Expect")
    if expected is not None and expected.strip().lower() != "100-continue":
        raise web.HTTPExpectationFailed(text="the only thing to be expected here is 100-continue")


async def invite(request: web.Request) -> None:
    """Tell a peer that waits for it that its body is welcome: it is not before everything else has been looked at."""
    expected = request.headers.get("Expect", "").strip().lower() == "100-continue" and INVITED not in request
    if expected and request.version >= HttpVersion11:
        request[INVITED] = True
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer has not begun


async def not_yet(request: web.Request) -> None:
    """Instead of aiohttp's own answer to ``Expect``, which comes before anybody has looked at the request."""

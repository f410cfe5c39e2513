"""Forms of files (``multipart/form-data``, RFC 7578), read as they come: a part at a time, in as little memory.

aiohttp's own reader takes bodies that break off for whole ones in places, and guesses at names.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

from aiohttp import web

from webterm.errors import InvalidRequest, TooBig

LONGEST_HEAD = 16 * 1024
MOST_AROUND = 64 * 1024
"""Bytes before the first part, and after the last one."""
_BOUNDARY = re.compile(
    r"""multipart/form-data\s*;(?:.*;)?\s*boundary=(?:"([^"]{1,70})"|([0-9A-Za-z'()+_,./:=?-]{1,70}))\s*(?:;|$)""",
    re.IGNORECASE | re.DOTALL,
)
_DISPOSITION = re.compile(rb"\r\ncontent-disposition:[ \t]*form-data((?:[^\r]|\r(?!\n))*)", re.IGNORECASE)


def boundary_of(request: web.Request) -> bytes:
    """What parts a form. Raises HTTP 415 for what is no form, and `webterm.errors.InvalidRequest`."""
    if request.content_type != "multipart/form-data":
        raise web.HTTPUnsupportedMediaType(text="the body has to be multipart/form-data")
    found = _BOUNDARY.match(request.headers.get("Content-Type", ""))
    if found is None:
        raise InvalidRequest("the Content-Type of a form names its boundary")
    return (found[1] or found[2]).encode("utf-8", "surrogateescape")


class Part:
    """One field. Iterate over it, once, for its bytes; what is left of them then is passed over.

    ``disposition`` has the parameters of its Content-Disposition, as they were sent.
    """

    def __init__(self, form: Form, disposition: bytes) -> None:
        self.disposition = disposition
        self.over = False
        self._form = form

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while not self.over:
            piece, self.over = await self._form.content()
            if piece:
                yield piece


class Form:
    """A form that comes as ``arriving``. All raises `webterm.errors.InvalidRequest` when it is none, or not whole."""

    def __init__(self, arriving: AsyncIterator[bytes], boundary: bytes) -> None:
        self._arriving = arriving
        self._delimiter = b"\r\n--" + boundary
        self._buffer = bytearray(b"\r\n")  # so that the first delimiter is one like all others

    async def parts(self) -> AsyncIterator[Part]:
        """The fields, in their order."""
        await self._until(self._delimiter, MOST_AROUND)
        while await self._goes_on():
            head = await self._until(b"\r\n\r\n", LONGEST_HEAD)
            found = _DISPOSITION.search(head)
            if found is None:
                raise InvalidRequest("a part of a form says that it is form-data")
            part = Part(self, found[1])
            yield part
            while not part.over:
                _, part.over = await self.content()

    async def content(self) -> tuple[bytes, bool]:
        """The next bytes of a part, and whether they are its last ones."""
        at = self._buffer.find(self._delimiter)
        if at >= 0:
            return self._take(at, len(self._delimiter)), True
        spare = len(self._buffer) - len(self._delimiter) + 1
        if spare > 0:
            return self._take(spare), False
        await self._more()
        return b"", False

    async def _goes_on(self) -> bool:
        """After a delimiter: whether another part follows. The line's own end stays, as the beginning of a head."""
        while len(self._buffer) < 2:
            await self._more()
        if self._buffer.startswith(b"--"):
            passed = 0
            async for piece in self._arriving:
                passed += len(piece)
                if passed > MOST_AROUND:
                    raise TooBig("too much comes after the end of the form")
            return False
        padding = await self._until(b"\r\n", LONGEST_HEAD)
        if padding.strip(b" \t"):
            raise InvalidRequest("a boundary of the form has more on its line")
        self._buffer[:0] = b"\r\n"
        return True

    async def _until(self, mark: bytes, most: int) -> bytes:
        """What comes before ``mark``, which is passed over."""
        looked = 0
        while (at := self._buffer.find(mark, max(looked - len(mark), 0))) < 0:
            looked = len(self._buffer)
            if looked > most:
                raise InvalidRequest("a boundary of the form is missing, or a head in it is too long")
            await self._more()
        return self._take(at, len(mark))

    def _take(self, count: int, passing: int = 0) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[: count + passing]
        return taken

    async def _more(self) -> None:
        piece = await anext(self._arriving, b"")
        if not piece:
            raise InvalidRequest("the form breaks off before its last boundary")
        self._buffer += piece

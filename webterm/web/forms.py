"""REST: many files at once, in a form: a directory with all that is in it, or what was dropped on a page."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import unquote_to_bytes

from aiohttp import BodyPartReader, MultipartReader, web
from aiohttp.http_exceptions import BadHttpMessage
from msgspec import Struct

from webterm.access import Role, Scope
from webterm.errors import InvalidPath, InvalidRequest, TooBig
from webterm.protocol.file_entries import FileEntry, file_entry
from webterm.web.bodies import json
from webterm.web.parameters import flag
from webterm.web.paths import PATH, WORKSPACE, path_of, workspace_of
from webterm.web.row import Parameter, Row
from webterm.web.site import actor, work
from webterm.web.transfers import BROKEN, PIECE, Transfer, gathered, invite, plain, transferring
from webterm.work.files import ANY

MOST_FILES = 2000
"""Files in one form."""
MOST_IGNORED = 64 * 1024
"""Bytes of a field that is no file."""
NAME = re.compile(rb';\s*filename="((?:[^"\\]|\\.)*)"', re.IGNORECASE | re.DOTALL)
EXTENDED = re.compile(rb";\s*filename\*=utf-8'[A-Za-z0-9-]*'([^\s;]+)", re.IGNORECASE)
BARE = re.compile(rb';\s*filename=([^\s;"]+)', re.IGNORECASE)
BACKSLASHED = re.compile(rb'\\(["\\])')
PERCENT = re.compile(rb"%(22|0D|0A)", re.IGNORECASE)
MALFORMED = (ValueError, AssertionError, RuntimeError, BadHttpMessage)
"""What the reader of forms raises when one is none."""


class Uploaded(Struct, frozen=True, kw_only=True):
    """The files that were written, in the order in which they came."""

    items: list[FileEntry]


async def upload_all(request: web.Request) -> web.StreamResponse:
    """Files for the workspace's own directory."""
    return await upload(request)


async def upload(request: web.Request) -> web.StreamResponse:
    """Files for a directory, which is made where it is missing."""
    plain(request)
    if request.content_type != "multipart/form-data":
        raise web.HTTPUnsupportedMediaType(text="the body has to be multipart/form-data")
    who, workspace, directory = actor(request), workspace_of(request), path_of(request)
    overwrite = flag(request, "overwrite", False)
    files = work(request).files
    done: list[FileEntry] = []
    async with transferring(request) as transfer:
        await work(request).workspaces.allowed(who, workspace, Role.WRITE)
        await invite(request)
        async for part in _files_in(transfer, request):
            if len(done) >= MOST_FILES:
                raise TooBig(f"a form has at most {MOST_FILES} files")
            path = b"/".join(filter(None, (directory, name_of(part))))
            written = await files.write(
                who,
                workspace,
                path,
                _content(transfer, part),
                expected=ANY if overwrite else None,
                parents=True,
            )
            done.append(file_entry(written.entry))
    return json(Uploaded(items=done))


def name_of(part: BodyPartReader) -> bytes:
    """A file's relative path, as the form says it. Raises `webterm.errors.InvalidPath` for an empty one.

    Browsers write line ends and quotes as ``%0A`` and ``%22`` and nothing else so; others use a backslash.
    """
    header = part.headers.get("Content-Disposition", "").encode("utf-8", "surrogateescape")
    if extended := EXTENDED.search(header):
        name = unquote_to_bytes(extended[1])
    elif quoted := NAME.search(header):
        plain_name = BACKSLASHED.sub(rb"\1", quoted[1])
        name = PERCENT.sub(lambda found: bytes([int(found[1], 16)]), plain_name)
    else:
        bare = BARE.search(header)
        name = bare[1] if bare else b""
    if not name:
        raise InvalidPath("each file of a form has a filename, which is its relative path")
    return name


async def _files_in(transfer: Transfer, request: web.Request) -> AsyncIterator[BodyPartReader]:
    """The fields that are files; each has to be read to its end before the next."""
    with _understood():
        reader = await request.multipart()
    while True:
        with _understood():
            async with transfer.waiting():
                part = await reader.next()
        if part is None:
            return
        if isinstance(part, MultipartReader):
            raise InvalidRequest("a form in a form is nothing that this takes")
        if "filename" in part.headers.get("Content-Disposition", ""):
            yield part
        else:
            await _ignore(transfer, part)


async def _content(transfer: Transfer, part: BodyPartReader) -> AsyncIterator[bytes]:
    async for piece in gathered(_arriving(transfer, part)):
        yield piece
    await transfer.still()


async def _arriving(transfer: Transfer, part: BodyPartReader) -> AsyncIterator[bytes]:
    while not part.at_eof():
        with _understood():
            async with transfer.waiting():
                piece = await part.read_chunk(PIECE)
        if piece:
            yield bytes(piece)


async def _ignore(transfer: Transfer, part: BodyPartReader) -> None:
    seen = 0
    async for piece in _arriving(transfer, part):
        seen += len(piece)
        if seen > MOST_IGNORED:
            raise TooBig(f"a field that is no file has at most {MOST_IGNORED} bytes")


@contextmanager
def _understood() -> Iterator[None]:
    try:
        yield
    except BROKEN as error:
        raise InvalidRequest("the body broke off") from error
    except MALFORMED as error:
        raise InvalidRequest("the body is no form: a boundary or a header in it is wrong") from error


QUERY = (Parameter(name="overwrite", kind="flag", doc="Replace files that are there; without it they refuse."),)

ROWS: Sequence[Row] = (
    Row(
        method="POST",
        path=WORKSPACE + "/upload",
        handler=upload_all,
        access=Scope.WORKSPACES_WRITE,
        origin="own",
        limit="files",
        takes="multipart/form-data",
        answer=Uploaded,
        query=QUERY,
        errors=(404, 409, 412, 413),
        doc="Many files at once, by their relative paths; each appears when it is complete.",
    ),
    Row(
        method="POST",
        path=WORKSPACE + "/upload" + PATH,
        handler=upload,
        access=Scope.WORKSPACES_WRITE,
        origin="own",
        limit="files",
        takes="multipart/form-data",
        answer=Uploaded,
        query=QUERY,
        errors=(404, 409, 412, 413),
        doc="Many files at once for a directory, by their paths in it; each appears when it is complete.",
    ),
)

"""REST: many files at once, in a form: a directory with all that is in it, or what was dropped on a page."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from urllib.parse import unquote_to_bytes

from aiohttp import web
from msgspec import Struct

from webterm.access import Scope
from webterm.errors import InvalidPath, TooBig
from webterm.protocol.file_entries import FileEntry, file_entry
from webterm.web.bodies import json
from webterm.web.multipart import Form, Part, boundary_of
from webterm.web.parameters import flag
from webterm.web.paths import PATH, WORKSPACE, path_of, workspace_of
from webterm.web.row import Parameter, Row
from webterm.web.site import actor, work
from webterm.web.transfers import Transfer, gathered, plain, transferring
from webterm.work.files import ANY

MOST_FILES = 2000
"""Files in one form."""
MOST_IGNORED = 64 * 1024
"""Bytes of a field that is no file."""
QUOTED = re.compile(rb';\s*([a-z*]+)="((?:[^"\\]|\\.)*)"', re.IGNORECASE | re.DOTALL)
EXTENDED = re.compile(rb";\s*filename\*=utf-8'[A-Za-z0-9-]*'([^\s;]+)", re.IGNORECASE)
BARE = re.compile(rb';\s*filename=([^\s;"]+)', re.IGNORECASE)
BACKSLASHED = re.compile(rb'\\(["\\])')
PERCENT = re.compile(rb"%(22|0D|0A)", re.IGNORECASE)


class Uploaded(Struct, frozen=True, kw_only=True):
    """The files that were written, in the order in which they came."""

    items: list[FileEntry]


async def upload_all(request: web.Request) -> web.StreamResponse:
    """Files for the workspace's own directory."""
    return await upload(request)


async def upload(request: web.Request) -> web.StreamResponse:
    """Files for a directory, which is made where it is missing."""
    plain(request)
    boundary = boundary_of(request)
    who, workspace, directory = actor(request), workspace_of(request), path_of(request)
    overwrite = flag(request, "overwrite", False)
    files = work(request).files
    done: list[FileEntry] = []
    async with transferring(request) as transfer:
        with await files.hold(who, workspace) as hold:
            async for part in Form(transfer.arriving(), boundary).parts():
                name = name_of(part.disposition)
                if name is None:
                    await _ignore(part)
                    continue
                if len(done) >= MOST_FILES:
                    raise TooBig(f"a form has at most {MOST_FILES} files")
                path = b"/".join(filter(None, (directory, name)))
                written = await files.write(
                    who,
                    workspace,
                    path,
                    _content(transfer, part),
                    expected=ANY if overwrite else None,
                    parents=True,
                    hold=hold,
                )
                done.append(file_entry(written.entry))
    return json(Uploaded(items=done))


def name_of(disposition: bytes) -> bytes | None:
    """A file's relative path, as the form says it; None: it is no file. Raises `webterm.errors.InvalidPath`.

    Browsers write line ends and quotes as ``%0A`` and ``%22`` and nothing else so; others use a backslash.
    """
    rest = QUOTED.sub(b"", disposition)
    if extended := EXTENDED.search(rest):
        name = unquote_to_bytes(extended[1])
    elif bare := BARE.search(rest):
        name = bare[1]
    elif quoted := [found for found in QUOTED.finditer(disposition) if found[1].lower() == b"filename"]:
        plain_name = BACKSLASHED.sub(rb"\1", quoted[-1][2])
        name = PERCENT.sub(lambda found: bytes([int(found[1], 16)]), plain_name)
    else:
        return None
    if not name:
        raise InvalidPath("each file of a form has a filename, which is its relative path")
    return name


async def _content(transfer: Transfer, part: Part) -> AsyncIterator[bytes]:
    async for piece in gathered(aiter(part)):
        yield piece
    await transfer.lately()


async def _ignore(part: Part) -> None:
    seen = 0
    async for piece in part:
        seen += len(piece)
        if seen > MOST_IGNORED:
            raise TooBig(f"a field that is no file has at most {MOST_IGNORED} bytes")


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

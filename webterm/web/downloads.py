"""REST: files and directories to keep.

What people put into files is nothing of ours: a browser that is led to one saves it and shows nothing of it, and were
it shown, it would be in a sandbox of no origin (`HEADERS`). Files are read in threads and written piece by piece:
``sendfile`` would stop the loop while the disk seeks.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, Sequence
from typing import Final
from urllib.parse import quote

from aiohttp import web

from webterm.access import Scope
from webterm.errors import Unavailable
from webterm.web.conditions import is_known, quoted, wanted
from webterm.web.files import ETAG
from webterm.web.paths import PATH, WORKSPACE, path_of, workspace_of
from webterm.web.row import Parameter, Row
from webterm.web.site import actor, work
from webterm.web.transfers import Transfer, transferring

BYTES: Final = "application/octet-stream"
ZIP: Final = "application/zip"
HEADERS = {
    "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}
TURN = 256 * 1024
"""Bytes that are written at a time, and that a peer has to take before it seems to stand still."""
LONGEST_NAME = 255
PLAIN = re.compile(r"[^A-Za-z0-9 ._()+-]")
HARMFUL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufffd/\\]")
"""In names: what is no character to be seen, or turns the direction of those that are."""


async def read(request: web.Request) -> web.StreamResponse:
    """A file, or a part of it."""
    files = work(request).files
    async with await files.open(actor(request), workspace_of(request), path_of(request)) as opened:
        entry = opened.entry
        headers = {**HEADERS, "Accept-Ranges": "bytes", "ETag": quoted(entry.tag)}
        if is_known(request, entry.tag):
            return web.Response(status=304, headers=headers)
        part = wanted(request, entry.tag, entry.size)
        start, end = part or (0, entry.size)
        if part is not None:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{entry.size}"
        headers |= {"Content-Disposition": attachment(entry.name), "Content-Type": BYTES}
        response = web.StreamResponse(status=200 if part is None else 206, headers=headers)
        response.content_length = end - start
        if request.method == "HEAD":
            return await _head(request, response)
        async with transferring(request) as transfer:
            sent = await _send(transfer, request, response, opened.chunks(start, end - start))
        if sent != end - start:
            raise Unavailable("the file has become shorter while it was read")
        return response


async def archive(request: web.Request) -> web.StreamResponse:
    """A directory as a zip file."""
    async with await work(request).files.archive(actor(request), workspace_of(request), path_of(request)) as zipped:
        name = (zipped.name or b"files") + b".zip"
        response = web.StreamResponse(headers={**HEADERS, "Content-Disposition": attachment(name), "Content-Type": ZIP})
        if request.method == "HEAD":
            return await _head(request, response)
        async with transferring(request) as transfer:
            await _send(transfer, request, response, zipped)
        return response


async def archive_all(request: web.Request) -> web.StreamResponse:
    """All files of a workspace as a zip file."""
    return await archive(request)


def attachment(name: bytes) -> str:
    """The header that has a file saved under its name (RFC 6266), whatever that is."""
    text = HARMFUL.sub("_", name.decode("utf-8", "replace"))[:LONGEST_NAME] or "file"
    return f"attachment; filename=\"{PLAIN.sub('_', text)}\"; filename*=UTF-8''{quote(text, safe='')}"


async def _head(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    await response.prepare(request)
    return response


async def _send(
    transfer: Transfer, request: web.Request, response: web.StreamResponse, pieces: AsyncIterable[bytes]
) -> int:
    """Send it all; how many bytes that were. What is raised here or later cuts the connection (`webterm.web.gate`)."""
    await response.prepare(request)
    sent = 0
    async for piece in pieces:
        view = memoryview(piece)
        for start in range(0, len(view), TURN):
            async with transfer.waiting():
                await response.write(view[start : start + TURN])
        sent += len(view)
    return sent


DISPOSITION = Parameter(name="Content-Disposition", kind="text", doc="`attachment`, and the name.", required=True)

ROWS: Sequence[Row] = (
    Row(
        method="GET",
        path=WORKSPACE + "/files" + PATH,
        handler=read,
        access=Scope.WORKSPACES_READ,
        origin="any",
        limit="files",
        media=BYTES,
        also=(206, 304),
        asked=(
            Parameter(name="Range", kind="text", doc="One range of bytes; several get all of it."),
            Parameter(name="If-Range", kind="text", doc="The part only if the file has still this tag, else all."),
            Parameter(name="If-Match", kind="text", doc="Only the file with this tag."),
            Parameter(name="If-None-Match", kind="text", doc="Only if it has not this tag any more."),
        ),
        headers=(
            ETAG,
            Parameter(name="Accept-Ranges", kind="text", doc="`bytes`.", required=True),
            Parameter(name="Content-Disposition", kind="text", doc="`attachment`, and the name."),
            Parameter(name="Content-Range", kind="text", doc="Which part it is, and of how many bytes."),
        ),
        errors=(404, 409, 412, 416),
        doc="A file's bytes, or a part of them.",
    ),
    Row(
        method="GET",
        path=WORKSPACE + "/archive",
        handler=archive_all,
        access=Scope.WORKSPACES_READ,
        origin="any",
        limit="files",
        media=ZIP,
        headers=(DISPOSITION,),
        errors=(404,),
        doc="All files of a workspace as a zip file, made while it is sent.",
    ),
    Row(
        method="GET",
        path=WORKSPACE + "/archive" + PATH,
        handler=archive,
        access=Scope.WORKSPACES_READ,
        origin="any",
        limit="files",
        media=ZIP,
        headers=(DISPOSITION,),
        errors=(404, 409),
        doc="A directory as a zip file, made while it is sent.",
    ),
)

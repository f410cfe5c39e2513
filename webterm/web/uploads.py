"""REST: uploads that can be cut and go on, each of one file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct

from webterm.access import Scope
from webterm.errors import InvalidRequest
from webterm.protocol.file_entries import FileEntry, file_entry
from webterm.protocol.file_messages import PathText, Tag
from webterm.protocol.file_paths import percent, written
from webterm.web.bodies import json, read_json
from webterm.web.parameters import number
from webterm.web.paths import WORKSPACE, workspace_of
from webterm.web.row import Parameter, Row
from webterm.web.site import actor, site, work
from webterm.web.transfers import plain, transferring
from webterm.work.files import ANY, Expected
from webterm.work.uploads import Upload

LARGEST = 2**62
UPLOADS = WORKSPACE + "/uploads"
UPLOAD = UPLOADS + "/{upload:[A-Za-z0-9_-]{1,64}}"


class NewUpload(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of ``size`` bytes that is to come.

    Without ``overwrite`` it must not be there yet; with ``if_match`` it replaces only the file with this tag.
    ``modified``, in seconds since 1970, is the time that it shall have. Missing directories are made.
    """

    path: PathText
    encoded: bool = False
    size: Annotated[int, Meta(ge=0, le=LARGEST)]
    overwrite: bool = False
    if_match: Tag | None = None
    executable: bool | None = None
    modified: Annotated[float, Meta(ge=0, le=1e11)] | None = None


class UploadState(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far an upload has come: ``offset`` bytes of ``size`` are there. ``expires`` in seconds since 1970.

    ``entry`` is the file, once all is there; the upload is gone then, and only ``GET`` tells of it for some time more.
    """

    upload: str
    path: str
    encoded: str
    size: int
    offset: int
    expires: float
    entry: FileEntry | None = None


async def begin(request: web.Request) -> web.StreamResponse:
    """Announce a file."""
    wanted = await read_json(request, NewUpload)
    if wanted.overwrite and wanted.if_match is not None:
        raise InvalidRequest("overwrite and if_match contradict each other")
    expected: Expected = ANY if wanted.overwrite else wanted.if_match
    workspace = workspace_of(request)
    upload = await work(request).uploads.begin(
        actor(request),
        workspace,
        written(wanted.path, encoded=wanted.encoded),
        size=wanted.size,
        expected=expected,
        executable=wanted.executable,
        modified=wanted.modified,
    )
    response = json(_state(upload), status=201)
    response.headers["Location"] = f"{site(request).prefix}/api/v1/workspaces/{workspace}/uploads/{upload.id}"
    return response


async def put(request: web.Request) -> web.StreamResponse:
    """More of its bytes."""
    plain(request)
    offset = number(request, "offset", None, most=LARGEST)
    if offset is None:
        raise InvalidRequest("offset: where in the file these bytes begin")
    uploads = work(request).uploads
    async with transferring(request) as transfer:
        upload = await uploads.put(
            actor(request), workspace_of(request), request.match_info["upload"], offset, transfer.pieces()
        )
    return json(_state(upload))


async def show(request: web.Request) -> web.StreamResponse:
    """How far it has come."""
    uploads = work(request).uploads
    return json(_state(await uploads.get(actor(request), workspace_of(request), request.match_info["upload"])))


async def cancel(request: web.Request) -> web.StreamResponse:
    """Give it up."""
    await work(request).uploads.cancel(actor(request), workspace_of(request), request.match_info["upload"])
    return web.Response(status=204)


def _state(upload: Upload) -> UploadState:
    return UploadState(
        upload=upload.id,
        path=upload.path.decode("utf-8", "replace"),
        encoded=percent(upload.path),
        size=upload.size,
        offset=upload.offset,
        expires=upload.expires,
        entry=None if upload.entry is None else file_entry(upload.entry),
    )


ROWS: Sequence[Row] = (
    Row(
        method="POST",
        path=UPLOADS,
        handler=begin,
        access=Scope.WORKSPACES_WRITE,
        origin="own",
        limit="files",
        body=NewUpload,
        answer=UploadState,
        status=201,
        headers=(Parameter(name="Location", kind="text", doc="The upload's path.", required=True),),
        errors=(404, 409, 412, 507),
        doc="Announce a file, whose bytes come in as many pieces as it takes.",
    ),
    Row(
        method="GET",
        path=UPLOAD,
        handler=show,
        access=Scope.WORKSPACES_READ,
        origin="any",
        limit="files",
        answer=UploadState,
        errors=(404,),
        doc="How far an upload has come.",
    ),
    Row(
        method="PUT",
        path=UPLOAD,
        handler=put,
        access=Scope.WORKSPACES_WRITE,
        origin="own",
        limit="files",
        takes="application/octet-stream",
        answer=UploadState,
        query=(Parameter(name="offset", kind="number", doc="Where in the file these bytes begin.", required=True),),
        errors=(404, 409, 412, 413),
        doc="Bytes of a file from `offset` on; what has come of them before a cut is kept.",
    ),
    Row(
        method="DELETE",
        path=UPLOAD,
        handler=cancel,
        access=Scope.WORKSPACES_WRITE,
        origin="own",
        limit="files",
        status=204,
        errors=(404,),
        doc="Give an upload up.",
    ),
)

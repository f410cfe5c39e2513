"""REST: the files of a workspace, one call for each thing that can be done with them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web
from msgspec import Struct

from webterm.access import Scope
from webterm.errors import EditConflict, InvalidRequest, NoSuchFile
from webterm.protocol.file_entries import FileEntry, file_entries, file_entry, next_page
from webterm.protocol.file_messages import DEEPEST, MOST_LISTED, PathText
from webterm.protocol.file_paths import decoded, percent, written
from webterm.web.bodies import json, read_json
from webterm.web.conditions import ANYTHING, expected, is_new, quoted
from webterm.web.parameters import flag, number
from webterm.web.paths import PATH, WORKSPACE, path_of, workspace_of
from webterm.web.row import Parameter, Row
from webterm.web.site import actor, site, work
from webterm.web.transfers import plain, transferring
from webterm.work.files import ANY, Entry, Expected

PER_PAGE = 1000


class FileListing(Struct, frozen=True, kw_only=True):
    """What is in a directory, by name. ``next`` is the ``after`` of the next page; null: these are the last.

    ``tag`` is the directory's, another one after something in it came or went.
    """

    items: list[FileEntry]
    next: str | None
    tag: str


class FileChanges(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be different about a file."""

    executable: bool


class Way(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From where to where; with ``encoded`` both are percent-encoded."""

    source: PathText
    target: PathText
    overwrite: bool = False
    encoded: bool = False


async def list_top(request: web.Request) -> web.StreamResponse:
    """What is in a workspace."""
    return await list_directory(request)


async def list_directory(request: web.Request) -> web.StreamResponse:
    """What is in a directory."""
    after = request.query.get("after")
    found = await work(request).files.listing(
        actor(request),
        workspace_of(request),
        path_of(request),
        depth=number(request, "depth", 1, least=1, most=DEEPEST),
        hidden=flag(request, "hidden", False),
        after=None if after is None else decoded(after),
        limit=number(request, "limit", PER_PAGE, least=1, most=MOST_LISTED),
    )
    return json(FileListing(items=file_entries(found.items), next=next_page(found), tag=found.tag))


async def stat(request: web.Request) -> web.StreamResponse:
    """What is at a path."""
    entry = await work(request).files.stat(actor(request), workspace_of(request), path_of(request))
    return _file(file_entry(entry))


async def write(request: web.Request) -> web.StreamResponse:
    """A whole file, at once or not at all."""
    plain(request)
    who, workspace, path = actor(request), workspace_of(request), path_of(request)
    files = work(request).files
    async with transferring(request) as transfer:
        done = await files.write(
            who,
            workspace,
            path,
            transfer.pieces(),
            size=request.content_length if request.body_exists else 0,
            expected=await _expected(request, workspace, path),
            executable=flag(request, "executable", None),
            parents=flag(request, "parents", False),
        )
    response = _file(file_entry(done.entry), status=201 if done.created else 200)
    if done.created:
        response.headers["Location"] = f"{site(request).prefix}/api/v1/workspaces/{workspace}/files/{percent(path)}"
    return response


async def change(request: web.Request) -> web.StreamResponse:
    """Make a file a program, or not."""
    wanted = await read_json(request, FileChanges)
    files = work(request).files
    entry = await files.set_executable(actor(request), workspace_of(request), path_of(request), wanted.executable)
    return _file(file_entry(entry))


async def remove(request: web.Request) -> web.StreamResponse:
    """Remove what is at a path."""
    recursive = flag(request, "recursive", False)
    await work(request).files.remove(actor(request), workspace_of(request), path_of(request), recursive=recursive)
    return web.Response(status=204)


async def make_directory(request: web.Request) -> web.StreamResponse:
    """A new directory."""
    parents = flag(request, "parents", False)
    files = work(request).files
    entry = await files.make_directory(actor(request), workspace_of(request), path_of(request), parents=parents)
    return json(file_entry(entry), status=201)


async def move(request: web.Request) -> web.StreamResponse:
    """Move or rename."""
    return await _go(request, work(request).files.move)


async def copy(request: web.Request) -> web.StreamResponse:
    """Copy."""
    return await _go(request, work(request).files.copy)


async def _go(request: web.Request, act: Callable[..., Awaitable[Entry]]) -> web.StreamResponse:
    way = await read_json(request, Way)
    source, target = (written(text, encoded=way.encoded) for text in (way.source, way.target))
    entry = await act(actor(request), workspace_of(request), source, target, overwrite=way.overwrite)
    return json(file_entry(entry))


async def _expected(request: web.Request, workspace: str, path: bytes) -> Expected:
    tag, new = expected(request), is_new(request)
    if new and tag is not None:
        raise InvalidRequest("If-Match and If-None-Match contradict each other")
    if tag != ANYTHING:
        return tag if tag is not None else None if new else ANY
    try:  # something has to be there, whatever it is: that what is there now
        return (await work(request).files.stat(actor(request), workspace, path)).tag
    except NoSuchFile:
        raise EditConflict("there is no such file", current=None, expected=ANYTHING) from None


def _file(entry: FileEntry, *, status: int = 200) -> web.Response:
    response = json(entry, status=status)
    response.headers["ETag"] = quoted(entry.tag)
    return response


ETAG = Parameter(name="ETag", kind="text", doc="The file's tag, in quotes.", required=True)
PARENTS = Parameter(name="parents", kind="flag", doc="Make directories that are missing on the way.")
LIST_QUERY = (
    Parameter(name="depth", kind="number", doc=f"How deep to look, 1 to {DEEPEST}; 1 is the directory's own content."),
    Parameter(name="hidden", kind="flag", doc="Also names that begin with a dot."),
    Parameter(name="after", kind="text", doc="The `next` of the page before: a percent-encoded path."),
    Parameter(name="limit", kind="number", doc=f"At most so many, {MOST_LISTED} at most."),
)

ROWS: Sequence[Row] = (
    Row(
        method="GET",
        path=WORKSPACE + "/tree",
        handler=list_top,
        access=Scope.WORKSPACES_READ,
        origin="any",
        limit="files",
        answer=FileListing,
        query=LIST_QUERY,
        errors=(404,),
        doc="What is in the workspace's own directory, by name.",
    ),
    Row(
        method="GET",
        path=WORKSPACE + "/tree" + PATH,
        handler=list_directory,
        access=Scope.WORKSPACES_READ,
        origin="any",
        limit="files",
        answer=FileListing,
        query=LIST_QUERY,
        errors=(404, 409),
        doc="What is in a directory, by name.",
    ),
    Row(
        method="GET",
        path=WORKSPACE + "/stat" + PATH,
        handler=stat,
        access=Scope.WORKSPACES_READ,
        origin="any",
        limit="files",
        answer=FileEntry,
        headers=(ETAG,),
        errors=(404, 409),
        doc="What is at a path; of a link, the link.",
    ),
    Row(
        method="PUT",
        path=WORKSPACE + "/files" + PATH,
        handler=write,
        access=Scope.WORKSPACES_WRITE,
        origin="own",
        limit="files",
        takes="application/octet-stream",
        answer=FileEntry,
        status=201,
        also=(200,),
        query=(
            PARENTS,
            Parameter(name="executable", kind="flag", doc="Make it a program, or not; else as the file was."),
        ),
        asked=(
            Parameter(name="If-Match", kind="text", doc="Replace only the file with this tag; `*`: any file."),
            Parameter(name="If-None-Match", kind="text", doc="`*`: write only what is not there yet."),
        ),
        headers=(ETAG, Parameter(name="Location", kind="text", doc="Where it can be read, when it is new.")),
        errors=(404, 409, 412),
        doc="Write a whole file, at once or not at all.",
    ),
    Row(
        method="PATCH",
        path=WORKSPACE + "/files" + PATH,
        handler=change,
        access=Scope.WORKSPACES_WRITE,
        origin="own",
        limit="files",
        body=FileChanges,
        answer=FileEntry,
        headers=(ETAG,),
        errors=(404, 409),
        doc="Make a file a program, or not.",
    ),
    Row(
        method="DELETE",
        path=WORKSPACE + "/files" + PATH,
        handler=remove,
        access=Scope.WORKSPACES_WRITE,
        origin="own",
        limit="files",
        status=204,
        query=(Parameter(name="recursive", kind="flag", doc="A directory with all that is in it."),),
        errors=(404, 409),
        doc="Remove a file, a link or a directory.",
    ),
    Row(
        method="POST",
        path=WORKSPACE + "/directories" + PATH,
        handler=make_directory,
        access=Scope.WORKSPACES_WRITE,
        origin="own",
        limit="files",
        answer=FileEntry,
        status=201,
        query=(PARENTS,),
        errors=(404, 409, 507),
        doc="Make a directory.",
    ),
    Row(
        method="POST",
        path=WORKSPACE + "/move",
        handler=move,
        access=Scope.WORKSPACES_WRITE,
        origin="own",
        limit="files",
        body=Way,
        answer=FileEntry,
        errors=(404, 409, 507),
        doc="Move or rename a file or directory.",
    ),
    Row(
        method="POST",
        path=WORKSPACE + "/copy",
        handler=copy,
        access=Scope.WORKSPACES_WRITE,
        origin="own",
        limit="files",
        body=Way,
        answer=FileEntry,
        errors=(404, 409, 507),
        doc="Copy a file, or a directory with all that is in it.",
    ),
)

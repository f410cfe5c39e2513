"""REST: looking for files, and for lines in them."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web
from msgspec import Struct

from webterm.access import Scope
from webterm.errors import InvalidRequest
from webterm.protocol.file_entries import FoundEntry, found_entry
from webterm.protocol.file_messages import MOST_FOUND
from webterm.protocol.file_paths import LONGEST, written
from webterm.web.bodies import json
from webterm.web.parameters import flag, number, text
from webterm.web.paths import WORKSPACE, workspace_of
from webterm.web.row import Parameter, Row
from webterm.web.site import actor, work
from webterm.work.files import LONGEST_TEXT, Search

USUAL = 200


class SearchResult(Struct, frozen=True, kw_only=True):
    """What was found. Not ``complete``: there may be more than was looked at."""

    items: list[FoundEntry]
    complete: bool


async def search(request: web.Request) -> web.StreamResponse:
    """Names, or lines."""
    query = text(request, "query", longest=LONGEST_TEXT)
    if not query:
        raise InvalidRequest("query: what to look for")
    where = text(request, "path", longest=3 * LONGEST)
    found = await work(request).files.search(
        actor(request),
        workspace_of(request),
        Search(
            text=query,
            path=written(where, encoded=flag(request, "encoded", False)),
            content=flag(request, "content", False),
            case=flag(request, "case", False),
            hidden=flag(request, "hidden", False),
            limit=number(request, "limit", USUAL, least=1, most=MOST_FOUND),
        ),
    )
    return json(SearchResult(items=[found_entry(match) for match in found.items], complete=found.complete))


ROWS: Sequence[Row] = (
    Row(
        method="GET",
        path=WORKSPACE + "/search",
        handler=search,
        access=Scope.WORKSPACES_READ,
        origin="any",
        limit="files",
        answer=SearchResult,
        query=(
            Parameter(name="query", kind="text", doc="What to look for.", required=True),
            Parameter(name="content", kind="flag", doc="In lines of files, and not in names."),
            Parameter(name="path", kind="text", doc="Below this directory only."),
            Parameter(name="encoded", kind="flag", doc="`path` is percent-encoded once more."),
            Parameter(name="case", kind="flag", doc="Capital letters are others than small ones."),
            Parameter(name="hidden", kind="flag", doc="Also where names begin with a dot."),
            Parameter(name="limit", kind="number", doc=f"At most so many, {MOST_FOUND} at most."),
        ),
        errors=(404, 409),
        doc="Look for names, or for lines in files: bounded in time, bytes and results.",
    ),
)

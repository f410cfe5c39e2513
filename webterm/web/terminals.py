"""REST: terminals for programs that do not want a WebSocket."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web
from msgspec import Struct

from webterm.access import Scope
from webterm.ids import TerminalId
from webterm.protocol.describe import describe
from webterm.protocol.message import Arguments, Cols, Directory, Environment, Name, Rows
from webterm.protocol.messages import TerminalInfo
from webterm.session import Size
from webterm.terminals.rules import MOST_OUTPUT_BYTES, OUTPUT_BYTES, Order
from webterm.web.bodies import json, read_json
from webterm.web.parameters import number
from webterm.web.row import Parameter, Row
from webterm.web.site import actor, client_address, site

FARTHEST = 10**18 - 1
"""The largest offset that is understood."""


class Create(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to start; an empty ``argv`` is the login shell.

    ``replaces``: a terminal whose program has ended, in whose place this one comes. It is removed, and what is left out
    of ``workspace``, ``argv``, ``cwd`` and ``title`` is as it was there.
    """

    cols: Cols
    rows: Rows
    workspace: Name | None = None
    driver: Name | None = None
    argv: Arguments = []
    cwd: Directory | None = None
    env: Environment = {}
    title: Name | None = None
    replaces: Name | None = None


class Resize(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A size in character cells."""

    cols: Cols
    rows: Rows


async def show_all(request: web.Request) -> web.StreamResponse:
    """The caller's terminals."""
    return json([describe(terminal) for terminal in site(request).terminals.visible(actor(request))])


async def create(request: web.Request) -> web.StreamResponse:
    """Start a program with a terminal."""
    wanted = await read_json(request, Create)
    order = Order(
        size=Size(wanted.cols, wanted.rows),
        workspace=wanted.workspace,
        driver=wanted.driver,
        argv=wanted.argv,
        cwd=wanted.cwd,
        env=wanted.env,
        title=wanted.title,
        replaces=wanted.replaces,
    )
    here = site(request)
    terminal = await here.terminals.open(actor(request), order, address=client_address(request))
    response = json(describe(terminal), status=201)
    response.headers["Location"] = f"{here.prefix}/api/v1/terminals/{terminal.id}"
    return response


async def show(request: web.Request) -> web.StreamResponse:
    """One terminal."""
    return json(describe(site(request).terminals.get(actor(request), _id(request))))


async def close(request: web.Request) -> web.StreamResponse:
    """End the program and remove the terminal."""
    await site(request).terminals.close(actor(request), _id(request), address=client_address(request))
    return web.Response(status=204)


async def resize(request: web.Request) -> web.StreamResponse:
    """Another size."""
    size = await read_json(request, Resize)
    terminal = await site(request).terminals.resize(actor(request), _id(request), Size(size.cols, size.rows))
    return json(describe(terminal))


async def output(request: web.Request) -> web.StreamResponse:
    """Output as text; the headers say which bytes, and ``Webterm-End`` is the next ``after``."""
    after = number(request, "after", None, most=FARTHEST)
    limit = number(request, "limit", OUTPUT_BYTES, most=MOST_OUTPUT_BYTES) or OUTPUT_BYTES
    part = await site(request).terminals.output(actor(request), _id(request), after, limit)
    headers = {"Webterm-Offset": str(part.start), "Webterm-End": str(part.end)}
    return web.Response(text=part.data.decode("utf-8", "replace"), headers=headers)


def _id(request: web.Request) -> TerminalId:
    return TerminalId(request.match_info["terminal"])


TERMINALS = "/api/v1/terminals"
TERMINAL = TERMINALS + "/{terminal:[A-Za-z0-9_-]+}"

ROWS: Sequence[Row] = (
    Row(
        method="GET",
        path=TERMINALS,
        handler=show_all,
        access=Scope.TERMINALS_READ,
        origin="any",
        answer=list[TerminalInfo],
        doc="One's terminals, the oldest first.",
    ),
    Row(
        method="POST",
        path=TERMINALS,
        handler=create,
        access=Scope.TERMINALS_WRITE,
        origin="own",
        body=Create,
        answer=TerminalInfo,
        status=201,
        headers=(Parameter(name="Location", kind="text", doc="The terminal's path.", required=True),),
        errors=(404, 409, 422, 429, 503),
        doc="Start a program with a terminal.",
    ),
    Row(
        method="GET",
        path=TERMINAL,
        handler=show,
        access=Scope.TERMINALS_READ,
        origin="any",
        answer=TerminalInfo,
        errors=(404,),
        doc="One terminal.",
    ),
    Row(
        method="DELETE",
        path=TERMINAL,
        handler=close,
        access=Scope.TERMINALS_WRITE,
        origin="own",
        status=204,
        errors=(404,),
        doc="End the program and remove the terminal.",
    ),
    Row(
        method="POST",
        path=TERMINAL + "/resize",
        handler=resize,
        access=Scope.TERMINALS_WRITE,
        origin="own",
        body=Resize,
        answer=TerminalInfo,
        errors=(404,),
        doc="Give the terminal another size.",
    ),
    Row(
        method="GET",
        path=TERMINAL + "/output",
        handler=output,
        access=Scope.TERMINALS_READ,
        origin="any",
        media="text/plain",
        query=(
            Parameter(name="after", kind="number", doc="The offset to begin at; without it, the oldest byte kept."),
            Parameter(name="limit", kind="number", doc="The most bytes to answer with."),
        ),
        headers=(
            Parameter(name="Webterm-Offset", kind="number", doc="The offset of the first byte.", required=True),
            Parameter(name="Webterm-End", kind="number", doc="The `after` of the next call.", required=True),
        ),
        errors=(404,),
        doc="Output as text, from `after` on, at most `limit` bytes.",
    ),
)

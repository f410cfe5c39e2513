"""Every route there is. What a row does not say, nobody may do."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from webterm.access import Scope
from webterm.web import health, login, page, terminals
from webterm.web.gate import add_headers, guarded
from webterm.web.row import Row
from webterm.web.site import SITE, Site
from webterm.web.socket import socket

TERMINALS = "/api/v1/terminals"
TERMINAL = TERMINALS + "/{terminal:[A-Za-z0-9_-]+}"

ROWS: Sequence[Row] = (
    Row(method="GET", path="/", handler=page.page, access=None, origin="any", limit="none", doc="The page."),
    Row(
        method="GET",
        path="/assets/{name:[A-Za-z0-9_-][A-Za-z0-9._-]*}",
        handler=page.asset,
        access=None,
        origin="any",
        limit="none",
        doc="Scripts, styles and fonts of the page.",
    ),
    Row(
        method="GET",
        path="/ws",
        handler=socket,
        access=Scope.TERMINALS_READ,
        origin="own",
        ticket=True,
        doc="The WebSocket for any number of terminals (docs/protocol.md).",
    ),
    Row(
        method="GET",
        path="/health",
        handler=health.health,
        access=None,
        origin="any",
        limit="none",
        doc="Whether the server is there.",
    ),
    Row(method="GET", path="/api/v1/me", handler=login.me, access="any", origin="any", doc="Who is signed in."),
    Row(
        method="POST",
        path="/api/v1/tickets",
        handler=login.issue_ticket,
        access=Scope.TERMINALS_READ,
        origin="own",
        doc="A one-use ticket for a WebSocket without a cookie.",
    ),
    Row(
        method="GET",
        path=TERMINALS,
        handler=terminals.show_all,
        access=Scope.TERMINALS_READ,
        origin="any",
        doc="One's terminals, the oldest first.",
    ),
    Row(
        method="POST",
        path=TERMINALS,
        handler=terminals.create,
        access=Scope.TERMINALS_WRITE,
        origin="own",
        doc="Start a program with a terminal.",
    ),
    Row(
        method="GET",
        path=TERMINAL,
        handler=terminals.show,
        access=Scope.TERMINALS_READ,
        origin="any",
        doc="One terminal.",
    ),
    Row(
        method="DELETE",
        path=TERMINAL,
        handler=terminals.close,
        access=Scope.TERMINALS_WRITE,
        origin="own",
        doc="End the program and remove the terminal.",
    ),
    Row(
        method="POST",
        path=TERMINAL + "/resize",
        handler=terminals.resize,
        access=Scope.TERMINALS_WRITE,
        origin="own",
        doc="Give the terminal another size.",
    ),
    Row(
        method="GET",
        path=TERMINAL + "/output",
        handler=terminals.output,
        access=Scope.TERMINALS_READ,
        origin="any",
        doc="Output as text, from `after` on, at most `limit` bytes.",
    ),
)

OWN_LOGIN_ROWS: Sequence[Row] = (
    Row(
        method="POST",
        path="/api/v1/login",
        handler=login.login,
        access=None,
        origin="own",
        doc="Sign in with the token of a link.",
    ),
    Row(
        method="POST",
        path="/api/v1/logout",
        handler=login.logout,
        access="any",
        origin="own",
        doc="Sign this browser out.",
    ),
)
"""Only where the host application does not sign people in itself."""

PREFIX_ROW = Row(
    method="GET", path="", handler=page.to_page, access=None, origin="any", doc="The prefix without its slash."
)


async def _nothing_here(request: web.Request) -> web.StreamResponse:
    raise web.HTTPNotFound(text="there is nothing here")


NOWHERE = Row(method="*", path="/{rest:.*}", handler=_nothing_here, access=None, origin="any", doc="All other paths.")


def rows(site: Site) -> list[Row]:
    """The rows of one webterm, in order of their precedence."""
    own_login = OWN_LOGIN_ROWS if site.login is not None else ()
    return [*([PREFIX_ROW] if site.prefix else ()), *ROWS, *own_login]


def install(app: web.Application, site: Site) -> None:
    """Put all routes under the site's prefix into ``app``.

    Every path answers every method, and a last route takes all paths that are left, so that refusals pass the gate
    (host names, headers) as well.
    """
    app[SITE] = site
    app.on_response_prepare.append(add_headers)
    methods: dict[str, set[str]] = {}
    for row in rows(site):
        app.router.add_route(row.method, site.prefix + row.path, guarded(row))
        methods.setdefault(row.path, set()).add(row.method)
        if row.method == "GET":
            app.router.add_route("HEAD", site.prefix + row.path, guarded(row))
            methods[row.path].add("HEAD")
    for path, allowed in methods.items():
        app.router.add_route("*", site.prefix + path, guarded(_refusing(path, allowed)))
    app.router.add_route("*", site.prefix + NOWHERE.path, guarded(NOWHERE))


def _refusing(path: str, allowed: set[str]) -> Row:
    async def handler(request: web.Request) -> web.StreamResponse:
        text = f"only {', '.join(sorted(allowed))} here"
        raise web.HTTPMethodNotAllowed(request.method, sorted(allowed), text=text)

    return Row(method="*", path=path, handler=handler, access=None, origin="any", doc="Other methods.")

"""Every route there is: the rows of all modules, put together. What a row does not say, nobody may do."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from webterm.web import (
    audit,
    auth,
    devices,
    documents,
    downloads,
    executions,
    files,
    forms,
    health,
    invitations,
    members,
    metrics,
    oidc,
    overview,
    page,
    preview_shares,
    previews,
    runtimes,
    searches,
    socket,
    templates,
    terminals,
    tickets,
    tiers,
    tokens,
    uploads,
    users,
    workspaces,
)
from webterm.web.documents import DOCUMENTS, Documents
from webterm.web.gate import add_headers, guarded
from webterm.web.preview_hosts import on_preview_hosts
from webterm.web.row import Row
from webterm.web.site import SITE, Site
from webterm.web.transfers import not_yet

ROWS: Sequence[Row] = (
    *page.ROWS,
    *socket.ROWS,
    *health.ROWS,
    *metrics.ROWS,
    *documents.ROWS,
    *tickets.ROWS,
    *terminals.ROWS,
    *workspaces.ROWS,
    *runtimes.ROWS,
    *overview.ROWS,
    *preview_shares.ROWS,
    *members.ROWS,
    *templates.ROWS,
    *files.ROWS,
    *downloads.ROWS,
    *uploads.ROWS,
    *forms.ROWS,
    *searches.ROWS,
    *executions.ROWS,
    *auth.ROWS,
    *tiers.ROWS,
)

OWN_LOGIN_ROWS: Sequence[Row] = (
    *auth.OWN_LOGIN_ROWS,
    *users.ROWS,
    *invitations.ROWS,
    *tokens.ROWS,
    *devices.ROWS,
    *oidc.ROWS,
    *audit.ROWS,
)
"""Only where people have accounts here: a host application that signs them in has all of this itself."""


async def _nothing_here(request: web.Request) -> web.StreamResponse:
    raise web.HTTPNotFound(text="there is nothing here")


NOWHERE = Row(
    method="*",
    path="/{rest:(?s:.*)}",
    handler=_nothing_here,
    access=None,
    origin="any",
    limit="none",
    asks=False,
    doc="All other paths.",
)


def rows(site: Site) -> list[Row]:
    """The rows of one webterm, in order of their precedence."""
    own_login = OWN_LOGIN_ROWS if site.actor_of is None else ()
    return [*([page.PREFIX_ROW] if site.prefix else ()), *ROWS, *own_login]


def install(app: web.Application, site: Site) -> None:
    """Put all routes under the site's prefix into ``app``.

    Every path answers every method, and a last route takes all paths that are left, so that refusals pass the gate
    (host names, headers) as well.
    """
    app[SITE] = site
    app[DOCUMENTS] = Documents(site, rows(site))
    app.on_response_prepare.append(add_headers)
    methods: dict[str, set[str]] = {}
    for row in rows(site):
        early = not_yet if row.takes else None
        app.router.add_route(row.method, site.prefix + row.path, guarded(row), expect_handler=early)
        methods.setdefault(row.path, set()).add(row.method)
        if row.method == "GET":
            app.router.add_route("HEAD", site.prefix + row.path, guarded(row))
            methods[row.path].add("HEAD")
    for path, allowed in methods.items():
        app.router.add_route("*", site.prefix + path, guarded(_refusing(path, allowed)))
    for row in (*previews.ROWS, NOWHERE):  # of every method, and in no document
        app.router.add_route("*", site.prefix + row.path, guarded(row), expect_handler=not_yet)
    if site.settings.previews.domain is not None:
        app.middlewares.append(on_preview_hosts(site))
    site.metrics.declare([*rows(site), *previews.ROWS, NOWHERE])


def _refusing(path: str, allowed: set[str]) -> Row:
    async def handler(request: web.Request) -> web.StreamResponse:
        text = f"only {', '.join(sorted(allowed))} here"
        raise web.HTTPMethodNotAllowed(request.method, sorted(allowed), text=text)

    return Row(
        method="*",
        path=path,
        handler=handler,
        access=None,
        origin="any",
        limit="none",
        asks=False,
        doc="Other methods.",
    )

"""The audit log, for admins."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web
from msgspec import Struct

from webterm.access import Scope
from webterm.accounts import audit
from webterm.ids import UserId
from webterm.web.bodies import json
from webterm.web.parameters import number, text
from webterm.web.row import Parameter, Row
from webterm.web.site import own_login

PER_PAGE = 50
MOST_PER_PAGE = 500
LONGEST_FILTER = 128
HIGHEST = 2**31 - 1


class Entry(Struct, frozen=True, kw_only=True):
    """Who did what to what, from where and when (seconds since 1970).

    ``user`` is null for commands and for strangers. ``hash`` vouches for this entry and all before it. In all texts
    control characters and others that are not seen as what they are stand as ``\\x1b`` or ``\\u202e``.
    """

    number: int
    at: float
    user: UserId | None
    name: str
    address: str
    action: str
    target: str
    detail: str
    hash: str


class Entries(Struct, frozen=True, kw_only=True):
    """Some entries, the newest first. ``next`` is the ``before`` of the next ones; null: these are the last."""

    items: list[Entry]
    next: int | None


async def show(request: web.Request) -> web.StreamResponse:
    """What has happened, a page at a time."""
    limit = number(request, "limit", PER_PAGE, least=1, most=MOST_PER_PAGE)
    before = number(request, "before", None, most=HIGHEST)
    action, user = (text(request, name, longest=LONGEST_FILTER) for name in ("action", "user"))
    found = await own_login(request).audit.page(before=before, limit=limit + 1, action=action, user=user)
    items = [_shown(entry) for entry in found[:limit]]
    return json(Entries(items=items, next=items[-1].number if len(found) > limit else None))


def _shown(entry: audit.Entry) -> Entry:
    return Entry(
        number=entry.number,
        at=entry.at,
        user=entry.user,
        name=entry.name,
        address=entry.address,
        action=entry.action,
        target=entry.target,
        detail=entry.detail,
        hash=entry.hash,
    )


ROWS: Sequence[Row] = (
    Row(
        method="GET",
        path="/api/v1/audit",
        handler=show,
        access=Scope.ADMIN,
        origin="any",
        answer=Entries,
        query=(
            Parameter(name="before", kind="number", doc="Only entries with a lower number."),
            Parameter(name="limit", kind="number", doc=f"At most so many, {MOST_PER_PAGE} at most."),
            Parameter(name="action", kind="text", doc="Only actions that begin so, such as `login.`."),
            Parameter(name="user", kind="text", doc="Only by the person with this id, or by names that begin so."),
        ),
        doc="The audit log, the newest entries first.",
    ),
)

"""The audit log, for admins."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web
from msgspec import Struct

from webterm.access import Scope
from webterm.accounts import audit
from webterm.errors import InvalidRequest
from webterm.ids import UserId
from webterm.web.bodies import json
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
    limit = _number(request, "limit", PER_PAGE)
    if not limit or not 1 <= limit <= MOST_PER_PAGE:
        raise InvalidRequest(f"limit: a number from 1 to {MOST_PER_PAGE}")
    before, action, user = _number(request, "before", None), _text(request, "action"), _text(request, "user")
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


def _number(request: web.Request, name: str, default: int | None) -> int | None:
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= HIGHEST):
        raise InvalidRequest(f"{name}: a number, 0 or more")
    return int(text)


def _text(request: web.Request, name: str) -> str:
    text = request.query.get(name, "")
    if len(text) > LONGEST_FILTER:
        raise InvalidRequest(f"{name}: at most {LONGEST_FILTER} characters")
    return text


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
        errors=(400,),
        doc="The audit log, the newest entries first.",
    ),
)

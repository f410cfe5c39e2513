"""Other people's accounts, for admins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct

from webterm.access import Scope
from webterm.accounts.names import LONGEST_EMAIL
from webterm.accounts.people import LARGEST_ALIAS, MOST_PER_PAGE, Role
from webterm.web.auth import Account, Email, Password, Username, account
from webterm.web.bodies import json, read_json
from webterm.web.parameters import number, text
from webterm.web.row import Parameter, Row
from webterm.web.site import own_login, source

USERS = "/api/v1/users"
USER = USERS + "/{user:[A-Za-z0-9-]{1,64}}"
PER_PAGE = 50

TierName = Annotated[str, Meta(max_length=32)]


class Accounts(Struct, frozen=True, kw_only=True):
    """Some accounts by alias. ``next`` is the ``after`` of the next ones; null: these are the last."""

    items: list[Account]
    next: int | None


class NewAccount(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An account for somebody. Without a password nobody signs in to it by name; without a tier it gets the usual."""

    username: Username
    password: Password | None = None
    email: Email | None = None
    role: Role = "user"
    tier: TierName | None = None


class AccountChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be different; what is left out, or null, stays."""

    role: Role | None = None
    tier: TierName | None = None
    disabled: bool | None = None
    password: Password | None = None


async def show_all(request: web.Request) -> web.StreamResponse:
    """Everybody, a page at a time."""
    search = text(request, "search", longest=LONGEST_EMAIL)
    after = number(request, "after", 0, most=LARGEST_ALIAS)
    limit = number(request, "limit", PER_PAGE, least=1, most=MOST_PER_PAGE)
    found, following = await own_login(request).people.page(after=after, limit=limit, search=search)
    return json(Accounts(items=[account(user) for user in found], next=following))


async def create(request: web.Request) -> web.StreamResponse:
    """Make an account for somebody."""
    asked = await read_json(request, NewAccount)
    user = await own_login(request).people.create(
        source(request),
        username=asked.username,
        password=asked.password,
        email=asked.email,
        role=asked.role,
        tier=asked.tier,
    )
    return json(account(user), status=201)


async def show(request: web.Request) -> web.StreamResponse:
    """One account."""
    return json(account(await own_login(request).people.get(_who(request))))


async def change(request: web.Request) -> web.StreamResponse:
    """Change an account."""
    asked = await read_json(request, AccountChange)
    user = await own_login(request).people.change(
        _who(request),
        source(request),
        role=asked.role,
        tier=asked.tier,
        disabled=asked.disabled,
        password=asked.password,
    )
    return json(account(user))


async def remove(request: web.Request) -> web.StreamResponse:
    """Remove an account."""
    await own_login(request).people.delete(_who(request), source(request))
    return web.Response(status=204)


def _who(request: web.Request) -> str:
    """The id of a person, or the alias."""
    return request.match_info["user"]


ROWS: Sequence[Row] = (
    Row(
        method="GET",
        path=USERS,
        handler=show_all,
        access=Scope.ADMIN,
        origin="any",
        answer=Accounts,
        query=(
            Parameter(name="after", kind="number", doc="Begin behind this alias."),
            Parameter(name="limit", kind="number", doc=f"At most so many, {MOST_PER_PAGE} at most."),
            Parameter(name="search", kind="text", doc="Only those with this in their user name or e-mail address."),
        ),
        doc="Everybody who has an account, by alias.",
    ),
    Row(
        method="POST",
        path=USERS,
        handler=create,
        access=Scope.ADMIN,
        origin="own",
        body=NewAccount,
        answer=Account,
        status=201,
        errors=(409,),
        doc="Make an account for somebody.",
    ),
    Row(
        method="GET",
        path=USER,
        handler=show,
        access=Scope.ADMIN,
        origin="any",
        answer=Account,
        errors=(404,),
        doc="One account, by id or alias.",
    ),
    Row(
        method="PATCH",
        path=USER,
        handler=change,
        access=Scope.ADMIN,
        origin="own",
        body=AccountChange,
        answer=Account,
        errors=(404,),
        doc="Change an account. A new password, and being disabled, end all of its logins.",
    ),
    Row(
        method="DELETE",
        path=USER,
        handler=remove,
        access=Scope.ADMIN,
        origin="own",
        status=204,
        errors=(404,),
        doc="Remove an account, with its logins and tokens.",
    ),
)

"""Tokens for programs: signing in as an API client, and personal access tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from aiohttp import web
from msgspec import Meta, Struct, structs

from webterm.access import Scope
from webterm.accounts import bearer, tokens
from webterm.accounts.logins import LONGEST_AGENT
from webterm.ids import TokenId
from webterm.web.auth import Email, Password, Secret
from webterm.web.bodies import json, read_json
from webterm.web.row import Row
from webterm.web.site import actor, own_login, source

TOKENS = "/api/v1/auth/tokens"
LONGEST_LIFE = 3650
"""Days."""


class SignIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who signs in: a user name or e-mail address, and what the list of devices is to show."""

    name: Email
    password: Password
    device: Annotated[str, Meta(max_length=LONGEST_AGENT)] = ""


class Refresh(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A refresh token, which is good once."""

    refresh_token: Secret


class TokenPair(Struct, frozen=True, kw_only=True):
    """As in RFC 6749, section 5.1. ``expires_in``: seconds that the access token lasts."""

    access_token: str
    refresh_token: str
    expires_in: int
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the name of a scheme


class NewToken(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a personal access token is to be good for, and for how many days (null: until it is revoked)."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    scopes: Annotated[
        list[Literal["terminals:read", "terminals:write", "workspaces:read", "workspaces:write", "admin"]],
        Meta(min_length=1, max_length=5),
    ]
    expires_in_days: Annotated[int, Meta(ge=1, le=LONGEST_LIFE)] | None = None


class PersonalToken(Struct, frozen=True, kw_only=True):
    """A personal access token without its secret. Times are in seconds since 1970; null is never."""

    id: TokenId
    name: str
    scopes: list[str]
    created: float
    expires: float | None
    seen: float | None


class CreatedToken(PersonalToken, frozen=True, kw_only=True):
    """A new personal access token. ``token`` is shown only here."""

    token: str


async def sign_in(request: web.Request) -> web.StreamResponse:
    """Sign an API client in by name and password."""
    asked = await read_json(request, SignIn)
    ours, by = own_login(request), source(request)
    user = await ours.signing_in.by_password(asked.name, asked.password, by)
    return _pair(await ours.bearer.issue(user, by, asked.device or request.headers.get("User-Agent", "")))


async def refresh(request: web.Request) -> web.StreamResponse:
    """The next pair of tokens for a refresh token."""
    asked = await read_json(request, Refresh)
    return _pair(await own_login(request).bearer.refresh(asked.refresh_token, source(request).address))


async def show_all(request: web.Request) -> web.StreamResponse:
    """One's personal access tokens, the newest first."""
    found = await own_login(request).tokens.of_user(actor(request).id)
    return json([_shown(token) for token in found])


async def create(request: web.Request) -> web.StreamResponse:
    """A new personal access token."""
    asked = await read_json(request, NewToken)
    text, token = await own_login(request).tokens.create(
        actor(request),
        asked.name,
        [Scope(scope) for scope in asked.scopes],
        source(request),
        days=asked.expires_in_days,
    )
    return json(CreatedToken(**structs.asdict(_shown(token)), token=text), status=201)


async def revoke(request: web.Request) -> web.StreamResponse:
    """Revoke a personal access token."""
    await own_login(request).tokens.revoke(TokenId(request.match_info["token"]), source(request))
    return web.Response(status=204)


def _pair(pair: bearer.TokenPair) -> web.Response:
    return json(TokenPair(access_token=pair.access, refresh_token=pair.refresh, expires_in=pair.expires_in))


def _shown(token: tokens.Token) -> PersonalToken:
    return PersonalToken(
        id=token.id,
        name=token.name,
        scopes=list(token.scopes),
        created=token.created,
        expires=token.expires,
        seen=token.seen,
    )


ROWS: Sequence[Row] = (
    Row(
        method="POST",
        path="/api/v1/auth/token",
        handler=sign_in,
        access=None,
        origin="own",
        limit="auth",
        body=SignIn,
        answer=TokenPair,
        errors=(401,),
        doc="Sign an API client in by name and password.",
    ),
    Row(
        method="POST",
        path="/api/v1/auth/refresh",
        handler=refresh,
        access=None,
        origin="own",
        asks=False,  # the access token that may come along has run out, as a rule
        limit="auth",
        body=Refresh,
        answer=TokenPair,
        errors=(401,),
        doc="The next access token for a refresh token, and the next of these. One that was used ends the login.",
    ),
    Row(
        method="GET",
        path=TOKENS,
        handler=show_all,
        access=Scope.ACCOUNT,
        origin="any",
        answer=list[PersonalToken],
        doc="One's personal access tokens, the newest first.",
    ),
    Row(
        method="POST",
        path=TOKENS,
        handler=create,
        access=Scope.ACCOUNT,
        origin="own",
        body=NewToken,
        answer=CreatedToken,
        status=201,
        errors=(429,),
        doc="A personal access token, shown only here.",
    ),
    Row(
        method="DELETE",
        path=TOKENS + "/{token:[A-Za-z0-9_-]+}",
        handler=revoke,
        access=Scope.ACCOUNT,
        origin="own",
        status=204,
        errors=(404,),
        doc="Revoke a personal access token.",
    ),
)

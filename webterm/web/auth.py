"""Signing in and out in a browser, making an account, and who one is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from aiohttp import web
from msgspec import Meta, Struct, structs

from webterm.access import Actor, Scope
from webterm.accounts import passwords
from webterm.accounts.people import Candidate, Role, User
from webterm.accounts.signing_in import LONGEST_NAME
from webterm.errors import NotSignedIn
from webterm.ids import LoginId, UserId
from webterm.web.bodies import json, read_json
from webterm.web.row import Row
from webterm.web.site import actor, own_login, site, source, visitor
from webterm.web.visitors import is_guess

AUTH = "/api/v1/auth"

Username = Annotated[str, Meta(max_length=64)]
Email = Annotated[str, Meta(max_length=LONGEST_NAME)]
Password = Annotated[str, Meta(max_length=passwords.LONGEST)]
Secret = Annotated[str, Meta(max_length=256)]


class Account(Struct, frozen=True, kw_only=True):
    """Somebody's account. ``alias`` is a small number for people to say; ``created`` is in seconds since 1970.

    Both are 0 where the application that webterm is part of has the people.
    """

    id: UserId
    alias: int
    username: str
    email: str | None
    role: Role
    tier: str
    owner: bool
    disabled: bool
    created: float
    has_password: bool


class Me(Account, frozen=True, kw_only=True):
    """One's own account, and what this proof of identity is good for."""

    scopes: list[Scope]


class SignInProvider(Struct, frozen=True, kw_only=True):
    """An OpenID provider with which one can sign in; ``name`` is for people."""

    id: str
    name: str


class Options(Struct, frozen=True, kw_only=True):
    """How one can come in. ``min_password`` is the number of characters that a new password has at least.

    ``accounts``: people have accounts here; otherwise they sign in at the application that webterm is part of.
    """

    accounts: bool
    registration: Literal["closed", "invite", "open"]
    min_password: int
    signed_in: bool
    providers: list[SignInProvider]


class Login(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who signs in: a user name or e-mail address."""

    name: Email
    password: Password


class Link(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The token of a sign-in link, which is good once."""

    token: Secret


class Registration(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who wants an account. ``invitation`` is the token of one; it may bring its own e-mail address."""

    username: Username
    password: Password
    email: Email | None = None
    invitation: Secret | None = None


class NewPassword(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One's next password. ``current`` is needed where there is one."""

    new: Password
    current: Password | None = None


async def options(request: web.Request) -> web.StreamResponse:
    """How one can come in, and whether one is in already."""
    settings, ours = site(request).settings, site(request).actor_of is None
    providers = [SignInProvider(id=id, name=each.name or id) for id, each in settings.oidc.providers.items()]  # noqa: A001
    return json(
        Options(
            accounts=ours,
            registration=settings.accounts.registration if ours else "closed",
            min_password=settings.accounts.min_password,
            signed_in=visitor(request).actor is not None,
            providers=providers if ours else [],
        )
    )


async def login(request: web.Request) -> web.StreamResponse:
    """Sign this browser in by name and password."""
    asked = await read_json(request, Login)
    user = await own_login(request).signing_in.by_password(asked.name, asked.password, source(request))
    return await _signed_in(request, user)


async def link(request: web.Request) -> web.StreamResponse:
    """Sign this browser in with the token of a link. The first one makes the owner's account."""
    asked = await read_json(request, Link)
    user = await own_login(request).signing_in.by_link(asked.token, source(request))
    return await _signed_in(request, user)


async def follow_link(request: web.Request) -> web.StreamResponse:
    """Sign in by the link itself, then go where the token no longer shows in the URL.

    Relative locations are right behind a proxy that cuts a prefix off, too.
    """
    if is_guess(request):
        return web.Response(status=503)  # the link works once
    response = web.Response(status=303, headers={"Location": "./"})
    ours = own_login(request)
    try:
        user = await ours.signing_in.by_link(request.query["login"], source(request))
        await ours.storage.sign_in(request, response, user)
    except NotSignedIn:
        response.headers["Location"] = "./?signin=expired"
    return response


async def register(request: web.Request) -> web.StreamResponse:
    """Make an account, and sign this browser in to it."""
    asked = await read_json(request, Registration)
    wanted = Candidate(username=asked.username, password=asked.password, email=asked.email, invitation=asked.invitation)
    user = await own_login(request).people.register(wanted, source(request))
    return await _signed_in(request, user, status=201)


async def logout(request: web.Request) -> web.StreamResponse:
    """Sign out: the login that this request came with ends, and its open WebSockets with it."""
    ours, who = own_login(request), visitor(request)
    response = web.Response(status=204)
    if who.riding:
        await ours.storage.sign_out(request, response)
    elif who.proof is not None:
        await ours.logins.end(LoginId(who.proof), source(request))
    return response


async def me(request: web.Request) -> web.StreamResponse:
    """Who is signed in."""
    who = actor(request)
    hosted = site(request).actor_of is not None
    shown = _guest(who) if hosted else account(await own_login(request).people.get(who.id))
    return json(Me(**structs.asdict(shown), scopes=sorted(who.scopes)))


async def change_password(request: web.Request) -> web.StreamResponse:
    """Give oneself another password."""
    asked = await read_json(request, NewPassword)
    await own_login(request).signing_in.change_password(
        actor(request).id, asked.current, asked.new, source(request), keep=visitor(request).proof
    )
    return web.Response(status=204)


def account(user: User) -> Account:
    """What is told about somebody, to them and to admins."""
    return Account(
        id=user.id,
        alias=user.alias,
        username=user.username,
        email=user.email,
        role=user.role,
        tier=user.tier,
        owner=user.owner,
        disabled=user.disabled,
        created=user.created,
        has_password=user.password is not None,
    )


def _guest(who: Actor) -> Account:
    """Somebody whom the host application has signed in: there is no account here."""
    return Account(
        id=who.id,
        alias=0,
        username=who.name,
        email=None,
        role="admin" if who.may(Scope.ADMIN) else "user",
        tier=who.tier,
        owner=who.owner,
        disabled=False,
        created=0,
        has_password=False,
    )


async def _signed_in(request: web.Request, user: User, status: int = 200) -> web.StreamResponse:
    response = json(account(user), status=status)
    await own_login(request).storage.sign_in(request, response, user)
    return response


ROWS: Sequence[Row] = (
    Row(
        method="GET",
        path=AUTH + "/options",
        handler=options,
        access=None,
        origin="any",
        answer=Options,
        doc="How one can come in, and whether one is in already.",
    ),
    Row(
        method="GET",
        path=AUTH + "/me",
        handler=me,
        access="any",
        origin="any",
        answer=Me,
        doc="Who is signed in.",
    ),
)
"""Also where a host application signs people in."""

OWN_LOGIN_ROWS: Sequence[Row] = (
    Row(
        method="POST",
        path=AUTH + "/login",
        handler=login,
        access=None,
        origin="own",
        limit="auth",
        body=Login,
        answer=Account,
        errors=(401,),
        doc="Sign this browser in by name and password.",
    ),
    Row(
        method="POST",
        path=AUTH + "/link",
        handler=link,
        access=None,
        origin="own",
        limit="auth",
        body=Link,
        answer=Account,
        errors=(401,),
        doc="Sign this browser in with the token of a link; the first one makes the owner's account.",
    ),
    Row(
        method="POST",
        path=AUTH + "/register",
        handler=register,
        access=None,
        origin="own",
        limit="auth",
        body=Registration,
        answer=Account,
        status=201,
        errors=(401, 403, 404, 409),
        doc="Make an account, where the settings or an invitation allow it, and sign this browser in to it.",
    ),
    Row(
        method="POST",
        path=AUTH + "/logout",
        handler=logout,
        access="any",
        origin="own",
        status=204,
        errors=(404,),
        doc="End the login that this call comes with; 404 when it comes with something else, as a personal token is.",
    ),
    Row(
        method="PUT",
        path=AUTH + "/password",
        handler=change_password,
        access=Scope.ACCOUNT,
        origin="own",
        limit="auth",
        body=NewPassword,
        status=204,
        errors=(409,),
        doc="Give oneself another password. All other logins end; personal access tokens stay.",
    ),
)

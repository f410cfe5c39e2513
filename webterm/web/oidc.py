"""Signing in with an OpenID provider: the ways there and back, and what is linked to one's account."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlencode

from aiohttp import web
from msgspec import Struct

from webterm.access import Scope
from webterm.accounts.flows import LIFETIME
from webterm.accounts.oidc import Answer, Arrival, Departure, Linking, reason
from webterm.errors import Forbidden, InvalidRequest, Unavailable, WebtermError
from webterm.web.bodies import json
from webterm.web.gate import asked_host
from webterm.web.row import Parameter, Row
from webterm.web.site import actor, client_address, own_login, site, source, visitor
from webterm.web.visitors import is_guess

OIDC = "/api/v1/auth/oidc/{provider:[A-Za-z0-9_-]+}"
IDENTITIES = "/api/v1/auth/identities"
LONGEST = 512
"""Characters of ``next``: it travels in a cookie."""
PAGE_FROM_START = "../" * 4
PAGE_FROM_CALLBACK = "../" * 5
"""The page, relative to these routes: right behind a proxy that cuts a prefix off, too."""
NEXT = re.compile(r"[A-Za-z0-9._~!$'()*+,;=@/-]*([?#][A-Za-z0-9._~!$'()*+,;=:@/?&#%-]*)?")
"""What of RFC 3986 a path, a query and a fragment of ours are made of: no scheme, no backslash, nothing encoded in the
path."""


class Location(Struct, frozen=True, kw_only=True):
    """Where the browser is to go."""

    location: str


class LinkedIdentity(Struct, frozen=True, kw_only=True):
    """One's identity at a provider. ``name`` is the provider's; ``created`` is in seconds since 1970."""

    provider: str
    name: str
    email: str | None
    created: float


async def depart(request: web.Request) -> web.StreamResponse:
    """To the provider, to sign in there; or to the page, which says why not."""
    if is_guess(request):
        return web.Response(status=503)
    response = web.Response(status=302)
    try:
        departure = await _departure(request, None)
        _keep(request, response, departure.sealed)
        response.headers["Location"] = departure.location
    except Unavailable as error:
        response.headers["Location"] = PAGE_FROM_START + _why(error)
    return response


async def link(request: web.Request) -> web.StreamResponse:
    """Where to go to link an identity to one's account. Only the browser that asks can come back from there."""
    if not visitor(request).riding:
        raise Forbidden("a link is made in a browser that is signed in")
    departure = await _departure(request, _asking(request))
    response = json(Location(location=departure.location))
    _keep(request, response, departure.sealed)
    return response


async def arrive(request: web.Request) -> web.StreamResponse:
    """Back from the provider: signed in, or linked, and on to the page."""
    if is_guess(request):
        return web.Response(status=503)
    response = web.Response(status=303)
    _keep(request, response, None)
    try:
        arrival = await _arrival(request)
        if not arrival.linked:
            await own_login(request).storage.sign_in(request, response, arrival.user)
        response.headers["Location"] = PAGE_FROM_CALLBACK + arrival.next
    except WebtermError as error:
        response.headers["Location"] = PAGE_FROM_CALLBACK + _why(error)
    return response


async def identities(request: web.Request) -> web.StreamResponse:
    """What is linked to one's account."""
    ours = own_login(request).oidc
    names = ours.providers()
    return json(
        [
            LinkedIdentity(
                provider=identity.provider,
                name=names.get(identity.provider, identity.provider),
                email=identity.email,
                created=identity.created,
            )
            for identity in await ours.identities(actor(request).id)
        ]
    )


async def unlink(request: web.Request) -> web.StreamResponse:
    """Forget who one is at a provider."""
    await own_login(request).oidc.unlink(actor(request).id, request.match_info["provider"], source(request))
    return web.Response(status=204)


def own_path(text: str, prefix: str) -> str:
    """A path on this server's own pages, from the page on: ``/prefix/x?y`` and ``./x?y`` become ``x?y``.

    Raises `webterm.errors.InvalidRequest` for everything else. What comes out only ever stands behind ``../``, and so
    cannot leave our origin whatever it is; refusing makes it plain.
    """
    rest = text.removeprefix("./").removeprefix(f"{prefix}/" if text.startswith("/") else "")
    path = re.split("[?#]", rest, maxsplit=1)[0]
    inside = not path.startswith("/") and not {"", ".", ".."} & set(path.split("/")[:-1]) and not path.endswith("..")
    if len(text) > LONGEST or NEXT.fullmatch(rest) is None or not inside:
        raise InvalidRequest("next: a path on this server, such as ./?terminal=1")
    return rest


async def _departure(request: web.Request, linking: Linking | None) -> Departure:
    here, provider = site(request), request.match_info["provider"]
    onward = own_path(request.query.get("next", ""), here.prefix)
    base = (here.settings.server.public_url or _own_url(request)).rstrip("/")
    callback = f"{base}/api/v1/auth/oidc/{provider}/callback"
    return await own_login(request).oidc.depart(provider, redirect_uri=callback, next=onward, linking=linking)


async def _arrival(request: web.Request) -> Arrival:
    query = request.query
    return await own_login(request).oidc.arrive(
        request.match_info["provider"],
        request.cookies.get(_cookie_name(request)),
        Answer(state=query.get("state"), code=query.get("code"), error=query.get("error"), issuer=query.get("iss")),
        asking=_asking(request),
        address=client_address(request),
    )


def _asking(request: web.Request) -> Linking | None:
    who = visitor(request)
    return Linking(user=who.actor.id, proof=who.proof) if who.actor is not None else None


def _own_url(request: web.Request) -> str:
    host = asked_host(request)
    if host is None:
        raise InvalidRequest("a request names its host")
    return host.origin(request.scheme) + site(request).prefix


def _why(error: WebtermError) -> str:
    return f"?{urlencode({'signin': reason(error)})}"


def _cookie_name(request: web.Request) -> str:
    return f"{own_login(request).storage.cookie_name}-oidc"


def _keep(request: web.Request, response: web.Response, sealed: str | None) -> None:
    """Beside the login cookie, guarded as well. ``Lax``: it has to come along when the provider sends people back."""
    params = own_login(request).storage.cookie_params
    response.set_cookie(
        _cookie_name(request),
        sealed or "",
        max_age=LIFETIME if sealed else 0,
        path=params["path"],
        secure=params["secure"],
        httponly=True,
        samesite="Lax",
    )


ROWS: Sequence[Row] = (
    Row(
        method="GET",
        path=OIDC,
        handler=depart,
        access=None,
        origin="any",
        limit="auth",
        status=302,
        query=(Parameter(name="next", kind="text", doc="Where to go afterwards: a path on this server."),),
        doc="Sign in with an OpenID provider: to the provider, or to the page with `?signin=` and a reason.",
    ),
    Row(
        method="GET",
        path=OIDC + "/callback",
        handler=arrive,
        access=None,
        origin="any",
        limit="auth",
        status=303,
        query=(
            Parameter(name="state", kind="text", doc="As it was sent along."),
            Parameter(name="code", kind="text", doc="The authorization code."),
            Parameter(name="error", kind="text", doc="Why there is no code (RFC 6749, section 4.1.2.1)."),
            Parameter(name="iss", kind="text", doc="The provider (RFC 9207)."),
        ),
        doc="Where the provider sends people back; on to the page, with `?signin=` and a reason if it did not work.",
    ),
    Row(
        method="POST",
        path=OIDC + "/link",
        handler=link,
        access=Scope.ACCOUNT,
        origin="own",
        limit="auth",
        answer=Location,
        query=(Parameter(name="next", kind="text", doc="Where to go afterwards: a path on this server."),),
        doc="Begin to link an identity at a provider to one's account.",
    ),
    Row(
        method="GET",
        path=IDENTITIES,
        handler=identities,
        access=Scope.ACCOUNT,
        origin="any",
        answer=list[LinkedIdentity],
        doc="One's identities at OpenID providers.",
    ),
    Row(
        method="DELETE",
        path=IDENTITIES + "/{provider:[A-Za-z0-9_-]+}",
        handler=unlink,
        access=Scope.ACCOUNT,
        origin="own",
        status=204,
        errors=(409,),
        doc="Unlink one's identity at a provider.",
    ),
)
"""Only where people have accounts here."""

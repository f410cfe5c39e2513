"""Signing in and out, and who one is."""

from __future__ import annotations

from typing import Annotated

from aiohttp import web
from aiohttp_session import Session
from msgspec import Meta, Struct

from webterm.accounts import tickets
from webterm.errors import NotSignedIn
from webterm.ids import LoginId
from webterm.protocol.messages import User
from webterm.web.bodies import json, read_json
from webterm.web.cookies import USER
from webterm.web.site import OwnLogin, Site, actor, site, visitor


class Token(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The token of a sign-in link."""

    token: Annotated[str, Meta(max_length=256)]


class Ticket(Struct, frozen=True, kw_only=True):
    """A ticket for one WebSocket, and how many seconds it lasts."""

    ticket: str
    expires_in: int


async def me(request: web.Request) -> web.StreamResponse:
    """Who is signed in here."""
    who = actor(request)
    return json(User(id=who.id, name=who.name))


async def login(request: web.Request) -> web.StreamResponse:
    """Sign in with the token of a link."""
    token = (await read_json(request, Token)).token
    response = web.Response(status=204)
    await _sign_in(request, response, token)
    return response


async def follow_link(request: web.Request) -> web.StreamResponse:
    """Sign in by the link itself, then go where the token no longer shows in the URL.

    Relative locations are right behind a proxy that cuts a prefix off, too.
    """
    if "prefetch" in request.headers.get("Sec-Purpose", ""):
        return web.Response(status=503)  # a guess of the browser is not a click, and the link works once
    response = web.Response(status=303, headers={"Location": "./"})
    try:
        await _sign_in(request, response, request.query["login"])
    except NotSignedIn:
        response.headers["Location"] = "./?signin=expired"
    return response


async def logout(request: web.Request) -> web.StreamResponse:
    """Sign out: this browser's login ends, and its open WebSockets with it."""
    here = site(request)
    response = web.Response(status=204)
    login_id = visitor(request).login
    if here.login is not None and login_id is not None:
        await here.login.storage.save_session(request, response, Session(login_id, data=None, new=False))
        await end_logins(here, [login_id])
    return response


async def issue_ticket(request: web.Request) -> web.StreamResponse:
    """A one-use ticket, for a WebSocket client that has no cookie."""
    who = visitor(request)
    secret = site(request).tickets.issue(actor(request), who.login)
    return json(Ticket(ticket=secret, expires_in=tickets.LIFETIME), status=201)


async def end_logins(here: Site, ids: list[LoginId]) -> None:
    """What rode on these logins ends: tickets and open WebSockets."""
    for login_id in ids:
        here.tickets.revoke_login(login_id)
        await here.connections.revoke_login(login_id)


async def _sign_in(request: web.Request, response: web.Response, token: str) -> None:
    here = site(request)
    ours = _own_login(here)
    who = await ours.rules.by_link(token)
    await end_logins(here, await ours.storage.logins.trim())
    old = await ours.storage.login(request)
    if old is not None:  # its cookie is about to be replaced, and nobody could end it any more
        await ours.storage.logins.remove(old.id)
        await end_logins(here, [old.id])
    # Always a fresh login under a fresh token: one that was planted in the browser before gains nothing.
    session = await ours.storage.new_session()
    session[USER] = who.id
    await ours.storage.save_session(request, response, session)


def _own_login(here: Site) -> OwnLogin:
    if here.login is None:
        raise NotSignedIn("people sign in at the application that webterm is part of")
    return here.login

"""The kinds of proof of identity that a request can bring along, each made the way its holders make it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.web.conftest import Running
from webterm.access import EVERYDAY, Scope
from webterm.web.row import Row

PASSWORD = "correct horse battery"
ADMINS = EVERYDAY | {Scope.ADMIN}
UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
NOBODYS = "AAAAAAAAAAAAAAAAAAAAAA"
"""Fits as an id of every kind, and is none."""


@dataclass(frozen=True)
class Proof:
    """What goes along with a request, and the scopes that it is good for."""

    headers: dict[str, str]
    scopes: frozenset[Scope]
    query: dict[str, str] = field(default_factory=dict)


def named(row: Row) -> str:
    return f"{row.method} {row.template}"


def path_of(row: Row, **ids: str) -> str:
    """A concrete path for a row's template; what is not in ``ids`` is nobody's."""
    return re.sub(r"\{(\w+)\}", lambda match: ids.get(match[1], NOBODYS), row.template)


async def call(
    running: Running, method: str, path: str, proof: Proof | None = None, body: object = None, **headers: str
) -> tuple[int, Any]:
    """Status and JSON of one request, which brings along just this proof."""
    sent = (proof.headers if proof else {}) | headers
    url = running.url(path).update_query(proof.query if proof else {})
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client,
        client.request(method, url, headers=sent, json=body, allow_redirects=False) as answer,
    ):
        return answer.status, await answer.json(content_type=None) if "json" in answer.content_type else None


async def status_of(running: Running, row: Row, proof: Proof | None, **headers: str) -> tuple[int, str]:
    """Status and code of an empty request for a row; 101 and no code for a WebSocket that was opened."""
    sent = (proof.headers if proof else {}) | headers
    url = running.url(path_of(row)).update_query(proof.query if proof else {})
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client:
        if row.path == "/ws":
            sent = UPGRADE | sent
        async with client.request(row.method, url, headers=sent, allow_redirects=False) as answer:
            problem = answer.content_type == "application/problem+json"
            return answer.status, (await answer.json(content_type=None))["code"] if problem else ""


async def make_person(running: Running, owner: aiohttp.ClientSession, name: str, **fields: str) -> dict[str, Any]:
    """An account."""
    body = {"username": name, "password": PASSWORD, **fields}
    async with owner.post(running.url("/api/v1/users"), json=body) as answer:
        assert answer.status == 201, await answer.text()
        return dict(await answer.json())


async def owners_cookie(running: Running) -> Proof:
    """The owner's browser, on our own page: signed in by a link, so that no password is hashed for it."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
        await running.sign_in(client)
        return _of_cookies(running, client, ADMINS)


async def cookie(running: Running, name: str, scopes: frozenset[Scope] = EVERYDAY) -> Proof:
    """A browser on our own page."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
        body = {"name": name, "password": PASSWORD}
        async with client.post(running.url("/api/v1/auth/login"), json=body) as answer:
            assert answer.status == 200, await answer.text()
        return _of_cookies(running, client, scopes)


def _of_cookies(running: Running, client: aiohttp.ClientSession, scopes: frozenset[Scope]) -> Proof:
    cookies = client.cookie_jar.filter_cookies(running.url("/")).values()
    pairs = "; ".join(f"{morsel.key}={morsel.value}" for morsel in cookies)
    return Proof({"Cookie": pairs, "Origin": running.origin}, scopes)


async def access_token(running: Running, name: str, scopes: frozenset[Scope] = EVERYDAY) -> Proof:
    """An API client."""
    status, pair = await call(running, "POST", "/api/v1/auth/token", body={"name": name, "password": PASSWORD})
    assert status == 200
    return Proof({"Authorization": f"Bearer {pair['access_token']}"}, scopes)


async def personal_token(running: Running, by: Proof, *scopes: Scope) -> Proof:
    """A personal access token, made with another proof."""
    body = {"name": "for a test", "scopes": scopes}
    status, made = await call(running, "POST", "/api/v1/auth/tokens", by, body)
    assert status == 201, made
    return Proof({"Authorization": f"Bearer {made['token']}"}, frozenset(scopes))


async def ticket(running: Running, by: Proof) -> Proof:
    """A ticket for one WebSocket."""
    status, made = await call(running, "POST", "/api/v1/auth/tickets", by)
    assert status == 201, made
    return Proof({}, by.scopes, {"ticket": made["ticket"]})

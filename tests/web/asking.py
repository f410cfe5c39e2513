"""Asking a server as a browser does, and what tests of accounts begin with."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.web.conftest import Running
from tests.web.proofs import PASSWORD
from webterm.settings_accounts import Accounts

OPEN = Accounts(registration="open")
AUTH = "/api/v1/auth"


def cookies_of(running: Running, client: aiohttp.ClientSession) -> dict[str, str]:
    return {name: morsel.value for name, morsel in client.cookie_jar.filter_cookies(running.url("/")).items()}


async def asked(
    running: Running, client: aiohttp.ClientSession, method: str, path: str, body: object = None
) -> tuple[int, Any]:
    """Status and JSON of an answer; with a problem, only its code."""
    async with client.request(method, running.url(path), json=body) as answer:
        raw = await answer.read()
        told = json.loads(raw) if raw else {}
        return answer.status, told if answer.status < 400 else {"code": told["code"]}


async def registered(running: Running, client: aiohttp.ClientSession, name: str = "ann") -> dict[str, Any]:
    status, user = await asked(
        running,
        client,
        "POST",
        f"{AUTH}/register",
        {"username": name, "password": PASSWORD, "email": f"{name}@b.example"},
    )
    assert status == 201, user
    return dict(user)


async def status_of_me(running: Running, client: aiohttp.ClientSession) -> int:
    return (await asked(running, client, "GET", f"{AUTH}/me"))[0]


async def token_refused(running: Running, client: aiohttp.ClientSession, token: object) -> int:
    return (await asked(running, client, "POST", f"{AUTH}/link", {"token": token}))[0]


@asynccontextmanager
async def thief(cookies: dict[str, str]) -> AsyncIterator[aiohttp.ClientSession]:
    """Somebody else with copies of these cookies."""
    async with aiohttp.ClientSession(cookies=cookies, cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
        yield client

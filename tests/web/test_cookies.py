"""The cookie where others try to put one of theirs beside it, and where it is replaced or removed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.cookies import Morsel, SimpleCookie
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from tests.web.conftest import Running, browser, started
from tests.web.neighbours import COMMAND, browser_of, own_login_of, settled
from tests.web.proofs import call
from webterm.accounts.logins import MOST
from webterm.web.cookies import MOST_TRIED, USER

LOGIN = "/api/v1/auth/login"
LINK = "/api/v1/auth/link"
ME = "/api/v1/auth/me"
DEVICES = "/api/v1/auth/devices"


@asynccontextmanager
async def bare(**headers: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A client that sends the headers it is told to and keeps nothing."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), headers=headers) as client:
        yield client


async def who_is(running: Running, cookies: str) -> str | None:
    """Whom the server takes this ``Cookie`` header for."""
    async with bare(Cookie=cookies) as client, client.get(running.url(ME)) as answer:
        return str((await answer.json())["username"]) if answer.status == 200 else None


async def set_cookie(
    running: Running, method: str, path: str, cookies: str, body: object = None, **headers: str
) -> Morsel[str]:
    """What an answer makes of the browser's cookie."""
    headers = {"Cookie": cookies, "Origin": running.origin} | headers
    async with bare(**headers) as client, client.request(method, running.url(path), json=body) as answer:
        assert answer.status < 300, await answer.text()
        [morsel] = SimpleCookie(answer.headers["Set-Cookie"]).values()
        return morsel


@pytest.fixture
async def ann(running: Running) -> str:
    """The ``Cookie`` header of Ann's browser."""
    return (await browser_of(running, await settled(running, "ann"))).headers["Cookie"]


@pytest.fixture
async def mallory(running: Running) -> str:
    """The same of somebody who has an account here, too."""
    return (await browser_of(running, await settled(running, "mallory"))).headers["Cookie"]


async def test_a_worthless_cookie_beside_ours_changes_nothing(running: Running, ann: str) -> None:
    name = ann.partition("=")[0]
    assert await who_is(running, ann) == "ann"
    for planted in (f"{name}=x", f"{name}=", f'{name}=""', name, f"{name}={'x' * 43}", "other=1"):
        assert await who_is(running, f"{planted}; {ann}") == "ann", planted
        assert await who_is(running, f"{ann}; {planted}") == "ann", planted
    assert await who_is(running, f"{ann}; {ann}") == "ann"


async def test_with_two_good_cookies_nobody_is_signed_in(running: Running, ann: str, mallory: str) -> None:
    """A sister domain, or somebody on the line, has planted the cookie of an account of theirs."""
    for cookies in (f"{ann}; {mallory}", f"{mallory}; {ann}"):
        assert await who_is(running, cookies) is None


async def test_signing_in_gets_rid_of_planted_cookies(running: Running, ann: str, mallory: str) -> None:
    body = {"token": await running.link()}
    fresh = await set_cookie(running, "POST", LINK, f"{ann}; {mallory}", body)
    assert await who_is(running, f"{mallory}; {fresh.key}={fresh.value}; {ann}") not in (None, "ann", "mallory")


async def test_a_browser_whose_login_makes_room_for_its_own_next_one(running: Running) -> None:
    ours = own_login_of(running)
    first = await set_cookie(running, "POST", LINK, "", {"token": await running.link()})
    owner = await ours.people.ensure_owner(COMMAND)
    for _ in range(MOST - 1):
        await browser_of(running, owner)
    cookies = f"{first.key}={first.value}"
    fresh = await set_cookie(running, "POST", LINK, cookies, {"token": await running.link()})
    assert await who_is(running, cookies) is None
    assert await who_is(running, f"{fresh.key}={fresh.value}") == owner.username


async def test_many_cookies_are_not_looked_at(running: Running, ann: str) -> None:
    name = ann.partition("=")[0]
    planted = "; ".join(f"{name}={number}" for number in range(MOST_TRIED - 1))
    assert await who_is(running, f"{planted}; {ann}") == "ann"
    assert await who_is(running, f"{planted}; {name}=more; {ann}") is None


async def test_a_token_that_somebody_chose_is_never_taken_over(running: Running, ann: str) -> None:
    name = ann.partition("=")[0]
    chosen = "A" * 43
    fresh = await set_cookie(running, "POST", LINK, f"{name}={chosen}", {"token": await running.link()})
    assert fresh.key == name
    assert fresh.value != chosen
    assert await who_is(running, f"{name}={chosen}") is None
    assert await who_is(running, f"{name}={fresh.value}") not in (None, "ann")


async def test_signing_in_as_somebody_else_ends_what_was_there(running: Running, ann: str, mallory: str) -> None:
    fresh = await set_cookie(running, "POST", LINK, mallory, {"token": await running.link()})
    assert await who_is(running, mallory) is None
    assert await who_is(running, f"{fresh.key}={fresh.value}") not in (None, "ann", "mallory")
    assert await who_is(running, ann) == "ann"
    again = await set_cookie(running, "POST", LINK, f"{fresh.key}={fresh.value}", {"token": await running.link()})
    assert await who_is(running, f"{fresh.key}={fresh.value}") is None
    assert await who_is(running, f"{again.key}={again.value}") is not None


async def test_a_sign_in_that_fails_changes_nothing(running: Running, ann: str) -> None:
    async with bare(Cookie=ann, Origin=running.origin) as client:
        async with client.post(running.url(LOGIN), json={"name": "ann", "password": "wrong"}) as answer:
            assert answer.status == 401
            assert "Set-Cookie" not in answer.headers
    assert await who_is(running, ann) == "ann"


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize(("method", "path"), [("POST", "/api/v1/auth/logout"), ("DELETE", DEVICES)])
async def test_the_cookie_is_removed_as_it_was_set(directory: Path, secure: bool, method: str, path: str) -> None:
    """Browsers take the removal only with the attributes that the prefix __Host- demands."""
    server = {"public_url": "https://web.example/"} if secure else {}
    async with started(directory, server=server) as running:
        ours = {"Host": "web.example", "Origin": "https://web.example"} if secure else {}
        made = await set_cookie(running, "POST", "/api/v1/auth/link", "", {"token": await running.link()}, **ours)
        gone = await set_cookie(running, method, path, f"{made.key}={made.value}", **ours)
    assert made.key.startswith("__Host-") == secure
    assert (gone.key, gone.value, gone["max-age"]) == (made.key, "", "0")
    for attribute in ("path", "secure", "httponly", "samesite", "domain"):
        assert gone[attribute] == made[attribute], attribute


async def test_what_a_browser_calls_itself_is_shown(running: Running) -> None:
    async with browser(running, **{"User-Agent": "Lynx/2.9"}) as client:
        await running.sign_in(client)
        async with client.get(running.url(DEVICES)) as answer:
            shown = [(device["agent"], device["address"], device["current"]) for device in await answer.json()]
    assert ("Lynx/2.9", "127.0.0.1", True) in shown


async def test_the_storage_is_one_of_aiohttp_session(running: Running, ann: str) -> None:
    """Loaded, emptied and saved as any other."""
    ours = own_login_of(running)
    request = make_mocked_request("GET", "/", {"Cookie": ann}, app=running.app)
    session = await ours.storage.load_session(request)
    assert not session.new
    status, me = await call(running, "GET", ME, None, **{"Cookie": ann})
    assert (status, session[USER]) == (200, me["id"])
    response: Any = web.Response()
    await ours.storage.save_session(request, response, session)
    assert not response.cookies, "nothing has changed"
    session.invalidate()
    await ours.storage.save_session(request, response, session)
    assert response.cookies
    assert await who_is(running, ann) is None
    assert (await ours.storage.load_session(request)).new

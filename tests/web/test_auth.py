"""Signing in by a link and out again, the cookie, and what one may know before."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator
from http.cookies import SimpleCookie
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.pace import within
from tests.web.asking import AUTH, OPEN, asked, cookies_of, registered, status_of_me, thief, token_refused
from tests.web.conftest import Running, browser, started
from tests.web.proofs import PASSWORD
from webterm.access import Actor, Scope
from webterm.ids import UserId
from webterm.settings_accounts import Accounts, Limits, Oidc, Provider


def files_with(directory: Path, data: bytes) -> list[Path]:
    return [file for file in directory.rglob("*") if file.is_file() and data in file.read_bytes()]


@pytest.fixture
async def village(directory: Path) -> AsyncIterator[Running]:
    """A server where anybody makes an account."""
    async with started(directory, accounts=OPEN) as running:
        yield running


# by a link


@pytest.mark.parametrize("prefix", ["", "/terminal"])
async def test_the_link_signs_in_once_and_leaves_the_address(directory: Path, prefix: str) -> None:
    async with started(directory, prefix) as running, browser(running) as client, browser(running) as second:
        link = running.url(f"/?login={await running.link()}")
        async with client.get(link, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "./")
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert answer.headers["Cache-Control"] == "no-store"
        status, me = await asked(running, client, "GET", f"{AUTH}/me")
        assert (status, me["owner"], me["role"], me["has_password"]) == (200, True, "admin", False)
        assert me["scopes"] == sorted(Scope)
        async with second.get(link, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "./?signin=expired")
            assert "Set-Cookie" not in answer.headers
        assert await status_of_me(running, second) == 401


@pytest.mark.parametrize(
    ("method", "headers"),
    [("HEAD", {}), ("GET", {"Sec-Purpose": "prefetch"}), ("GET", {"Sec-Purpose": "prefetch;prerender"})],
)
async def test_looking_at_the_link_does_not_use_it_up(
    running: Running, stranger: aiohttp.ClientSession, method: str, headers: dict[str, str]
) -> None:
    link = running.url(f"/?login={await running.link()}")
    async with stranger.request(method, link, headers=headers, allow_redirects=False) as answer:
        assert "Set-Cookie" not in answer.headers
    async with stranger.get(link, allow_redirects=False) as answer:
        assert answer.headers["Location"] == "./"


@pytest.mark.parametrize("token", ["", "x", "\0", "../../secret.key", "\r\nSet-Cookie: a=b", "ü" * 100, "A" * 43])
async def test_a_wrong_token_signs_nobody_in(running: Running, stranger: aiohttp.ClientSession, token: str) -> None:
    assert await token_refused(running, stranger, token) == 401
    async with stranger.get(running.url("/").with_query(login=token), allow_redirects=False) as answer:
        assert answer.headers["Location"] == "./?signin=expired"
    assert await status_of_me(running, stranger) == 401


async def test_a_link_used_twice_at_once_signs_in_once(running: Running) -> None:
    token = await running.link()
    async with browser(running) as one, browser(running) as other:
        done = await asyncio.gather(*(token_refused(running, client, token) for client in (one, other) * 4))
    assert sorted(done) == [200, *[401] * 7]


async def test_wrong_tokens_lock_nobody_out(running: Running, stranger: aiohttp.ClientSession) -> None:
    """Behind a reverse proxy everybody has the same address, and tokens are too long to be guessed."""
    assert {await token_refused(running, stranger, f"guess {number}") for number in range(50)} == {401}
    await running.sign_in(stranger)
    assert await status_of_me(running, stranger) == 200


# the cookie


async def test_the_cookie(running: Running, owner: aiohttp.ClientSession) -> None:
    async with owner.post(running.url(f"{AUTH}/link"), json={"token": await running.link()}) as answer:
        morsel = next(iter(SimpleCookie(answer.headers["Set-Cookie"]).values()))
    assert morsel.key.startswith("webterm-")
    assert morsel["httponly"]
    assert morsel["samesite"] == "Lax"
    assert morsel["path"] == "/"
    assert not morsel["domain"]
    assert len(morsel.value) == 43


async def test_the_cookie_stays_within_the_prefix(directory: Path) -> None:
    async with started(directory, "/terminal") as running, browser(running) as client:
        async with client.post(running.url(f"{AUTH}/link"), json={"token": await running.link()}) as answer:
            assert "Path=/terminal;" in answer.headers["Set-Cookie"] + ";"


async def test_the_cookie_behind_https(directory: Path) -> None:
    async with started(directory, server={"public_url": "https://web.example/"}) as running:
        headers = {"Host": "web.example", "Origin": "https://web.example"}
        async with aiohttp.ClientSession(headers=headers) as client:
            async with client.post(running.url(f"{AUTH}/link"), json={"token": await running.link()}) as answer:
                assert answer.status == 200
                cookie = answer.headers["Set-Cookie"]
                assert "max-age=" in answer.headers["Strict-Transport-Security"]
            assert cookie.startswith("__Host-webterm-")
            assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))
            for origin in ("http://web.example", "https://web.example:8443", "https://evil.example"):
                async with client.post(
                    running.url(f"{AUTH}/link"), json={"token": "x"}, headers={"Origin": origin}
                ) as answer:
                    assert answer.status == 403, origin


async def test_two_servers_on_one_host_do_not_share_a_cookie(tmp_path: Path) -> None:
    async with started(tmp_path / "a") as first, started(tmp_path / "b") as second, browser(first) as client:
        await first.sign_in(client)
        async with client.post(
            second.url(f"{AUTH}/link"), json={"token": await second.link()}, headers={"Origin": second.origin}
        ) as answer:
            assert answer.status == 200
        assert await status_of_me(first, client) == 200
        assert await status_of_me(second, client) == 200
        assert len(cookies_of(first, client)) == 2


async def test_a_planted_login_is_replaced(running: Running, owner: aiohttp.ClientSession) -> None:
    planted = cookies_of(running, owner)
    await running.sign_in(owner)
    fresh = cookies_of(running, owner)
    assert planted.keys() == fresh.keys()
    assert planted != fresh
    async with thief(planted) as old:
        assert await status_of_me(running, old) == 401


async def test_logins_outlive_the_server_and_only_their_hashes_are_kept(directory: Path) -> None:
    async with started(directory) as running, browser(running) as client:
        await running.sign_in(client)
        cookies = cookies_of(running, client)
    [value] = cookies.values()
    assert not await asyncio.to_thread(files_with, directory, value.encode())
    async with started(directory) as running, thief(cookies) as client:
        assert await status_of_me(running, client) == 200


# out again


async def test_logout_ends_the_login_itself(running: Running, owner: aiohttp.ClientSession) -> None:
    cookies = cookies_of(running, owner)
    assert await asked(running, owner, "POST", f"{AUTH}/logout") == (204, {})
    assert cookies_of(running, owner) == {}
    async with thief(cookies) as other:
        assert await status_of_me(running, other) == 401


async def test_logout_closes_the_logins_sockets_and_no_others(running: Running, owner: aiohttp.ClientSession) -> None:
    async with browser(running) as other:
        await running.sign_in(other)
        async with owner.ws_connect(running.url("/ws")) as gone, other.ws_connect(running.url("/ws")) as staying:
            assert json.loads(await gone.receive_str())["type"] == "ready"
            assert json.loads(await staying.receive_str())["type"] == "ready"
            await asked(running, owner, "POST", f"{AUTH}/logout")
            async with within(1):
                last = await gone.receive()
            assert (last.type, last.data) == (aiohttp.WSMsgType.CLOSE, 1008)
            await staying.send_str('{"type":"ping"}')
            assert not staying.closed


async def test_logout_of_a_program_ends_its_tokens(village: Running) -> None:
    body = {"name": "ann", "password": PASSWORD}
    async with browser(village) as client, aiohttp.ClientSession() as program:
        await registered(village, client)
        _, tokens = await asked(village, program, "POST", f"{AUTH}/token", body)
        program.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        assert await status_of_me(village, program) == 200
        assert (await asked(village, program, "POST", f"{AUTH}/logout"))[0] == 204
        assert await status_of_me(village, program) == 401
        del program.headers["Authorization"]
        renewed = await asked(village, program, "POST", f"{AUTH}/refresh", {"refresh_token": tokens["refresh_token"]})
        assert renewed[0] == 401
        assert await status_of_me(village, client) == 200


# what one may know before


async def test_options(directory: Path) -> None:
    provider = Provider(issuer="https://issuer.example", client_id="x", name="Example")
    others = Provider(issuer="https://other.example", client_id="x")
    accounts = Accounts(registration="invite", min_password=12)
    oidc = Oidc(providers={"example": provider, "other": others})
    async with started(directory, accounts=accounts, oidc=oidc) as running, aiohttp.ClientSession() as client:
        assert await asked(running, client, "GET", f"{AUTH}/options") == (
            200,
            {
                "accounts": True,
                "registration": "invite",
                "min_password": 12,
                "signed_in": False,
                "providers": [{"id": "example", "name": "Example"}, {"id": "other", "name": "other"}],
            },
        )


async def test_where_a_host_application_has_the_people(directory: Path) -> None:
    async def ann(request: web.Request) -> Actor | None:
        return Actor(id=UserId("a"), name="Ann", tier="pro")

    async with started(directory, "/terminal", actor=ann, accounts=OPEN) as running, browser(running) as client:
        _, options = await asked(running, client, "GET", f"{AUTH}/options")
        assert (options["accounts"], options["registration"], options["signed_in"]) == (False, "closed", True)
        status, me = await asked(running, client, "GET", f"{AUTH}/me")
        assert (status, me["id"], me["username"], me["role"], me["tier"]) == (200, "a", "Ann", "user", "pro")
        for path in ("login", "link", "register", "logout"):
            assert (await asked(running, client, "POST", f"{AUTH}/{path}", {}))[0] == 404


async def test_attempts_are_counted_as_attempts(directory: Path) -> None:
    async with started(directory, limits=Limits()) as running, browser(running) as client:
        done = [await token_refused(running, client, "wrong") for _ in range(11)]
    assert done == [401] * 10 + [429]


async def test_no_secret_is_logged(village: Running, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    token = await village.link()
    async with browser(village) as client, browser(village) as other:
        async with client.get(village.url(f"/?login={token}"), allow_redirects=False):
            pass
        await registered(village, other)
        await asked(village, other, "POST", f"{AUTH}/login", {"name": "the-wrong-field", "password": "a wrong secret"})
        await token_refused(village, client, "a wrong token")
        cookies = [*cookies_of(village, client).values(), *cookies_of(village, other).values()]
    ours = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("webterm"))
    assert f"{AUTH}/login" in ours
    for secret in (token, *cookies, PASSWORD, "a wrong secret", "a wrong token", "the-wrong-field"):
        assert secret not in ours
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f]", ours)

"""Signing in and out, the cookie, and what ends with it."""

from __future__ import annotations

import asyncio
import json
import logging
import stat
from http.cookies import SimpleCookie
from pathlib import Path

import aiohttp
import pytest

from tests.web.conftest import Running, browser, started


def cookies_of(running: Running, client: aiohttp.ClientSession) -> dict[str, str]:
    return {name: morsel.value for name, morsel in client.cookie_jar.filter_cookies(running.url("/")).items()}


async def status_of_me(running: Running, client: aiohttp.ClientSession) -> int:
    async with client.get(running.url("/api/v1/me")) as answer:
        return answer.status


async def token_refused(running: Running, client: aiohttp.ClientSession, token: object) -> int:
    async with client.post(running.url("/api/v1/login"), json={"token": token}) as answer:
        return answer.status


@pytest.mark.parametrize("prefix", ["", "/terminal"])
async def test_the_link_signs_in_once_and_leaves_the_address(directory: Path, prefix: str) -> None:
    async with started(directory, prefix) as running, browser(running) as client, browser(running) as second:
        link = running.url(f"/?login={await running.link()}")
        async with client.get(link, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "./")
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert answer.headers["Cache-Control"] == "no-store"
        async with client.get(running.url("/api/v1/me")) as answer:
            assert (await answer.json())["id"] == "owner"
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


@pytest.mark.parametrize("token", ["", "x", "\0", "../../logins.json", "\r\nSet-Cookie: a=b", "ü" * 100, "A" * 43])
async def test_a_wrong_token_signs_nobody_in(running: Running, stranger: aiohttp.ClientSession, token: str) -> None:
    assert await token_refused(running, stranger, token) == 401
    async with stranger.get(running.url("/").with_query(login=token), allow_redirects=False) as answer:
        assert answer.headers["Location"] == "./?signin=expired"
    assert await status_of_me(running, stranger) == 401


async def test_wrong_tokens_lock_nobody_out(running: Running, stranger: aiohttp.ClientSession) -> None:
    """Behind a reverse proxy everybody has the same address, and tokens are too long to be guessed."""
    assert {await token_refused(running, stranger, f"guess {number}") for number in range(50)} == {401}
    await running.sign_in(stranger)
    assert await status_of_me(running, stranger) == 200


async def test_the_cookie(running: Running, owner: aiohttp.ClientSession) -> None:
    async with owner.post(running.url("/api/v1/login"), json={"token": await running.link()}) as answer:
        morsel = next(iter(SimpleCookie(answer.headers["Set-Cookie"]).values()))
    assert morsel.key.startswith("webterm-")
    assert morsel["httponly"]
    assert morsel["samesite"] == "Strict"
    assert morsel["path"] == "/"
    assert not morsel["domain"]
    assert len(morsel.value) == 43


async def test_the_cookie_stays_within_the_prefix(directory: Path) -> None:
    async with started(directory, "/terminal") as running, browser(running) as client:
        async with client.post(running.url("/api/v1/login"), json={"token": await running.link()}) as answer:
            assert "Path=/terminal;" in answer.headers["Set-Cookie"] + ";"


async def test_the_cookie_behind_https(directory: Path) -> None:
    async with started(directory, server={"public_url": "https://web.example/"}) as running:
        headers = {"Host": "web.example", "Origin": "https://web.example"}
        async with aiohttp.ClientSession(headers=headers) as client:
            async with client.post(running.url("/api/v1/login"), json={"token": await running.link()}) as answer:
                assert answer.status == 204
                cookie = answer.headers["Set-Cookie"]
                assert "max-age=" in answer.headers["Strict-Transport-Security"]
            assert cookie.startswith("__Host-webterm-")
            assert {"Secure", "HttpOnly", "Path=/", "SameSite=Strict"} <= set(cookie.split("; "))
            for origin in ("http://web.example", "https://web.example:8443", "https://evil.example"):
                async with client.post(
                    running.url("/api/v1/login"), json={"token": "x"}, headers={"Origin": origin}
                ) as answer:
                    assert answer.status == 403, origin


async def test_two_servers_on_one_host_do_not_share_a_cookie(tmp_path: Path) -> None:
    async with started(tmp_path / "a") as first, started(tmp_path / "b") as second, browser(first) as client:
        await first.sign_in(client)
        async with client.post(
            second.url("/api/v1/login"), json={"token": await second.link()}, headers={"Origin": second.origin}
        ) as answer:
            assert answer.status == 204
        assert await status_of_me(first, client) == 200
        assert await status_of_me(second, client) == 200
        assert len(cookies_of(first, client)) == 2


async def test_a_planted_login_is_replaced(running: Running, owner: aiohttp.ClientSession) -> None:
    [planted] = cookies_of(running, owner).items()
    await running.sign_in(owner)
    [(name, fresh)] = cookies_of(running, owner).items()
    assert name == planted[0]
    assert fresh != planted[1]
    async with aiohttp.ClientSession(cookies=[planted], cookie_jar=aiohttp.CookieJar(unsafe=True)) as old:
        assert await status_of_me(running, old) == 401


async def test_logout_ends_the_login_itself(running: Running, owner: aiohttp.ClientSession) -> None:
    cookie = cookies_of(running, owner)
    async with owner.post(running.url("/api/v1/logout")) as answer:
        assert answer.status == 204
    assert cookies_of(running, owner) == {}
    async with aiohttp.ClientSession(cookies=cookie, cookie_jar=aiohttp.CookieJar(unsafe=True)) as thief:
        assert await status_of_me(running, thief) == 401


async def test_logout_closes_the_logins_sockets_and_no_others(running: Running, owner: aiohttp.ClientSession) -> None:
    async with browser(running) as other:
        await running.sign_in(other)
        async with owner.ws_connect(running.url("/ws")) as gone, other.ws_connect(running.url("/ws")) as staying:
            assert json.loads(await gone.receive_str())["type"] == "ready"
            assert json.loads(await staying.receive_str())["type"] == "ready"
            async with owner.post(running.url("/api/v1/tickets")) as answer:
                ticket = (await answer.json())["ticket"]
            async with owner.post(running.url("/api/v1/logout")):
                pass
            async with asyncio.timeout(1):
                last = await gone.receive()
            assert (last.type, last.data) == (aiohttp.WSMsgType.CLOSE, 1008)
            await staying.send_str('{"type":"ping"}')
            assert not staying.closed
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await other.ws_connect(running.url(f"/ws?ticket={ticket}"))
            assert refused.value.status == 401  # tickets end with their login


async def test_logins_outlive_the_server_and_only_their_hashes_are_kept(directory: Path) -> None:
    async with started(directory) as running, browser(running) as client:
        await running.sign_in(client)
        [(name, value)] = cookies_of(running, client).items()
    file = directory / "logins.json"
    kept = await asyncio.to_thread(file.read_text)
    assert value not in kept
    assert stat.S_IMODE((await asyncio.to_thread(file.stat)).st_mode) == 0o600
    async with started(directory) as running:
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookies={name: value}, cookie_jar=jar) as client:
            assert await status_of_me(running, client) == 200


async def test_a_ticket_opens_one_socket_from_anywhere(running: Running, owner: aiohttp.ClientSession) -> None:
    async with owner.post(running.url("/api/v1/tickets")) as answer:
        assert answer.status == 201
        made = await answer.json()
    assert made["expires_in"] == 30
    url = running.url(f"/ws?ticket={made['ticket']}")
    async with aiohttp.ClientSession() as program:
        async with program.ws_connect(url) as socket:
            assert json.loads(await socket.receive_str())["type"] == "ready"
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await program.ws_connect(url)
        assert refused.value.status == 401
        async with program.get(running.url(f"/api/v1/me?ticket={made['ticket']}")) as answer:
            assert answer.status == 401  # a ticket is for the socket alone


async def test_looking_at_a_tickets_address_does_not_use_it_up(running: Running, owner: aiohttp.ClientSession) -> None:
    async with owner.post(running.url("/api/v1/tickets")) as answer:
        url = running.url(f"/ws?ticket={(await answer.json())['ticket']}")
    async with aiohttp.ClientSession() as program:
        for method in ("GET", "HEAD"):
            async with program.request(method, url) as answer:
                assert answer.status == 401
        async with program.ws_connect(url) as socket:
            assert json.loads(await socket.receive_str())["type"] == "ready"


async def test_no_secret_is_logged(
    running: Running, stranger: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = await running.link()
    async with stranger.get(running.url(f"/?login={token}"), allow_redirects=False):
        pass
    async with stranger.post(running.url("/api/v1/tickets")) as answer:
        ticket = (await answer.json())["ticket"]
    async with stranger.ws_connect(running.url(f"/ws?ticket={ticket}")):
        pass
    await token_refused(running, stranger, "a wrong secret")
    [cookie] = cookies_of(running, stranger).values()
    ours = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("webterm"))
    assert "/api/v1/tickets" in ours
    for secret in (token, ticket, cookie, "a wrong secret"):
        assert secret not in ours

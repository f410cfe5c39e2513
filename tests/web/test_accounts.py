"""Making an account, signing in to it by password, and changing that."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.pace import within
from tests.web.asking import AUTH, OPEN, asked, cookies_of, registered, status_of_me
from tests.web.conftest import Running, browser, started
from tests.web.proofs import PASSWORD
from webterm.access import EVERYDAY


@pytest.fixture
async def village(directory: Path) -> AsyncIterator[Running]:
    """A server where anybody makes an account."""
    async with started(directory, accounts=OPEN) as running:
        yield running


# making one


async def test_registering_signs_in(village: Running) -> None:
    async with browser(village) as client:
        user = await registered(village, client)
        assert {name: user[name] for name in ("username", "email", "role", "tier", "owner", "has_password")} == {
            "username": "ann",
            "email": "ann@b.example",
            "role": "user",
            "tier": "free",
            "owner": False,
            "has_password": True,
        }
        status, me = await asked(village, client, "GET", f"{AUTH}/me")
        assert (status, me) == (200, {**user, "scopes": sorted(EVERYDAY)})
        assert (await asked(village, client, "GET", "/api/v1/users"))[0] == 403


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"username": "an", "password": PASSWORD}, 400, "invalid_request"),
        ({"username": "ann", "password": "short"}, 400, "invalid_request"),
        ({"username": "ann", "password": "password123"}, 400, "invalid_request"),
        ({"username": "ann", "password": PASSWORD, "email": "no"}, 400, "invalid_request"),
        ({"username": "ann", "password": PASSWORD, "role": "admin"}, 400, "invalid_request"),
        ({"username": "ann"}, 400, "invalid_request"),
        ({"username": "admin", "password": PASSWORD}, 400, "invalid_request"),
        ({"username": "ann", "password": PASSWORD, "invitation": "wrong"}, 404, "no_such_invitation"),
        ({"username": "a" * 1_000_000, "password": PASSWORD}, 413, "too_big"),
        ({"username": "a" * 1_000, "password": PASSWORD}, 400, "invalid_request"),
        ({"username": "ann", "password": "x" * 1025}, 400, "invalid_request"),
    ],
)
async def test_what_makes_no_account(village: Running, body: dict[str, str], status: int, code: str) -> None:
    async with browser(village) as client:
        assert await asked(village, client, "POST", f"{AUTH}/register", body) == (status, {"code": code})
        assert cookies_of(village, client) == {}


async def test_a_name_is_taken_once(village: Running) -> None:
    async with browser(village) as one, browser(village) as other:
        body = {"username": "ann", "password": PASSWORD}
        done = await asyncio.gather(
            *(asked(village, client, "POST", f"{AUTH}/register", body) for client in (one, other) * 3)
        )
    assert sorted(status for status, _ in done) == [201, *[409] * 5]
    assert {told["code"] for status, told in done if status == 409} == {"name_taken"}


async def test_accounts_are_not_made_by_default(running: Running, stranger: aiohttp.ClientSession) -> None:
    body = {"username": "ann", "password": PASSWORD}
    assert await asked(running, stranger, "POST", f"{AUTH}/register", body) == (403, {"code": "registration_closed"})


@pytest.mark.parametrize("name", ["ann", "ANN", "ann@b.example"])
async def test_signing_in_by_name_and_password(village: Running, name: str) -> None:
    async with browser(village) as client, browser(village) as again:
        user = await registered(village, client)
        assert await asked(village, again, "POST", f"{AUTH}/login", {"name": name, "password": PASSWORD}) == (200, user)
        assert await status_of_me(village, again) == 200
        _, options = await asked(village, again, "GET", f"{AUTH}/options")
        assert options["signed_in"] is True


async def test_a_sign_in_that_fails_tells_nothing(village: Running) -> None:
    async with browser(village) as client, browser(village) as guest:
        await registered(village, client)
        answers = set()
        for name, password in (("ann", "wrong"), ("nobody", PASSWORD), ("ann", ""), ("a\0nn", "\0"), ("ann\r\n", "x")):
            async with guest.post(village.url(f"{AUTH}/login"), json={"name": name, "password": password}) as answer:
                assert "Set-Cookie" not in answer.headers
                answers.add((answer.status, await answer.text()))
        assert len(answers) == 1
        assert next(iter(answers))[0] == 401


async def test_guessing_is_slowed_down_and_says_when_to_come_back(village: Running) -> None:
    async with browser(village) as client, browser(village) as guest:
        await registered(village, client)
        statuses = []
        for _ in range(7):
            async with guest.post(village.url(f"{AUTH}/login"), json={"name": "ann", "password": "guess"}) as answer:
                statuses.append(answer.status)
                if answer.status == 429:
                    assert int(answer.headers["Retry-After"]) >= 1
                    assert (await answer.json())["code"] == "rate_limited"
        assert statuses == [401] * 5 + [429] * 2
        assert await status_of_me(village, client) == 200  # who is signed in stays so


async def test_the_address_that_counts_is_the_one_behind_the_proxy(directory: Path) -> None:
    """And of an IPv6 address the network: a customer has 2⁶⁴ of them."""
    proxied = {"trusted_proxies": ("127.0.0.1", "::1")}
    async with started(directory, server=proxied, accounts=OPEN) as running, browser(running) as client:

        async def attempt(password: str, address: str) -> int:
            body, headers = {"name": "ann", "password": password}, {"X-Forwarded-For": address}
            async with client.post(running.url(f"{AUTH}/login"), json=body, headers=headers) as answer:
                return answer.status

        await registered(running, client)
        assert await attempt(PASSWORD, "203.0.113.7") == 200
        done = [await attempt("guess", f"2001:db8:0:1::{number:x}") for number in range(5)]
        assert done == [401] * 5
        assert await attempt("guess", "2001:db8:0:1:ffff::1") == 429
        assert await attempt("guess", "2001:db8:0:2::1") == 401
        assert await attempt("guess", "2001:db8:0:2::1") == 429  # the name is under attack
        assert await attempt(PASSWORD, "203.0.113.7") == 200
        assert await attempt(PASSWORD, "192.0.2.1") == 200


async def test_another_sites_page_signs_nobody_in_or_out(village: Running) -> None:
    async with browser(village) as client:
        await registered(village, client)
        for path, body in (("login", {"name": "ann", "password": PASSWORD}), ("logout", None), ("register", {})):
            for origin in ("https://evil.example", "null"):
                async with client.post(village.url(f"{AUTH}/{path}"), json=body, headers={"Origin": origin}) as answer:
                    assert answer.status == 403
            form = aiohttp.FormData({"name": "ann"})
            async with client.post(village.url(f"{AUTH}/login"), data=form) as answer:
                assert answer.status == 415
        assert await status_of_me(village, client) == 200


# one's own password


async def test_a_new_password_ends_the_other_logins(village: Running) -> None:
    async with browser(village) as here, browser(village) as there:
        await registered(village, here)
        await asked(village, there, "POST", f"{AUTH}/login", {"name": "ann", "password": PASSWORD})
        async with here.ws_connect(village.url("/ws")) as staying, there.ws_connect(village.url("/ws")) as gone:
            assert json.loads(await gone.receive_str())["type"] == "ready"
            assert json.loads(await staying.receive_str())["type"] == "ready"
            for current, status in ((None, 400), ("wrong", 403), (PASSWORD, 204)):
                body = {"new": "another good one"} | ({} if current is None else {"current": current})
                assert (await asked(village, here, "PUT", f"{AUTH}/password", body))[0] == status
            async with within(1):
                assert (await gone.receive()).type == aiohttp.WSMsgType.CLOSE
            assert await status_of_me(village, here) == 200
            assert await status_of_me(village, there) == 401
            await staying.send_str('{"type":"ping"}')
            assert json.loads(await staying.receive_str())["type"] == "pong"


async def test_the_owner_sets_a_first_password(running: Running, owner: aiohttp.ClientSession) -> None:
    _, me = await asked(running, owner, "GET", f"{AUTH}/me")
    assert (await asked(running, owner, "PUT", f"{AUTH}/password", {"new": PASSWORD}))[0] == 204
    async with browser(running) as again:
        body = {"name": me["username"], "password": PASSWORD}
        assert (await asked(running, again, "POST", f"{AUTH}/login", body))[0] == 200

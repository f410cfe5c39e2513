"""What proxies say, and what is made of it: whose address counts, and who is signed in."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.web.conftest import Running, started
from tests.web.proofs import Proof, call, owners_cookie
from webterm.access import EVERYDAY
from webterm.settings_accounts import Accounts, Limits, Tier

HEADER = "Remote-User"
ME = "/api/v1/auth/me"
NAMED = Accounts(proxy_header=HEADER)
FEW = Limits(tiers={"free": Tier(general=3, auth=2, ai=1)})


@pytest.fixture
async def running(directory: Path) -> AsyncIterator[Running]:
    """A server whose trusted proxy is this machine."""
    async with started(directory, server={"trusted_proxies": ("127.0.0.1",)}, accounts=NAMED) as running:
        yield running


async def asking(running: Running, *headers: str) -> bytes:
    """The answer to asking who one is, with these very headers."""
    return await running.raw("\r\n".join([f"GET {ME} HTTP/1.1", *headers, "Connection: close", "", ""]).encode())


async def seen_from(running: Running, **headers: str) -> str:
    """The address that the server takes a sign-in to come from: the audit log has it."""
    await call(running, "POST", "/api/v1/auth/login", None, {"name": "x", "password": "x"}, **headers)
    _, entries = await call(running, "GET", "/api/v1/audit?action=login.failed&limit=1", await owners_cookie(running))
    return str(entries["items"][0]["address"])


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ({}, "127.0.0.1"),
        ({"X-Forwarded-For": "203.0.113.9"}, "203.0.113.9"),
        ({"X-Forwarded-For": "127.0.0.1, 203.0.113.9"}, "203.0.113.9"),
        ({"X-Forwarded-For": "[2001:db8::1]:80"}, "2001:db8::1"),
        ({"X-Forwarded-For": "evil"}, "127.0.0.1"),
        ({"X-Real-IP": "203.0.113.9"}, "127.0.0.1"),
        ({"Forwarded": "for=203.0.113.9"}, "127.0.0.1"),
    ],
)
async def test_whose_address_counts(running: Running, forwarded: dict[str, str], address: str) -> None:
    assert await seen_from(running, **forwarded) == address


async def test_nobody_else_is_believed(directory: Path) -> None:
    """The peer is 127.0.0.1, and another one is trusted."""
    async with started(directory, server={"trusted_proxies": ("10.0.0.0/8",)}, accounts=NAMED) as running:
        for header in ("X-Forwarded-For", "X-Real-IP", "Forwarded"):
            assert await seen_from(running, **{header: "10.0.0.1"}) == "127.0.0.1"
        for spoof in ({HEADER: "root"}, {HEADER: "root", "X-Forwarded-For": "10.0.0.1"}):
            status, problem = await call(running, "GET", ME, None, **spoof)
            assert (status, problem["code"]) == (401, "not_signed_in")
        answer = await running.raw(
            f"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nGET {ME} HTTP/1.1\r\nHost: {running.netloc}\r\n\r\n".encode()
        )
        assert answer.startswith(b"HTTP/1.0 400 ") or answer.startswith(b"HTTP/1.1 400 ")


async def test_a_proxy_changes_neither_host_nor_scheme(running: Running) -> None:
    """Not even a trusted one: which names are ours is a matter of the settings."""
    cookie = await owners_cookie(running)
    for headers in (
        {"X-Forwarded-Host": "web.example", "X-Forwarded-Proto": "https", "Origin": "https://web.example"},
        {"X-Forwarded-Proto": "https", "Origin": running.origin.replace("http:", "https:")},
    ):
        status, problem = await call(running, "POST", "/api/v1/auth/tickets", cookie, **headers)
        assert (status, problem["code"]) == (403, "wrong_origin")
    answer = await asking(running, "Host: evil.example", f"X-Forwarded-Host: {running.netloc}")
    assert answer.startswith(b"HTTP/1.1 421 ")


# people whom a proxy names


async def me(running: Running, name: str) -> tuple[int, Any]:
    return await call(running, "GET", ME, None, **{HEADER: name})


async def test_a_new_name_gets_an_account_and_keeps_it(running: Running) -> None:
    status, first = await me(running, "ann")
    assert (status, first["username"], first["role"], first["owner"]) == (200, "ann", "user", False)
    assert (await me(running, "ANN"))[1]["id"] == first["id"]
    status, mailed = await me(running, "ann@b.example")
    assert (status, mailed["username"], mailed["email"]) == (200, "ann2", "ann@b.example")  # somebody else
    assert (await me(running, "ann@B.example"))[1]["id"] == mailed["id"]


@pytest.mark.parametrize("name", ["a", "../x", "a b", "<b>", "x" * 100, "1234", "a@", "@b"])
async def test_a_name_that_no_account_can_have_is_refused(running: Running, name: str) -> None:
    status, problem = await me(running, name)
    assert (status, problem["code"]) == (400, "invalid_request")


async def test_an_empty_name_is_nobodys_and_two_are_refused(running: Running) -> None:
    for name in ("", " "):
        assert (await me(running, name))[0] == 401
    answer = await asking(running, f"Host: {running.netloc}", f"{HEADER}: ann", f"{HEADER}: root")
    assert answer.startswith(b"HTTP/1.1 400 ")


async def test_a_disabled_account_is_nobodys(running: Running) -> None:
    _, ann = await me(running, "ann")
    async with aiohttp.ClientSession() as client:
        headers = {HEADER: "ann", "Origin": running.origin}
        async with client.ws_connect(running.url("/ws"), headers=headers) as socket:
            assert (await socket.receive_json())["type"] == "ready"
            owner = await owners_cookie(running)
            status, _ = await call(running, "PATCH", f"/api/v1/users/{ann['id']}", owner, {"disabled": True})
            assert status == 200
            message = await socket.receive(timeout=5)
            assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1008)
    assert (await me(running, "ann"))[0] == 401


async def test_a_name_rides_as_a_cookie_does(running: Running) -> None:
    """The proxy adds it to whatever comes along, so another site's page must not use it."""
    body = {"cols": 80, "rows": 24, "driver": "echo"}
    for origin, status in ((running.origin, 201), ("https://evil.example", 403), (None, 403)):
        headers = {HEADER: "ann"} | ({"Origin": origin} if origin else {})
        assert (await call(running, "POST", "/api/v1/terminals", Proof(headers, EVERYDAY), body))[0] == status


async def test_the_header_is_read_only_where_the_settings_name_it(directory: Path) -> None:
    async with started(directory, server={"trusted_proxies": ("127.0.0.1",)}) as running:
        for header in (HEADER, "X-Remote-User", "X-Forwarded-User"):
            assert (await call(running, "GET", ME, None, **{header: "root"}))[0] == 401


# calls are counted by the client's address


async def test_calls_are_counted_by_the_clients_address(directory: Path) -> None:
    async with started(directory, server={"trusted_proxies": ("127.0.0.1",)}, limits=FEW) as running:

        async def left(address: str) -> tuple[int, str]:
            url = running.url("/api/v1/auth/options")
            headers = {"X-Forwarded-For": address}
            async with aiohttp.ClientSession() as client, client.get(url, headers=headers) as answer:
                return answer.status, answer.headers["RateLimit-Remaining"]

        for address in ("203.0.113.9", "203.0.113.10", "1.1.1.1, 203.0.113.11"):
            assert [await left(address) for _ in range(4)] == [(200, "2"), (200, "1"), (200, "0"), (429, "0")]
        addresses = itertools.cycle(("2001:db8::1", "2001:db8::2", "2001:db8::ffff:0:0:3", "[2001:db8::4]:99"))
        one_place = [await left(next(addresses)) for _ in range(4)]
        assert one_place == [(200, "2"), (200, "1"), (200, "0"), (429, "0")]
        assert (await left("2001:db8:0:1::1"))[0] == 200

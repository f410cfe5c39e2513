"""The audit log over HTTP: for admins, newest first, and what strangers put into it stays harmless."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import aiohttp
import pytest

from tests.web.asking import asked
from tests.web.conftest import Running, browser
from tests.web.proofs import PASSWORD, make_person

AUDIT = "/api/v1/audit"


async def items(running: Running, client: aiohttp.ClientSession, query: str = "") -> list[dict[str, Any]]:
    status, page = await asked(running, client, "GET", AUDIT + query)
    assert status == 200, page
    return list(page["items"])


async def signed_in(running: Running, client: aiohttp.ClientSession, name: str, password: str = PASSWORD) -> int:
    body = {"name": name, "password": password}
    async with client.post(running.url("/api/v1/auth/login"), json=body) as answer:
        return answer.status


async def test_who_did_what_to_what(running: Running, owner: aiohttp.ClientSession) -> None:
    ben = await make_person(running, owner, "ben", tier="pro")
    await asked(running, owner, "PATCH", f"/api/v1/users/{ben['id']}", {"role": "admin"})
    (me,) = [user for user in (await asked(running, owner, "GET", "/api/v1/users"))[1]["items"] if user["owner"]]
    newest, before = (await items(running, owner))[:2]
    assert (before["action"], before["target"], before["user"]) == ("user.create", ben["id"], me["id"])
    assert (newest["action"], newest["target"], newest["detail"]) == ("user.role", ben["id"], "admin")
    assert (newest["name"], newest["address"]) == (me["username"], "127.0.0.1")
    assert newest["number"] == before["number"] + 1
    assert newest["at"] >= before["at"] > 1_700_000_000


async def test_terminals_are_in_it(running: Running, owner: aiohttp.ClientSession) -> None:
    """Who opened and closed them, and which program; not what it was told."""
    body = {"cols": 80, "rows": 24, "argv": ["cat", "/dev/null", "secret"], "driver": "local"}
    status, made = await asked(running, owner, "POST", "/api/v1/terminals", body)
    assert status == 201, made
    async with owner.ws_connect(running.url("/ws")) as socket:
        await socket.receive_json()
        await socket.send_json({"type": "open", "channel": 1, "cols": 80, "rows": 24, "driver": "echo"})
        while (message := await socket.receive_json())["type"] != "attached":
            pass
        await socket.send_json({"type": "input", "channel": 1, "data": "what nobody may read"})
        await socket.send_json({"type": "close", "channel": 1})
        while (message | await socket.receive_json())["type"] != "detached":
            pass
    async with asyncio.timeout(20):
        while len(found := await items(running, owner, "?action=terminal.")) < 3:  # noqa: ASYNC110 - written a little later
            await asyncio.sleep(0.02)
    told = [(each["action"], each["target"], each["detail"], each["address"]) for each in found[::-1]]
    assert told == [
        ("terminal.open", made["id"], "local cat", "127.0.0.1"),
        ("terminal.open", message["terminal"], "echo", "127.0.0.1"),
        ("terminal.close", message["terminal"], "echo", "127.0.0.1"),
    ]
    everything = str(await items(running, owner))
    assert "secret" not in everything
    assert "nobody" not in everything


async def test_pages_are_joined_by_their_cursor(running: Running, owner: aiohttp.ClientSession) -> None:
    for number in range(5):
        await make_person(running, owner, f"person{number}")
    numbers: list[int] = []
    query: Sequence[str] = ("",)
    while query:
        status, page = await asked(running, owner, "GET", f"{AUDIT}?limit=2{query[0]}")
        assert status == 200
        numbers += [item["number"] for item in page["items"]]
        query = () if page["next"] is None else (f"&before={page['next']}",)
    assert numbers == list(range(len(numbers), 0, -1))


async def test_it_can_be_narrowed_down(running: Running, owner: aiohttp.ClientSession) -> None:
    ben = await make_person(running, owner, "ben")
    async with browser(running) as client:
        assert await signed_in(running, client, "ben") == 200
    by_id = await items(running, owner, f"?user={ben['id']}")
    assert [each["action"] for each in by_id] == ["login.password"]
    assert await items(running, owner, "?user=ben") == by_id
    assert await items(running, owner, "?user=ben&action=login.") == by_id
    assert await items(running, owner, "?user=ben&action=user.") == []
    assert {each["action"] for each in await items(running, owner, "?action=user.")} <= {"user.owner", "user.create"}


@pytest.mark.parametrize(
    "query",
    ["?limit=0", "?limit=501", "?limit=x", "?before=-1", "?before=2147483648", "?before=1e3"]
    + [f"?{name}={'a' * 129}" for name in ("action", "user")],
)
async def test_queries_that_are_none(running: Running, owner: aiohttp.ClientSession, query: str) -> None:
    assert await asked(running, owner, "GET", AUDIT + query) == (400, {"code": "invalid_request"})


@pytest.mark.parametrize("text", ["\0", "%", "_", "😀", "' OR 1=1 --", "\\"])
async def test_texts_that_mean_something_elsewhere(running: Running, owner: aiohttp.ClientSession, text: str) -> None:
    for name in ("action", "user"):
        async with owner.get(running.url(AUDIT), params={name: text}) as answer:
            assert answer.status == 200
            assert (await answer.json())["items"] == []


async def test_only_admins_read_it(
    running: Running, owner: aiohttp.ClientSession, stranger: aiohttp.ClientSession
) -> None:
    await make_person(running, owner, "ben")
    assert (await asked(running, stranger, "GET", AUDIT))[0] == 401
    async with browser(running) as client:
        assert await signed_in(running, client, "ben") == 200
        assert await asked(running, client, "GET", AUDIT) == (403, {"code": "missing_scope"})


async def test_strangers_forge_no_lines(
    running: Running, owner: aiohttp.ClientSession, stranger: aiohttp.ClientSession
) -> None:
    """Neither by a name that they sign in with, nor by a header."""
    names = [
        "eve\r\n1\t2026-11-21 root user.delete",
        "\x1b[2J\x1b]0;title\x07",
        "<script>alert(1)</script>",
        "\u202egnp",
    ]
    before = (await items(running, owner))[0]["number"]
    for name in names:
        assert await signed_in(running, stranger, name) == 401
    found = [each for each in await items(running, owner) if each["number"] > before]
    assert {each["action"] for each in found} <= {"login.failed"}
    for entry in found:
        texts = [str(value) for value in entry.values()]
        assert not any(set(text) & set("\r\n\t\x1b\x07\u202e") for text in texts), entry

"""Other people's accounts over HTTP: what admins may do, and nobody else."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.pace import within
from tests.web.asking import AUTH, OPEN, asked, registered, status_of_me
from tests.web.conftest import Running, browser, started
from tests.web.proofs import PASSWORD

USERS = "/api/v1/users"


@pytest.fixture
async def running(directory: Path) -> AsyncIterator[Running]:
    """A server where anybody makes an account."""
    async with started(directory, accounts=OPEN) as running:
        yield running


@pytest.fixture
async def ann(running: Running, owner: aiohttp.ClientSession) -> AsyncIterator[aiohttp.ClientSession]:
    """The browser of an ordinary person with the alias 2."""
    async with browser(running) as client:
        await registered(running, client)
        yield client


async def made(running: Running, owner: aiohttp.ClientSession, name: str, **fields: str) -> dict[str, Any]:
    status, user = await asked(running, owner, "POST", USERS, {"username": name, **fields})
    assert status == 201, user
    return dict(user)


async def test_making_finding_and_removing(running: Running, owner: aiohttp.ClientSession) -> None:
    ben = await made(running, owner, "ben", email="ben@b.example", tier="pro")
    assert (ben["alias"], ben["email"], ben["role"], ben["tier"], ben["has_password"]) == (
        2,
        "ben@b.example",
        "user",
        "pro",
        False,
    )
    for who in (ben["id"], "2"):
        assert await asked(running, owner, "GET", f"{USERS}/{who}") == (200, ben)
    status, page = await asked(running, owner, "GET", f"{USERS}?search=B.EXAMPLE")
    assert (status, page) == (200, {"items": [ben], "next": None})
    assert (await asked(running, owner, "DELETE", f"{USERS}/2"))[0] == 204
    assert await asked(running, owner, "GET", f"{USERS}/2") == (404, {"code": "no_such_user"})
    assert await asked(running, owner, "DELETE", f"{USERS}/{ben['id']}") == (404, {"code": "no_such_user"})


async def test_pages_are_joined_by_their_cursor(running: Running, owner: aiohttp.ClientSession) -> None:
    for number in range(6):
        await made(running, owner, f"person{number}")
    seen: list[int] = []
    after: int | None = 0
    while after is not None:
        _, page = await asked(running, owner, "GET", f"{USERS}?limit=3&after={after}")
        seen += [user["alias"] for user in page["items"]]
        after = page["next"]
    assert seen == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=x",
        "limit=-1",
        "after=-1",
        "after=%D9%A3",
        "after=99999999999",
        "search=" + "x" * 255,
    ],
)
async def test_what_cannot_be_asked_for(running: Running, owner: aiohttp.ClientSession, query: str) -> None:
    assert await asked(running, owner, "GET", f"{USERS}?{query}") == (400, {"code": "invalid_request"})


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"username": "ann"}, 409, "name_taken"),
        ({"username": "ben", "email": "ANN@b.example"}, 409, "name_taken"),
        ({"username": "b"}, 400, "invalid_request"),
        ({"username": "ben", "tier": "gold"}, 400, "invalid_request"),
        ({"username": "ben", "role": "owner"}, 400, "invalid_request"),
        ({"username": "ben", "owner": True}, 400, "invalid_request"),
        ({"username": "ben", "password": "short"}, 400, "invalid_request"),
        ([], 400, "invalid_request"),
    ],
)
async def test_who_cannot_be_made(
    running: Running, owner: aiohttp.ClientSession, ann: aiohttp.ClientSession, body: object, status: int, code: str
) -> None:
    assert await asked(running, owner, "POST", USERS, body) == (status, {"code": code})


async def test_an_ordinary_person_sees_and_changes_nobody(running: Running, ann: aiohttp.ClientSession) -> None:
    for who in ("1", "2", "99"):
        for method, body in (("GET", None), ("PATCH", {"role": "admin"}), ("DELETE", None)):
            assert await asked(running, ann, method, f"{USERS}/{who}", body) == (403, {"code": "missing_scope"})
    assert (await asked(running, ann, "GET", USERS))[0] == 403
    assert (await asked(running, ann, "POST", USERS, {"username": "ben"}))[0] == 403
    async with browser(running) as nobody:
        assert (await asked(running, nobody, "GET", USERS))[0] == 401


async def test_another_role_counts_at_once(
    running: Running, owner: aiohttp.ClientSession, ann: aiohttp.ClientSession
) -> None:
    assert (await asked(running, ann, "GET", USERS))[0] == 403
    status, changed = await asked(running, owner, "PATCH", f"{USERS}/2", {"role": "admin", "tier": "team"})
    assert (status, changed["role"], changed["tier"]) == (200, "admin", "team")
    assert (await asked(running, ann, "GET", USERS))[0] == 200
    assert await asked(running, ann, "PATCH", f"{USERS}/1", {"role": "user"}) == (403, {"code": "forbidden"})
    assert await asked(running, ann, "PATCH", f"{USERS}/1", {"password": PASSWORD}) == (403, {"code": "forbidden"})
    assert await asked(running, ann, "DELETE", f"{USERS}/1") == (403, {"code": "forbidden"})
    await asked(running, owner, "PATCH", f"{USERS}/2", {"role": "user"})
    assert (await asked(running, ann, "GET", USERS))[0] == 403


@pytest.mark.parametrize("body", [{"disabled": True}, {"password": "another good one"}, None])
async def test_what_takes_rights_away_reaches_open_sockets(
    running: Running, owner: aiohttp.ClientSession, ann: aiohttp.ClientSession, body: dict[str, object] | None
) -> None:
    async with ann.ws_connect(running.url("/ws")) as gone, owner.ws_connect(running.url("/ws")) as staying:
        assert json.loads(await gone.receive_str())["type"] == "ready"
        assert json.loads(await staying.receive_str())["type"] == "ready"
        await asked(running, owner, "PATCH" if body else "DELETE", f"{USERS}/2", body)
        async with within(1):
            assert (await gone.receive()).type == aiohttp.WSMsgType.CLOSE
        assert await status_of_me(running, ann) == 401
        await staying.send_str('{"type":"ping"}')
        assert json.loads(await staying.receive_str())["type"] == "pong"


async def test_who_is_disabled_cannot_come_back(
    running: Running, owner: aiohttp.ClientSession, ann: aiohttp.ClientSession
) -> None:
    body = {"name": "ann", "password": PASSWORD}
    await asked(running, owner, "PATCH", f"{USERS}/2", {"disabled": True})
    async with browser(running) as client:
        assert (await asked(running, client, "POST", f"{AUTH}/login", body))[0] == 401
        assert (await asked(running, client, "POST", f"{AUTH}/token", body))[0] == 401
        await asked(running, owner, "PATCH", f"{USERS}/2", {"disabled": False})
        assert (await asked(running, client, "POST", f"{AUTH}/login", body))[0] == 200


async def test_an_empty_change_changes_nothing(
    running: Running, owner: aiohttp.ClientSession, ann: aiohttp.ClientSession
) -> None:
    _, before = await asked(running, owner, "GET", f"{USERS}/2")
    assert await asked(running, owner, "PATCH", f"{USERS}/2", {}) == (200, before)
    assert await asked(running, owner, "PATCH", f"{USERS}/2", {"role": None}) == (200, before)
    assert (await asked(running, owner, "PATCH", f"{USERS}/2", {"username": "eve"}))[0] == 400
    assert await status_of_me(running, ann) == 200

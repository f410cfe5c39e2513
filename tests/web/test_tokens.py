"""Programs over HTTP: signing in, refreshing, theft, and personal tokens."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import aiohttp
import pytest

from tests.pace import within
from tests.web.conftest import Running
from tests.web.neighbours import bearing, browser_of, program_of, settled, tokens_of
from tests.web.proofs import PASSWORD, call, make_person, personal_token
from webterm.access import EVERYDAY, Scope
from webterm.accounts.people import User

TOKEN = "/api/v1/auth/token"
REFRESH = "/api/v1/auth/refresh"
TOKENS = "/api/v1/auth/tokens"
ME = "/api/v1/auth/me"


@pytest.fixture
async def ann(running: Running) -> User:
    """Nobody special."""
    return await settled(running, "ann")


@pytest.fixture
async def bob(running: Running) -> User:
    """An admin."""
    return await settled(running, "bob", "admin")


async def refreshed(running: Running, token: str) -> tuple[int, Any]:
    return await call(running, "POST", REFRESH, body={"refresh_token": token})


async def status_of_me(running: Running, token: str) -> int:
    return (await call(running, "GET", ME, bearing(token)))[0]


# API clients


async def test_signing_in(running: Running, owner: aiohttp.ClientSession) -> None:
    await make_person(running, owner, "ann", email="ann@example.org")
    body = {"name": "ann@example.org", "password": PASSWORD, "device": "build server"}
    status, pair = await call(running, "POST", TOKEN, body=body)
    assert status == 200
    assert pair.keys() == {"access_token", "token_type", "expires_in", "refresh_token"}
    assert (pair["token_type"], pair["expires_in"]) == ("Bearer", 900)
    status, me = await call(running, "GET", ME, bearing(pair["access_token"]))
    assert (status, me["username"]) == (200, "ann")
    assert set(me["scopes"]) == EVERYDAY
    _, devices = await call(running, "GET", "/api/v1/auth/devices", bearing(pair["access_token"]))
    assert [(device["kind"], device["agent"]) for device in devices] == [("api", "build server")]
    for wrong in ({"password": "wrong"}, {"name": "nobody"}):
        status, problem = await call(running, "POST", TOKEN, body=body | wrong)
        assert (status, problem["code"]) == (401, "not_signed_in")


async def test_what_is_no_sign_in(running: Running) -> None:
    body = {"name": "ann", "password": PASSWORD}
    for wrong in (
        {"admin": True},
        {"device": "x" * 201},
        {"password": "x" * 1025},
        {"password": None},
        {"name": "x" * 321},
        {"name": ["ann"]},
    ):
        status, problem = await call(running, "POST", TOKEN, body=body | wrong)
        assert (status, problem["code"]) == (400, "invalid_request"), wrong
    assert (await call(running, "POST", TOKEN, body={"name": "ann"}))[0] == 400


async def test_refreshing(running: Running, ann: User) -> None:
    token = (await tokens_of(running, ann)).refresh
    for _ in range(3):
        status, fresh = await refreshed(running, token)
        assert status == 200
        assert fresh["refresh_token"] != token
        assert await status_of_me(running, fresh["access_token"]) == 200
        token = fresh["refresh_token"]


async def test_an_access_token_that_has_run_out_may_come_along(running: Running, ann: User) -> None:
    """Many clients send what they have with every request."""
    pair = await tokens_of(running, ann)
    body = {"refresh_token": pair.refresh}
    assert (await call(running, "POST", REFRESH, bearing("run.out.token"), body))[0] == 200


async def test_a_stolen_refresh_token_ends_the_login_and_its_sockets(running: Running, ann: User) -> None:
    pair = await tokens_of(running, ann)
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {pair.access}"}) as client,
        client.ws_connect(running.url("/ws")) as socket,
    ):
        assert json.loads(await socket.receive_str())["type"] == "ready"
        _, fresh = await refreshed(running, pair.refresh)
        status, problem = await refreshed(running, pair.refresh)
        assert (status, problem["code"]) == (401, "not_signed_in")
        async with within(1):
            last = await socket.receive()
        assert (last.type, last.data) == (aiohttp.WSMsgType.CLOSE, 1008)
    assert (await refreshed(running, fresh["refresh_token"]))[0] == 401
    for token in (pair.access, fresh["access_token"]):
        assert await status_of_me(running, token) == 401


async def test_of_those_who_refresh_at_the_same_time_one_wins(running: Running, ann: User) -> None:
    pair = await tokens_of(running, ann)
    answers = await asyncio.gather(*(refreshed(running, pair.refresh) for _ in range(6)))
    assert sorted(status for status, _ in answers) == [200] + [401] * 5
    [won] = [fresh for status, fresh in answers if status == 200]
    assert await status_of_me(running, won["access_token"]) == 401


async def test_wrong_refresh_tokens(running: Running) -> None:
    for token in ("", "x", "\0", "wt_x", "../x"):
        status, problem = await refreshed(running, token)
        assert (status, problem["code"]) == (401, "not_signed_in"), token
    bodies: list[object] = [{"refresh_token": "x" * 257}, {"refresh_token": 7}, {"refresh_token": None}, {}, []]
    for body in bodies:
        assert (await call(running, "POST", REFRESH, body=body))[0] == 400, body


async def test_forged_access_tokens(running: Running, ann: User) -> None:
    pair = await tokens_of(running, ann)
    head, payload, signature = pair.access.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    as_bob = base64.urlsafe_b64encode(json.dumps(claims | {"username": "bob"}).encode()).rstrip(b"=").decode()
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    for forged in (
        f"{head}.{as_bob}.{signature}",
        f"{none}.{payload}.",
        f"{none}.{payload}.{signature}",
        f"{head}.{payload}.",
        pair.refresh,
        "",
    ):
        assert await status_of_me(running, forged) == 401, forged
    assert await status_of_me(running, pair.access) == 200


async def test_a_wrong_token_is_not_made_good_by_a_cookie(running: Running, ann: User) -> None:
    browser = await browser_of(running, ann)
    assert (await call(running, "GET", ME, browser))[0] == 200
    assert (await call(running, "GET", ME, browser, Authorization="Bearer wrong"))[0] == 401


# personal tokens


async def test_a_personal_token(running: Running, ann: User) -> None:
    anns = await browser_of(running, ann)
    body = {"name": "backup", "scopes": ["terminals:read"], "expires_in_days": 30}
    status, made = await call(running, "POST", TOKENS, anns, body)
    assert status == 201
    assert made["token"].startswith("wt_")
    assert made["expires"] == pytest.approx(made["created"] + 30 * 86_400)
    status, me = await call(running, "GET", ME, bearing(made["token"]))
    assert (status, me["username"], me["scopes"]) == (200, "ann", ["terminals:read"])
    _, found = await call(running, "GET", TOKENS, anns)
    shown = {key: value for key, value in made.items() if key not in {"token", "seen"}}
    assert [{key: value for key, value in token.items() if key != "seen"} for token in found] == [shown]
    assert found[0]["seen"] is not None
    assert made["token"] not in json.dumps(found)


async def test_what_is_no_personal_token(running: Running, ann: User) -> None:
    anns = await browser_of(running, ann)
    body: dict[str, object] = {"name": "x", "scopes": ["terminals:read"]}
    wrongs: list[dict[str, object]] = [
        {"scopes": []},
        {"scopes": ["account"]},
        {"scopes": ["root"]},
        {"scopes": ["terminals:read"] * 6},
        {"scopes": "terminals:read"},
        {"name": ""},
        {"name": "x" * 101},
        {"name": "\x1b[31m"},
        {"expires_in_days": 0},
        {"expires_in_days": 3651},
        {"expires_in_days": 1.5},
        {"user": "bob"},
    ]
    for wrong in wrongs:
        status, problem = await call(running, "POST", TOKENS, anns, body | wrong)
        assert (status, problem["code"]) == (400, "invalid_request"), wrong
    status, problem = await call(running, "POST", TOKENS, anns, body | {"scopes": ["admin"]})
    assert (status, problem["code"]) == (403, "missing_scope")
    assert (await call(running, "GET", TOKENS, anns))[1] == []


async def test_a_personal_token_does_what_it_says_and_no_more(running: Running, bob: User) -> None:
    bobs = await browser_of(running, bob)
    reader = await personal_token(running, bobs, Scope.TERMINALS_READ)
    admin = await personal_token(running, bobs, Scope.ADMIN)
    terminals, users = "/api/v1/terminals", "/api/v1/users"
    assert (await call(running, "GET", terminals, reader))[0] == 200
    assert (await call(running, "GET", users, admin))[0] == 200
    assert (await call(running, "POST", TOKENS, await program_of(running, bob), {"name": "x", "scopes": ["admin"]}))[
        0
    ] == 201
    for method, path, token, body in (
        ("POST", terminals, reader, {}),
        ("GET", users, reader, None),
        ("GET", terminals, admin, None),
        ("POST", TOKENS, reader, {"name": "x", "scopes": ["terminals:read"]}),
        ("POST", TOKENS, admin, {"name": "x", "scopes": ["admin"]}),
        ("GET", TOKENS, admin, None),
        ("PUT", "/api/v1/auth/password", admin, {"current": PASSWORD, "new": "another good battery"}),
    ):
        status, problem = await call(running, method, path, token, body)
        assert (status, problem["code"]) == (403, "missing_scope"), (method, path)


async def test_revoking_closes_the_tokens_sockets(running: Running, ann: User) -> None:
    anns = await browser_of(running, ann)
    token = await personal_token(running, anns, Scope.TERMINALS_READ)
    [shown] = (await call(running, "GET", TOKENS, anns))[1]
    async with (
        aiohttp.ClientSession(headers=token.headers) as client,
        client.ws_connect(running.url("/ws")) as socket,
    ):
        assert json.loads(await socket.receive_str())["type"] == "ready"
        assert (await call(running, "DELETE", f"{TOKENS}/{shown['id']}", anns))[0] == 204
        async with within(1):
            last = await socket.receive()
        assert (last.type, last.data) == (aiohttp.WSMsgType.CLOSE, 1008)
    assert (await call(running, "GET", ME, token))[0] == 401
    assert (await call(running, "DELETE", f"{TOKENS}/{shown['id']}", anns))[0] == 404


async def test_the_tokens_of_others_are_not_there(running: Running, ann: User, bob: User) -> None:
    anns, bobs = await browser_of(running, ann), await browser_of(running, bob)
    token = await personal_token(running, anns, Scope.TERMINALS_READ)
    [shown] = (await call(running, "GET", TOKENS, anns))[1]
    assert (await call(running, "GET", TOKENS, bobs))[1] == []
    status, problem = await call(running, "DELETE", f"{TOKENS}/{shown['id']}", bobs)
    assert (status, problem["code"]) == (404, "no_such_token")
    assert (await call(running, "GET", ME, token))[0] == 200

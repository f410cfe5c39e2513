"""The list of devices: one's own alone, and what ending one ends."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest

from tests.pace import within
from tests.web.conftest import Running
from tests.web.neighbours import browser_of, program_of, settled
from tests.web.proofs import Proof, call, personal_token
from webterm.access import Scope
from webterm.accounts.people import User

DEVICES = "/api/v1/auth/devices"
ME = "/api/v1/auth/me"


@pytest.fixture
async def ann(running: Running) -> User:
    return await settled(running, "ann")


@pytest.fixture
async def bob(running: Running) -> User:
    return await settled(running, "bob")


async def devices(running: Running, proof: Proof) -> list[dict[str, Any]]:
    status, found = await call(running, "GET", DEVICES, proof)
    assert status == 200
    return list(found)


async def own_id(running: Running, proof: Proof) -> str:
    [current] = [device["id"] for device in await devices(running, proof) if device["current"]]
    return str(current)


async def is_in(running: Running, proof: Proof) -> bool:
    return (await call(running, "GET", ME, proof))[0] == 200


async def test_the_list(running: Running, ann: User, bob: User) -> None:
    phone, program = await browser_of(running, ann), await program_of(running, ann)
    await browser_of(running, bob)
    for proof, kind in ((phone, "browser"), (program, "api")):
        found = await devices(running, proof)
        assert {device["kind"] for device in found} == {"browser", "api"}
        assert [device["kind"] for device in found if device["current"]] == [kind]
        assert found[0].keys() == {"id", "kind", "created", "seen", "address", "agent", "current"}
        assert {device["address"] for device in found} == {"127.0.0.1"}


async def test_no_secret_is_in_the_list(running: Running, ann: User) -> None:
    phone = await browser_of(running, ann)
    [device] = await devices(running, phone)
    token = phone.headers["Cookie"].partition("=")[2]
    assert token not in json.dumps(device)
    name = phone.headers["Cookie"].partition("=")[0]
    planted = Proof({"Cookie": f"{name}={device['id']}"}, phone.scopes)
    assert not await is_in(running, planted)


async def test_ending_one(running: Running, ann: User) -> None:
    here, there, program = (
        await browser_of(running, ann),
        await browser_of(running, ann),
        await program_of(running, ann),
    )
    for lost in (there, program):
        assert (await call(running, "DELETE", f"{DEVICES}/{await own_id(running, lost)}", here))[0] == 204
        assert not await is_in(running, lost)
        assert await is_in(running, here)
    assert (await call(running, "DELETE", f"{DEVICES}/{await own_id(running, here)}", here))[0] == 204
    assert not await is_in(running, here)


async def test_ending_all(running: Running, ann: User, bob: User) -> None:
    here, program, other = (
        await browser_of(running, ann),
        await program_of(running, ann),
        await browser_of(running, bob),
    )
    token = await personal_token(running, here, Scope.TERMINALS_READ)
    assert (await call(running, "DELETE", DEVICES, program))[0] == 204
    assert not await is_in(running, here)
    assert not await is_in(running, program)
    assert await is_in(running, other)
    assert await is_in(running, token)


async def test_ending_all_but_this_one(running: Running, ann: User, bob: User) -> None:
    here, there, program = (
        await browser_of(running, ann),
        await browser_of(running, ann),
        await program_of(running, ann),
    )
    bobs = await browser_of(running, bob)
    assert (await call(running, "DELETE", f"{DEVICES}/others", here))[0] == 204
    assert [await is_in(running, proof) for proof in (here, there, program, bobs)] == [True, False, False, True]


async def test_the_devices_of_others_are_not_there(running: Running, ann: User, bob: User) -> None:
    anns, bobs = await browser_of(running, ann), await browser_of(running, bob)
    known = await own_id(running, anns)
    for login in (known, known[:-1], "nobodys"):
        status, problem = await call(running, "DELETE", f"{DEVICES}/{login}", bobs)
        assert (status, problem["code"]) == (404, "no_such_login")
    assert await is_in(running, anns)


@pytest.mark.parametrize("path", [DEVICES, DEVICES + "/nobodys"])
async def test_a_personal_token_is_no_key_to_the_account(running: Running, path: str, ann: User) -> None:
    token = await personal_token(running, await browser_of(running, ann), Scope.TERMINALS_READ, Scope.TERMINALS_WRITE)
    status, problem = await call(running, "DELETE", path, token)
    assert (status, problem["code"]) == (403, "missing_scope")


async def test_the_sockets_of_an_ended_device_close(running: Running, ann: User) -> None:
    here, there = await browser_of(running, ann), await browser_of(running, ann)
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client,
        client.ws_connect(running.url("/ws"), headers=there.headers) as gone,
        client.ws_connect(running.url("/ws"), headers=here.headers) as staying,
    ):
        assert json.loads(await gone.receive_str())["type"] == "ready"
        assert json.loads(await staying.receive_str())["type"] == "ready"
        await call(running, "DELETE", f"{DEVICES}/{await own_id(running, there)}", here)
        async with within(1):
            last = await gone.receive()
        assert (last.type, last.data) == (aiohttp.WSMsgType.CLOSE, 1008)
        await staying.send_str('{"type":"ping"}')
        assert json.loads(await staying.receive_str())["type"] == "pong"

"""Another person's things are not there: every route that can name one answers as if there were none."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.web.conftest import Running, browser, started
from tests.web.proofs import NOBODYS, Proof, access_token, call, cookie, make_person, named, path_of, personal_token
from webterm.access import EVERYDAY, Scope
from webterm.web.routes import OWN_LOGIN_ROWS, ROWS
from webterm.web.row import Row

NAMING = [row for row in (*ROWS, *OWN_LOGIN_ROWS) if "{" in row.path]
OWN = [row for row in NAMING if row.access in EVERYDAY and "{provider}" not in row.template]
"""Rows that name one of one's own things. Providers are the same for everybody, and what is linked is looked up by who
asks."""
BODIES = {"POST /api/v1/terminals/{terminal}/resize": {"cols": 10, "rows": 10}}


@pytest.fixture
async def running(directory: Path) -> AsyncIterator[Running]:
    async with started(directory) as running, browser(running) as owner:
        await running.sign_in(owner)
        await make_person(running, owner, "ada", role="admin")
        await make_person(running, owner, "ben")
        yield running


def test_all_routes_that_name_something_are_known() -> None:
    names = {name for row in NAMING for name in re.findall(r"\{(\w+)\}", row.template)}
    assert names == {"name", "terminal", "device", "token", "provider", "user", "invitation"}
    assert {name for row in OWN for name in re.findall(r"\{(\w+)\}", row.template)} == {"terminal", "device", "token"}


async def belongings(running: Running, proof: Proof) -> dict[str, str]:
    """One thing of each kind: their ids by the name that routes have for them."""
    status, terminal = await call(
        running, "POST", "/api/v1/terminals", proof, {"cols": 80, "rows": 24, "driver": "echo"}
    )
    assert status == 201
    await personal_token(running, proof, Scope.TERMINALS_READ)
    _, devices = await call(running, "GET", "/api/v1/auth/devices", proof)
    _, tokens = await call(running, "GET", "/api/v1/auth/tokens", proof)
    return {"terminal": terminal["id"], "device": devices[0]["id"], "token": tokens[0]["id"]}


@pytest.mark.parametrize("row", OWN, ids=named)
async def test_they_are_not_there(running: Running, row: Row) -> None:
    """Not for an ordinary person, and not for an admin either; and the answer is the one for what never was."""
    theirs = await cookie(running, "ben")
    ids = await belongings(running, theirs)
    for other in (await cookie(running, "ada"), await access_token(running, "ada")):
        body = BODIES.get(named(row))
        status, problem = await call(running, row.method, path_of(row, **ids), other, body)
        missing = await call(running, row.method, path_of(row), other, body)
        assert status == 404, problem
        told = {**problem, "detail": problem["detail"].replace(ids["terminal"], NOBODYS)}
        assert (status, told) == missing
    for name in ("terminals", "auth/devices", "auth/tokens"):
        status, listed = await call(running, "GET", f"/api/v1/{name}", theirs)
        assert ids[name.rpartition("/")[2].removesuffix("s")] in {each["id"] for each in listed}


async def test_lists_hold_ones_own_alone(running: Running) -> None:
    ids = await belongings(running, await cookie(running, "ben"))
    admin = await cookie(running, "ada")
    for name in ("terminals", "auth/devices", "auth/tokens", "auth/identities"):
        status, listed = await call(running, "GET", f"/api/v1/{name}", admin)
        assert status == 200
        assert not {each.get("id") for each in listed} & set(ids.values())


async def test_over_the_socket_as_well(running: Running) -> None:
    ids = await belongings(running, await cookie(running, "ben"))
    other = await cookie(running, "ada")
    async with (
        aiohttp.ClientSession() as client,
        client.ws_connect(running.url("/ws"), headers=other.headers) as socket,
    ):
        assert (await socket.receive_json())["type"] == "ready"
        for terminal in (ids["terminal"], NOBODYS):
            await socket.send_json({"type": "attach", "channel": 1, "terminal": terminal})
            assert (await socket.receive_json())["code"] == "no_such_terminal"
        await socket.send_json({"type": "list"})
        assert (await socket.receive_json())["terminals"] == []


ORDINARY_REFUSED = [row for row in NAMING if row.access is Scope.ADMIN]


async def test_ordinary_people_learn_nothing_of_people_and_invitations(running: Running) -> None:
    """Whether an id is somebody's, or an alias taken, makes no difference."""
    ben = await cookie(running, "ben")
    _, me = await call(running, "GET", "/api/v1/auth/me", ben)
    for row in ORDINARY_REFUSED:
        answers = [
            await call(running, row.method, path_of(row, user=user, invitation=user), ben)
            for user in (me["id"], "1", "999999", NOBODYS)
        ]
        assert {status for status, _ in answers} == {403}
        assert len({problem["detail"] for _, problem in answers}) == 1

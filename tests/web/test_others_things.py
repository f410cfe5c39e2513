"""Another person's things are not there: every route that can name one answers as if there were none."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.web.conftest import Running, started
from tests.web.neighbours import browser_of, program_of, settled
from tests.web.proofs import NOBODYS, Proof, call, named, path_of, personal_token
from webterm.access import EVERYDAY, Scope
from webterm.accounts.people import User
from webterm.web.routes import OWN_LOGIN_ROWS, ROWS
from webterm.web.row import Row

NAMING = [row for row in (*ROWS, *OWN_LOGIN_ROWS) if "{" in row.path]
OWN = [row for row in NAMING if row.access in EVERYDAY and "{provider}" not in row.template]
"""Rows that name one of one's own things. Providers are the same for everybody, and what is linked is looked up by who
asks."""
FILE, FOLDER = "notes.txt", "papers"
WAY = {"source": FILE, "target": "moved.txt"}
BODIES: dict[str, object] = {
    "POST /api/v1/terminals/{terminal}/resize": {"cols": 10, "rows": 10},
    "PATCH /api/v1/workspaces/{workspace}": {"name": "Mine"},
    "PUT /api/v1/workspaces/{workspace}/members/{member}": {"role": "own"},
    "PATCH /api/v1/workspaces/{workspace}/files/{path}": {"executable": True},
    "POST /api/v1/workspaces/{workspace}/move": WAY,
    "POST /api/v1/workspaces/{workspace}/copy": WAY,
    "POST /api/v1/workspaces/{workspace}/uploads": {"path": "new.txt", "size": 1},
    "POST /api/v1/workspaces/{workspace}/exec": {"argv": ["true"]},
    "POST /api/v1/workspaces/{workspace}/shares": {"port": 80},
}
FORMS = {"POST /api/v1/workspaces/{workspace}/upload", "POST /api/v1/workspaces/{workspace}/upload/{path}"}
QUERIES = {
    "GET /api/v1/workspaces/{workspace}/search": {"query": "x"},
    "PUT /api/v1/workspaces/{workspace}/uploads/{upload}": {"offset": "0"},
    "DELETE /api/v1/workspaces/{workspace}": {"purge": "1"},
}
GONE = {(404, "no_such_upload"), (404, "no_such_member"), (404, "no_such_share")}
LISTED = {"terminals": "terminal", "auth/devices": "device", "auth/tokens": "token"}


@pytest.fixture
async def running(directory: Path) -> AsyncIterator[Running]:
    async with started(directory) as running:
        yield running


@pytest.fixture
async def ada(running: Running) -> User:
    """An admin, who is not the server's owner."""
    return await settled(running, "ada", role="admin")


@pytest.fixture
async def ben(running: Running) -> User:
    return await settled(running, "ben")


def test_all_routes_that_name_something_are_known() -> None:
    ours = {"terminal", "device", "token", "workspace", "member", "path", "upload", "share", "port"}
    names = {name for row in NAMING for name in re.findall(r"\{(\w+)\}", row.template)}
    assert names == ours | {"name", "provider", "user", "invitation"}
    assert {name for row in OWN for name in re.findall(r"\{(\w+)\}", row.template)} == ours


async def made(running: Running, method: str, path: str, proof: Proof, body: object = None) -> dict[str, Any]:
    status, found = await call(running, method, path, proof, body)
    assert status in (200, 201), found
    return dict(found)


async def belongings(running: Running, proof: Proof) -> dict[str, str]:
    """One thing of each kind: their ids by the name that routes have for them."""
    terminal = await made(running, "POST", "/api/v1/terminals", proof, {"cols": 80, "rows": 24, "driver": "echo"})
    await personal_token(running, proof, Scope.TERMINALS_READ)
    _, devices = await call(running, "GET", "/api/v1/auth/devices", proof)
    _, tokens = await call(running, "GET", "/api/v1/auth/tokens", proof)
    workspace = (await made(running, "POST", "/api/v1/workspaces", proof, {"name": "Work"}))["id"]
    here = f"/api/v1/workspaces/{workspace}"
    await made(running, "PUT", f"{here}/files/{FILE}", proof)
    await made(running, "POST", f"{here}/directories/{FOLDER}", proof)
    upload = await made(running, "POST", f"{here}/uploads", proof, {"path": "big", "size": 9})
    share = await made(running, "POST", f"{here}/shares", proof, {"port": 80})
    member = await settled(running, "carl")
    await made(running, "PUT", f"{here}/members/{member.id}", proof, {"role": "read"})
    return {
        "terminal": terminal["id"],
        "device": devices[0]["id"],
        "token": tokens[0]["id"],
        "workspace": workspace,
        "member": member.id,
        "upload": upload["upload"],
        "share": share["share"]["id"],
        "port": "80",
        "path": FILE,
    }


async def attempt(running: Running, row: Row, ids: dict[str, str], proof: Proof) -> tuple[int, Any]:
    """What a row says to somebody about these."""
    name = named(row)
    if "/tree/" in name or "/archive/" in name or "/upload/" in name:
        ids = {**ids, "path": FOLDER}
    url = running.url(path_of(row, **ids)).update_query(QUERIES.get(name, {}))
    form = None
    if name in FORMS:
        form = aiohttp.FormData()
        form.add_field("file", b"x", filename="new.txt")
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client,
        client.request(row.method, url, headers=proof.headers, data=form, json=BODIES.get(name)) as answer,
    ):
        return answer.status, await answer.json(content_type=None)


async def state(running: Running, proof: Proof, ids: dict[str, str]) -> list[Any]:
    """All that is there of somebody, as its owner sees it."""
    here = f"/api/v1/workspaces/{ids['workspace']}"
    paths = [f"/api/v1/{name}" for name in LISTED]
    paths += ["/api/v1/workspaces", f"{here}/tree?hidden=1", f"{here}/uploads/{ids['upload']}", f"{here}/shares"]
    found = [await call(running, "GET", path, proof) for path in paths]
    assert {status for status, _ in found} == {200}, found
    for (_, listed), kind in zip(found, LISTED.values(), strict=False):
        assert [each["id"] for each in listed] == [ids[kind]]
        for each in listed:
            each.pop("seen", None)  # when it was last used
    return found


async def test_they_are_not_there(running: Running, ada: User, ben: User) -> None:
    """Not for an ordinary person, and not for an admin either; and the answer is the one for what never was."""
    theirs = await browser_of(running, ben)
    ids = await belongings(running, theirs)
    before = await state(running, theirs, ids)
    eve = await settled(running, "eve")
    for other in (await browser_of(running, ada), await program_of(running, ada), await browser_of(running, eve)):
        for row in OWN:
            status, problem = await attempt(running, row, ids, other)
            missing = await attempt(running, row, {"path": FILE}, other)
            assert status == 404, (named(row), problem)
            detail = problem["detail"]
            for name in ("workspace", "terminal"):
                detail = detail.replace(ids[name], NOBODYS)
            assert (status, {**problem, "detail": detail}) == missing, named(row)
    assert await state(running, theirs, ids) == before


async def test_not_even_in_a_workspace_of_one_s_own(running: Running, ada: User, ben: User) -> None:
    """An upload or a link of another workspace, by its id."""
    ids = await belongings(running, await browser_of(running, ben))
    other = await browser_of(running, ada)
    own = (await made(running, "POST", "/api/v1/workspaces", other, {"name": "Mine"}))["id"]
    for row in OWN:
        if (
            "{upload}" in row.template
            or "{share}" in row.template
            or ("{member}" in row.template and row.method != "PUT")
        ):
            status, problem = await attempt(running, row, {**ids, "workspace": own}, other)
            assert (status, problem["code"]) in GONE, named(row)


async def test_lists_hold_ones_own_alone(running: Running, ada: User, ben: User) -> None:
    ids = await belongings(running, await browser_of(running, ben))
    admin = await browser_of(running, ada)
    for name in (*LISTED, "auth/identities", "workspaces", "workspaces?trash=1"):
        status, listed = await call(running, "GET", f"/api/v1/{name}", admin)
        assert status == 200
        items = listed["items"] if isinstance(listed, dict) else listed
        assert not {each.get("id") for each in items} & set(ids.values())


async def test_over_the_socket_as_well(running: Running, ada: User, ben: User) -> None:
    ids = await belongings(running, await browser_of(running, ben))
    other = await browser_of(running, ada)
    async with (
        aiohttp.ClientSession() as client,
        client.ws_connect(running.url("/ws"), headers=other.headers) as socket,
    ):
        assert (await socket.receive_json())["type"] == "ready"
        for terminal in (ids["terminal"], NOBODYS):
            await socket.send_json({"type": "attach", "channel": 1, "terminal": terminal})
            assert (await socket.receive_json())["code"] == "no_such_terminal"
        for workspace in (ids["workspace"], NOBODYS):
            await socket.send_json({"type": "open", "channel": 1, "cols": 80, "rows": 24, "workspace": workspace})
            assert (await socket.receive_json())["code"] == "no_such_workspace"
        await socket.send_json({"type": "list"})
        assert (await socket.receive_json())["terminals"] == []


ORDINARY_REFUSED = [row for row in NAMING if row.access is Scope.ADMIN]


async def test_ordinary_people_learn_nothing_of_people_and_invitations(running: Running, ben: User) -> None:
    """Whether an id is somebody's, or an alias taken, makes no difference."""
    bens = await browser_of(running, ben)
    for row in ORDINARY_REFUSED:
        answers = [
            await call(running, row.method, path_of(row, user=user, invitation=user), bens)
            for user in (ben.id, "1", "999999", NOBODYS)
        ]
        assert {status for status, _ in answers} == {403}
        assert len({problem["detail"] for _, problem in answers}) == 1

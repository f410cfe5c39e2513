"""Workspaces over HTTP, with everything that runs in them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.web.conftest import Running, started
from tests.web.neighbours import COMMAND, browser_of, own_login_of, program_of, settled
from tests.web.proofs import Proof, call, owners_cookie, personal_token
from webterm.access import Actor, Scope
from webterm.accounts.people import User
from webterm.ids import UserId
from webterm.settings import Local
from webterm.settings_accounts import Limits, Tier

WORKSPACES = "/api/v1/workspaces"
SMALL = Limits(
    enabled=False,
    tiers={"free": Tier(general=0, auth=0, ai=0, workspaces=2, bytes=1000, entries=10, terminals=1)},
    anonymous_tier="free",
)
ECHO = {"cols": 80, "rows": 24, "driver": "echo"}


@pytest.fixture
async def running(directory: Path) -> AsyncIterator[Running]:
    """Programs of nobody are kept apart: this is not about sandboxes."""
    async with started(directory, local=Local(isolation="none"), limits=SMALL) as running:
        yield running


@pytest.fixture
async def ann(running: Running) -> User:
    return await settled(running, "ann")


@pytest.fixture
async def anns(running: Running, ann: User) -> Proof:
    return await browser_of(running, ann)


@pytest.fixture
async def ben(running: Running) -> User:
    return await settled(running, "ben")


@pytest.fixture
async def bens(running: Running, ben: User) -> Proof:
    return await program_of(running, ben)


async def made(running: Running, proof: Proof, **fields: object) -> dict[str, Any]:
    status, workspace = await call(running, "POST", WORKSPACES, proof, {"name": "Work", **fields})
    assert status == 201, workspace
    return dict(workspace)


async def refused(running: Running, method: str, path: str, proof: Proof, body: object = None) -> tuple[int, str]:
    status, problem = await call(running, method, path, proof, body)
    return status, problem["code"]


async def actions(running: Running, target: str) -> list[str]:
    entries = await own_login_of(running).audit.page(before=None, limit=200)
    return [entry.action for entry in reversed(entries) if entry.target == target]


async def test_a_workspace_from_its_making_to_its_end(running: Running, ann: User, anns: Proof) -> None:
    environment = {"driver": "echo", "env": {"A": "b"}, "ports": [8080], "cwd": "src"}
    work = await made(running, anns, name="Work", description="to do", environment=environment)
    path = f"{WORKSPACES}/{work['id']}"
    assert work == {
        "id": work["id"],
        "owner": ann.id,
        "name": "Work",
        "description": "to do",
        "template": "",
        "environment": {
            **environment,
            "image": "",
            "limits": {"processes": 0, "memory": 0, "cpu": 0.0},
            "network": True,
        },
        "role": "own",
        "members": [],
        "created": work["created"],
        "updated": work["created"],
        "deleted": None,
    }
    assert await call(running, "GET", path, anns) == (200, work)
    status, changed = await call(running, "PATCH", path, anns, {"name": "Play", "environment": {"network": False}})
    assert (status, changed["name"], changed["description"]) == (200, "Play", "to do")
    assert (changed["environment"]["driver"], changed["environment"]["network"]) == (None, False)
    assert await call(running, "GET", WORKSPACES, anns) == (200, {"items": [changed], "next": None})
    assert await call(running, "POST", f"{path}/ensure-default", anns) == (200, {"created": True})
    assert await call(running, "POST", f"{path}/ensure-default", anns) == (200, {"created": False})
    assert (await call(running, "DELETE", path, anns))[0] == 204
    assert await refused(running, "GET", path, anns) == (404, "no_such_workspace")
    _, page = await call(running, "GET", f"{WORKSPACES}?trash=1", anns)
    assert [(each["id"], each["deleted"] is not None) for each in page["items"]] == [(work["id"], True)]
    status, back = await call(running, "POST", f"{path}/restore", anns)
    assert (status, back["deleted"]) == (200, None)
    assert (await call(running, "DELETE", f"{path}?purge=1", anns))[0] == 204
    assert await refused(running, "POST", f"{path}/restore", anns) == (404, "no_such_workspace")
    assert await call(running, "GET", WORKSPACES, anns) == (200, {"items": [], "next": None})
    assert await actions(running, work["id"]) == [
        "workspace.create", "workspace.change", "workspace.delete", "workspace.restore", "workspace.purge",
    ]  # fmt: skip


async def test_a_new_one_says_where_it_is(running: Running, anns: Proof) -> None:
    async with (
        aiohttp.ClientSession() as client,
        client.post(running.url(WORKSPACES), json={"name": "Work"}, headers=anns.headers) as answer,
    ):
        assert answer.headers["Location"] == f"{WORKSPACES}/{(await answer.json())['id']}"


async def test_quotas_and_pages(running: Running, anns: Proof) -> None:
    first, second = await made(running, anns, name="1"), await made(running, anns, name="2")
    assert await refused(running, "POST", WORKSPACES, anns, {"name": "3"}) == (507, "quota_reached")
    _, page = await call(running, "GET", f"{WORKSPACES}?limit=1", anns)
    assert [each["id"] for each in page["items"]] == [second["id"]]
    _, page = await call(running, "GET", f"{WORKSPACES}?limit=1&after={page['next']}", anns)
    assert ([each["id"] for each in page["items"]], page["next"]) == ([first["id"]], None)
    here = {**ECHO, "workspace": first["id"]}
    assert (await call(running, "POST", "/api/v1/terminals", anns, here))[0] == 201
    assert await refused(running, "POST", "/api/v1/terminals", anns, here) == (429, "limit_reached")
    assert (await call(running, "POST", "/api/v1/terminals", anns, {**here, "workspace": second["id"]}))[0] == 201


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "invalid_request"),
        ({"name": ""}, 400, "invalid_request"),
        ({"name": "a\u0000"}, 400, "invalid_request"),
        ({"name": "a", "owner": "x"}, 400, "invalid_request"),
        ({"name": "a", "environment": {"ports": [0]}}, 400, "invalid_request"),
        ({"name": "a", "environment": {"env": {"A B": ""}}}, 400, "invalid_request"),
        ({"name": "a", "environment": {"privileged": True}}, 400, "invalid_request"),
        ({"name": "a", "environment": {"driver": "podman"}}, 404, "no_such_driver"),
        ({"name": "a", "template": "../x"}, 404, "no_such_template"),
    ],
)
async def test_what_cannot_be_made(running: Running, anns: Proof, body: object, status: int, code: str) -> None:
    assert await refused(running, "POST", WORKSPACES, anns, body) == (status, code)


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "after=x", "after=-1", "trash=yes"])
async def test_what_cannot_be_asked_for(running: Running, anns: Proof, query: str) -> None:
    assert await refused(running, "GET", f"{WORKSPACES}?{query}", anns) == (400, "invalid_request")


async def test_templates_are_the_administrator_s(running: Running, anns: Proof, directory: Path) -> None:
    def lay_out() -> None:
        files = directory / "templates" / "python" / "files"
        files.mkdir(parents=True)
        (files / "main.py").write_text("print()\n")
        (files.parent / "template.toml").write_text('title = "Python"\n[environment]\nports = [80]\n')

    assert await call(running, "GET", "/api/v1/templates", anns) == (200, [])
    await asyncio.to_thread(lay_out)
    status, (template,) = await call(running, "GET", "/api/v1/templates", anns)
    assert (status, template["name"], template["title"]) == (200, "python", "Python")
    assert template["environment"]["ports"] == [80]
    work = await made(running, anns, template="python")
    assert (work["template"], work["environment"]) == ("python", template["environment"])
    _, listed = await call(running, "GET", f"{WORKSPACES}/{work['id']}/tree", anns)
    assert [each["path"] for each in listed["items"]] == ["main.py"]


async def test_starting_status_and_stopping(running: Running, anns: Proof) -> None:
    work = await made(running, anns, environment={"driver": "echo"})
    path = f"{WORKSPACES}/{work['id']}"
    empty = {
        "state": "absent",
        "message": "",
        "driver": "echo",
        "terminals": 0,
        "ports": [],
        "files": 0,
        "bytes": 0,
        "quota": {"bytes": 1000, "entries": 10},
    }
    assert await call(running, "GET", f"{path}/status", anns) == (200, empty)
    assert await call(running, "POST", f"{path}/start", anns) == (200, {**empty, "state": "ready"})
    status, terminal = await call(running, "POST", "/api/v1/terminals", anns, {**ECHO, "workspace": work["id"]})
    assert (status, terminal["workspace"]) == (201, work["id"])
    assert (await call(running, "PUT", f"{path}/files/a", anns))[0] == 201
    there = {**empty, "state": "ready", "terminals": 1, "files": 1}
    assert await call(running, "GET", f"{path}/status", anns) == (200, there)
    assert await call(running, "POST", f"{path}/stop", anns) == (200, {**empty, "files": 1})
    assert await refused(running, "GET", f"/api/v1/terminals/{terminal['id']}", anns) == (404, "no_such_terminal")
    assert (await actions(running, work["id"]))[-2:] == ["workspace.start", "workspace.stop"]


async def test_members_by_name_and_by_id(running: Running, anns: Proof, ben: User, bens: Proof) -> None:
    path = f"{WORKSPACES}/{(await made(running, anns))['id']}"
    member = {"user": ben.id, "name": "ben", "role": "read"}
    assert await call(running, "PUT", f"{path}/members/ben", anns, {"role": "read"}) == (200, member)
    assert await call(running, "GET", f"{path}/members/{ben.id}", bens) == (200, member)
    _, work = await call(running, "GET", path, bens)
    assert (work["role"], work["members"]) == ("read", [member])
    _, page = await call(running, "GET", WORKSPACES, bens)
    assert page["items"] == [work]
    for method, rest, body in (
        ("PATCH", "", {"name": "Mine"}),
        ("DELETE", "", None),
        ("POST", "/start", None),
        ("POST", "/stop", None),
        ("POST", "/ensure-default", None),
        ("PUT", "/files/a", None),
        ("PUT", f"/members/{ben.id}", {"role": "own"}),
    ):
        assert await refused(running, method, path + rest, bens, body) == (403, "read_only"), rest
    assert await refused(running, "PUT", f"{path}/members/nobody", anns, {"role": "own"}) == (404, "no_such_user")
    assert await refused(running, "PUT", f"{path}/members/ann", anns, {"role": "own"}) == (409, "conflict")
    assert await refused(running, "PUT", f"{path}/members/ben", anns, {"role": "god"}) == (400, "invalid_request")
    assert await refused(running, "GET", f"{path}/members/nobody", anns) == (404, "no_such_member")
    assert (await call(running, "DELETE", f"{path}/members/{ben.id}", bens))[0] == 204  # everybody may leave
    assert await refused(running, "GET", path, bens) == (404, "no_such_workspace")
    assert await refused(running, "DELETE", f"{path}/members/{ben.id}", anns) == (404, "no_such_member")


async def test_terminals_of_a_member_end_with_the_membership(
    running: Running, anns: Proof, ben: User, bens: Proof
) -> None:
    """Within a second, on an open socket too; and what is elsewhere stays."""
    path = f"{WORKSPACES}/{(work := await made(running, anns))['id']}"
    await call(running, "PUT", f"{path}/members/ben", anns, {"role": "write"})
    own = await made(running, bens)
    async with (
        aiohttp.ClientSession() as client,
        client.ws_connect(running.url("/ws"), headers=bens.headers) as socket,
    ):
        assert (await socket.receive_json())["type"] == "ready"
        for channel, workspace in ((1, work["id"]), (2, own["id"])):
            await socket.send_json({"type": "open", "channel": channel, "workspace": workspace, **ECHO})
        opened = [await told(socket, "attached") for _ in range(2)]
        assert {each["channel"] for each in opened} == {1, 2}
        await call(running, "PUT", f"{path}/members/ben", anns, {"role": "read"})
        async with asyncio.timeout(1):
            gone = await told(socket, "detached")
        assert (gone["channel"], gone["reason"]) == (1, "revoked")
        await socket.send_json({"type": "open", "channel": 3, "workspace": work["id"], **ECHO})
        assert (await told(socket, "error"))["code"] == "read_only"
    _, terminals = await call(running, "GET", "/api/v1/terminals", bens)
    assert [each["workspace"] for each in terminals] == [own["id"]]


async def told(socket: aiohttp.ClientWebSocketResponse, kind: str) -> dict[str, Any]:
    """The next message of this type."""
    while True:
        message = json.loads(await socket.receive_str())
        if message["type"] == kind:
            return dict(message)


async def test_a_program_that_does_not_want_to_end_is_out_of_reach_at_once(
    running: Running, anns: Proof, ben: User, bens: Proof
) -> None:
    """It has its time to end, but nobody sees what it says, types into it or comes back to it."""
    path = f"{WORKSPACES}/{(work := await made(running, anns))['id']}"
    await call(running, "PUT", f"{path}/members/ben", anns, {"role": "write"})
    deaf = ["/bin/sh", "-c", "trap '' HUP TERM; echo started; while :; do read line; done"]
    async with (
        aiohttp.ClientSession() as client,
        client.ws_connect(running.url("/ws"), headers=bens.headers) as socket,
    ):
        order = {"channel": 1, "cols": 80, "rows": 24, "workspace": work["id"], "argv": deaf}
        await socket.send_json({"type": "open", **order})
        terminal = (await told(socket, "attached"))["terminal"]
        await told(socket, "output")
        await call(running, "DELETE", f"{path}/members/{ben.id}", anns)
        async with asyncio.timeout(1):
            assert (await told(socket, "detached"))["reason"] == "revoked"
        await socket.send_json({"type": "attach", "channel": 2, "terminal": terminal})
        assert (await told(socket, "error"))["code"] == "no_such_terminal"
        await socket.send_json({"type": "list"})
        assert (await told(socket, "terminals"))["terminals"] == []
    assert await refused(running, "GET", f"/api/v1/terminals/{terminal}/output", bens) == (404, "no_such_terminal")


async def test_terminals_end_with_their_workspace(running: Running, anns: Proof) -> None:
    work = await made(running, anns)
    async with (
        aiohttp.ClientSession() as client,
        client.ws_connect(running.url("/ws"), headers=anns.headers) as socket,
    ):
        await socket.send_json({"type": "open", "channel": 1, "workspace": work["id"], **ECHO})
        await told(socket, "attached")
        await call(running, "DELETE", f"{WORKSPACES}/{work['id']}", anns)
        async with asyncio.timeout(1):
            assert (await told(socket, "detached"))["channel"] == 1
    assert await call(running, "GET", "/api/v1/terminals", anns) == (200, [])


async def test_who_is_removed_leaves_nothing_that_is_seen(
    running: Running, anns: Proof, ben: User, bens: Proof, directory: Path
) -> None:
    theirs, own = await made(running, anns), await made(running, bens)
    await call(running, "PUT", f"{WORKSPACES}/{theirs['id']}/members/ben", anns, {"role": "own"})
    await call(running, "PUT", f"{WORKSPACES}/{own['id']}/members/ann", bens, {"role": "own"})
    await own_login_of(running).people.delete(ben.id, COMMAND)
    assert await refused(running, "GET", f"{WORKSPACES}/{own['id']}", anns) == (404, "no_such_workspace")
    _, work = await call(running, "GET", f"{WORKSPACES}/{theirs['id']}", anns)
    assert work["members"] == []
    assert (await actions(running, own["id"]))[-1] == "workspace.delete"


async def test_a_token_is_good_for_workspaces_or_it_is_not(running: Running, anns: Proof) -> None:
    path = f"{WORKSPACES}/{(await made(running, anns))['id']}"
    reading = await personal_token(running, anns, Scope.WORKSPACES_READ)
    writing = await personal_token(running, anns, Scope.WORKSPACES_READ, Scope.WORKSPACES_WRITE)
    neither = await personal_token(running, anns, Scope.TERMINALS_WRITE)
    assert (await call(running, "GET", path, reading))[0] == 200
    assert await refused(running, "PATCH", path, reading, {"name": "x"}) == (403, "missing_scope")
    assert (await call(running, "PATCH", path, writing, {"name": "x"}))[0] == 200
    assert await refused(running, "GET", path, neither) == (403, "missing_scope")


async def test_the_owner_s_terminal_begins_in_the_workspace(running: Running, directory: Path) -> None:
    owner = await owners_cookie(running)
    work = await made(running, owner, environment={"env": {"GREETING": "hello"}})
    program = ["/bin/sh", "-c", "echo $GREETING > here"]
    async with (
        aiohttp.ClientSession() as client,
        client.ws_connect(running.url("/ws"), headers=owner.headers) as socket,
    ):
        order = {"channel": 1, "cols": 80, "rows": 24, "workspace": work["id"], "argv": program}
        await socket.send_json({"type": "open", **order})
        await told(socket, "exited")
    path = directory / "workspaces" / work["id"] / "files" / "here"
    assert await asyncio.to_thread(path.read_text) == "hello\n"


async def test_where_a_host_application_has_the_people(directory: Path) -> None:
    """Nobody has a row in the database; ids are texts of the host's own."""

    async def who(request: web.Request) -> Actor | None:
        name = request.headers.get("X-Who")
        return Actor(id=UserId(f"{name}@host"), name=name, tier="free") if name else None

    async with started(directory, "/terminal", actor=who, local=Local(isolation="none"), limits=SMALL) as running:
        ann, ben = (Proof({"X-Who": name, "Origin": running.origin}, frozenset()) for name in ("ann", "ben"))
        work = await made(running, ann)
        path = f"{WORKSPACES}/{work['id']}"
        assert work["owner"] == "ann@host"
        assert await refused(running, "GET", path, ben) == (404, "no_such_workspace")
        member = {"user": "ben@host", "name": "", "role": "write"}
        assert await call(running, "PUT", f"{path}/members/ben@host", ann, {"role": "write"}) == (200, member)
        assert (await call(running, "PUT", f"{path}/files/a", ben))[0] == 201
        assert (await call(running, "POST", "/api/v1/terminals", ben, {**ECHO, "workspace": work["id"]}))[0] == 201
        assert (await call(running, "DELETE", f"{path}/members/ben@host", ann))[0] == 204
        assert await refused(running, "GET", path, ben) == (404, "no_such_workspace")
        await made(running, ann)
        assert await refused(running, "POST", WORKSPACES, ann, {"name": "3"}) == (507, "quota_reached")
        assert await refused(running, "GET", path, Proof({}, frozenset())) == (401, "not_signed_in")
    async with started(directory, "/terminal", actor=who, limits=SMALL) as running:
        _, page = await call(running, "GET", WORKSPACES, ann)
        assert len(page["items"]) == 2

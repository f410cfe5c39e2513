"""What administrators see of all workspaces that run, and what they may do to them: stop them, and nothing else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine import DEBIAN
from tests.web.conftest import Running
from tests.web.neighbours import browser_of, program_of, settled
from tests.web.proofs import Proof, call, owners_cookie, personal_token
from tests.web.test_metrics import one as measure
from tests.web.test_metrics import samples
from tests.web.test_runtimes import PATIENCE, Scene, staged
from webterm.access import Scope
from webterm.settings_runtimes import Runtimes
from webterm.work.overview import STOPPED

RUNTIMES = "/api/v1/admin/runtimes"


@pytest.fixture(params=["local", pytest.param("docker", marks=pytest.mark.docker)])
async def scene(request: pytest.FixtureRequest, directory: Path) -> AsyncIterator[Scene]:
    if request.param == "docker":
        request.getfixturevalue("engine")
    async with staged(directory, Runtimes(driver=request.param)) as scene:
        yield scene


async def shown(running: Running, admin: Proof, query: str = "") -> dict[str, Any]:
    status, found = await call(running, "GET", RUNTIMES + query, admin)
    assert status == 200, found
    return dict(found)


async def test_what_runs_is_seen_with_what_it_uses_and_is_stopped(scene: Scene) -> None:
    desk, running = scene.desk, scene.desk.running
    contained = scene.driver == "docker"
    admin = await browser_of(running, await settled(running, "ada", role="admin"))
    assert await shown(running, admin) == {"items": [], "next": None, "problem": ""}
    _, owned = await call(running, "GET", f"/api/v1/workspaces/{desk.workspace}", desk.proof)
    async with asyncio.timeout(PATIENCE):
        async with scene.listening():
            while (found := (await shown(running, admin))["items"])[0]["memory"] is None:
                pass
            (one,) = found
            assert (one["workspace"], one["name"], one["owner"]) == (desk.workspace, owned["name"], owned["owner"])
            assert (one["owner_name"], one["driver"], one["state"]) == ("ann", scene.driver, "ready")
            assert (one["image"], one["message"]) == (DEBIAN if contained else "", "")
            assert (one["terminals"], one["viewers"]) == (0, 0)
            assert one["since"] <= time.time()
            assert one["memory"] > 0
            assert one["cpu"] >= 0
            assert one["processes"] >= 1
            assert (one["processes_limit"] > 0) is contained
            await nothing_but_this(scene, admin)
            status, stopped = await call(running, "POST", f"{RUNTIMES}/{desk.workspace}/stop", admin)
            assert (status, stopped["workspace"]) == (200, desk.workspace)
            assert stopped["state"] in ("stopping", "absent")
        while (await shown(running, admin))["items"]:
            pass
    found = await scene.ask()
    assert (found["state"], found["message"]) == ("absent", STOPPED)
    _, log = await call(running, "GET", "/api/v1/audit?limit=1&action=workspace.stop", admin)
    (entry,) = log["items"]
    assert (entry["name"], entry["target"], entry["detail"]) == ("ada", desk.workspace, STOPPED)


async def nothing_but_this(scene: Scene, admin: Proof) -> None:
    """What is in the workspace is its people's, and what administrators see is administrators'."""
    desk, running = scene.desk, scene.desk.running
    for method, rest in (
        ("GET", "runtime"),
        ("GET", "runtime/processes"),
        ("GET", "runtime/logs"),
        ("POST", "runtime/stop"),
        ("GET", "tree"),
    ):
        assert (await call(running, method, f"/api/v1/workspaces/{desk.workspace}/{rest}", admin))[0] == 404
    body = {"cols": 80, "rows": 24, "workspace": desk.workspace}
    assert (await call(running, "POST", "/api/v1/terminals", admin, body))[0] == 404
    narrow = await personal_token(running, await owners_cookie(running), Scope.TERMINALS_WRITE)
    theirs = await program_of(running, await settled(running, "eve"))
    for proof, status in ((desk.proof, 403), (theirs, 403), (narrow, 403), (None, 401)):
        assert (await call(running, "GET", RUNTIMES, proof))[0] == status
        assert (await call(running, "POST", f"{RUNTIMES}/{desk.workspace}/stop", proof))[0] == status
    other = "local" if scene.driver == "docker" else "docker"
    measured = await samples(running, admin)
    assert [measure(measured, "running_workspaces", driver=name) for name in (scene.driver, other)] == [1, 0]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "after=-1", "after=1.5", "after=99999999"])
async def test_what_cannot_be_asked_for(running: Running, query: str) -> None:
    status, problem = await call(running, "GET", f"{RUNTIMES}?{query}", await owners_cookie(running))
    assert (status, problem["code"]) == (400, "invalid_request")

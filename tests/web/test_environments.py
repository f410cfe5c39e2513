"""Environments of workspaces over HTTP: what they may ask for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.web.conftest import Running, started
from tests.web.neighbours import browser_of, settled
from tests.web.proofs import Proof, call
from webterm.settings import Local
from webterm.settings_workspaces import Sandbox

WORKSPACES = "/api/v1/workspaces"


async def made(running: Running, proof: Proof, environment: dict[str, object]) -> dict[str, Any]:
    body = {"name": "Work", "environment": environment}
    status, workspace = await call(running, "POST", WORKSPACES, proof, body)
    assert status == 201, workspace
    return dict(workspace)


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"limits": {"memory": 2 << 30}}, "memory: 2 GiB asked for, and the server's settings allow at most 1 GiB"),
        ({"limits": {"memory": (1 << 30) + 1}}, "memory: 1,073,741,825 bytes asked for, and"),
        ({"limits": {"cpu": 2.5}}, "cpu: 2.5 processors asked for, and the server's settings allow at most 2"),
        ({"limits": {"processes": 1000}}, "processes: 1,000 asked for, and the server's settings allow at most 100"),
        ({"cwd": "src/../../etc"}, "cwd: 'src/../../etc' leads out of the workspace"),
        ({"cwd": ".."}, "cwd: '..' leads out of the workspace"),
        ({"cwd": "/etc"}, "cwd: '/etc' leads out of the workspace"),
    ],
)
async def test_an_environment_beyond_the_settings(directory: Path, environment: dict[str, object], told: str) -> None:
    sandbox = Sandbox(memory=1 << 30, cpu=2, processes=100)
    async with started(directory, local=Local(isolation="none"), sandbox=sandbox) as running:
        proof = await browser_of(running, await settled(running, "ann"))
        most: dict[str, object] = {"limits": {"memory": 1 << 30, "cpu": 2, "processes": 100}, "cwd": "src/..x"}
        work = await made(running, proof, most)
        path, body = f"{WORKSPACES}/{work['id']}", {"name": "Other", "environment": environment}
        for answer in (
            await call(running, "POST", WORKSPACES, proof, body),
            await call(running, "PATCH", path, proof, body),
        ):
            assert (answer[0], answer[1]["code"]) == (400, "invalid_request")
            assert told in answer[1]["detail"]
        assert await call(running, "GET", path, proof) == (200, work)


async def test_what_was_saved_stays_when_settings_are_lowered(directory: Path) -> None:
    saved: dict[str, object] = {"limits": {"memory": 2 << 30}}
    async with started(directory, local=Local(isolation="none")) as running:
        ann = await settled(running, "ann")
        work = await made(running, await browser_of(running, ann), saved)
    path, lowered = f"{WORKSPACES}/{work['id']}", Sandbox(memory=1 << 30)
    async with started(directory, local=Local(isolation="none"), sandbox=lowered) as running:
        proof = await browser_of(running, ann)
        status, found = await call(running, "PATCH", path, proof, {"environment": {**saved, "cwd": "src"}})
        assert (status, found["environment"]["limits"]["memory"]) == (200, 2 << 30)
        _, runtime = await call(running, "GET", f"{path}/runtime", proof)
        assert runtime["limits"]["memory"] == 1 << 30
        assert runtime["cut"] == ["memory: 2 GiB asked for, and the server's settings allow at most 1 GiB"]
        more = {"environment": {"limits": {"memory": 3 << 30}}}
        status, problem = await call(running, "PATCH", path, proof, more)
        assert (status, problem["code"]) == (400, "invalid_request")

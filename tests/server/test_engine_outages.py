"""The engine goes away and comes back under a running server: clear words, nothing hangs, nothing is left behind."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.engine import BUSYBOX, WORKSPACE
from tests.own_engine import OwnEngine
from tests.server.client import Client, View
from tests.server.process import Server, serving

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(240)]


@asynccontextmanager
async def serving_from(engine: OwnEngine, directory: Path, **settings: object) -> AsyncIterator[Server]:
    """A server that uses an engine, in whose containers there is no network."""
    here = {"runtimes__driver": "docker", "docker__host": engine.host, "docker__image": BUSYBOX}
    async with serving(
        directory, ordinary=False, **here | {"docker__network": "none", "docker__pull": "false"} | settings
    ) as server:
        yield server


async def workspace(server: Server, **environment: object) -> str:
    """A new one."""
    status, text = await server.request("POST", "/api/v1/workspaces", {"name": "w", "environment": environment})
    assert status == 201, text
    return str(json.loads(text)["id"])


async def asked(server: Server, path: str) -> dict[str, Any]:
    """The answer to a GET."""
    status, text = await server.request("GET", path)
    assert status == 200, text
    answer: dict[str, Any] = json.loads(text)
    return answer


async def says(page: Client, view: View, line: str, answer: str) -> None:
    """Type a line, and wait for what it prints, which is not in the line itself."""
    assert not view.errors, view.errors
    await page.input(view, f"{line}\r")
    await page.until(lambda: answer.encode() in view.data)


async def shell(page: Client, where: str) -> View:
    """A terminal in a workspace, which answers."""
    view = await page.open("sh", workspace=where)
    await says(page, view, "echo $((20+3))$((30+4))", "2334")
    return view


async def refused(page: Client, where: str) -> str:
    """Why no terminal can be opened in a workspace."""
    view = await page.open("sh", workspace=where)
    assert [error.code for error in view.errors] == ["engine_unavailable"], view
    return view.errors[0].message


async def health(server: Server, works: bool, containers: int) -> dict[str, Any]:
    """What the server says of itself, once it has seen so much of its engine: a look is good for a second."""
    async with asyncio.timeout(30):
        while True:
            said = await asked(server, "/health")
            if (said["engine"]["works"], said["engine"]["containers"]) == (works, containers):
                return said
            await asyncio.sleep(0.05)


def held(server: Server) -> int:
    """How many descriptors a server has."""
    return len(os.listdir(f"/proc/{server.pid}/fd"))  # noqa: PTH208 - names are enough


async def test_an_engine_that_ends_under_terminals(own_engine: OwnEngine, tmp_path: Path) -> None:
    async with serving_from(own_engine, tmp_path / "data") as server, server.client("page") as page:
        where = await workspace(server)
        descriptors = []
        for number, end in enumerate([own_engine.stop, own_engine.kill] * 2, 1):
            view = await shell(page, where)
            await says(page, view, "echo one >>file; echo lines: $(wc -l <file)", f"lines: {number}")
            await health(server, works=True, containers=1)
            assert len(own_engine.engine.labelled("containers", f"{WORKSPACE}={where}")) == 1
            descriptors.append(held(server))
            await asyncio.to_thread(end)
            await page.until(lambda view=view: view.exit is not None)  # type: ignore[misc]
            assert bytes(view.data).splitlines()[-1].startswith(b"*** webterm: the "), bytes(view.data)
            await page.send_json({"type": "close", "channel": view.channel})
            await page.until(lambda view=view: view.parted)  # type: ignore[misc]
            assert "engine" in await refused(page, where)
            assert (await asked(server, f"/api/v1/workspaces/{where}/runtime"))["state"] in ("absent", "failed")
            await health(server, works=False, containers=0)
            await asyncio.to_thread(own_engine.start)
        assert descriptors[3] <= descriptors[1] + 1, descriptors
        assert "Traceback" not in server.log


async def test_an_engine_that_comes_later(own_engine: OwnEngine, tmp_path: Path) -> None:
    await asyncio.to_thread(own_engine.stop)
    async with serving_from(own_engine, tmp_path / "data", runtimes__driver="auto") as server:
        absent = await health(server, works=False, containers=0)
        assert absent["mode"] == "local"
        for reason in (absent["reason"], absent["engine"]["reason"]):
            assert own_engine.engine.socket in reason
        local, wished = await workspace(server), await workspace(server, driver="docker")
        async with server.client("page") as page:
            here = await shell(page, local)
            assert own_engine.engine.socket in await refused(page, wished)
            assert (await asked(server, f"/api/v1/workspaces/{local}/runtime"))["driver"] == "local"
            await asyncio.to_thread(own_engine.start)
            there = await shell(page, wished)
            new = await workspace(server)
            await shell(page, new)
            drivers = [
                (await asked(server, f"/api/v1/workspaces/{one}/runtime"))["driver"] for one in (wished, new, local)
            ]
            assert drivers == ["docker", "docker", "local"], "what runs already stays where it is"
            await says(page, here, "echo $((1+1))$((2+2))", "24")
            await says(page, there, "echo $((1+2))$((2+3))", "35")
        assert (await health(server, works=True, containers=2))["mode"] == "docker"


@pytest.mark.mounts
async def test_an_engine_whose_disk_is_full(small_engine: OwnEngine, tmp_path: Path) -> None:
    async with serving_from(small_engine, tmp_path / "data") as server, server.client("page") as page:
        first, second = await workspace(server), await workspace(server)
        before = await shell(page, first)
        await asyncio.to_thread(small_engine.fill_disk)
        view = await page.open("sh", workspace=second)
        assert [(error.code, "disk is full" in error.message) for error in view.errors] == [("disk_full", True)], view
        state = await asked(server, f"/api/v1/workspaces/{second}/runtime")
        assert state["state"] == "failed"
        assert "disk is full" in state["message"]
        await says(page, before, "echo $((1+1))$((2+2))", "24")
        await shell(page, first)
        await asyncio.to_thread(small_engine.empty_disk)
        await shell(page, second)

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

from tests import images
from tests.engine import BUSYBOX, WORKSPACE
from tests.own_engine import OwnEngine
from tests.server.client import Client, View
from tests.server.process import Server, serving

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(240)]
SOON = 15.0
"""Seconds within which somebody is told, where the machine is busy with other things, too."""
GONE = b"*** webterm: the container engine has gone, and with it the way to this program"
STOPPED = b"*** webterm: the workspace's container has ended"
"""An engine that stops in order says so of its containers first."""


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


async def refused(page: Client, where: str) -> tuple[str, str]:
    """Why no terminal can be opened in a workspace: code and sentence."""
    async with asyncio.timeout(SOON):
        view = await page.open("sh", workspace=where)
    (error,) = view.errors
    return error.code, error.message


def unanswered(engine: OwnEngine, why: str) -> str:
    """What is said of an engine that is not there."""
    return f"the container engine at {engine.host} does not answer: {why}"


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
        runtime = f"/api/v1/workspaces/{where}/runtime"
        stops = (own_engine.stop, {GONE, STOPPED}, "No such file or directory")
        is_killed = (own_engine.kill, {GONE}, "Connection refused")
        descriptors = []
        for number, (end, words, why) in enumerate([stops, is_killed] * 2, 1):
            view = await shell(page, where)
            await says(page, view, "echo one >>file; echo lines: $(wc -l <file)", f"lines: {number}")
            await health(server, works=True, containers=1)
            assert len(own_engine.engine.labelled("containers", f"{WORKSPACE}={where}")) == 1
            descriptors.append(held(server))
            async with asyncio.timeout(SOON):
                await asyncio.to_thread(end)
                await page.until(lambda view=view: view.exit is not None)  # type: ignore[misc]
            assert bytes(view.data).splitlines()[-1] in words
            await page.send_json({"type": "close", "channel": view.channel})
            await page.until(lambda view=view: view.parted)  # type: ignore[misc]
            assert await refused(page, where) == ("engine_unavailable", unanswered(own_engine, why))
            away = "containers cannot be used now"
            told = await asked(server, runtime)
            assert (told["state"], told["message"]) == ("absent", "the container engine has gone away")
            assert (await health(server, works=False, containers=0))["engine"]["reason"] == unanswered(own_engine, why)
            status, text = await server.request("POST", f"{runtime}/stop")
            assert (status, json.loads(text)["state"], json.loads(text)["message"]) == (200, "absent", away)
            await asyncio.to_thread(own_engine.start)
            await health(server, works=True, containers=0)
            told = await asked(server, runtime)
            assert (told["state"], told["message"] in ("", "the container engine was stopped")) == ("absent", True), (
                told
            )
        assert descriptors[3] <= descriptors[1] + 1, descriptors
        assert "Traceback" not in server.log


async def test_containers_that_outlive_their_engine(lasting_engine: OwnEngine, tmp_path: Path) -> None:
    """What was to stop meanwhile does when the engine is back; the other is looked after again."""
    engine = lasting_engine.engine
    async with serving_from(lasting_engine, tmp_path / "data") as server, server.client("page") as page:
        stopped, stays = await workspace(server), await workspace(server)
        for where in (stopped, stays):
            await shell(page, where)
        (kept,) = engine.labelled("containers", f"{WORKSPACE}={stays}")
        await asyncio.to_thread(lasting_engine.kill)
        await health(server, works=False, containers=0)
        async with asyncio.timeout(SOON):
            overview = await asked(server, "/api/v1/admin/runtimes")
        assert overview["problem"] == unanswered(lasting_engine, "Connection refused")
        assert {each["state"] for each in overview["items"]} == {"absent"}
        assert {each["workspace"] for each in overview["items"]} == {stopped, stays}
        status, text = await server.request("POST", f"/api/v1/workspaces/{stopped}/runtime/stop")
        assert (status, json.loads(text)["state"]) == (200, "absent")
        assert (await asked(server, f"/api/v1/workspaces/{stays}/runtime"))["state"] == "absent"
        await asyncio.to_thread(lasting_engine.start)
        await health(server, works=True, containers=1)
        assert engine.labelled("containers") == [kept]
        assert (await asked(server, f"/api/v1/workspaces/{stopped}/runtime"))["state"] == "absent"
        await shell(page, stays)
        assert engine.labelled("containers") == [kept]
        assert "Traceback" not in server.log


async def test_an_engine_that_is_killed_while_containers_start(own_engine: OwnEngine, tmp_path: Path) -> None:
    async with serving_from(own_engine, tmp_path / "data") as server, server.client("page") as page:
        places = [await workspace(server) for _ in range(4)]
        opening = [asyncio.create_task(page.open("sh", workspace=place)) for place in places]
        while not own_engine.engine.labelled("containers"):  # noqa: ASYNC110 - the engine's own word
            await asyncio.sleep(0)
        await asyncio.to_thread(own_engine.kill)
        async with asyncio.timeout(SOON):
            views = await asyncio.gather(*opening)
            await page.until(lambda: all(view.errors or view.exit is not None for view in views))
        assert {error.code for view in views for error in view.errors} == {"engine_unavailable"}, views
        runtimes = [f"/api/v1/workspaces/{place}/runtime" for place in places]
        assert "failed" in [(await asked(server, runtime))["state"] for runtime in runtimes]
        await asyncio.to_thread(own_engine.start)
        await health(server, works=True, containers=0)
        assert {(await asked(server, runtime))["state"] for runtime in runtimes} == {"absent"}
        for place in places:
            await shell(page, place)
        assert len(own_engine.engine.labelled("containers")) == len(places)
        for runtime in runtimes:
            status, text = await server.request("POST", f"{runtime}/stop")
            assert status == 200, text
        await health(server, works=True, containers=0)
        assert own_engine.engine.labelled("containers") == []
        assert "Traceback" not in server.log


async def test_an_engine_that_comes_later(own_engine: OwnEngine, tmp_path: Path) -> None:
    await asyncio.to_thread(own_engine.stop)
    settings = {"runtimes__driver": "auto", "docker__pull": "true"}
    async with serving_from(own_engine, tmp_path / "data", **settings) as server:
        absent = await health(server, works=False, containers=0)
        assert absent["mode"] == "local"
        missing = unanswered(own_engine, "No such file or directory")
        assert absent["engine"]["reason"] == missing
        assert absent["reason"].startswith("programs run on the server's machine: no container engine ")
        assert absent["reason"].endswith(f"({missing})")
        local, wished = await workspace(server), await workspace(server, driver="docker")
        async with server.client("page") as page:
            here = await shell(page, local)
            assert await refused(page, wished) == ("engine_unavailable", missing)
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

            own_engine.engine.call("DELETE", f"/images/{BUSYBOX}", force="true")
            another = await workspace(server)
            code, words = await refused(page, another)
            assert (code, words.startswith(f"the image {BUSYBOX} could not be pulled: ")) == ("image_missing", True), (
                words
            )
            assert (await asked(server, f"/api/v1/workspaces/{another}/runtime"))["message"] == words


@pytest.mark.mounts
async def test_an_engine_whose_disk_is_full_and_one_without_the_image(small_engine: OwnEngine, tmp_path: Path) -> None:
    async with serving_from(small_engine, tmp_path / "data") as server, server.client("page") as page:
        first, second = await workspace(server), await workspace(server)
        before = await shell(page, first)
        await asyncio.to_thread(small_engine.fill_disk)
        full = "the container could not be made: the container engine's disk is full"
        assert await refused(page, second) == ("disk_full", full)
        state = await asked(server, f"/api/v1/workspaces/{second}/runtime")
        assert (state["state"], state["message"]) == ("failed", full)
        await says(page, before, "echo $((1+1))$((2+2))", "24")
        await shell(page, first)
        await asyncio.to_thread(small_engine.empty_disk)
        await shell(page, second)

        small_engine.engine.call("DELETE", f"/images/{BUSYBOX}", force="true")
        third = await workspace(server)
        missing = f"the container engine has no image {BUSYBOX}; images are not pulled here (docker.pull)"
        assert await refused(page, third) == ("image_missing", missing)
        await asyncio.to_thread(images.ensure_busybox, Path(small_engine.engine.socket))
        await shell(page, third)
        assert "Traceback" not in server.log

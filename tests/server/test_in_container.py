"""The server in a container made of our Dockerfile: workspaces have containers beside it, made by the same engine."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine import DEBIAN, SERVER, WORKSPACE, RealEngine
from tests.server.client import Client, View
from tests.server.contained import UID, ContainedServer, built

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(420)]

PROCESSES = ("sh", "-c", "cat /proc/[0-9]*/cmdline")


@pytest.fixture(scope="module")
def image(engine: RealEngine) -> Iterator[str]:
    """Our image, built for these tests."""
    tag = f"webterm-test:{uuid.uuid4().hex[:12]}"
    with built(engine, tag):
        yield tag


@pytest.fixture
async def server(engine: RealEngine, image: str, namespace: str, tmp_path: Path) -> AsyncIterator[ContainedServer]:
    """A server that has started."""
    directory = tmp_path / "data"
    directory.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(directory, UID, UID)
    settings = {"runtimes__driver": "docker", "docker__image": DEBIAN, "docker__network": "none"}
    server = ContainedServer(engine, image, namespace, directory, **settings)
    try:
        await server.start()
        yield server
    finally:
        await server.aclose()
        for container in engine.labelled("containers", SERVER):
            found: Any = engine.inspect(container)
            if any(mount["Source"].startswith(f"{directory}/") for mount in found["Mounts"]):
                engine.remove(found["Config"]["Labels"][SERVER])


async def says(page: Client, view: View, line: str, answer: str) -> None:
    """Type a line, and wait for what it prints, which is not in the line itself."""
    assert not view.errors, view.errors
    await page.input(view, f"{line}\r")
    await page.until(lambda: answer.encode() in view.data)


async def test_it_does_the_same_as_anywhere(server: ContainedServer, engine: RealEngine) -> None:
    assert engine.execute(server.container, "webterm", "status")[0] == 0, "as the health check asks"
    status, made = await server.request("POST", "/api/v1/workspaces", {"name": "w"})
    assert status == 201, made
    where = f"/api/v1/workspaces/{made['id']}"
    async with server.client("page") as page:
        view = await page.open("sh", workspace=made["id"])
        await says(page, view, "echo $(id -u)-$((1+1)); echo inside >file", f"{UID}-2")
        (container,) = engine.labelled("containers", f"{WORKSPACE}={made['id']}")
        assert container != server.container
        assert await server.request("GET", f"{where}/files/file") == (200, "inside\n")
        status, done = await server.request("POST", f"{where}/exec", {"line": "cat file; hostname; exit 3"})
        assert (done["status"], done["stdout"].splitlines()[0]) == (3, "inside")
        await says(page, view, "python3 -m http.server 8000 & echo $((2+2))-started", "4-started")
        await until_answered(server, f"/preview/{made['id']}/8000/file", "inside\n")
        await says(page, view, "sleep 86399 & echo $((5+5))-left", "10-left")
        assert "86399" in engine.execute(container, *PROCESSES)[1]
    # Another container with the same data, as after an upgrade: what has lost its terminal is ended, the rest goes on.
    await server.kill()
    await server.start()
    async with server.client("page") as page:
        view = await page.open("sh", workspace=made["id"])
        await says(page, view, "cat file; echo $((3+3))-again", "6-again")
        assert engine.labelled("containers", f"{WORKSPACE}={made['id']}") == [container]
        await eventually(lambda: "86399" not in engine.execute(container, *PROCESSES)[1])
    assert (await server.request("POST", f"{where}/runtime/stop"))[0] in (200, 202, 204)
    await eventually(lambda: not engine.labelled("containers", f"{WORKSPACE}={made['id']}"))
    await server.stop()


async def until_answered(server: ContainedServer, path: str, expected: str) -> None:
    """Wait until a program listens, and answers through the preview as expected."""
    async with asyncio.timeout(30):
        answer = await server.request("GET", path)
        while answer[0] in (404, 502):
            await asyncio.sleep(0.05)
            answer = await server.request("GET", path)
    assert answer == (200, expected)


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait for what tells nobody, such as the end of a process."""
    async with asyncio.timeout(30):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110
            await asyncio.sleep(0.05)

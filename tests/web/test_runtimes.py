"""What workspaces' programs run in, over REST and the socket: in a container, and on this machine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.engine import DEBIAN, RealEngine
from tests.web.conftest import browser, started
from tests.web.filing import Desk, admit, desk_of
from tests.web.proofs import Proof, call
from tests.web.test_workspace_news import Line, line_of
from webterm.datadir import identity
from webterm.settings import Local
from webterm.settings_runtimes import Docker, Runtimes

LISTENER = """
import socket, time
listening = socket.create_server(("0.0.0.0", 0))
print(listening.getsockname()[1], flush=True)
time.sleep(1000)
"""
PATIENCE = 90.0


@dataclass(frozen=True)
class Scene:
    """A workspace, and the driver that it runs with."""

    desk: Desk
    driver: str

    async def ask(self, method: str = "GET", rest: str = "", proof: Proof | None = None) -> Any:  # noqa: ANN401
        """What the route says, or its refusal: status and code."""
        asked = Desk(self.desk.running, proof or self.desk.proof, self.desk.workspace)
        answer = await asked.ask(method, f"runtime{rest}")
        return answer.json if answer.status == 200 else (answer.status, answer.code)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        """A program that listens in the workspace, and its port."""
        body = {"argv": ["python3", "-c", LISTENER], "stream": True, "timeout": PATIENCE}
        async with (
            aiohttp.ClientSession(headers=self.desk.proof.headers) as client,
            client.post(self.desk.url("exec"), json=body) as answer,
        ):
            yield int(json.loads(await answer.content.readline())["data"])


@asynccontextmanager
async def staged(directory: Path, runtimes: Runtimes) -> AsyncIterator[Scene]:
    """A server, and somebody's workspace there; nothing is left of either in the engine."""
    docker = Docker(image=DEBIAN, guard_image=DEBIAN, pull=False)
    try:
        async with started(directory, local=Local(isolation="none"), runtimes=runtimes, docker=docker) as running:
            yield Scene(await desk_of(running, "ann"), runtimes.driver)
    finally:
        if runtimes.driver == "docker":
            await asyncio.to_thread(lambda: RealEngine().remove(identity(directory)))


@pytest.fixture(params=["local", pytest.param("docker", marks=pytest.mark.docker)])
async def scene(request: pytest.FixtureRequest, directory: Path) -> AsyncIterator[Scene]:
    if request.param == "docker":
        request.getfixturevalue("engine")
    async with staged(directory, Runtimes(driver=request.param)) as scene:
        yield scene


@pytest.fixture
async def lines() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def test_what_runs_is_told_and_started_and_stopped(scene: Scene, lines: AsyncExitStack) -> None:
    desk, contained = scene.desk, scene.driver == "docker"
    reader = await admit(desk, "cal", "read")
    found = await scene.ask(proof=reader)
    assert (found["state"], found["driver"], found["reason"]) == ("absent", scene.driver, "")
    assert (found["image"], found["ports"], found["stops_in"]) == (DEBIAN if contained else "", [], None)
    assert found["limits"]["network"] is contained
    for method, rest in (("POST", "/start"), ("POST", "/keep"), ("GET", "/processes"), ("GET", "/logs")):
        assert await scene.ask(method, rest, reader) == (403, "read_only")
    line: Line = await line_of(desk.running, lines, reader)
    await line.say(type="watch_runtime", request=1, workspace=desk.workspace)
    await line.expect("done", request=1)
    async with asyncio.timeout(PATIENCE), scene.listening() as port:
        await line.expect("port_opened", workspace=desk.workspace, port=port)
        assert (await line.expect("runtime_stats", workspace=desk.workspace))["processes"] >= 1
        assert await scene.ask(rest="/ports", proof=reader) == {"items": [{"port": port}]}
        found = await scene.ask()
        assert (found["state"], found["ports"]) == ("ready", [port])
        shown = [each["command"] for each in (await scene.ask(rest="/processes"))["items"]]
        assert any("create_server" in command for command in shown), shown
        used = await scene.ask(rest="/stats", proof=reader)
        assert (used["processes"] >= 1, used["memory"] > 0, used["disk"]) == (True, True, 0)
        story = (await scene.ask(rest="/logs?lines=200"))["items"]
        assert story[0]["text"] == f"started by ann, with the driver {scene.driver}"
        assert story[-1]["text"] == "ready"
    async with asyncio.timeout(PATIENCE):
        await line.expect("port_closed", workspace=desk.workspace, port=port)
        assert await scene.ask("POST", "/restart", reader) == (403, "read_only")
        assert (await scene.ask("POST", "/restart"))["state"] in ("stopping", "absent", "starting", "ready")
        await line.expect("runtime", state="absent")
        await line.expect("runtime", state="ready")
        assert (await scene.ask("POST", "/keep"))["state"] == "ready"
        assert (await scene.ask("POST", "/stop"))["state"] in ("stopping", "absent")
        await line.expect("runtime", state="absent")
    assert (await scene.ask())["state"] == "absent"


async def test_what_a_server_has_to_offer_is_told(scene: Scene) -> None:
    status, found = await call(scene.desk.running, "GET", "/api/v1/runtimes", scene.desk.proof)
    assert (status, found["mode"], found["reason"], found["drivers"]) == (200, scene.driver, "", ["docker", "local"])
    assert (found["image"], found["images"], found["idle_minutes"]) == (DEBIAN, [], 60.0)
    assert (found["networked"], found["limits"]["network"]) == (["docker"], scene.driver == "docker")
    assert (found["limits"]["processes"], found["preview_domain"], found["share_days"]) == (512, None, 7.0)
    status, health = await call(scene.desk.running, "GET", "/health", scene.desk.proof)
    assert (status, health["mode"]) == (200, scene.driver)
    if scene.driver == "docker":
        assert (health["engine"]["works"], health["engine"]["reason"]) == (True, "")
        assert health["engine"]["version"]
    else:
        assert "engine" not in health
    async with browser(scene.desk.running) as client, client.get(scene.desk.running.url("/health")) as answer:
        assert await answer.json() == {"status": "ok"}


async def test_why_there_are_no_containers_is_told_in_full_to_administrators(directory: Path) -> None:
    """Its words have addresses and paths of the server's machine."""
    docker = Docker(host=f"unix://{directory}/none.sock")
    async with started(directory, local=Local(isolation="none"), runtimes=Runtimes(), docker=docker) as running:
        member = (await desk_of(running, "ann")).proof
        async with browser(running) as owner:
            await running.sign_in(owner)
            for path in ("/api/v1/runtimes", "/health"):
                async with owner.get(running.url(path)) as answer:
                    assert "none.sock" in (await answer.json())["reason"]
                _, told = await call(running, "GET", path, member)
                assert (told["mode"], "no container engine" in told["reason"]) == ("local", True)
                assert "none.sock" not in str(told)
            desk = await desk_of(running, "ben")
            shown = await desk.ask("GET", "runtime")
            assert "none.sock" not in str(shown.json)


async def test_a_watch_ends_with_the_right_to_it(scene: Scene, lines: AsyncExitStack) -> None:
    if scene.driver == "docker":
        return  # it is the same
    desk = scene.desk
    reader = await admit(desk, "cal", "read")
    line = await line_of(desk.running, lines, reader)
    await line.say(type="watch_runtime", request=1, workspace="nowhere")
    assert (await line.expect("error", request=1))["code"] == "no_such_workspace"
    for request in (2, 3):  # whoever asks again hears everything again
        await line.say(type="watch_runtime", request=request, workspace=desk.workspace)
        await line.expect("done", request=request)
    await line.say(type="unwatch_runtime", workspace=desk.workspace)
    await line.say(type="unwatch_runtime", workspace=desk.workspace)
    async with scene.listening() as port:
        await line.say(type="watch_runtime", request=4, workspace=desk.workspace)
        await line.expect("port_opened", port=port)
        mine = (await call(desk.running, "GET", "/api/v1/auth/me", reader))[1]["id"]
        assert (await desk.ask("DELETE", f"members/{mine}")).status == 204
    async with scene.listening():
        assert (await scene.ask())["state"] == "ready"
    assert not {"port_opened", "port_closed", "runtime_stats"} & set(await line.kinds_until_pong())


@pytest.mark.docker
@pytest.mark.timeout(240)
@pytest.mark.usefixtures("engine")
async def test_a_container_stops_in_which_only_shells_wait(directory: Path, lines: AsyncExitStack) -> None:
    async with staged(directory, Runtimes(driver="docker", idle_minutes=0.05)) as scene:
        desk = scene.desk
        line = await line_of(desk.running, lines, desk.proof)
        async with scene.listening():  # a program keeps it, and then nothing does
            await line.say(type="open", channel=1, workspace=desk.workspace, cols=80, rows=24)
            await line.expect("attached", channel=1, driver="docker")
            await line.say(type="detach", channel=1)
            assert (await scene.ask())["state"] == "ready"
        warned = await line.expect("runtime", workspace=desk.workspace, state="ready")
        while "stops_in" not in warned:
            warned = await line.expect("runtime", workspace=desk.workspace, state="ready")
        assert 0 <= warned["stops_in"] <= 3
        told = await line.expect("runtime", workspace=desk.workspace, state="absent")
        assert "nobody looked" in told["message"]
        found = await scene.ask()
        assert (found["state"], found["message"], found["terminals"]) == ("absent", told["message"], 0)
        await line.say(type="open", channel=2, workspace=desk.workspace, cols=80, rows=24)
        await line.expect("attached", channel=2)  # and whoever looks keeps it
        assert (await scene.ask())["state"] == "ready"

"""Workspaces that start and stop again and again leave nothing behind: not in the engine, the server or the keeper."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from tests import images
from tests.engine import BUSYBOX, DEBIAN, KINDS, WORKSPACE
from tests.own_engine import OwnEngine
from tests.web.conftest import started
from tests.web.filing import Desk, desk_of
from tests.web.test_workspace_news import Line, line_of
from webterm.settings import Local
from webterm.settings_runtimes import Docker, Runtimes

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(240)]
ROUNDS = 20
PORT = 8000
SERVING = f"httpd -p {PORT} -h /workspace; setsid sleep 1000 & seq 1 2000; read x"
"""Listens in a session of its own, leaves another program behind, and has something to say."""
TALKING = "seq 1 2000; read x"
POOLS = re.compile(r"asyncio_|uvloop_|files_|_connection_worker_thread|webterm\.db")
"""What a pool has more of when more is done at once: threads for what blocks, connections to the database."""


class Scene:
    """Somebody's workspace, on a server in this process, with an engine that nobody else uses."""

    def __init__(self, desk: Desk, line: Line, engine: OwnEngine) -> None:
        self._desk = desk
        self._line = line
        self._engine = engine.engine
        self._keeper = keeper_of(desk.running.directory)

    async def round(self) -> None:
        """Start; a terminal that ends with the container, one that is closed, a command and a preview; stop."""
        assert (await self._desk.ask("POST", "runtime/start")).status == 200
        await self._open(1, SERVING)
        await self._open(2, TALKING)
        ran = await self._desk.ask("POST", "exec", body={"line": "echo it >index.html; echo done"})
        assert ran.json["stdout"] == "done\n"
        assert await self._previewed() == "it\n"
        await self._until_execs(2)
        await self._close(2)
        await self._until_execs(1)
        assert (await self._desk.ask("POST", "runtime/stop")).status == 200
        await self._line.expect("exited", channel=1)
        await self._close(1)

    def census(self) -> Counter[str]:
        """How many there are of what should not become more."""
        found = Counter({f"in the engine: {kind}": len(self._engine.labelled(kind)) for kind in KINDS})
        found.update(f"task: {name_of(task)}" for task in asyncio.all_tasks())
        found.update(f"thread: {each.name}" for each in threading.enumerate())
        for name, pid in (("server", os.getpid()), ("keeper", self._keeper)):
            found.update(f"{name}: {what}" for what in [*descriptors(pid), *children(pid)])
        return found

    async def _open(self, channel: int, script: str) -> None:
        size = {"cols": 80, "rows": 24}
        argv = ["sh", "-c", script]
        await self._line.say(type="open", channel=channel, workspace=self._desk.workspace, argv=argv, **size)
        await self._line.expect("attached", channel=channel, driver="docker")
        text = ""
        while "2000\r\n" not in text:
            text += (await self._line.expect("output", channel=channel))["data"]

    async def _close(self, channel: int) -> None:
        await self._line.say(type="close", channel=channel)
        await self._line.expect("detached", channel=channel)

    async def _previewed(self) -> str:
        running = self._desk.running
        url = running.url(f"/preview/{self._desk.workspace}/{PORT}/index.html")
        browser = {**self._desk.proof.headers, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
        async with aiohttp.ClientSession() as client:
            async with client.get(url, headers=browser, allow_redirects=False) as answer:
                inside = answer.headers["Location"]
            async with client.get(running.url(inside)) as answer:
                return await answer.text()

    async def _until_execs(self, number: int) -> None:
        """Wait until the engine has so many programs in the container: it knows a moment later that one has ended."""
        (container,) = self._engine.labelled("containers", f"{WORKSPACE}={self._desk.workspace}")
        async with asyncio.timeout(30):
            while len(self._execs(container)) != number:  # noqa: ASYNC110 - the engine's own word
                await asyncio.sleep(0.02)

    def _execs(self, container: str) -> list[str]:
        found = self._engine.inspect(container)["ExecIDs"]
        return found if isinstance(found, list) else []


def name_of(task: asyncio.Task[object]) -> str:
    """What a task does."""
    return getattr(task.get_coro(), "__qualname__", repr(task))


def descriptors(pid: int) -> Iterator[str]:
    """What a process has open, without numbers."""
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # just closed, as that is with which we look
            yield re.sub(r"\d+", "", str(each.readlink()))


def children(pid: int) -> Iterator[str]:
    """The processes that a process has started, also those that have ended and that it has not asked about."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        yield from ("child" for _ in (task / "children").read_text().split())


def keeper_of(directory: Path) -> int:
    """The process of the keeper of a data directory."""
    words = f"webterm.keeper\0{directory}\0".encode()
    (found,) = (entry for entry in Path("/proc").glob("[0-9]*/cmdline") if words in entry.read_bytes())
    return int(found.parent.name)


@pytest.fixture
async def scene(own_engine: OwnEngine, directory: Path) -> AsyncIterator[Scene]:
    await asyncio.to_thread(images.ensure, Path(own_engine.engine.socket))
    docker = Docker(host=own_engine.host, image=BUSYBOX, guard_image=DEBIAN, pull=False)
    runtimes, local = Runtimes(driver="docker"), Local(close_grace=0.2)
    async with AsyncExitStack() as lines:
        running = await lines.enter_async_context(started(directory, docker=docker, runtimes=runtimes, local=local))
        desk = await desk_of(running, "ann")
        yield Scene(desk, await line_of(running, lines, desk.proof), own_engine)


async def test_twenty_rounds_leave_nothing_behind(scene: Scene) -> None:
    await scene.round()
    before = scene.census()
    for _ in range(ROUNDS):
        await scene.round()

    def left() -> dict[str, int]:
        more = scene.census() - before
        return {what: count for what, count in more.items() if count >= ROUNDS / 2 or not POOLS.search(what)}

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(30):
            while left():  # noqa: ASYNC110 - the last is just ending
                await asyncio.sleep(0.05)
    assert not left()

"""What a program gets from the server, and what is left of it after its terminal is closed."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.server.process import Server, serving

SECRET = "a-secret-of-the-server"


async def test_a_program_inherits_nothing_of_the_server(directory: Path) -> None:
    """No descriptor beside its terminal, and no variable that is not meant for it."""
    async with serving(directory, server__log_level="debug") as server, server.client("page") as page:
        for _ in range(3):
            await page.open("cat")
        view = await page.open(
            "sh", "-c", "ls -l /proc/self/fd; echo; env; echo; grep ShdPnd /proc/self/status; printf END"
        )
        await page.until(lambda: b"END" in view.data)
        text = view.data.decode()
        links = re.findall(r"(\d+) -> (\S+)", text)
        assert {number for number, _ in links} == {"0", "1", "2", "3"}  # 3 is the directory that ls reads
        assert all(target.startswith(("/dev/pts/", "/proc/")) for _, target in links)
        ours = re.findall(r"^(WEBTERM\w*)=", text, re.MULTILINE)
        assert ours == ["WEBTERM_TERMINAL"]


async def test_the_servers_variables_stay_with_it(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", SECRET)
    async with serving(directory) as server, server.client("page") as page:
        view = await page.open("sh", "-c", "env; cat /proc/$PPID/environ; printf END")
        await page.until(lambda: b"END" in view.data)
        shown = view.data.decode("utf-8", "replace")
        environment = shown.split("\0")[0]
        assert f"DATABASE_PASSWORD={SECRET}" not in environment.splitlines()


RUNAWAYS = {
    "a child": "sleep 1000 &",
    "nohup": "nohup sleep 1000 >/dev/null 2>&1 &",
    "setsid": "setsid sleep 1000 &",
    "a double fork": "(setsid sh -c 'sleep 1000 & exit' &)",
    "stopped": "sleep 1000 & kill -STOP $!",
    "deaf": "sh -c 'trap \"\" HUP TERM INT; while :; do sleep 1000; done' &",
    "deaf, apart and stopped": "setsid sh -c 'trap \"\" HUP TERM INT; kill -STOP $$; sleep 1000' &",
    "without its variables": "env -i setsid sleep 1000 &",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def standing(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    async with serving(tmp_path_factory.mktemp("standing") / "data", local__close_grace=0.3) as server:
        yield server


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("how", RUNAWAYS)
async def test_closing_ends_the_whole_tree(server: Server, how: str) -> None:
    async with server.client("page") as page:
        view = await page.open("sh", "-c", f"{RUNAWAYS[how]}\nprintf ready; exec cat")
        await page.until(lambda: b"ready" in view.data)
        (info,) = await page.list()
        family = await _family(info.pid or 0)
        assert len(family) > 1
        watched = [os.pidfd_open(pid) for pid in family]
        await page.send_json({"type": "close", "channel": view.channel})
        await page.until(lambda: view.parted == "closed")
        for number in watched:
            await _gone(number)
        await _is_alive(server)


async def _family(root: int) -> set[int]:
    """The program, what it started, and orphans in its terminal's shadow: all that sleep or wait."""
    while True:
        found = await asyncio.to_thread(_descendants, root)
        if len(found) > 1:
            return found


def _descendants(root: int) -> set[int]:
    """Whoever has the same mark in its environment, or descends from ``root``."""
    try:
        mark = next(
            v for v in Path(f"/proc/{root}/environ").read_bytes().split(b"\0") if v.startswith(b"WEBTERM_TERMINAL=")
        )
    except (OSError, StopIteration):
        return set()
    found = {root}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                if parent in found or mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.add(int(entry.name))
            except OSError:
                continue
    return found


async def _gone(process: int) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(process, ended.set)
    try:
        async with asyncio.timeout(15):
            await ended.wait()
    finally:
        loop.remove_reader(process)
        os.close(process)


async def _is_alive(server: Server) -> None:
    assert (await server.request("GET", "health"))[0] == 200


async def test_what_is_no_http_is_not_quoted_in_the_log(directory: Path) -> None:
    """A header that is broken may hold a secret all the same."""
    async with serving(directory, server__log_level="debug") as server:
        reader, writer = await asyncio.open_connection(server.url.host, server.url.port)
        try:
            writer.write(f"GET / HTTP/1.1\r\nAuthorization: Bearer {SECRET}\x00\r\n\r\n".encode())
            answer = await reader.read()
        finally:
            writer.close()
            await writer.wait_closed()
        assert answer.startswith(b"HTTP/1.0 400 ")
        assert "a malformed request was refused" in server.log
        assert SECRET not in server.log
        assert "Traceback" not in server.log

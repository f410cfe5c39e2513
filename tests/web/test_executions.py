"""Commands over REST, in a running server."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from typing import Any

import aiohttp
import pytest

from tests.web.conftest import Running

PATIENCE = 60.0


@pytest.fixture
async def place(running: Running, owner: aiohttp.ClientSession) -> str:
    """The path of a workspace of the owner's."""
    async with owner.post(running.url("/api/v1/workspaces"), json={"name": "Work"}) as answer:
        assert answer.status == 201, await answer.text()
        return f"/api/v1/workspaces/{(await answer.json())['id']}"


async def ask(running: Running, client: aiohttp.ClientSession, place: str, **body: object) -> tuple[int, Any]:
    async with client.post(running.url(f"{place}/exec"), json=body) as answer:
        return answer.status, await answer.json(content_type=None)


async def test_collected(running: Running, owner: aiohttp.ClientSession, place: str) -> None:
    status, found = await ask(running, owner, place, line="cat; echo err >&2; exit 3", stdin="ü\n")
    assert status == 200
    assert found.pop("duration") > 0
    assert found == {
        "stdout": "ü\n",
        "stderr": "err\n",
        "stdout_base64": None,
        "stderr_base64": None,
        "truncated": False,
        "status": 3,
        "signal": None,
        "timed_out": False,
    }
    raw = b"\xff\x00\xc3"
    status, found = await ask(running, owner, place, argv=["cat"], stdin_base64=base64.b64encode(raw).decode())
    assert (status, found["stdout"]) == (200, "\ufffd\x00\ufffd")
    assert base64.b64decode(found["stdout_base64"]) == raw
    _, found = await ask(running, owner, place, line="head -c 5000 /dev/zero | tr '\\0' x", limit=10)
    assert (found["stdout"], found["truncated"]) == ("x" * 10, True)
    _, found = await ask(running, owner, place, argv=["sleep", "1000"], timeout=0.3)
    assert (found["timed_out"], found["signal"]) == (True, "KILL")


async def test_streamed(running: Running, owner: aiohttp.ClientSession, place: str) -> None:
    body = {
        "line": "echo first; read x; echo second >&2; printf '\\303'; sleep 0.1; printf '\\274\\377'",
        "stream": True,
    }
    async with owner.post(running.url(f"{place}/exec"), json=body) as answer:
        assert answer.status == 200
        assert answer.content_type == "application/x-ndjson"
        lines = [json.loads(line) async for line in answer.content]
    assert lines[0] == {"stream": "stdout", "data": "first\n"}
    end = lines.pop()
    assert (end["status"], end["signal"], end["timed_out"]) == (0, None, False)
    assert {"stream": "stderr", "data": "second\n"} in lines
    text = "".join(line["data"] for line in lines if line["stream"] == "stdout")
    assert text == "first\nü\ufffd"
    assert base64.b64decode(lines[-1]["base64"]).endswith(b"\xff")


async def test_refused(
    running: Running, owner: aiohttp.ClientSession, stranger: aiohttp.ClientSession, place: str
) -> None:
    assert (await ask(running, stranger, place, line="ls"))[0] == 401
    nowhere = "/api/v1/workspaces/00000000-0000-4000-8000-000000000000"
    status, found = await ask(running, owner, nowhere, line="ls")
    assert (status, found["code"]) == (404, "no_such_workspace")
    status, found = await ask(running, owner, place, argv=["no-such-program"])
    assert (status, found["code"]) == (422, "launch_failed")
    for body in ({}, {"argv": ["ls"], "line": "ls"}, {"line": "ls", "timeout": 0}, {"line": 1}):
        assert (await ask(running, owner, place, **body))[0] == 400


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_goes_takes_its_command_along(
    running: Running, owner: aiohttp.ClientSession, place: str, stream: bool
) -> None:
    begun = {"line": "echo $$ > pid; echo begun; exec sleep 1000", "stream": stream}
    asking = asyncio.create_task(ask(running, owner, place, **begun))
    async with asyncio.timeout(PATIENCE):
        pid = ""
        while not pid.strip():
            _, found = await ask(running, owner, place, line="cat pid 2>/dev/null")
            pid = found["stdout"]
    process = os.pidfd_open(int(pid))
    asking.cancel()
    await asyncio.wait([asking])
    gone = asyncio.Event()
    asyncio.get_running_loop().add_reader(process, gone.set)
    async with asyncio.timeout(PATIENCE):
        await gone.wait()
    asyncio.get_running_loop().remove_reader(process)
    os.close(process)


async def test_it_is_in_the_audit_log(running: Running, owner: aiohttp.ClientSession, place: str) -> None:
    await ask(running, owner, place, argv=["/bin/echo", "secret"])
    async with asyncio.timeout(PATIENCE):
        while True:
            async with owner.get(running.url("/api/v1/audit?action=exec.run")) as answer:
                assert answer.status == 200, await answer.text()
                entries = (await answer.json())["items"]
            if entries:
                break
    assert entries[0]["target"] == place.rpartition("/")[2]
    assert entries[0]["detail"] == "echo"

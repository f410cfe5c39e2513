"""What the server writes about itself, as talkative as it can be made."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import aiohttp

PASSWORD = "correct horse battery"


async def test_nothing_that_people_type_is_logged(tmp_path: Path) -> None:
    words = ["-m", "webterm", "serve", "--data-dir", str(tmp_path / "data"), "--port", "0"]
    talkative = {"WEBTERM_SERVER__LOG_LEVEL": "debug", "WEBTERM_ACCOUNTS__REGISTRATION": "open"}
    talkative["WEBTERM_RUNTIMES__DRIVER"] = "local"
    log = tmp_path / "log"
    with log.open("wb") as file:  # not a pipe, which would be full before anybody reads it
        server = await asyncio.create_subprocess_exec(
            sys.executable,
            *words,
            env=os.environ | talkative,
            stdout=asyncio.subprocess.PIPE,
            stderr=file,
        )
    try:
        link = await _type_everything(server)
    finally:
        server.send_signal(signal.SIGTERM)
        await server.communicate()
    assert server.returncode == 0
    logged = await asyncio.to_thread(log.read_text)
    assert "/api/v1/auth/register" in logged
    for typed in (PASSWORD, "wrong-secret", "typed-in-the-wrong-field", "ann-the-first", "ann@typed.example", link):
        assert typed not in logged
    assert "wt1$" not in logged


async def _type_everything(server: asyncio.subprocess.Process) -> str:
    """Send all that may not be told; returns the token of the sign-in link, which may not either."""
    assert server.stdout is not None
    url = (await server.stdout.readline()).decode().split()[-1]
    link = (await server.stdout.readline()).decode().strip().rpartition("=")[2]
    async with aiohttp.ClientSession(url, headers={"Origin": url.rstrip("/")}) as client:
        bodies = {
            "register": {"username": "ann-the-first", "password": PASSWORD, "email": "ann@typed.example"},
            "login": {"name": "typed-in-the-wrong-field", "password": "wrong-secret"},
            "link": {"token": link},
        }
        for path, body in bodies.items():
            async with client.post(f"api/v1/auth/{path}", json=body) as answer:
                assert answer.status in (200, 201, 401)
    return link

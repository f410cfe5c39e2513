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
    server = await asyncio.create_subprocess_exec(
        sys.executable,
        *words,
        env=os.environ | talkative,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
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
    server.send_signal(signal.SIGTERM)
    _, told = await server.communicate()
    assert server.returncode == 0
    logged = told.decode()
    assert "/api/v1/auth/register" in logged
    for typed in (PASSWORD, "wrong-secret", "typed-in-the-wrong-field", "ann-the-first", "ann@typed.example", link):
        assert typed not in logged
    assert "wt1$" not in logged

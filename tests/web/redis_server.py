"""A real Redis of a test's own, on a unix socket."""

from __future__ import annotations

import asyncio
from pathlib import Path

import redis.asyncio  # noqa: F401 - so that nothing is imported, which reads files, while a loop runs


class RedisServer:
    """``redis-server`` without persistence; it may be stopped and started again."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"unix://{self._directory / 'redis.sock'}"

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        self._process = await asyncio.create_subprocess_exec(
            "redis-server",
            *("--port", "0", "--unixsocket", str(self._directory / "redis.sock")),
            *("--save", "", "--appendonly", "no", "--dir", str(self._directory), "--daemonize", "no"),
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._process.stdout is not None
        async with asyncio.timeout(20):
            while b"eady to accept connections" not in (line := await self._process.stdout.readline()):
                assert line, "redis-server has ended"

    async def stop(self) -> None:
        """End it. Twice is harmless."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            await process.communicate()

"""What many idle terminals cost: memory, processor time, the time to list them and to have them back after a kill.

python -m bench.idle [--terminals 1000] [--seconds 10]
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.server.client import Client
from tests.server.process import Server, serving

CHANNELS = 500
"""How many terminals one socket opens; a socket has at most 1024."""


@dataclass(frozen=True, kw_only=True)
class Idle:
    """The figures. Memory in bytes for each terminal, processor time as a share of one processor."""

    terminals: int
    opening: float
    private: float
    shared: float
    processor: float
    listing: float
    restart: float

    def __str__(self) -> str:
        return (
            f"{self.terminals} idle terminals: opened in {self.opening:.1f} s;"
            f" {self.private / 1024:.1f} KiB of private and {self.shared / 1024:.1f} KiB of shared memory each;"
            f" {self.processor:.2%} of a processor; listed in {self.listing * 1000:.0f} ms;"
            f" all back {self.restart:.1f} s after the start that follows a kill"
        )


async def measure(directory: Path, terminals: int, seconds: float) -> Idle:
    """Open that many terminals, which nobody looks at afterwards, and measure."""
    async with serving(directory, terminals__per_actor=terminals + 1, terminals__total=terminals + 1) as server:
        async with server.client("first") as client:
            await client.list()
            private, shared = server.private_bytes(), server.shared_bytes()
        began = time.perf_counter()
        for first in range(0, terminals, CHANNELS):
            await _open(server, min(CHANNELS, terminals - first))
        opening = time.perf_counter() - began
        private, shared = server.private_bytes() - private, server.shared_bytes() - shared
        processor = await _processor(server, seconds)
        async with server.client("observer") as client:
            listing = await _listing(client, terminals)
            await server.kill()
            began = time.perf_counter()
            await server.start()
            await client.until(lambda: client.ready)
            await _listing(client, terminals)
            restart = time.perf_counter() - began
        return Idle(
            terminals=terminals,
            opening=opening,
            private=private / terminals,
            shared=shared / terminals,
            processor=processor,
            listing=listing,
            restart=restart,
        )


async def _open(server: Server, count: int) -> None:
    """Each prints a few lines, as a shell with its prompt does, and waits for input."""
    async with server.client("opener") as client:
        for _ in range(count):
            await client.open("sh", "-c", "echo welcome; printf '$ '; exec cat")
        await client.until(lambda: all(view.data.endswith(b"$ ") for view in client.views.values()))


async def _processor(server: Server, seconds: float) -> float:
    before = server.cpu_seconds()
    await asyncio.sleep(seconds)
    return (server.cpu_seconds() - before) / seconds


async def _listing(client: Client, terminals: int) -> float:
    began = time.perf_counter()
    listed = await client.list()
    assert len(listed) == terminals
    assert all(info.state == "running" for info in listed)
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--terminals", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        print(asyncio.run(measure(Path(directory) / "data", options.terminals, options.seconds)))


if __name__ == "__main__":
    main()

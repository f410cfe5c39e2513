"""How fast keys come back: through a server, and in the same moments from a program right here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.server.client import Client, View

ROUNDS = 300
HARM = 5.0
"""Milliseconds by which the 99th percentile may grow."""
ATTEMPTS = 10
"""A machine that is busy with something else spoils a measurement; harm spoils all of them."""
TURNS = 3
"""How often a key through a server waits for the processor where one that `cat` sends back waits once."""


async def echoing(client: Client) -> View:
    """A terminal that sends back every key."""
    view = await client.open("sh", "-c", "stty raw -echo; printf ready; exec cat")
    await client.until(lambda: view.data.endswith(b"ready"))
    return view


@dataclass(frozen=True)
class Echoes:
    """Round trips of keys, in milliseconds. ``bare`` is the 99th percentile of those that `cat` sent back meanwhile."""

    p50: float
    p99: float
    bare: float

    @classmethod
    async def measure(cls, client: Client, view: View, rounds: int = ROUNDS) -> Echoes:
        """Press a key, wait until it comes back, do the same with `cat`, and so on."""
        times, bare = [], []
        async with _cat() as press:
            for _ in range(rounds):
                goal = view.offset + 1
                began = time.perf_counter()
                await client.input(view, "k")
                await client.until(lambda goal=goal: view.offset >= goal)  # type: ignore[misc]
                between = time.perf_counter()
                await press()
                times.append((between - began) * 1000)
                bare.append((time.perf_counter() - between) * 1000)
        times.sort()
        bare.sort()
        return cls(times[rounds // 2], times[rounds * 99 // 100], bare[rounds * 99 // 100])

    def harmed(self, before: Echoes) -> float:
        """Milliseconds by which the slowest are later than before, beyond what the machine itself is later."""
        return self.p99 - before.p99 - self.excused(before)

    def excused(self, before: Echoes) -> float:
        """Milliseconds by which a machine is later that is busier than before."""
        return TURNS * max(self.bare - before.bare, 0)


async def least_harmed(client: Client, view: View, before: Echoes) -> Echoes:
    """Of some measurements the best; no more of them than it takes to find one without `HARM`."""
    found = [await Echoes.measure(client, view)]
    while min(echoes.harmed(before) for echoes in found) >= HARM and len(found) < ATTEMPTS:
        found.append(await Echoes.measure(client, view))
    return min(found, key=lambda echoes: echoes.harmed(before))


async def usual(client: Client, view: View) -> Echoes:
    """As they are while nobody does harm: of some measurements the best."""
    await Echoes.measure(client, view)  # warm
    return min([await Echoes.measure(client, view) for _ in range(3)], key=lambda echoes: echoes.p99)


@asynccontextmanager
async def _cat() -> AsyncIterator[Callable[[], Awaitable[object]]]:
    """What sends a key to a program of its own and waits until it is back."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec("cat", stdin=pipe, stdout=pipe)
    assert process.stdin is not None
    assert process.stdout is not None
    there, back = process.stdin, process.stdout

    async def press() -> bytes:
        there.write(b"k")
        return await back.readexactly(1)

    try:
        yield press
    finally:
        there.close()
        await process.wait()

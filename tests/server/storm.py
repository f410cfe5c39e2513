"""Many sign-ins at the same moment, from a process of their own: ``python storm.py URL COUNT NAME…``.

Says ``ready``, waits for a line, and then says the status of each answer as it comes.
"""

from __future__ import annotations

import asyncio
import os
import sys

import aiohttp
from yarl import URL

PASSWORD = "correct horse battery"


async def sign_in(session: aiohttp.ClientSession, url: URL, name: str) -> None:
    """One of many."""
    body = {"name": name, "password": PASSWORD}
    async with session.post(url / "api/v1/auth/login", json=body) as answer:
        print(answer.status, flush=True)


async def main(url: URL, count: int, names: list[str]) -> None:
    """All of them at once."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        await asyncio.gather(*(sign_in(session, url, names[number % len(names)]) for number in range(count)))


if __name__ == "__main__":
    os.nice(10)  # it stands for other machines, and must not take the processor from the server
    asyncio.run(main(URL(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))

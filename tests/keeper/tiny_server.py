"""A server that is about to be killed: takes a program over, or starts it, and copies its output to stdout."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from webterm.keeper.client import KeeperClient

STEP = 4096


async def main(directory: Path, token: str, numbers: int) -> None:
    client = await KeeperClient.connect(directory, start=False)
    if numbers:
        script = f"seq 0 {numbers - 1}; echo end; exec cat"
        taken = await client.spawn(token, ["sh", "-c", script], env=dict(os.environ), cwd="/", cols=80, rows=24)
    else:
        taken = await client.take(token)
    readable = asyncio.Event()
    asyncio.get_running_loop().add_reader(taken.master, readable.set)
    while True:
        await readable.wait()
        readable.clear()
        # splice(2) into the pipe: no byte is ever in this process only. It waits while the pipe is full.
        os.splice(taken.master, 1, STEP)


asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))

"""A process that writes until it is killed, or often enough: python -m tests.store.writer URL NAME TIMES.

Prints, a line at a time, what has been committed: the counter of the person ``ann`` after each of its writes.
"""

from __future__ import annotations

import asyncio
import itertools
import sys

from tests.store.people import NOW
from webterm.ids import UserId
from webterm.store import changes, users
from webterm.store.engine import Store

ANN = UserId("id-ann")


async def write(store: Store, name: str) -> int:
    """One turn: the counter goes up, and a change with the new count is noted."""
    async with store.writing() as conn:
        user = await users.by_id(conn, ANN)
        assert user is not None
        count = int(user.tier) + 1
        await users.change(conn, ANN, tier=str(count))
        await changes.note(conn, UserId(f"{name}:{count}"), None, "changed", NOW)
    return count


async def main(url: str, name: str, times: int) -> None:
    """Write ``times`` times; 0 is for ever."""
    store = Store(url)
    await store.open()
    for _ in range(times) if times else itertools.count():
        print(await write(store, name), flush=True)
    await store.aclose()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))

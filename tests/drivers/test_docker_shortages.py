"""A program that is killed again and again for want of memory: what people hear of that."""

from __future__ import annotations

import asyncio

from webterm.drivers.docker.container import Container, memory_ran_out, why_ended
from webterm.drivers.docker.shortages import Shortages
from webterm.ids import WorkspaceId

HERE = Container(id="c", workspace=WorkspaceId("here"), address=None, user="1:1", pid=None, memory=3 << 29)
LATER = Container(id="e", workspace=WorkspaceId("later"), address=None, user="1:1", pid=None)
THERE = Container(id="d", workspace=WorkspaceId("there"), address=None, user="1:1", pid=None)


async def test_the_first_is_told_at_once_and_what_follows_together() -> None:
    told: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    shortages = Shortages(interval=0.01)
    shortages.tell = lambda *said: told.put_nowait(said)
    assert not shortages.is_recent(HERE.workspace)
    for container in (HERE, HERE, HERE, THERE):
        shortages.add(container)
    assert shortages.is_recent(HERE.workspace)
    words = [await told.get() for _ in range(3)]
    assert words == [
        ("here", "a program was killed, because memory ran out (1536 MiB for all programs together)"),
        ("there", "a program was killed, because memory ran out (its machine's: there is no limit)"),
        ("here", "programs were killed, because memory ran out 3 times (1536 MiB for all programs together)"),
    ]
    for _ in range(2):
        shortages.add(LATER)  # of whom the second line comes when that time has passed for others
    assert [(await told.get())[0] for _ in range(2)] == ["later", "later"]
    assert not shortages.is_recent(HERE.workspace)
    assert told.empty()
    shortages.add(HERE)
    shortages.add(HERE)
    shortages.forget(HERE.workspace)
    assert "4 times" in (await told.get())[1]
    shortages.add(HERE)  # another container, which has a story of its own
    assert (await told.get())[1].startswith("a program was killed")
    shortages.close()
    assert told.empty()


def test_that_memory_once_ran_out_is_no_reason_for_an_end_much_later() -> None:
    """The engine says of a container as long as it lives that some program was killed for that."""
    ended = {"OOMKilled": True, "ExitCode": 137}
    assert why_ended(ended) == "its container was killed"
    assert why_ended(ended, memory_ran_out(1 << 30)) == "memory ran out (1024 MiB for all programs together)"

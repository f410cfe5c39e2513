"""Programs of people whose account is removed while no server runs."""

from __future__ import annotations

import asyncio
import os
import select
import sys
from pathlib import Path

from tests.web.conftest import browser, started
from tests.web.proofs import Proof, call, cookie, make_person, owners_cookie
from webterm.settings import Local

PROGRAM = {"cols": 80, "rows": 24, "argv": ["/bin/cat"]}
NOBODY_APART = Local(isolation="none")


async def removed(directory: Path, name: str) -> None:
    command = (sys.executable, "-m", "webterm", "user", "delete", name, "--yes", "--data-dir", str(directory))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
    assert await process.wait() == 0


async def ended(pidfd: int) -> None:
    loop, gone = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(pidfd, gone.set)
    try:
        async with asyncio.timeout(10):
            await gone.wait()
    finally:
        loop.remove_reader(pidfd)


async def test_they_end_when_the_server_starts_again(directory: Path) -> None:
    async with started(directory, server={"on_stop": "keep"}, local=NOBODY_APART) as running, browser(running) as owner:
        await running.sign_in(owner)
        for name in ("ann", "bob"):
            await make_person(running, owner, name)
        proofs: list[Proof] = [await owners_cookie(running), await cookie(running, "ann"), await cookie(running, "bob")]
        pids = [(await call(running, "POST", "/api/v1/terminals", proof, PROGRAM))[1]["pid"] for proof in proofs]
    owners, anns, bobs = [os.pidfd_open(pid) for pid in pids]
    try:
        await removed(directory, "bob")
        async with started(directory, local=NOBODY_APART):
            await ended(bobs)
            assert select.select([owners, anns], [], [], 0)[0] == []
    finally:
        for pidfd in (owners, anns, bobs):
            os.close(pidfd)

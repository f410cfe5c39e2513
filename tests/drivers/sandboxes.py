"""Confined runtimes for tests, and what tests do in them."""

from __future__ import annotations

import contextlib
import os
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from webterm.drivers.local import LocalDriver
from webterm.errors import Unavailable
from webterm.ids import WorkspaceId, new_workspace_id
from webterm.keeper.client import shut_down
from webterm.runtime import Runtime, RuntimeLimits
from webterm.session import Launch, Session, Size

PYTHON = tuple({Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parent.parent})
"""Directories that a sandbox has to see for the tests' own Python to run in it."""
ACCOUNT = 712_345 if os.geteuid() == 0 else None
"""Whom confined programs run as."""
SIZE = Size(80, 24)


def runtime_in(
    directory: Path,
    *,
    network: bool = False,
    account: int | None = ACCOUNT,
    limits: RuntimeLimits | None = None,
    confined: bool = True,
) -> Runtime:
    """A workspace's runtime whose files are in a new directory of ``directory``."""
    workspace = new_workspace_id()
    files = directory / workspace / "files"
    files.mkdir(parents=True)
    return Runtime(
        workspace=workspace,
        files=files,
        confined=confined,
        account=account,
        network=network,
        limits=limits or RuntimeLimits(),
    )


@asynccontextmanager
async def driver_in(directory: Path, **options: object) -> AsyncIterator[LocalDriver]:
    """A driver with its own keeper, which ends with everything that it started."""
    driver = LocalDriver(directory, close_grace=0.5, patience=1, readable=PYTHON, **options)  # type: ignore[arg-type]
    try:
        yield driver
    finally:
        await stop_all(driver, directory)
        await driver.aclose()
        await shut_down(directory, 0)


async def stop_all(driver: LocalDriver, directory: Path) -> None:
    """End the sandboxes of a driver, if it is not closed."""
    made = directory / "sandboxes"
    for workspace in os.listdir(made) if made.is_dir() else ():  # noqa: PTH208 - names are enough
        with contextlib.suppress(Unavailable):
            await driver.stop(WorkspaceId(workspace))


async def rest(session: Session) -> bytes:
    """All output that is still to come."""
    output = b""
    while data := await session.read():
        output += data
    return output


async def until(session: Session, end: bytes) -> bytes:
    """Output up to and with ``end``, and what came with it."""
    output = b""
    while end not in output:
        data = await session.read()
        assert data, f"ended after {output!r}"
        output += data
    return output


async def run(driver: LocalDriver, runtime: Runtime, *argv: str, **launch: object) -> str:
    """What a program prints in a terminal until it ends."""
    session = await driver.open(Launch(argv=argv, runtime=runtime, **launch), SIZE)  # type: ignore[arg-type]
    output = (await rest(session)).decode(errors="replace")
    await session.wait()
    await session.aclose()
    return output.replace("\r\n", "\n")


def fresh_word() -> str:
    """A word that is nowhere yet."""
    return f"w{uuid.uuid4().hex}"


def running(word: str) -> list[int]:
    """Processes of this machine that have ``word`` among their arguments."""
    found = []
    for name in os.listdir("/proc"):  # noqa: PTH208 - names are enough
        if name.isdigit() and int(name) != os.getpid():
            try:
                if word.encode() in Path("/proc", name, "cmdline").read_bytes():
                    found.append(int(name))
            except OSError:
                continue
    return found

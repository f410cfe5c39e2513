"""Line shells of tests' own, and what a client does with them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from webterm.drivers.local import LocalDriver
from webterm.keeper.client import shut_down
from webterm.session import Exit, Launch
from webterm.work.line_shell import Done, LineShell, Text

PATIENCE = 90.0


@dataclass
class Subject:
    """A shell, and what a client does with it."""

    shell: LineShell
    home: Path

    async def run(self, command: str | bytes) -> tuple[bytes, int]:
        """A command's text and status."""
        await self.shell.send(command.encode() if isinstance(command, str) else command)
        text, done = await self.rest()
        return text, done.status

    async def say(self, command: str) -> str:
        """The text of a command that succeeds."""
        text, status = await self.run(command)
        assert status == 0, text
        return text.decode()

    async def rest(self) -> tuple[bytes, Done]:
        """What is left of a command's text, and how it ended."""
        pieces = []
        async with asyncio.timeout(PATIENCE):
            while isinstance(found := await self.shell.read(), Text):
                pieces.append(found.data)
        assert found is not None, b"".join(pieces)
        return b"".join(pieces), found

    async def until(self, end: bytes) -> bytes:
        """Text up to this."""
        text = b""
        async with asyncio.timeout(PATIENCE):
            while not text.endswith(end):
                found = await self.shell.read()
                assert isinstance(found, Text), (text, found)
                text += found.data
        return text

    async def end(self) -> tuple[bytes, Exit]:
        """The last words, and how the shell ended."""
        text = b""
        async with asyncio.timeout(PATIENCE):
            while (found := await self.shell.read()) is not None:
                assert isinstance(found, Text), found
                text += found.data
            return text, await self.shell.wait()

    async def interrupt_when(self, text: bytes) -> None:
        """Ctrl-C, once the command has said this."""
        await self.until(text)
        await self.shell.signal("INT")


@asynccontextmanager
async def driving(directory: Path) -> AsyncIterator[LocalDriver]:
    """A driver with its own keeper."""
    driver = LocalDriver(directory, patience=1, close_grace=0.5)
    try:
        yield driver
    finally:
        await driver.aclose()
        await shut_down(directory, 0)


@asynccontextmanager
async def shell_in(driver: LocalDriver, home: Path, *, plain: bool) -> AsyncIterator[Subject]:
    """A shell in a new directory; ``plain``: sh."""
    await asyncio.to_thread(home.mkdir)
    launch = Launch(cwd=str(home), env={"HOME": str(home), "LC_ALL": "C.UTF-8"})
    shell = await LineShell.open(driver, launch, plain=plain, patience=PATIENCE)
    try:
        yield Subject(shell, home)
    finally:
        await shell.aclose()

"""`webterm serve` as a process of its own, with its own data directory and home."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.ports import held_port
from webterm.datadir import issue_link

ROOT = Path(__file__).parents[2]
PROMPT = "ready> "
PROFILE = f"""
PS1='{PROMPT}'
export EDITOR=vim PAGER=less LESSHISTFILE=- HISTFILE=
unset PROMPT_COMMAND
"""


class Server:
    """A server that can be killed and started again."""

    def __init__(self, directory: Path, port: int, **settings: str) -> None:
        """``settings`` are variables of the environment, such as ``WEBTERM_TERMINALS__LOG_BYTES``."""
        self.data = directory / "data"
        self.home = directory / "home"
        self.log = directory / "log"
        self.port = port
        self.process: asyncio.subprocess.Process
        self._settings = settings

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def prepare(self) -> None:
        self.home.mkdir(parents=True)
        (self.home / ".profile").write_text(PROFILE)
        (self.home / ".vimrc").write_text("set nocompatible noswapfile viminfo=\n")

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self._command("serve", "--port", str(self.port)),
                env=self._environment(),
                cwd=ROOT,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        assert self.process.stdout is not None
        for expected in (b"webterm is at ", b"Sign in: "):
            line = await asyncio.wait_for(self.process.stdout.readline(), 30)
            assert line.startswith(expected), self.log.read_text()

    async def link(self) -> str:
        """A fresh sign-in link."""
        return f"{self.url}?login={await asyncio.to_thread(issue_link, self.data)}"

    async def kill(self) -> None:
        """SIGKILL: nothing is said or saved any more."""
        self.process.kill()
        await self.process.wait()

    async def end(self) -> None:
        """Stop it, end the programs and the keeper, and see that nothing went wrong inside."""
        stop = await asyncio.create_subprocess_exec(
            *self._command("stop", "--all"),
            env=self._environment(),
            cwd=ROOT,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert await asyncio.wait_for(stop.wait(), 60) == 0
        await asyncio.wait_for(self.process.wait(), 30)
        log = self.log.read_text()
        assert "Traceback" not in log, log
        assert " ERROR " not in log, log

    def _command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "webterm", *words, "--data-dir", str(self.data)]

    def _environment(self) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("WEBTERM_", "LC_", "LANG"))}
        return ours | {
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "WEBTERM_LOCAL__SHELL": "/bin/bash",
            "WEBTERM_RUNTIMES__DRIVER": "local",
            **self._settings,
        }


@asynccontextmanager
async def serving(directory: Path, **settings: str) -> AsyncIterator[Server]:
    """A running server; it and its programs are ended afterwards."""
    with held_port() as held:
        server = Server(directory, held.getsockname()[1], **settings)
        server.prepare()
        await server.start()
        try:
            yield server
        finally:
            await server.end()

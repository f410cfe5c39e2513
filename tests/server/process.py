"""A real server process with a data directory of its own, which tests kill, stop and start again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from yarl import URL

from tests.ports import held_port
from tests.server.client import Client

ROOT = Path(__file__).parent.parent.parent
PATIENCE = 60.0
PASSWORD = "correct horse battery"


class Server:
    """One data directory, its server process and a browser's cookies, which are kept across restarts."""

    def __init__(self, directory: Path, settings: dict[str, object], *, ordinary: bool = False) -> None:
        """``settings`` by their dotted names; without, programs run on this machine.

        ``ordinary``: the browser is not the owner's but somebody else's.
        """
        self.directory = directory
        self._ordinary = ordinary
        self.url = URL()
        self.up = asyncio.Event()
        """Set while the server answers, as far as the test knows."""
        self.pid = 0
        settings = {"runtimes.driver": "local"} | settings
        self._environ = {f"WEBTERM_{name.replace('.', '__')}".upper(): str(value) for name, value in settings.items()}
        self._process: asyncio.subprocess.Process | None = None
        self._held = held_port()
        self._port = int(self._held.getsockname()[1])
        self._log = directory.parent / "server.log"
        self._clients: list[Client] = []
        self._browser = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))

    def rounds(self, number: int) -> int:
        """How often to do what is done again and again: whose account it is makes no difference to chance."""
        return number // 4 if self._ordinary else number

    async def start(self) -> None:
        """Start it, on the same port as before, and sign in the first time."""
        words = ["serve", "--data-dir", str(self.directory), "--port", str(self._port)]
        with self._log.open("ab") as log:
            self._process = await self._run(*words, stdout=asyncio.subprocess.PIPE, stderr=log)
        self.pid = self._process.pid
        url, link = await self._greeting(self._process)
        if not self.url.host:
            self.url = URL(url)
            await (self._sign_in_ordinary() if self._ordinary else self._follow(link))
        self.up.set()

    async def kill(self) -> None:
        """``kill -9``, and wait until it is dead."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """SIGTERM, and wait until it is gone."""
        await self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """Stop it in its tracks, as a very slow machine would."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def client(self, name: str, *, binary: bool = False, acks: bool = True, through: URL | None = None) -> Client:
        """A client signed in as the owner; it starts to connect once it is entered (``async with``).

        ``through`` is where to connect instead of to the server itself.
        """
        client = Client(self._browser, through or self.url, self.up, name=name, binary=binary, acks=acks)
        self._clients.append(client)
        return client

    async def request(self, method: str, path: str, body: object = None) -> tuple[int, str]:
        """A request of the owner's browser: status and text."""
        headers = {"Origin": str(self.url.origin())}
        async with self._browser.request(method, self.url.join(URL(path)), json=body, headers=headers) as answer:
            return answer.status, await answer.text()

    @property
    def cookies(self) -> dict[str, str]:
        """The header by which the owner's browser is known."""
        jar = self._browser.cookie_jar.filter_cookies(self.url)
        return {"Cookie": "; ".join(f"{cookie.key}={cookie.value}" for cookie in jar.values())}

    @property
    def log(self) -> str:
        """What the server has logged so far."""
        return self._log.read_text("utf-8", "replace")

    def private_bytes(self) -> int:
        """Memory of the server that nobody shares: RssAnon of proc(5)."""
        return _status(self.pid, "RssAnon")

    def shared_bytes(self) -> int:
        """Shared memory that the server has touched, the terminals' logs foremost: RssShmem of proc(5)."""
        return _status(self.pid, "RssShmem")

    def cpu_seconds(self) -> float:
        """Processor time of the server, of all threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def tidy(self) -> None:
        """End the terminals of the server's browser; a server that a test left dead is started first."""
        if not self.up.is_set():
            await self.start()
        _, text = await self.request("GET", "/api/v1/terminals")
        for terminal in json.loads(text):
            status, text = await self.request("DELETE", f"/api/v1/terminals/{terminal['id']}")
            assert status in {204, 404}, text  # it may have ended by itself meanwhile

    async def aclose(self) -> None:
        """End the server, the keeper and all programs."""
        self._held.close()
        await self._browser.close()
        if self._process is not None and self._process.returncode is None:
            await self.stop()
        ending = await self._run("stop", "--all", "--data-dir", str(self.directory), stdout=asyncio.subprocess.DEVNULL)
        async with asyncio.timeout(PATIENCE):
            await ending.wait()

    async def _run(
        self, *words: str, stdout: int, stderr: object = None, stdin: int = asyncio.subprocess.DEVNULL
    ) -> asyncio.subprocess.Process:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("WEBTERM_")}
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "webterm",
            *words,
            cwd=ROOT,
            env=kept | self._environ | {"SHELL": "/bin/sh"},
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,  # type: ignore[arg-type] # a file, which typeshed does not know
        )

    async def _greeting(self, process: asyncio.subprocess.Process) -> tuple[str, str]:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            lines = [(await process.stdout.readline()).decode() for _ in range(2)]
        assert lines[1].startswith("Sign in: "), f"{lines}: {self.log}"
        return lines[0].split()[-1], lines[1].split()[-1]

    async def _follow(self, link: str) -> None:
        async with self._browser.get(link) as answer:
            assert answer.status == 200

    async def _sign_in_ordinary(self) -> None:
        words = ["user", "add", "ordinary", "--password-stdin", "--data-dir", str(self.directory)]
        adding = await self._run(*words, stdout=asyncio.subprocess.DEVNULL, stdin=asyncio.subprocess.PIPE)
        async with asyncio.timeout(PATIENCE):
            await adding.communicate(f"{PASSWORD}\n".encode())
        assert adding.returncode == 0
        status, text = await self.request("POST", "/api/v1/auth/login", {"name": "ordinary", "password": PASSWORD})
        assert status == 200, text

    async def _end(self, number: signal.Signals) -> None:
        assert self._process is not None
        self.up.clear()
        self._process.send_signal(number)
        async with asyncio.timeout(PATIENCE):
            await self._process.wait()


def _status(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name + ":"))


@asynccontextmanager
async def serving(directory: Path, *, ordinary: bool = False, **settings: object) -> AsyncIterator[Server]:
    """A started server; ``settings`` by names such as ``terminals__resume_grace``. All of it ends after use."""
    dotted = {name.replace("__", "."): value for name, value in settings.items()}
    server = Server(directory, dotted, ordinary=ordinary)
    try:
        await server.start()
        yield server
    finally:
        await server.aclose()

"""A client without a browser: viewers of terminals, and the screens that they see."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import struct
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp

from tests.e2e.serving import ROOT, Server

OUTPUT = struct.Struct(">BLQ")
INPUT = struct.Struct(">BL")
PATIENCE = 20.0
FRESH = b"\x18\x1bc"  # CAN ends what is unfinished, RIS is a fresh screen


class Screen:
    """xterm.js without a browser: `frontend/tests/screen.mjs`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    @asynccontextmanager
    async def made(cls, cols: int, rows: int) -> AsyncIterator[Screen]:
        """A fresh screen."""
        process = await asyncio.create_subprocess_exec(
            "node",
            "tests/screen.mjs",
            str(cols),
            str(rows),
            cwd=ROOT / "frontend",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=64 * 1024 * 1024,
        )
        screen = cls(process)
        try:
            yield screen
        finally:
            screen._stdin.close()
            await process.wait()

    @property
    def _stdin(self) -> asyncio.StreamWriter:
        assert self._process.stdin is not None
        return self._process.stdin

    def write(self, data: bytes) -> None:
        self._step(write=base64.b64encode(data).decode())

    def resize(self, cols: int, rows: int) -> None:
        self._step(resize=[cols, rows])

    async def dump(self, scrollback: int = 0) -> dict[str, Any]:
        """Everything that can be seen; see `screen.mjs`."""
        assert self._process.stdout is not None
        self._step(dump=True, scrollback=scrollback)
        await self._stdin.drain()
        dumped: dict[str, Any] = json.loads(await asyncio.wait_for(self._process.stdout.readline(), PATIENCE))
        dumped.pop("answers")
        return dumped

    def _step(self, **step: object) -> None:
        self._stdin.write(json.dumps(step).encode() + b"\n")


class Viewer:
    """One attached client with a socket of its own. What it is sent goes onto its screen, in order."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.terminal = ""
        self.start = self.end = 0
        """The offsets of the first byte that came, and after the last."""
        self.skips = 0
        self._socket = socket
        self.screens = AsyncExitStack()
        self.left = asyncio.Event()
        """Set when the socket has closed, and everything that came is on the screen."""
        self._news = asyncio.Event()
        self.screen: Screen

    async def join(self, message: dict[str, Any], screen: Screen | None = None) -> None:
        """Send ``open`` or ``attach`` and wait for the answer. ``screen`` shows what is before the first byte."""
        await self._socket.send_json({"channel": 1, "window": 0} | message)
        while (said := await self._receive()).get("type") != "attached":
            assert said["type"] != "error", said
        self.terminal = said["terminal"]
        self.start = self.end = said["offset"]
        if screen is None:
            screen = await self.screens.enter_async_context(Screen.made(said["cols"], said["rows"]))
            screen.write(said["preamble"].encode())
        self.screen = screen

    async def follow(self) -> None:
        """Put everything that comes onto the screen, until the socket closes."""
        while (said := await self._receive())["type"] != "closed":
            if said["type"] == "resized":
                self.screen.resize(said["cols"], said["rows"])
            elif said["type"] == "skipped":
                self.skips += 1
                self.end = said["to"]
                self.screen.write(FRESH + said["preamble"].encode())
            assert said["type"] != "error", said
        self.left.set()

    async def _receive(self) -> dict[str, Any]:
        message = await self._socket.receive()
        if message.type is aiohttp.WSMsgType.BINARY:
            return self._output(message.data)
        if message.type is aiohttp.WSMsgType.TEXT:
            said: dict[str, Any] = json.loads(message.data)
            return said
        return {"type": "closed"}

    def _output(self, frame: bytes) -> dict[str, Any]:
        _, _, offset = OUTPUT.unpack_from(frame)
        assert offset == self.end, "a byte came twice or not at all"
        self.screen.write(frame[OUTPUT.size :])
        self.end = offset + len(frame) - OUTPUT.size
        self._news.set()
        return {"type": "output"}

    async def type(self, text: str) -> None:
        await self._socket.send_bytes(INPUT.pack(2, 1) + text.encode())

    async def resize(self, cols: int, rows: int) -> None:
        await self._socket.send_json({"type": "resize", "channel": 1, "cols": cols, "rows": rows})

    async def sees(self, text: str) -> None:
        """Wait until ``text`` is on the screen."""
        while True:
            seen = self.end
            lines = (await self.screen.dump())["lines"]
            if any(text in line for line in lines):
                return
            await self.reaches(seen + 1, f"{text!r} is not on the screen:\n" + "\n".join(lines))

    async def reaches(self, offset: int, complaint: str = "there is no more output") -> None:
        """Wait until the output has got so far."""
        try:
            async with asyncio.timeout(PATIENCE):
                while self.end < offset:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(complaint) from None


class Client:
    """Somebody who is signed in."""

    def __init__(self, session: aiohttp.ClientSession, server: Server) -> None:
        self._session = session
        self._server = server

    async def sign_in(self) -> None:
        token = (await self._server.link()).partition("=")[2]
        async with self._session.post(self._server.url + "api/v1/auth/link", json={"token": token}) as answer:
            assert answer.status == 200

    @asynccontextmanager
    async def opened(self, *argv: str, cols: int = 80, rows: int = 24) -> AsyncIterator[Viewer]:
        """The first viewer of a new terminal, which is closed afterwards."""
        async with self._viewer({"type": "open", "argv": argv, "cols": cols, "rows": rows}) as viewer:
            yield viewer
            url = f"{self._server.url}api/v1/terminals/{viewer.terminal}"
            async with self._session.delete(url) as answer:
                assert answer.status == 204

    @asynccontextmanager
    async def attached(self, terminal: str, **how: object) -> AsyncIterator[Viewer]:
        """One more viewer of a terminal."""
        async with self._viewer({"type": "attach", "terminal": terminal} | how) as viewer:
            yield viewer

    @asynccontextmanager
    async def returned(self, gone: Viewer) -> AsyncIterator[Viewer]:
        """Who was cut off, on the same screen, from the very byte on that it had not got."""
        await gone.left.wait()
        joining = {"type": "attach", "terminal": gone.terminal, "after": gone.end}
        async with self._viewer(joining, gone.screen) as viewer:
            assert viewer.start == gone.end
            yield viewer

    @asynccontextmanager
    async def _viewer(self, joining: dict[str, Any], screen: Screen | None = None) -> AsyncIterator[Viewer]:
        url = self._server.url.replace("http", "ws") + "ws"
        async with self._session.ws_connect(url, protocols=["webterm.v1.binary"]) as socket:
            viewer = Viewer(socket)
            async with viewer.screens:
                await viewer.join(joining, screen)
                following = asyncio.create_task(viewer.follow())
                try:
                    yield viewer
                finally:
                    following.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await following


@asynccontextmanager
async def client(server: Server) -> AsyncIterator[Client]:
    """A client of ``server`` that has signed in."""
    jar = aiohttp.CookieJar(unsafe=True)  # cookies of an IP address
    headers = {"Origin": server.url.rstrip("/")}
    async with aiohttp.ClientSession(cookie_jar=jar, headers=headers) as session:
        signed_in = Client(session, server)
        await signed_in.sign_in()
        yield signed_in

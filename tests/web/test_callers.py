"""How many connections the server of our own has, and which of them it closes."""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from tests.web.conftest import Running, browser
from webterm.app import setup
from webterm.settings import Server, Settings
from webterm.settings_runtimes import Runtimes
from webterm.web.callers import PATIENCE, Callers

HASTY = 0.02
PIPE = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def listening(directory: Path, callers: Callers) -> AsyncIterator[Running]:
    app = web.Application(middlewares=[callers.asking])
    settings = Settings(server=Server(data_dir=str(directory), on_stop="end"), runtimes=Runtimes(driver="local"))
    setup(app, settings, "")
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            async with callers.listening(runner, [listener]):
                yield Running(app, directory, URL(f"http://127.0.0.1:{listener.getsockname()[1]}/"), "")
    finally:
        await runner.cleanup()


class Clock:
    """It stands, until it is to run: then it is later at each look, by more than anybody's patience."""

    def __init__(self) -> None:
        self.runs = False
        self._times = itertools.count(0.0, PATIENCE + 1)
        self._now = 0.0

    def __call__(self) -> float:
        if self.runs:
            self._now = next(self._times)
        return self._now


class Pipes:
    """Connections of raw bytes."""

    def __init__(self, running: Running, stack: AsyncExitStack) -> None:
        self._running = running
        self._stack = stack

    async def open(self, begun: bytes = b"") -> PIPE:
        reader, writer = await asyncio.open_connection(self._running.root.host, self._running.root.port)
        self._stack.callback(writer.close)
        writer.write(begun)
        return reader, writer

    def head(self, request: str, *more: str) -> bytes:
        return "\r\n".join([f"{request} HTTP/1.1", f"Host: {self._running.netloc}", *more, "", ""]).encode()


@asynccontextmanager
async def piped(running: Running) -> AsyncIterator[Pipes]:
    async with AsyncExitStack() as stack:
        yield Pipes(running, stack)


async def status(reader: asyncio.StreamReader) -> int:
    """Of the next answer, which is read to its end."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = next((line for line in head.split("\r\n") if line.lower().startswith("content-length:")), ":0")
    await reader.readexactly(int(length.partition(":")[2]))
    return int(head.split()[1])


async def closed(reader: asyncio.StreamReader) -> bool:
    try:
        async with asyncio.timeout(30):
            return await reader.read() == b""
    except ConnectionResetError:
        return True


async def alive(page: aiohttp.ClientWebSocketResponse) -> bool:
    """Whether a WebSocket still answers."""
    await page.ping(b"there?")
    await page.send_json({"type": "?", "seq": 7})
    async with asyncio.timeout(30):
        return (await page.receive()).type is aiohttp.WSMsgType.TEXT


@pytest.mark.both_loops
async def test_whoever_asks_for_nothing_is_closed_and_nobody_else(directory: Path) -> None:
    clock = Clock()
    async with (
        listening(directory, Callers(100, every=HASTY, clock=clock)) as running,
        piped(running) as pipes,
        browser(running) as client,
    ):
        await running.sign_in(client)
        page = await client.ws_connect(running.root / "ws")
        assert (await page.receive_json())["type"] == "ready"
        kept, keeping = await pipes.open(pipes.head("GET /health"))
        assert await status(kept) == 200
        expecting = ("Content-Type: application/json", "Content-Length: 2", "Expect: 100-continue")
        slow, slowly = await pipes.open(pipes.head("POST /api/v1/auth/login", *expecting))
        assert await status(slow) == 100
        silent = [await pipes.open(begun) for begun in (b"", b"GET", pipes.head("GET /health")[:-2])]
        clock.runs = True
        for reader, _ in silent:
            assert await closed(reader)
        assert await alive(page)
        slowly.write(b"{}")
        assert await status(slow) == 400
        keeping.write(pipes.head("GET /health"))
        assert await status(kept) == 200
        await page.close()


async def answered(pipes: Pipes) -> bool:
    """Whether a newcomer is, at last."""
    async with asyncio.timeout(30):
        while True:
            reader, _ = await pipes.open(pipes.head("GET /health", "Connection: close"))
            try:
                return await status(reader) == 200
            except (asyncio.IncompleteReadError, ConnectionResetError):
                continue


@pytest.mark.both_loops
async def test_a_flood_of_connections_keeps_nobody_out(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        async with (
            listening(directory, Callers(8, every=HASTY)) as running,
            piped(running) as pipes,
            browser(running) as client,
        ):
            await running.sign_in(client)
            page = await client.ws_connect(running.root / "ws")
            assert (await page.receive_json())["type"] == "ready"
            for _ in range(30):
                await pipes.open()
            assert await answered(pipes)
            assert await alive(page)
            await page.close()
    assert caplog.text.count("there are 8 connections") == 1


@pytest.mark.both_loops
async def test_bodies_that_take_long_keep_nobody_out_either(directory: Path) -> None:
    clock = Clock()
    async with listening(directory, Callers(4, every=HASTY, clock=clock)) as running, piped(running) as pipes:
        expecting = ("Content-Type: application/json", "Content-Length: 2", "Expect: 100-continue")
        for _ in range(4):
            slow, _ = await pipes.open(pipes.head("POST /api/v1/auth/login", *expecting))
            assert await status(slow) == 100
        assert await closed((await pipes.open())[0])
        clock.runs = True
        assert await answered(pipes)


@pytest.mark.both_loops
async def test_where_all_are_busy_newcomers_are_closed_until_one_has_gone(directory: Path) -> None:
    async with (
        listening(directory, Callers(2, every=HASTY)) as running,
        piped(running) as pipes,
        browser(running) as client,
    ):
        await running.sign_in(client)
        first, second = [await client.ws_connect(running.root / "ws") for _ in range(2)]
        for one in (first, second):
            assert (await one.receive_json())["type"] == "ready"
        assert await closed((await pipes.open())[0])
        assert await alive(first)
        await second.close()
        assert await answered(pipes)
        await first.close()

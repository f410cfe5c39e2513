"""Peers that stand still, and a server that stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
import pytest_asyncio

from tests.previews.conftest import App, bare
from webterm.web.long_requests import LongRequests
from webterm.web.site import SITE

pytestmark = pytest.mark.asyncio(loop_scope="module")

GIBIBYTE = 1024 * 1024 * 1024


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def inside(app: App) -> str:
    site = app.running.app[SITE]
    site.long_requests = LongRequests(site.long_requests.is_live, standstill=1.0)
    return (await app.pass_path()).rstrip("/")


@asynccontextmanager
async def raw(app: App, request: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(app.running.root.host, app.running.root.port, limit=1024)
    try:
        writer.write(f"{request}\r\nHost: {app.running.netloc}\r\n\r\n".encode())
        yield reader, writer
    finally:
        writer.close()


async def test_a_body_that_stands_still_is_given_up(app: App, inside: str) -> None:
    async with raw(app, f"POST {inside}/echo HTTP/1.1\r\nContent-Length: 1000") as (reader, writer):
        writer.write(b"x" * 10)
        async with asyncio.timeout(30):
            assert (await reader.readline()).split()[1] == b"408"


async def test_who_takes_nothing_is_given_up(app: App, inside: str) -> None:
    async with raw(app, f"GET {inside}/big?{GIBIBYTE} HTTP/1.1") as (reader, _):
        assert (await reader.readline()).split()[1] == b"200"
        assert await app.said() == "cut"  # the reader reads no more than its limit by itself


async def test_a_server_that_stops_ends_what_is_open(app: App, inside: str) -> None:
    """The last of this module, because nothing gets in any more."""
    async with bare() as client, client.get(app.running.url(inside + "/events")) as events:
        async with client.ws_connect(app.running.url(inside + "/ws")) as socket:
            await events.content.readuntil(b"\n\n")
            await socket.receive_str(timeout=30)
            async with asyncio.timeout(5):
                await app.running.app.shutdown()
                with pytest.raises(aiohttp.ClientError):
                    await events.content.read()
                await socket.receive()
        async with client.get(app.running.url(inside + "/echo")) as answer:
            assert answer.status == 404

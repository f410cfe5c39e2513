"""A running server of the test's own, and clients as browsers are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from webterm.app import PAGE, setup
from webterm.datadir import issue_link
from webterm.settings import Server, Settings
from webterm.settings_accounts import Limits
from webterm.settings_runtimes import Runtimes
from webterm.web.site import ActorOf


@dataclass(frozen=True)
class Running:
    """A server, and what a test needs to speak to it."""

    app: web.Application
    directory: Path
    root: URL
    prefix: str

    @property
    def origin(self) -> str:
        return str(self.root.origin())

    @property
    def netloc(self) -> str:
        return f"{self.root.host}:{self.root.port}"

    def url(self, path: str) -> URL:
        return URL(f"{self.origin}{self.prefix}{path}", encoded=True)

    async def link(self) -> str:
        """The token of a fresh sign-in link."""
        return await asyncio.to_thread(issue_link, self.directory)

    async def sign_in(self, client: aiohttp.ClientSession) -> None:
        async with client.post(self.url("/api/v1/auth/link"), json={"token": await self.link()}) as answer:
            assert answer.status == 200, await answer.text()

    async def raw(self, request: bytes) -> bytes:
        """What comes back for these very bytes, until the server closes."""
        reader, writer = await asyncio.open_connection(self.root.host, self.root.port)
        try:
            writer.write(request)
            return await reader.read()
        finally:
            writer.close()
            await writer.wait_closed()


def browser(running: Running, **headers: str) -> aiohttp.ClientSession:
    """A client that keeps cookies and says where its requests come from, as a page of our own does."""
    return aiohttp.ClientSession(
        cookie_jar=aiohttp.CookieJar(unsafe=True), headers={"Origin": running.origin} | headers, raise_for_status=False
    )


@asynccontextmanager
async def started(
    directory: Path,
    prefix: str = "",
    *,
    server: Mapping[str, object] | None = None,
    app: web.Application | None = None,
    actor: ActorOf | None = None,
    page: Path = PAGE,
    **sections: msgspec.Struct,
) -> AsyncIterator[Running]:
    """webterm in an application, ready for requests. ``sections``: other settings.

    By default calls are not counted, and programs run on this machine.
    """
    app = app or web.Application()
    fields = {"data_dir": str(directory), "on_stop": "end", **(server or {})}
    others = {"limits": Limits(enabled=False), "runtimes": Runtimes(driver="local"), **sections}
    settings = Settings(server=Server(**fields), **others)  # type: ignore[arg-type] # fields of every type
    setup(app, settings, prefix, actor=actor, page=page)
    listening = TestServer(app)
    try:
        await listening.start_server()
        yield Running(app, directory, listening.make_url("/"), prefix.rstrip("/"))
    finally:
        await listening.close()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
async def running(directory: Path) -> AsyncIterator[Running]:
    async with started(directory) as running:
        yield running


@pytest.fixture
async def owner(running: Running) -> AsyncIterator[aiohttp.ClientSession]:
    """The owner's browser, signed in."""
    async with browser(running) as client:
        await running.sign_in(client)
        yield client


@pytest.fixture
async def stranger(running: Running) -> AsyncIterator[aiohttp.ClientSession]:
    """A browser on our own page that nobody has signed in with."""
    async with browser(running) as client:
        yield client

"""webterm within an application that brings its own people: whoever a header names."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from aiohttp import web

from tests.server.client import Client
from tests.web.conftest import Running, started
from webterm.access import Actor
from webterm.ids import UserId
from webterm.settings import Local

HEADER = "X-Person"


async def person(request: web.Request) -> Actor | None:
    """Who asks."""
    name = request.headers.get(HEADER)
    return Actor(id=UserId(name), name=name) if name else None


@asynccontextmanager
async def people_at(directory: Path, **server: object) -> AsyncIterator[Running]:
    """A running application."""
    everybody = Local(isolation="none")
    async with started(directory, "/terminal", actor=person, server=server, local=everybody) as running:
        yield running


@asynccontextmanager
async def page_of(running: Running, name: str, *, binary: bool = False) -> AsyncIterator[Client]:
    """Somebody's page, connected."""
    up = asyncio.Event()
    up.set()
    async with aiohttp.ClientSession(headers={HEADER: name}) as browser:
        client = Client(browser, running.url(""), up, name=name, binary=binary, acks=True)
        client.reconnects = False
        async with client:
            yield client

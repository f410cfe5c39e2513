"""People with accounts on a real server, and their proofs of identity: browsers, API clients, personal tokens."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from yarl import URL

from tests.server.client import Client
from tests.server.process import PASSWORD, PATIENCE, ROOT, Server


class Proof:
    """One proof of somebody's identity, and all that is done with it."""

    def __init__(self, server: Server, session: aiohttp.ClientSession) -> None:
        self._server = server
        self.session = session
        self.refresh_token = ""
        """Of an API client."""
        self.id = ""
        """Of a personal token."""

    async def request(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Status and JSON (None without a body)."""
        url = self._server.url.join(URL(f"/api/v1/{path}"))
        async with self.session.request(method, url, json=body) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else None

    async def is_good(self) -> bool:
        """Whether a request with it is still served."""
        status, _ = await self.request("GET", "auth/me")
        assert status in {200, 401}
        return status == 200

    def page(self, *, reconnects: bool = False, through: URL | None = None) -> Client:
        """A page that connects with it once it is entered; ``through`` somewhere else than to the server itself."""
        up = asyncio.Event()
        up.set()
        client = Client(self.session, through or self._server.url, up, name="page", binary=False, acks=True)
        client.reconnects = reconnects
        return client


def _session(server: Server, **headers: str) -> aiohttp.ClientSession:
    jar = aiohttp.CookieJar(unsafe=True)
    return aiohttp.ClientSession(cookie_jar=jar, headers={"Origin": str(server.url.origin()), **headers})


async def make_person(server: Server, name: str, **fields: object) -> str:
    """An account, made by the owner; its id."""
    body = {"username": name, "password": PASSWORD, **fields}
    status, text = await server.request("POST", "/api/v1/users", body)
    assert status == 201, text
    return str(json.loads(text)["id"])


@asynccontextmanager
async def browser(server: Server, name: str) -> AsyncIterator[Proof]:
    """Somebody's browser, signed in."""
    async with _session(server) as session:
        proof = Proof(server, session)
        status, answer = await proof.request("POST", "auth/login", {"name": name, "password": PASSWORD})
        assert status == 200, answer
        yield proof


@asynccontextmanager
async def api_client(server: Server, name: str) -> AsyncIterator[Proof]:
    """A program that has signed in and holds an access token and a refresh token."""
    async with _session(server) as session:
        body = {"name": name, "password": PASSWORD, "device": "a program"}
        status, pair = await Proof(server, session).request("POST", "auth/token", body)
        assert status == 200, pair
    async with _session(server, Authorization=f"Bearer {pair['access_token']}") as session:
        proof = Proof(server, session)
        proof.refresh_token = pair["refresh_token"]
        yield proof


@asynccontextmanager
async def personal_token(server: Server, owner: Proof, *scopes: str) -> AsyncIterator[Proof]:
    """A program that holds a personal access token of the person with this browser."""
    body = {"name": "a token", "scopes": scopes or ["terminals:read", "terminals:write"]}
    status, made = await owner.request("POST", "auth/tokens", body)
    assert status == 201, made
    async with _session(server, Authorization=f"Bearer {made['token']}") as session:
        proof = Proof(server, session)
        proof.id = made["id"]
        yield proof


async def command(server: Server, *words: str) -> str:
    """Run ``webterm WORDS`` in a process of its own, on the server's data directory; what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "webterm",
        *words,
        "--data-dir",
        str(server.directory),
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(PATIENCE):
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()

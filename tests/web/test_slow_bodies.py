"""Requests that were begun with a right, and whose body comes when that right has ended."""

from __future__ import annotations

import json
from asyncio import StreamReader, StreamWriter, open_connection
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp
import pytest

from tests.web.conftest import Running
from tests.web.proofs import PASSWORD, Proof, call, cookie, make_person, owners_cookie

CALLS: Mapping[str, tuple[str, str, dict[str, object]]] = {
    "a token": ("POST", "/api/v1/auth/tokens", {"name": "kept", "scopes": ["terminals:read"]}),
    "a terminal": ("POST", "/api/v1/terminals", {"cols": 80, "rows": 24, "driver": "echo"}),
    "an account": ("POST", "/api/v1/users", {"username": "mallory", "role": "admin"}),
    "a tier": ("PATCH", "/api/v1/users/2", {"tier": "enterprise"}),
    "an invitation": ("POST", "/api/v1/invitations", {"role": "admin"}),
}
ADMINS = ("an account", "a tier", "an invitation")


class Begun:
    """A request of which all but the body has been sent."""

    def __init__(self, reader: StreamReader, writer: StreamWriter, body: bytes) -> None:
        self._reader = reader
        self._writer = writer
        self._body = body

    async def end(self) -> int:
        """Send the body; the status of the answer."""
        self._writer.write(self._body)
        return int((await self._reader.readline()).split()[1])


@asynccontextmanager
async def begun(running: Running, proof: Proof, what: str) -> AsyncIterator[Begun]:
    method, path, wanted = CALLS[what]
    body = json.dumps(wanted).encode()
    headers = {
        "Host": running.netloc,
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Expect": "100-continue",
        **proof.headers,
    }
    lines = [f"{method} {running.prefix}{path} HTTP/1.1", *(f"{name}: {text}" for name, text in headers.items())]
    reader, writer = await open_connection(running.root.host, running.root.port)
    try:
        writer.write("\r\n".join([*lines, "", ""]).encode())
        assert b" 100 " in await reader.readuntil(b"\r\n\r\n")  # the server has begun with it
        yield Begun(reader, writer, body)
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("what", CALLS)
async def test_signed_out_before_the_body_came(running: Running, owner: aiohttp.ClientSession, what: str) -> None:
    await make_person(running, owner, "boss", role="admin")
    boss = await cookie(running, "boss")
    async with begun(running, boss, what) as request:
        assert (await call(running, "DELETE", "/api/v1/auth/devices", boss))[0] == 204
        assert await request.end() == 401


@pytest.mark.parametrize("what", ADMINS)
@pytest.mark.parametrize("role", ["user", None])
async def test_no_admin_any_more_before_the_body_came(
    running: Running, owner: aiohttp.ClientSession, what: str, role: str | None
) -> None:
    boss = await make_person(running, owner, "boss", role="admin")
    proof, owners = await cookie(running, "boss"), await owners_cookie(running)
    path = f"/api/v1/users/{boss['id']}"
    async with begun(running, proof, what) as request:
        if role is None:
            assert (await call(running, "DELETE", path, owners))[0] == 204
        else:
            assert (await call(running, "PATCH", path, owners, {"role": role}))[0] == 200
        assert await request.end() == (401 if role is None else 403)
    status, _ = await call(running, "POST", "/api/v1/auth/login", body={"name": "mallory", "password": PASSWORD})
    assert status == 401

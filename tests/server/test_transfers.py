"""Files through a real server: a large one, cut again and again and over killed servers, and back again."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from tests.server.process import PATIENCE, Server, serving

MIB = 1024 * 1024
SIZE = 64 * MIB
CUTS = 20
MOST_MEMORY = 64 * MIB


class Account:
    """A workspace of somebody whose quota is not without bounds, on a server that may be killed."""

    def __init__(self, server: Server, workspace: str) -> None:
        self.server = server
        self.path = f"/api/v1/workspaces/{workspace}"

    async def call(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - any JSON
        status, text = await self.server.request(method, self.path + path, body)
        assert status < 300, text
        return json.loads(text) if text else None

    async def send(self, path: str, data: bytes, *, cut: int | None = None) -> bytes:
        """A PUT. ``cut``: after so many bytes the connection is gone, without a word."""
        url = self.server.url
        reader, writer = await asyncio.open_connection(url.host, url.port)
        try:
            headers = {"Host": url.authority, "Origin": str(url.origin()), **self.server.cookies}
            headers |= {"Content-Length": str(len(data)), "Connection": "close"}
            lines = [f"PUT {self.path}{path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
            writer.write("\r\n".join([*lines, "", ""]).encode())
            for place in range(0, len(data) if cut is None else cut, MIB):
                writer.write(data[place : min(place + MIB, len(data) if cut is None else cut)])
                await writer.drain()
            return await reader.read() if cut is None else b""
        finally:
            writer.transport.abort()


async def test_a_file_that_is_cut_and_killed_on_its_way_comes_back_identical(tmp_path: Path) -> None:
    chance = random.Random(7)
    data = chance.randbytes(SIZE)
    async with (
        asyncio.timeout(2 * PATIENCE),
        serving(tmp_path / "data", ordinary=True, limits__enabled=False) as server,
    ):
        status, text = await server.request("POST", "/api/v1/workspaces", {"name": "Ours"})
        assert status == 201, text
        account = Account(server, json.loads(text)["id"])
        begun = await account.call("POST", "/uploads", {"path": "large", "size": SIZE})
        upload = f"/uploads/{begun['upload']}"
        for number in range(CUTS):
            offset = (await account.call("GET", upload))["offset"]
            cut = chance.randrange(min(5 * MIB, SIZE - offset))
            await account.send(f"{upload}?offset={offset}", data[offset:], cut=cut)
            if number % 7 == 6:
                await server.kill()
                await server.start()
        before = most = server.private_bytes()
        answer = b""
        while b" 200 " not in answer[:20]:  # the server may still be busy with what was cut
            offset = (await account.call("GET", upload))["offset"]
            answer = await account.send(f"{upload}?offset={offset}", data[offset:])
            most = max(most, server.private_bytes())
        assert b'"entry"' in answer
        digest = hashlib.sha256()
        async with aiohttp.ClientSession(headers=server.cookies) as browser:
            async with browser.get(server.url.join(URL(f"{account.path}/files/large"))) as response:
                async for chunk in response.content.iter_any():
                    digest.update(chunk)
                    most = max(most, server.private_bytes())
        assert digest.digest() == hashlib.sha256(data).digest()
        assert most - before < MOST_MEMORY
        standing = await account.call("GET", "/status")
        assert (standing["files"], standing["bytes"]) == (1, SIZE)

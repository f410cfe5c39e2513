"""One person's workspace on a running server, reached as programs and browsers do."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from tests.web.conftest import Running
from tests.web.neighbours import browser_of, settled
from tests.web.proofs import Proof

API = "/api/v1/workspaces"


@dataclass(frozen=True)
class Answer:
    """What came back for a request of raw bytes."""

    status: int
    headers: CIMultiDict[str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.json["code"])


@dataclass(frozen=True)
class Desk:
    """A person's workspace."""

    running: Running
    proof: Proof
    workspace: str

    @property
    def files(self) -> Path:
        """Where the files are."""
        return self.running.directory / "workspaces" / self.workspace / "files"

    def url(self, rest: str) -> URL:
        return self.running.url(f"{API}/{self.workspace}/{rest}")

    async def ask(
        self,
        method: str,
        rest: str,
        data: bytes | aiohttp.FormData | None = None,
        *,
        body: object = None,
        **headers: str,
    ) -> Answer:
        """One request; ``rest`` is what follows the workspace in the URL, as it is sent."""
        if isinstance(data, bytes):
            sent: object = io.BytesIO(data)  # a large one at once would be slow, and is warned of
        else:
            sent = data
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False) as client,
            client.request(method, self.url(rest), data=sent, json=body, headers=self.proof.headers | named) as answer,
        ):
            return Answer(answer.status, CIMultiDict(answer.headers), await answer.read())

    async def raw(self, method: str, target: str, body: bytes = b"", **headers: str) -> Answer:
        """One request whose target is sent as these very characters (latin-1), after the workspace's path."""
        sent = self.head(method, target, Content_Length=str(len(body)), Connection="close", **headers)
        return parsed(await self.running.raw(sent + body))

    def head(self, method: str, target: str, **headers: str) -> bytes:
        """The head of such a request."""
        fields = {"Host": self.running.netloc, **self.proof.headers}
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        path = f"{self.running.prefix}{API}/{self.workspace}/{target}"
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def left_behind(self) -> list[str]:
        """All that is in the workspace's directories besides what tests know: unfinished files, foremost."""
        return sorted(str(path.relative_to(self.files.parent)) for path in self.files.parent.rglob("*"))


def parsed(answer: bytes) -> Answer:
    """The last answer in these bytes; what is only informational is passed over."""
    while True:
        head, _, rest = answer.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        status = int(lines[0].split()[1])
        if status >= 200:
            break
        answer = rest
    headers: CIMultiDict[str] = CIMultiDict()
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers.add(name, value.strip())
    return Answer(status, headers, rest)


def percent(path: bytes) -> str:
    return quote(path, safe="/")


async def desk_of(running: Running, name: str) -> Desk:
    """A new person with a workspace."""
    proof = await browser_of(running, await settled(running, name))
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client,
        client.post(running.url(API), json={"name": "Ours"}, headers=proof.headers) as answer,
    ):
        assert answer.status == 201, await answer.text()
        return Desk(running, proof, (await answer.json())["id"])


async def admit(desk: Desk, name: str, role: str) -> Proof:
    """A new person who is a member of this workspace."""
    user = await settled(desk.running, name)
    answer = await desk.ask("PUT", f"members/{user.id}", body={"role": role})
    assert answer.status in (200, 201, 204), answer.body
    return await browser_of(desk.running, user)


@asynccontextmanager
async def connected(desk: Desk) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to the server."""
    reader, writer = await asyncio.open_connection(desk.running.root.host, desk.running.root.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def until(reader: asyncio.StreamReader, patience: float = 30.0) -> Answer:
    """The next answer, as soon as it is there."""
    async with asyncio.timeout(patience):
        head = await reader.readuntil(b"\r\n\r\n")
        answer = parsed(head)
        return parsed(head + await reader.readexactly(int(answer.headers.get("Content-Length", "0"))))

"""A server with a workspace in which an app runs, and people who look at it."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import aiohttp
import pytest
import pytest_asyncio

from tests.engine import DEBIAN, RealEngine
from tests.web.conftest import Running, browser, started
from webterm.datadir import identity
from webterm.settings_accounts import Accounts
from webterm.settings_runtimes import Docker, Previews, Runtimes

APP = (Path(__file__).parent / "app.py").read_text()
DOMAIN = "preview.localhost"
Driver = Literal["local", "docker"]


@dataclass(kw_only=True)
class App:
    """An app in the owner's workspace."""

    running: Running
    workspace: str
    port: int
    owner: aiohttp.ClientSession
    output: aiohttp.StreamReader

    @property
    def base(self) -> str:
        """The path of its preview, for programs with a token."""
        return f"/preview/{self.workspace}/{self.port}"

    @property
    def api(self) -> str:
        return f"/api/v1/workspaces/{self.workspace}"

    @property
    def host(self) -> str:
        return f"{self.port}--{self.workspace}.{DOMAIN}:{self.running.root.port}"

    async def said(self) -> str:
        """The next that the app says on its output."""
        async with asyncio.timeout(30):
            return str(json.loads(await self.output.readline())["data"]).strip()

    async def asked(self, method: str, path: str, body: object = None, status: int = 200) -> Any:  # noqa: ANN401
        """The answer of our own API to the owner."""
        async with self.owner.request(method, self.running.url(self.api + path), json=body) as answer:
            assert answer.status == status, await answer.text()
            return await answer.json(content_type=None) if answer.content_length else None

    async def pass_path(self, client: aiohttp.ClientSession | None = None, target: str = "/") -> str:
        """Where somebody who is signed in is led to."""
        url = self.running.url(self.base + target)
        async with (client or self.owner).get(url, allow_redirects=False) as answer:
            assert answer.status == 303, await answer.text()
            return answer.headers["Location"]

    async def echoed(self, path: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
        """What the app gets of a request to a path with a pass; ``more`` as for a client."""
        async with bare() as client:
            method = more.pop("method", "GET")
            async with client.request(method, self.running.url(path), **more) as answer:
                assert answer.status == 200, await answer.text()
                told: dict[str, Any] = await answer.json()
                return told | {"named": {name.lower(): value for name, value in told["headers"]}}


def bare(**headers: str) -> aiohttp.ClientSession:
    """A client that knows nobody, and adds nothing."""
    return aiohttp.ClientSession(
        headers=headers, skip_auto_headers={"Accept", "User-Agent", "Accept-Encoding"}, auto_decompress=False
    )


def resident() -> int:
    """Bytes of memory of this process, in which the server runs."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@asynccontextmanager
async def app_in(running: Running, owner: aiohttp.ClientSession, python: str) -> AsyncIterator[App]:
    """A workspace with the app, which runs for as long as the block does."""
    async with owner.post(running.url("/api/v1/workspaces"), json={"name": "web"}) as answer:
        assert answer.status == 201, await answer.text()
        workspace = (await answer.json())["id"]
    url = running.url(f"/api/v1/workspaces/{workspace}")
    for name, text in {"app.py": APP, "index.html": "<title>app</title>", "module.js": "1\n"}.items():
        async with owner.put(url / "files" / name, data=text.encode()) as answer:
            assert answer.status in (200, 201), await answer.text()
    body = {"argv": [python, "app.py"], "stream": True, "timeout": 3600}
    async with owner.post(url / "exec", json=body, timeout=aiohttp.ClientTimeout()) as output:
        assert output.status == 200, await output.text()
        first = json.loads(await output.content.readline())
        assert first.get("stream") == "stdout", first
        port = int(first["data"])
        yield App(running=running, workspace=workspace, port=port, owner=owner, output=output.content)


@asynccontextmanager
async def previewing(
    directory: Path, *, driver: Driver = "local", domain: bool = False, **more: object
) -> AsyncIterator[App]:
    """A server whose owner has a workspace with the app, on this machine or in a container; ``more`` are settings."""
    sections: dict[str, Any] = {
        "previews": Previews(domain=DOMAIN) if domain else Previews(),
        "accounts": Accounts(registration="open"),
        "runtimes": Runtimes(driver=driver),
        "docker": Docker(image=DEBIAN, pull=False),
        **more,
    }
    try:
        async with started(directory, **sections) as running:
            async with browser(running) as owner:
                await running.sign_in(owner)
                async with app_in(running, owner, sys.executable if driver == "local" else "python3") as app:
                    yield app
    finally:
        if driver == "docker":
            await asyncio.to_thread(lambda: RealEngine().remove(identity(directory)))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[App]:
    """Shared by the tests of a module."""
    async with previewing(tmp_path_factory.mktemp("server") / "data") as app:
        yield app


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def inside(app: App) -> str:
    """The path of the owner's pass, without the slash at the end."""
    return (await app.pass_path()).rstrip("/")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hosted(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[App]:
    """The same, where previews have a domain."""
    async with previewing(tmp_path_factory.mktemp("server") / "data", domain=True) as app:
        yield app


def driver_of(request: pytest.FixtureRequest) -> Driver:
    """The driver that a fixture's parameter names; the engine is there, if it is containers."""
    driver: Driver = request.param
    if driver == "docker":
        request.getfixturevalue("engine")
    return driver

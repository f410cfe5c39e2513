"""The server as a whole: it starts, says where it is, and goes; and it starts nothing that it cannot finish."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from tests.web.conftest import Running
from webterm.app import serve
from webterm.datadir import issue_link
from webterm.errors import DataDirectoryBusy
from webterm.settings import Server, Settings
from webterm.settings_runtimes import Runtimes


def settings_for(directory: Path, **server: object) -> Settings:
    fields = {"data_dir": str(directory), "port": 0, "on_stop": "end"} | server
    return Settings(server=Server(**fields), runtimes=Runtimes(driver="local"))  # type: ignore[arg-type] # fields of every type


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[URL]:
    """The address of a server; it is stopped by a signal at the end, if it has not gone by itself."""
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(settings, ready=url.set_result))
    try:
        task.add_done_callback(lambda _: url.cancel())  # it could not start
        with contextlib.suppress(asyncio.CancelledError):
            await url
        if task.done():
            task.result()
        yield URL(url.result())
        if not task.done():
            os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(10):
            await task
    finally:
        task.cancel()
        with contextlib.suppress(BaseException):
            await task


async def test_a_signal_stops_it_and_pages_are_told_to_come_back(directory: Path) -> None:
    async with serving(settings_for(directory)) as root, aiohttp.ClientSession() as client:
        record = json.loads((directory / "server.json").read_text())
        assert (record["url"], record["address"]) == (str(root), f"127.0.0.1:{root.port}")
        token = await asyncio.to_thread(issue_link, directory)
        async with client.post(root / "api/v1/auth/link", json={"token": token}) as answer:
            cookie = answer.headers["Set-Cookie"].partition(";")[0]
        headers = {"Cookie": cookie, "Origin": str(root.origin())}
        async with client.ws_connect(root / "ws", headers=headers) as page:
            assert (await page.receive_json())["type"] == "ready"
            os.kill(os.getpid(), signal.SIGTERM)
            async with asyncio.timeout(5):
                while (message := await page.receive()).type is not aiohttp.WSMsgType.CLOSE:
                    pass
            assert message.data == 1012
    assert not (directory / "server.json").exists()


async def test_localhost_is_every_address_of_it_on_one_port(directory: Path) -> None:
    async with serving(settings_for(directory, host="localhost")) as root, aiohttp.ClientSession() as client:
        for family, _, _, _, address in socket.getaddrinfo("localhost", root.port, type=socket.SOCK_STREAM):
            host = f"[{address[0]}]" if family is socket.AF_INET6 else address[0]
            async with client.get(f"http://{host}:{root.port}/health") as answer:
                assert answer.status == 200


async def test_the_public_urls_path_is_the_prefix(directory: Path) -> None:
    settings = settings_for(directory, public_url="https://web.example/term/")
    async with serving(settings) as url, aiohttp.ClientSession() as client:
        assert str(url) == "https://web.example/term/"
        address = json.loads((directory / "server.json").read_text())["address"]
        async with client.get(f"http://{address}/term/health", headers={"Host": "web.example"}) as answer:
            assert answer.status == 200


async def test_a_port_in_use_is_an_error_and_the_directory_is_free_again(directory: Path, running: Running) -> None:
    other = directory.parent / "other"
    with pytest.raises(OSError, match=r"[Aa]ddress already in use"):
        async with serving(settings_for(other, port=running.root.port)):
            pass
    async with serving(settings_for(other)):
        pass


async def test_one_server_for_a_directory(directory: Path) -> None:
    async with serving(settings_for(directory)) as root:
        with pytest.raises(DataDirectoryBusy, match=str(os.getpid())):
            async with serving(settings_for(directory)):
                pass
        async with aiohttp.ClientSession() as client, client.get(root / "health") as answer:
            assert answer.status == 200

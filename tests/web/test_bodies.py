"""Bodies that no page of ours would send."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.web.conftest import Running, browser, started
from webterm.web.bodies import receive

pytestmark = pytest.mark.asyncio(loop_scope="module")
GOOD = {"cols": 80, "rows": 24, "driver": "echo"}
DEEP = "[" * 10_000 + "]" * 10_000
BAD = {
    "empty": (b"", 400),
    "not JSON": (b"cols=80&rows=24", 400),
    "an array": (b"[]", 400),
    "deep": (DEEP.encode(), 400),
    "deep inside": (f'{{"cols":80,"rows":24,"argv":{DEEP}}}'.encode(), 400),
    "deep in an unknown field": (f'{{"cols":80,"rows":24,"more":{DEEP}}}'.encode(), 400),
    "huge number": (b'{"cols":' + b"9" * 5000 + b',"rows":24}', 400),
    "huge exponent": (b'{"cols":1e999,"rows":24}', 400),
    "NaN": (b'{"cols":NaN,"rows":24}', 400),
    "zero": (b'{"cols":0,"rows":24}', 400),
    "negative": (b'{"cols":-1,"rows":24}', 400),
    "too wide": (b'{"cols":501,"rows":24}', 400),
    "half a column": (b'{"cols":80.5,"rows":24}', 400),
    "text for a number": (b'{"cols":"80","rows":24}', 400),
    "no rows": (b'{"cols":80}', 400),
    "unknown field": (b'{"cols":80,"rows":24,"shell":"/bin/sh"}', 400),
    "not UTF-8": (b'{"cols":80,"rows":24,"title":"\xff\xfe"}', 400),
    "half a surrogate": (b'{"cols":80,"rows":24,"title":"\\ud800"}', 400),
    "a long title": (json.dumps(GOOD | {"title": "x" * 257}).encode(), 400),
    "too big": (json.dumps(GOOD | {"title": "x" * 65_536}).encode(), 413),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """The same one for all."""
    async with started(tmp_path_factory.mktemp("shared") / "data") as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def owner(running: Running) -> AsyncIterator[aiohttp.ClientSession]:
    async with browser(running) as client:
        await running.sign_in(client)
        yield client


@pytest.mark.parametrize(("body", "status"), BAD.values(), ids=BAD)
async def test_bad_bodies(running: Running, owner: aiohttp.ClientSession, body: bytes, status: int) -> None:
    headers = {"Content-Type": "application/json"}
    async with owner.post(running.url("/api/v1/terminals"), data=body, headers=headers) as answer:
        assert answer.status == status
        problem = await answer.json(content_type="application/problem+json")
        assert problem["status"] == status
        assert len(problem["detail"]) < 300
    async with owner.get(running.url("/api/v1/terminals")) as answer:
        assert await answer.json() == []


@pytest.mark.parametrize("field", ["cols", "rows", "driver", "argv", "cwd", "env", "title"])
async def test_a_wrong_type_is_named(running: Running, owner: aiohttp.ClientSession, field: str) -> None:
    async with owner.post(running.url("/api/v1/terminals"), json=GOOD | {field: True}) as answer:
        assert answer.status == 400
        assert f"$.{field}" in (await answer.json(content_type=None))["detail"]


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
async def test_what_a_foreign_form_can_send_is_no_json(
    running: Running, owner: aiohttp.ClientSession, content_type: str
) -> None:
    headers = {"Content-Type": content_type}
    for path in ("/api/v1/terminals", "/api/v1/auth/login"):
        async with owner.post(running.url(path), data=json.dumps(GOOD).encode(), headers=headers) as answer:
            assert answer.status == 415


async def test_a_body_without_an_end_is_cut(running: Running, owner: aiohttp.ClientSession) -> None:
    async def forever() -> object:
        while True:
            yield b" " * 16_384

    headers = {"Content-Type": "application/json"}
    url = running.url("/api/v1/terminals")
    try:
        async with owner.post(url, data=forever(), headers=headers) as answer:
            assert answer.status == 413
    except aiohttp.ClientConnectionError:
        pass  # the server may close before the client has stopped sending


async def test_the_last_of_duplicate_keys_counts(running: Running, owner: aiohttp.ClientSession) -> None:
    body = b'{"cols":80,"cols":90,"rows":24,"driver":"echo"}'
    headers = {"Content-Type": "application/json"}
    async with owner.post(running.url("/api/v1/terminals"), data=body, headers=headers) as answer:
        assert (answer.status, (await answer.json())["cols"]) == (201, 90)


async def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    async def handler(request: web.Request) -> web.Response:
        await receive(request, patience=0.05)
        return web.Response()

    app = web.Application()
    app.router.add_post("/", handler)
    async with TestServer(app) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        try:
            head = "POST / HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
            writer.write(head.encode())
            assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
        finally:
            writer.close()
            await writer.wait_closed()

"""What takes long, or is long: bodies both ways, events, WebSockets, and what ends them."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from tests.pace import within
from tests.previews.app import BLOCK, gzipped
from tests.previews.conftest import App, bare, driver_of, previewing, resident
from tests.web.asking import registered
from tests.web.conftest import browser

pytestmark = pytest.mark.asyncio(loop_scope="module")

GIBIBYTE = 1024 * 1024 * 1024


@pytest_asyncio.fixture(
    scope="module", loop_scope="module", params=["local", pytest.param("docker", marks=pytest.mark.docker)]
)
async def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[App]:
    """On this machine, and in a container."""
    async with previewing(tmp_path_factory.mktemp("server") / "data", driver=driver_of(request)) as app:
        yield app


@pytest.mark.parametrize("how", ["", ",chunked", ",close"])
async def test_bodies_come_whole_however_they_are_framed(app: App, inside: str, how: str) -> None:
    size = 3 * len(BLOCK) + 17
    async with bare() as client, client.get(app.running.url(f"{inside}/big?{size}{how}")) as answer:
        data = await answer.read()
    assert data == (BLOCK * 4)[:size]
    assert answer.headers.get("Content-Length") == (None if how else str(size))


@pytest.mark.parametrize(("how", "size"), [("", GIBIBYTE), (",chunked", GIBIBYTE // 4)])
async def test_a_gibibyte_down_takes_no_memory(app: App, inside: str, how: str, size: int) -> None:
    got, most, before = 0, 0, resident()
    async with bare() as client, client.get(app.running.url(f"{inside}/big?{size}{how}")) as answer:
        async for piece in answer.content.iter_any():
            got += len(piece)
            most = max(most, resident())
    assert got == size
    assert most - before < 32 * 1024 * 1024


@pytest.mark.parametrize(("chunked", "size"), [(False, GIBIBYTE), (True, GIBIBYTE // 4)])
async def test_a_gibibyte_up_takes_no_memory(app: App, inside: str, chunked: bool, size: int) -> None:
    most, before, check = 0, resident(), 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal most, check
        for _ in range(size // len(BLOCK)):
            check = zlib.crc32(BLOCK, check)
            most = max(most, resident())
            yield BLOCK

    headers = {} if chunked else {"Content-Length": str(size)}
    told = await app.echoed(inside + "/echo", method="POST", data=body(), headers=headers)
    assert (told["length"], told["crc"]) == (size, check)
    assert ("transfer-encoding" in told["named"]) == chunked
    assert most - before < 32 * 1024 * 1024


async def test_what_the_app_has_packed_stays_packed(app: App, inside: str) -> None:
    async with bare() as client, client.get(app.running.url(inside + "/gzip")) as answer:
        assert await answer.read() == gzipped()
    assert answer.headers["Content-Encoding"] == "gzip"
    async with bare() as client, client.head(app.running.url(inside + "/gzip")) as answer:
        assert answer.headers["Content-Length"] == str(len(gzipped()))


async def test_a_slow_reader_holds_the_app_up(app: App, inside: str) -> None:
    """Who reads nothing of a body without end does not fill our memory."""
    before = resident()
    async with bare() as client, client.get(app.running.url(f"{inside}/big?{64 * GIBIBYTE}")) as answer:
        await answer.content.readexactly(len(BLOCK))
        taken = answer.connection and answer.connection.transport
        assert taken is not None
        assert await app.asked("GET", "/previews/80")
        assert resident() - before < 32 * 1024 * 1024


async def test_events_come_when_they_happen(app: App, inside: str) -> None:
    async with bare() as client, client.get(app.running.url(inside + "/events")) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert await answer.content.readuntil(b"\n\n") == b"data: hello\n\n"
        for word in (b"one", b"two"):
            async with client.get(app.running.url(f"{inside}/say?{word.decode()}")) as said:
                assert said.status == 200
            assert await answer.content.readuntil(b"\n\n") == b"data: " + word + b"\n\n"


async def test_websockets_go_through_as_they_are(app: App, inside: str) -> None:
    async with bare() as client:
        headers = {"Cookie": "webterm-x=1", "Authorization": "Bearer wt_x", "Origin": "null"}
        async with client.ws_connect(
            app.running.url(inside + "/ws?a%2Fb"), protocols=["vite-hmr", "other"], headers=headers
        ) as socket:
            assert socket.protocol == "vite-hmr"
            told = json.loads(await socket.receive_str(timeout=30))
            named = {name.lower(): value for name, value in told["headers"]}
            assert told["target"] == "/ws?a%2Fb"
            assert named["origin"] == f"http://localhost:{app.port}"
            assert not named.keys() & {"cookie", "authorization"}
            await socket.send_str("héllo")
            assert await socket.receive_str(timeout=30) == "héllo"
            big = os.urandom(1_000_000)
            await socket.send_bytes(big)
            assert await socket.receive_bytes(timeout=30) == big
            await socket.ping(b"x")
            await socket.send_str("last")
            assert await socket.receive_str(timeout=30) == "last"
            await socket.close(code=4321)
            assert socket.close_code == 4321
        async with client.get(app.running.url(inside + "/ws"), headers=_handshake()) as answer:
            assert answer.status == 101
            assert not answer.headers.keys() & {"Set-Cookie", "Clear-Site-Data"}
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.ws_connect(app.running.url(inside + "/ws?refuse"))
        assert refused.value.status == 403


def _handshake() -> dict[str, str]:
    return {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }


async def test_a_websocket_needs_a_pass(app: App) -> None:
    async with browser(app.running) as client:
        for path in (app.base, f"{app.base}/~{'x' * 43}"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await client.ws_connect(app.running.url(path + "/ws"))
            assert refused.value.status in (401, 404)
    with pytest.raises(aiohttp.WSServerHandshakeError) as riding:
        await app.owner.ws_connect(app.running.url(app.base + "/ws"))
    assert riding.value.status == 403


async def test_what_is_open_ends_with_the_right(app: App) -> None:
    """A member is taken out; somebody signs out: both within a second, a stream and a WebSocket each."""
    async with browser(app.running) as member:
        user = await registered(app.running, member, "mia")
        await app.asked("PUT", f"/members/{user['id']}", {"role": "read"})
        await _cut_by(app, member, app.asked("DELETE", f"/members/{user['id']}", status=204))
        await app.asked("PUT", f"/members/{user['id']}", {"role": "read"})
        await _cut_by(app, member, _sign_out(app, member))


async def _sign_out(app: App, member: aiohttp.ClientSession) -> None:
    async with member.post(app.running.url("/api/v1/auth/logout")) as answer:
        assert answer.status == 204


async def _cut_by(app: App, member: aiohttp.ClientSession, act: object) -> None:
    path = (await app.pass_path(member)).rstrip("/")
    async with bare() as client, bare() as other:
        async with client.get(app.running.url(path + "/events")) as events:
            async with other.ws_connect(app.running.url(path + "/ws")) as socket:
                await events.content.readuntil(b"\n\n")
                await socket.receive_str(timeout=30)
                await act  # type: ignore[misc] # a coroutine
                async with within(1):
                    with pytest.raises(aiohttp.ClientError):
                        await events.content.read()
                    assert (await socket.receive()).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSE)
        async with client.get(app.running.url(path + "/echo")) as answer:
            assert (answer.status, (await answer.json())["code"]) == (404, "no_such_share")

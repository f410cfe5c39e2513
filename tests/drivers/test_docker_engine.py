"""The engine's calls, streams and news: at a socket, at a port, with certificates, and when it is not there."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.drivers.certificates import certificates
from tests.engine import BUSYBOX, SERVER, WORKSPACE, RealEngine
from webterm.drivers.docker.engine import Engine, EngineRefusal
from webterm.drivers.docker.news import EngineNews
from webterm.errors import EngineUnavailable

pytestmark = [pytest.mark.docker, pytest.mark.blocking_allowed]  # the tests themselves look into the engine


@asynccontextmanager
async def forwarding(engine: RealEngine, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """The engine at a port of 127.0.0.1, as if it were elsewhere; the host by which it is found."""
    tasks: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        inner, outer = await asyncio.open_unix_connection(engine.socket)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(pump(reader, outer), pump(inner, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def asks(engine: Engine) -> None:
    """It is called, refuses, streams, and takes raw connections."""
    info = await engine.info()
    assert info.cpus >= 1
    assert info.version
    with pytest.raises(EngineRefusal, match="No such container: nothing") as refusal:
        await engine.call("GET", "containers/nothing/json")
    assert refusal.value.answer == 404
    with await engine.connect() as sock:
        assert sock.gettimeout() == 0
        await asyncio.get_running_loop().sock_sendall(sock, b"GET /_ping HTTP/1.0\r\nHost: engine\r\n\r\n")
        answer = b""
        while data := await asyncio.get_running_loop().sock_recv(sock, 4096):
            answer += data
    assert answer.endswith(b"OK")


async def test_it_answers_at_a_socket_at_a_port_and_with_certificates(engine: RealEngine, tmp_path: Path) -> None:
    context = certificates(tmp_path)
    async with forwarding(engine) as plain, forwarding(engine, context) as sealed:
        for host, tls in ((engine.host, None), (plain, None), (sealed, tmp_path)):
            real = Engine(host, tls)
            await asks(real)
            assert real.descriptors is (tls is None)
            await real.aclose()
        for host, tls in ((sealed, None), (plain, tmp_path), (sealed, tmp_path / "none")):
            real = Engine(host, tls)
            with pytest.raises(EngineUnavailable):
                await real.call("GET", "_ping")
            await real.aclose()


@pytest.mark.parametrize("host", ["unix:///nothing/here", "tcp://127.0.0.1:1"])
async def test_one_that_is_not_there_is_told_at_once(host: str) -> None:
    real = Engine(host, None)
    calls: tuple[Callable[[], Awaitable[object]], ...] = (real.info, real.connect)
    for call in calls:
        with pytest.raises(EngineUnavailable, match=f"{host} does not answer: (No such file|Connection refused)"):
            await call()
    await real.aclose()


async def test_one_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    waits = asyncio.Event()

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await waits.wait()
        writer.close()

    server = await asyncio.start_unix_server(serve, tmp_path / "socket")
    real = Engine(f"unix://{tmp_path}/socket", None)
    with pytest.raises(EngineUnavailable, match=r"did not answer within 0\.2 seconds"):
        await real.call("GET", "info", timeout=0.2)
    waits.set()
    await real.aclose()
    server.close()


async def test_whats_of_the_caller_stays_the_callers(engine: RealEngine) -> None:
    """Errors of whoever reads a stream are none of the engine's, and leaving it closes the connection."""
    real = Engine(engine.host, None)

    async def read(patience: float) -> None:
        async with real.lines("GET", "events") as events, asyncio.timeout(patience):
            async for _ in events:
                pass

    with pytest.raises(TimeoutError):
        await read(0.05)
    await real.aclose()


async def test_news_of_containers_arrive(engine: RealEngine, namespace: str) -> None:
    real = Engine(engine.host, None)
    news: asyncio.Queue[EngineNews] = asyncio.Queue()
    end = real.subscribe(lambda each: news.put_nowait(each) if each.workspace in (None, namespace) else None)
    try:
        await real.start()
        assert (await news.get()).kind == "up"
        assert real.up is True
        late: list[EngineNews] = []
        real.subscribe(late.append)
        assert [each.kind for each in late] == ["up"]
        container = engine.run(
            namespace, BUSYBOX, "sh", "-c", "exit 7", Labels={SERVER: namespace, WORKSPACE: namespace}
        )
        engine.run(namespace, BUSYBOX, "true")  # without the label of a workspace it is nobody's business here
        seen = await news.get()
        assert (seen.kind, seen.container, seen.workspace) == ("die", container, namespace)
        end()
    finally:
        await real.aclose()
    assert news.empty()

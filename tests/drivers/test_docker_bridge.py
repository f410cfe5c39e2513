"""Connections with TLS look like plain sockets, each half of which ends by itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import threading
from pathlib import Path

import pytest

from tests.drivers.certificates import asking, certificates
from tests.engine import BUSYBOX, RealEngine
from webterm.drivers.docker.bridge import Bridges
from webterm.drivers.docker.engine import Engine
from webterm.drivers.docker.stream import Frames, Order, begin, exec_status, prepare
from webterm.drivers.duplex import readable
from webterm.execution import Stream


@pytest.fixture
def contexts(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's, and of a client: they trust each other."""
    return certificates(tmp_path), asking(tmp_path)


def reverse(listener: socket.socket, context: ssl.SSLContext) -> None:
    """Take all that one client sends, and only then send it back, the other way round."""
    sock, _ = listener.accept()
    with context.wrap_socket(sock, server_side=True) as line:
        data = b""
        while piece := line.recv(65536):
            data += piece
        line.sendall(data[::-1])


async def test_both_halves(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    loop = asyncio.get_running_loop()
    bridges = Bridges()
    sent = os.urandom(3_000_000)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=reverse, args=(listener, contexts[0]))
        thread.start()
        sock = socket.socket()
        sock.setblocking(False)
        await loop.sock_connect(sock, listener.getsockname())
        plain = await bridges.bridge(sock, contexts[1], "engine")
        await loop.sock_sendall(plain, sent)
        plain.shutdown(socket.SHUT_WR)
        got = b""
        while data := await loop.sock_recv(plain, 65536):
            got += data
        assert got == sent[::-1]
        plain.close()
        await asyncio.to_thread(thread.join)
    await bridges.aclose()


async def test_a_server_with_another_name(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    loop = asyncio.get_running_loop()
    bridges = Bridges()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sock = socket.socket()
        sock.setblocking(False)
        await loop.sock_connect(sock, listener.getsockname())
        accepted, _ = listener.accept()

        def greet() -> None:
            with accepted, pytest.raises(ssl.SSLError):
                contexts[0].wrap_socket(accepted, server_side=True)

        thread = threading.Thread(target=greet)
        thread.start()
        with pytest.raises(ssl.SSLError, match="mismatch"):
            await bridges.bridge(sock, contexts[1], "somebody-else")
        assert sock.fileno() == -1
        await asyncio.to_thread(thread.join)
    await bridges.aclose()


def serve_for(engine: str, listener: socket.socket, context: ssl.SSLContext) -> None:
    """What an engine with TLS does, in front of one without, until the listener is shut."""
    with contextlib.suppress(OSError):
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=serve_one, args=(engine, context.wrap_socket(sock, server_side=True))).start()


def serve_one(engine: str, line: ssl.SSLSocket) -> None:
    with line, socket.socket(socket.AF_UNIX) as plain, contextlib.suppress(OSError):
        plain.connect(engine)
        sending = threading.Thread(target=pass_on, args=(line, plain))
        sending.start()
        while data := plain.recv(65536):
            line.sendall(data)
        line.unwrap()
        sending.join()


def pass_on(line: ssl.SSLSocket, plain: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := line.recv(65536):
            plain.sendall(data)
        plain.shutdown(socket.SHUT_WR)


@pytest.mark.docker
async def test_a_command_of_an_engine_that_wants_tls(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], tmp_path: Path, engine: RealEngine, namespace: str
) -> None:
    container = await asyncio.to_thread(engine.run, namespace, BUSYBOX, "sleep", "1000")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve_for, args=(engine.socket, listener, contexts[0]))
        thread.start()
        secured = Engine(f"tcp://localhost:{listener.getsockname()[1]}", tmp_path)
        assert not secured.descriptors
        exec_id = await prepare(secured, container, Order(argv=("sh", "-c", "cat; exit 5"), user="1000:1000"))
        sock = await begin(secured, exec_id, terminal=False)
        await asyncio.get_running_loop().sock_sendall(sock, b"typed")
        sock.shutdown(socket.SHUT_WR)
        frames = Frames()
        await readable(sock.fileno())
        assert frames.read(sock.fileno()) == (Stream.STDOUT, b"typed")
        await readable(sock.fileno())
        assert frames.read(sock.fileno()) is None
        assert await exec_status(secured, exec_id) == 5
        sock.close()
        await secured.aclose()
        listener.shutdown(socket.SHUT_RDWR)
        await asyncio.to_thread(thread.join)

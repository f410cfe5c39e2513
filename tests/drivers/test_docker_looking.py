"""What is seen of the programs in a container, and reached there, in each way in which a server can be placed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.drivers.containers import parts_in
from tests.drivers.sandboxes import ACCOUNT, runtime_in
from tests.engine import DEBIAN, RealEngine
from webterm.drivers.docker.containers import Container, Containers
from webterm.drivers.docker.engine import Engine
from webterm.drivers.docker.looking import ContainerLooking
from webterm.drivers.docker.place import hold
from webterm.drivers.docker.relay import Relays
from webterm.drivers.listeners import Target
from webterm.errors import NoSuchPort
from webterm.ids import new_workspace_id
from webterm.runtime import RuntimeLimits, RuntimeStats

pytestmark = pytest.mark.docker

MIRROR = """
import socket, sys, threading
def mirror(line):
    line.sendall(sys.argv[3].encode())
    while data := line.recv(65536):
        line.sendall(data)
    line.close()
server = socket.create_server((sys.argv[1], int(sys.argv[2])))
open(f"up{sys.argv[2]}", "w").close()
while True:
    threading.Thread(target=mirror, args=(server.accept()[0],)).start()
"""
NC = ("nc", "-ll", "-p", "8000", "-e", "sh", "-c", "echo -n bob; exec cat")
LARGE = bytes(range(256)) * 8192
INET, UNIX = socket.AF_INET, socket.AF_UNIX
WAYS = {"in its network": (True, True), "by its address": (False, True), "through it": (False, False)}


class Place:
    """Two people's containers, and what tests do there."""

    def __init__(
        self, real: RealEngine, engine: Engine, containers: Containers, ann: Container, bob: Container
    ) -> None:
        self.real = real
        self.engine = engine
        self.containers = containers
        self.ann = ann
        self.bob = bob

    def begin(self, container: Container, *argv: str, **wanted: object) -> None:
        """Start a program, which goes on."""
        made = self.real.call(
            "POST", f"/containers/{container.id}/exec", {"Cmd": list(argv), "User": container.user} | wanted
        )
        assert isinstance(made, dict)
        detached = {"Detach": True, "Tty": wanted.get("Tty", False)}
        self.real.call("POST", f"/exec/{made['Id']}/start", detached)

    def run(self, container: Container, script: str) -> str:
        """What a program says until it ends."""
        return self.real.execute(container.id, "sh", "-c", script, user=container.user)[1]


@pytest.fixture
async def place(engine: RealEngine, namespace: str, tmp_path: Path) -> AsyncIterator[Place]:
    limits = RuntimeLimits(processes=100, memory=256 * 1024**2, cpu=1)
    ann = runtime_in(tmp_path, limits=limits, network=True)
    bob = runtime_in(tmp_path, account=None if ACCOUNT is None else ACCOUNT + 1, network=True)
    async with parts_in(tmp_path / "data", engine, namespace, images=[DEBIAN]) as parts:
        up = [await parts.containers.ensure(runtime) for runtime in (replace(ann, image=DEBIAN), bob)]
        yield Place(engine, parts.engine, parts.containers, *up)


@pytest.fixture
def other() -> Iterator[int]:
    """A port of this machine that is no workspace's."""
    with socket.create_server(("0.0.0.0", 0)) as listening:
        yield int(listening.getsockname()[1])


async def asked(looking: ContainerLooking, container: Container, port: int, data: bytes) -> bytes:
    """What a server answers, which writes a word of three letters and then what it is sent."""
    loop = asyncio.get_running_loop()
    with await looking.dial(container.workspace, port) as sock:
        assert not sock.getblocking()
        sending = loop.create_task(loop.sock_sendall(sock, data))
        found = b""
        while len(found) < 3 + len(data):
            more = await loop.sock_recv(sock, 65536)
            assert more, f"it ended after {len(found)} bytes"
            found += more
        await sending
        return found


async def family(looking: ContainerLooking, container: Container, port: int) -> socket.AddressFamily:
    """Of the socket to a port: through programs in containers it is none of the internet's."""
    with await looking.dial(container.workspace, port) as sock:
        return socket.AddressFamily(sock.family)


def descriptors() -> list[str]:
    return sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are enough


async def until_there(place: Place, *ports: int) -> None:
    """Servers of Ann say in the workspace that they listen; Bob's is seen to."""
    script = "; ".join(f"while [ ! -e /workspace/up{port} ]; do sleep 0.05; done" for port in ports)
    async with asyncio.timeout(60):
        await asyncio.to_thread(place.run, place.ann, script or ":")
        await asyncio.to_thread(place.run, place.bob, "until netstat -ltn | grep -q :8000; do sleep 0.05; done")


async def test_each_way_shows_and_reaches_the_same(place: Place, other: int) -> None:
    ann, bob = place.ann, place.bob
    for address, port in (("127.0.0.1", 8000), ("0.0.0.0", 8001)):
        place.begin(ann, "python3", "-c", MIRROR, address, str(port), "ann")
    place.begin(ann, "bash", "-i", Tty=True)
    place.begin(bob, *NC)
    await until_there(place, 8000, 8001)
    for name, (sees, routes) in WAYS.items():
        async with aclosing(ContainerLooking(place.engine, place.containers, sees=sees, routes=routes)) as looking:
            assert await looking.ports(ann.workspace) == {8000, 8001}, name
            assert await asked(looking, ann, 8000, b"small") == b"annsmall", name
            assert await asked(looking, ann, 8001, LARGE) == b"ann" + LARGE, name
            assert await asked(looking, bob, 8000, b"small") == b"bobsmall", name
            families = {port: await family(looking, ann, port) for port in (8000, 8001)}
            assert families == {8000: INET if sees else UNIX, 8001: INET if routes else UNIX}, name
            for port in (other, 1, 22):
                with pytest.raises(NoSuchPort):
                    await looking.dial(ann.workspace, port)
            with pytest.raises(NoSuchPort):
                await looking.dial(bob.workspace, 8001)

            found = {process.command.split(" ")[0]: process for process in await looking.processes(ann.workspace)}
            assert {"python3", "bash"} <= set(found), name
            assert "sleep" not in found, name
            assert found["bash"].user == "user"
            assert found["bash"].command == "bash -i"
            assert (found["python3"].memory or 0) > 1024**2
            assert not await looking.is_idle(ann.workspace)

            stats = await looking.stats(ann.workspace)
            assert stats.cpu is not None
            assert (stats.cpu_limit, stats.memory_limit, stats.processes_limit) == (1, 256 * 1024**2, 100)
            assert 1024**2 < (stats.memory or 0) < 256 * 1024**2
            assert (stats.processes or 0) >= 3
            assert (stats.received or 0) > 0

            nobody = new_workspace_id()
            assert await looking.stats(nobody) == RuntimeStats()
            assert (await looking.ports(nobody), await looking.processes(nobody)) == (frozenset(), ())
    place.run(ann, "pkill python3")
    for sees in (True, False):
        async with aclosing(ContainerLooking(place.engine, place.containers, sees=sees)) as looking:
            async with asyncio.timeout(60):
                while not await looking.is_idle(ann.workspace):  # noqa: ASYNC110 - what passed bytes on is ending
                    await asyncio.sleep(0)
            assert await looking.ports(ann.workspace) == frozenset()


async def test_an_address_of_another_machine_is_not_taken_for_one_of_ours(
    place: Place, engine: RealEngine, namespace: str, tmp_path: Path
) -> None:
    """Its engine's socket is led here; there are containers there, and other processes with their numbers here."""
    place.begin(place.ann, "python3", "-c", MIRROR, "0.0.0.0", "8000", "ann")
    place.begin(place.bob, *NC)
    await until_there(place, 8000)
    async with led(engine, tmp_path / "led.sock") as host:
        async with parts_in(tmp_path / "other", engine, namespace, images=[DEBIAN], host=host) as parts:
            async with aclosing(ContainerLooking(parts.engine, parts.containers)) as looking:
                assert await parts.containers.find(place.ann.workspace) is not None
                assert await family(looking, place.ann, 8000) == UNIX
                assert await asked(looking, place.ann, 8000, b"small") == b"annsmall"


@asynccontextmanager
async def led(engine: RealEngine, path: Path) -> AsyncIterator[str]:
    """The engine as another machine's: its processes are none of those that have their numbers here."""

    async def passing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, onward = await asyncio.open_unix_connection(engine.host.removeprefix("unix://"))

        async def pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with contextlib.suppress(ConnectionError):
                while data := await source.read(65536):
                    sink.write(re.sub(rb'"Pid":[0-9]+', lambda pid: b'"Pid":' + b"1" * (len(pid[0]) - 6), data))
                    await sink.drain()
                sink.write_eof()

        with closing(writer), closing(onward):
            await asyncio.gather(pass_on(reader, onward), pass_on(there, writer))

    async with await asyncio.start_unix_server(passing, path):
        yield f"unix://{path}"


async def test_each_program_that_can_pass_bytes_on_does(place: Place) -> None:
    place.begin(place.ann, "python3", "-c", MIRROR, "127.0.0.1", "8000", "ann")
    place.begin(place.bob, *NC)
    await until_there(place, 8000)
    loop = asyncio.get_running_loop()
    target = Target(socket.AF_INET, "127.0.0.1")
    async with aclosing(Relays(place.engine)) as relays:
        for relay in ("python3", "bash"):
            with await relays.dial(place.ann.id, place.ann.user, relay, target, 8000) as sock:
                await loop.sock_sendall(sock, b"x")
                found = b""
                while len(found) < 4:
                    found += await loop.sock_recv(sock, 99)
                assert found == b"annx"
            with await relays.dial(place.ann.id, place.ann.user, relay, target, 1) as sock:
                assert await loop.sock_recv(sock, 99) == b"", "nobody listens there"
    for sees in (True, False):
        async with aclosing(ContainerLooking(place.engine, place.containers, sees=sees, routes=False)) as looking:
            assert await asked(looking, place.bob, 8000, b"x") == b"bobx"
            before = descriptors()
            for _ in range(5):
                assert await asked(looking, place.bob, 8000, b"x") == b"bobx"
                dialling = asyncio.create_task(looking.dial(place.bob.workspace, 8000))
                await asyncio.sleep(0)
                dialling.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    (await dialling).close()
                await looking.processes(place.bob.workspace)
            await looking.aclose()
            assert len(descriptors()) <= len(before)


def test_a_process_of_another_machine_is_not_taken_for_one_of_ours() -> None:
    assert hold("0123456789abcdef" * 4, os.getpid()) is None

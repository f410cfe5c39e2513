"""An engine of the test's own goes away and comes back, and another firewall sweeps the guard away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import images
from tests.drivers.sandboxes import ACCOUNT, runtime_in
from tests.engine import DEBIAN, RealEngine
from tests.own_engine import OwnEngine
from webterm.drivers.docker.containers import Containers
from webterm.drivers.docker.engine import Engine
from webterm.drivers.docker.images import Images
from webterm.drivers.docker.network import ISOLATED, Networks
from webterm.errors import EngineUnavailable, Unavailable

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.blocking_allowed]  # the test itself looks into it
NETTING = Path(__file__).with_name("netting.py").read_text()
TABLE = "table inet webterm"


BRIDGE_TABLE = "table bridge webterm"
BRIDGED = "/proc/sys/net/bridge/bridge-nf-call-iptables"
OLD = """#!/bin/sh
case $* in *"table bridge"*) echo "Operation not supported"; exit 1 ;; esac
exec /usr/sbin/nft "$@"
"""
"""As in a kernel that has no tables for bridges."""
LISTEN = "import socket; s = socket.create_server(('', 8000))\nwhile True: s.accept()"


def with_power(engine: RealEngine) -> str:
    """A container that may look at, and sweep, the firewall of the engine's machine; its id."""
    host = {"NetworkMode": "host", "CapAdd": ["NET_ADMIN"], "Init": True}
    return engine.run("power", DEBIAN, "sleep", "1000", User="0:0", HostConfig=host)


def tables(engine: RealEngine, power: str) -> list[str]:
    return engine.execute(power, "nft", "list", "tables")[1].splitlines()


async def until_guarded(engine: RealEngine, power: str) -> None:
    while not {TABLE, BRIDGE_TABLE} <= set(tables(engine, power)):  # noqa: ASYNC110 - the kernel's own word
        await asyncio.sleep(0.02)


def listen(engine: RealEngine, container: str) -> None:
    made = engine.call("POST", f"/containers/{container}/exec", {"Cmd": ["python3", "-c", LISTEN]})
    assert isinstance(made, dict)
    engine.call("POST", f"/exec/{made['Id']}/start", {"Detach": True})
    script = "while ! grep -q ':1F40 .* 0A ' /proc/net/tcp; do sleep 0.05; done"
    assert engine.execute(container, "sh", "-c", script)[0] == 0


def reaches(engine: RealEngine, container: str, address: str) -> bool:
    output = engine.execute(container, "python3", "-I", "-c", NETTING, f"{address}:8000")[1]
    return output == f'{{"{address}:8000": "reached"}}\n'


@dataclass(frozen=True)
class Ground:
    """The parts of a server with an engine, made as `webterm.drivers.docker.parts` makes them."""

    engine: Engine
    images: Images
    networks: Networks
    containers: Containers


@asynccontextmanager
async def ground(own: OwnEngine, directory: Path, *, guard_image: str = DEBIAN) -> AsyncIterator[Ground]:
    """Nothing is looked at from time to time before its engine has been started."""
    engine = Engine(own.host, None)
    found = Images(engine, pull=False)
    networks = Networks(engine, found, server="test", guard_image=guard_image, interval=0.1)
    containers = Containers(engine, found, networks, server="test", directory=directory / "etc", image=DEBIAN)
    try:
        yield Ground(engine, found, networks, containers)
    finally:
        for part in (containers, networks, found, engine):
            await part.aclose()


@pytest.mark.timeout(180)
async def test_neighbours_are_kept_apart_also_where_bridges_are_not_filtered(
    own_engine: OwnEngine, tmp_path: Path
) -> None:
    engine, old = own_engine.engine, "test:old"
    await asyncio.to_thread(images.ensure, Path(engine.socket))
    recipe = f"FROM {DEBIAN}\nUSER 0\nCOPY nft /usr/local/sbin/nft\nRUN chmod +x /usr/local/sbin/nft\n"
    made = {"Dockerfile": recipe.encode(), "nft": OLD.encode()}
    await asyncio.to_thread(lambda: images.build(Path(engine.socket), made, t=old))
    async with ground(own_engine, tmp_path) as real, ground(own_engine, tmp_path, guard_image=old) as lesser:
        one, other = [
            await real.containers.ensure(runtime_in(tmp_path / "workspaces", network=True, account=account))
            for account in ((None, None) if ACCOUNT is None else (ACCOUNT, ACCOUNT + 1))
        ]
        assert other.address
        listen(engine, other.id)
        assert not reaches(engine, one.id, other.address)
        assert await lesser.networks.ready("none") != ISOLATED  # in a kernel that filters bridges as it does routes
        power = with_power(engine)
        assert set(tables(engine, power)) >= {TABLE, BRIDGE_TABLE}

        own_engine.in_network("sh", "-c", f"echo 0 >{BRIDGED}")
        assert not reaches(engine, one.id, other.address)
        with pytest.raises(Unavailable, match=r"refused: .*; net\.bridge\.bridge-nf-call-iptables is not 1"):
            await lesser.networks.guard()
        await real.networks.check()
        assert engine.execute(power, "nft", "delete", *BRIDGE_TABLE.split())[0] == 0
        assert reaches(engine, one.id, other.address)  # nothing else has kept them apart
        assert engine.execute(power, "nft", "delete", *TABLE.split())[0] == 0
        with pytest.raises(Unavailable, match="have been removed"):
            await real.networks.check()


@pytest.mark.timeout(180)
async def test_what_is_swept_away_comes_back(own_engine: OwnEngine, tmp_path: Path) -> None:
    engine = own_engine.engine
    await asyncio.to_thread(images.ensure, Path(engine.socket))
    engine.call("POST", f"/images/{DEBIAN}/tag", repo="test", tag="guard")
    async with ground(own_engine, tmp_path, guard_image="test:guard") as here:
        containers = here.containers
        ended: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        containers.on_ended = lambda *said: ended.put_nowait(said)
        runtime = runtime_in(tmp_path / "workspaces", network=True)
        await here.engine.start()

        await containers.ensure(runtime)
        power = with_power(engine)
        await until_guarded(engine, power)
        for table in (TABLE, BRIDGE_TABLE):
            assert engine.execute(power, "nft", "delete", *table.split())[0] == 0
        await until_guarded(engine, power)

        engine.call("DELETE", "/images/test:guard")
        assert engine.execute(power, "nft", "delete", *TABLE.split())[0] == 0
        while not here.networks.problem:  # noqa: ASYNC110 - there is no event
            await asyncio.sleep(0.02)
        assert await here.networks.ready("internet") == ISOLATED  # nobody else gets one that nothing guards
        engine.call("POST", f"/images/{DEBIAN}/tag", repo="test", tag="guard")
        await until_guarded(engine, power)

        await containers.stop(runtime.workspace)
        engine.call("DELETE", "/networks/webterm-internet")
        first = await containers.ensure(runtime)
        assert first.address is not None

        await asyncio.to_thread(own_engine.kill)
        with pytest.raises(EngineUnavailable):
            await containers.ensure(runtime)
        await asyncio.to_thread(own_engine.start)  # which ends all containers
        assert await ended.get() == (runtime.workspace, "the container engine was stopped")
        assert await containers.find(runtime.workspace) is None
        assert (await containers.ensure(runtime)).id != first.id
        await until_guarded(engine, with_power(engine))
        await containers.stop(runtime.workspace)

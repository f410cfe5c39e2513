"""An engine of the test's own goes away and comes back, and another firewall sweeps the guard away."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests import images
from tests.drivers.sandboxes import runtime_in
from tests.engine import DEBIAN, RealEngine
from tests.own_engine import OwnEngine
from webterm.drivers.docker_containers import Containers
from webterm.drivers.docker_engine import Engine
from webterm.drivers.docker_images import Images
from webterm.drivers.docker_network import AGAIN, Networks
from webterm.errors import EngineUnavailable

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.blocking_allowed]  # the test itself looks into it
TABLE = "table inet webterm"


def with_power(engine: RealEngine) -> str:
    """A container that may look at, and sweep, the firewall of the engine's machine; its id."""
    host = {"NetworkMode": "host", "CapAdd": ["NET_ADMIN"], "Init": True}
    return engine.run("power", DEBIAN, "sleep", "1000", User="0:0", HostConfig=host)


async def until_guarded(engine: RealEngine, power: str) -> None:
    while TABLE not in engine.execute(power, "nft", "list", "tables")[1]:  # noqa: ASYNC110 - the kernel's own word
        await asyncio.sleep(0.02)


@pytest.mark.timeout(180)
async def test_what_is_swept_away_comes_back(own_engine: OwnEngine, tmp_path: Path) -> None:
    engine = own_engine.engine
    await asyncio.to_thread(images.ensure, Path(engine.socket))
    now = 0.0
    ours = Engine(engine.host, None)
    found = Images(ours, pull=False)
    networks = Networks(ours, found, server="test", guard_image=DEBIAN, clock=lambda: now)
    containers = Containers(ours, found, networks, server="test", directory=tmp_path / "etc", image=DEBIAN)
    ended: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    containers.on_ended = lambda *said: ended.put_nowait(said)
    runtime = runtime_in(tmp_path / "workspaces", network=True)
    await ours.start()

    first = await containers.ensure(runtime)
    power = with_power(engine)
    assert TABLE in engine.execute(power, "nft", "list", "tables")[1]
    assert engine.execute(power, "nft", "delete", *TABLE.split())[0] == 0
    now += AGAIN
    assert await containers.ensure(runtime) == first
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
    for part in (containers, networks, found, ours):
        await part.aclose()

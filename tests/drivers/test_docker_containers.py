"""Containers of workspaces: made, found again by another server process, changed, ended, collected; what goes wrong."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.drivers.containers import parts_in, settings_in
from tests.drivers.sandboxes import ACCOUNT, runtime_in
from tests.engine import BUSYBOX, WORKSPACE, RealEngine
from tests.images import build
from webterm.drivers.docker.containers import SETTLED, Containers
from webterm.drivers.docker.parts import Parts, on_host
from webterm.drivers.docker.shape import container_name
from webterm.drivers.docker.stream import run
from webterm.errors import EngineUnavailable, ImageMissing, IsolationRefused, Unavailable, WebtermError
from webterm.runtime import Runtime, RuntimeLimits

pytestmark = [pytest.mark.docker, pytest.mark.blocking_allowed]  # the tests themselves look into the engine


@pytest.fixture
async def parts(tmp_path: Path, engine: RealEngine, namespace: str) -> AsyncIterator[Parts]:
    async with parts_in(tmp_path / "data", engine, namespace) as parts:
        yield parts


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    return runtime_in(tmp_path / "workspaces", network=True, limits=RuntimeLimits(processes=50, memory=64 << 20))


def used(engine: RealEngine, id_: str) -> None:
    """Have a program run in a container."""
    made = engine.call("POST", f"/containers/{id_}/exec", {"Cmd": ["tail", "-f", "/dev/null"]})
    assert isinstance(made, dict)
    engine.call("POST", f"/exec/{made['Id']}/start", {"Detach": True})


async def test_it_is_made_once_found_again_and_leaves_nothing(
    parts: Parts, runtime: Runtime, engine: RealEngine, namespace: str, tmp_path: Path
) -> None:
    told: list[str] = []
    made, same = await asyncio.gather(
        parts.containers.ensure(runtime, told.append), parts.containers.ensure(runtime, told.append)
    )
    assert made == same == await parts.containers.find(runtime.workspace)
    assert engine.of(namespace) == {"containers": [made.id]}
    assert "starting the container" in told
    user = ACCOUNT or os.geteuid()
    status, output = engine.execute(
        made.id, "sh", "-c", "id -un; pwd; echo it >there; hostname; echo $HOME; echo $PATH"
    )
    assert (status, output.split()[:4]) == (0, ["user", "/workspace", "workspace", "/workspace"])
    assert made.user == f"{user}:{user}"
    assert (made.memory, made.processes) == (64 << 20, 50)
    assert (runtime.files / "there").stat().st_uid == user
    assert made.pid is not None  # the engine is on this machine

    async with parts_in(tmp_path / "data", engine, namespace) as later:  # a server that was started again
        assert await later.containers.find(runtime.workspace) == made == await later.containers.ensure(runtime)
        async with parts_in(tmp_path / "data", engine, "another") as others:
            assert await others.containers.find(runtime.workspace) is None
            with pytest.raises(Unavailable, match="that is not this server's"):
                await others.containers.ensure(runtime)
            with pytest.raises(Unavailable, match="that is not this server's"):
                await others.containers.stop(runtime.workspace)
        await later.containers.stop(runtime.workspace)
        await later.containers.stop(runtime.workspace)
        assert await later.containers.find(runtime.workspace) is None
    assert engine.of(namespace) == {}


async def test_scripts_that_are_run_in_it_tell_nobody_how_they_end(
    parts: Parts, runtime: Runtime, engine: RealEngine
) -> None:
    made = await parts.containers.ensure(runtime)
    script = "tr '\\0' '\\n' </proc/$$/cmdline; env; cat; exit 3"
    ran = await run(parts.engine, made.id, script, "argument", user=made.user)
    assert ran.status == 3
    assert b"\nargument\n" in ran.stdout
    assert not re.search(rb"\b[0-9a-f]{16}\b", ran.stdout)


async def test_it_is_made_anew_when_it_is_to_be_another_one_and_nothing_runs(
    parts: Parts, runtime: Runtime, engine: RealEngine, namespace: str
) -> None:
    ended: list[str] = []
    parts.containers.on_ended = lambda *said: ended.extend(said)
    first = await parts.containers.ensure(runtime)
    assert (await parts.containers.ensure(replace(runtime, env={"X": "1"}))).id == first.id
    changed = replace(runtime, network=False, limits=RuntimeLimits(processes=60))
    used(engine, first.id)
    assert (await parts.containers.ensure(changed)).id == first.id
    assert engine.execute(first.id, "sh", "-c", "kill -9 $(pidof tail)")[0] == 0
    while (second := await parts.containers.ensure(changed)).id == first.id:
        pass  # a process that was killed takes a moment to go
    assert await parts.containers.find(runtime.workspace) == second
    assert (second.memory, second.processes) == (0, 60)
    assert not ended
    assert engine.of(namespace) == {"containers": [second.id]}


async def test_an_end_that_nobody_asked_for_is_told_and_one_that_somebody_did_is_not(
    parts: Parts, runtime: Runtime, engine: RealEngine, namespace: str
) -> None:
    ended: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    parts.containers.on_ended = lambda *said: ended.put_nowait(said)
    made = await parts.containers.ensure(runtime)
    engine.execute(made.id, "sh", "-c", "kill -9 -1")
    assert await ended.get() == (runtime.workspace, "its container was killed")
    assert await parts.containers.find(runtime.workspace) is None
    assert engine.of(namespace) == {}
    again = await parts.containers.ensure(runtime)
    await parts.containers.evict(runtime.workspace, "because")
    assert await ended.get() == (runtime.workspace, "because")
    assert again.id != made.id
    await parts.containers.ensure(runtime)
    await parts.containers.stop(runtime.workspace)
    assert ended.empty()


async def test_programs_that_memory_runs_out_for_are_told_of_and_what_ends_with_them(
    parts: Parts, runtime: Runtime, engine: RealEngine
) -> None:
    told: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    ended: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    parts.containers.shortages.tell = lambda *said: told.put_nowait(said)
    parts.containers.on_ended = lambda *said: ended.put_nowait(said)
    made = await parts.containers.ensure(replace(runtime, limits=RuntimeLimits(memory=16 << 20)))
    hungry = "for n in 1 2 3; do tail /dev/zero; done; kill -9 -1"
    await asyncio.to_thread(engine.execute, made.id, "sh", "-c", hungry)
    why = "memory ran out (16 MiB for all programs together)"
    assert await ended.get() == (runtime.workspace, why)
    assert await told.get() == (runtime.workspace, f"a program was killed, because {why}")
    assert told.empty()  # the others are told of together, later, and not where all has ended


async def test_who_fills_the_disk_is_ended(parts: Parts, tmp_path: Path, engine: RealEngine, namespace: str) -> None:
    ended: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    parts.containers.on_ended = lambda *said: ended.put_nowait(said)
    greedy = runtime_in(tmp_path / "workspaces", limits=RuntimeLimits(disk=4 << 20))
    made = await parts.containers.ensure(greedy)
    fill = "for n in 1 2 3 4 5 6 7 8; do dd if=/dev/urandom of=$n bs=1M count=1; done; sleep 1000"
    filler = engine.call("POST", f"/containers/{made.id}/exec", {"Cmd": ["sh", "-c", fill]})
    assert isinstance(filler, dict)
    engine.call("POST", f"/exec/{filler['Id']}/start", {"Detach": True})
    workspace, reason = await ended.get()
    assert workspace == greedy.workspace
    assert "MiB" in reason
    assert engine.of(namespace) == {}


async def test_what_nobody_wants_is_collected(
    parts: Parts, runtime: Runtime, engine: RealEngine, namespace: str, tmp_path: Path
) -> None:
    settings = settings_in(tmp_path / "data", engine)
    late = Containers(
        *(parts.engine, parts.images, parts.networks),
        server=namespace,
        directory=tmp_path / "etc",
        image=settings.docker.image,
        clock=lambda: time.time() + SETTLED + 60,
    )
    wanted = await parts.containers.ensure(runtime)
    unwanted = await parts.containers.ensure(runtime_in(tmp_path / "workspaces"))
    ended = engine.run(namespace, BUSYBOX, "true", Labels={"webterm.server": namespace, WORKSPACE: "ended"})
    errand = engine.run(namespace, BUSYBOX)
    others = engine.run(f"{namespace}-other", BUSYBOX, Labels={"webterm.server": f"{namespace}-other", WORKSPACE: "x"})
    try:
        assert await parts.containers.count() == 2
        assert await parts.containers.collect(frozenset()) == []  # somebody may just be making them
        removed = await late.collect(frozenset({runtime.workspace}))
        assert {line.split()[1] for line in removed} == {id_[:12] for id_ in (unwanted.id, ended, errand)}
        assert engine.of(namespace) == {"containers": [wanted.id]}
        assert engine.inspect(others)["Id"] == others
    finally:
        await late.aclose()
        engine.remove(f"{namespace}-other")


async def test_without_a_guard_there_is_no_network_and_it_says_why(
    tmp_path: Path, runtime: Runtime, engine: RealEngine, namespace: str
) -> None:
    async with parts_in(tmp_path / "data", engine, namespace, guard_image=BUSYBOX) as parts:
        told: list[str] = []
        made = await parts.containers.ensure(runtime, told.append)
        assert made.address is None
        assert engine.execute(made.id, "sh", "-c", "tail -n +3 /proc/net/dev; cat /proc/net/route")[1].count(":") == 1
        assert any(line.startswith("without any network: what it could reach cannot be bounded") for line in told)
        assert "nft" in parts.networks.problem


async def test_what_cannot_be_made_says_why_and_leaves_nothing(
    tmp_path: Path, runtime: Runtime, engine: RealEngine, namespace: str
) -> None:
    empty = f"{namespace}:empty"
    build(Path(engine.socket), {"Dockerfile": b"FROM scratch\nCOPY nothing /\n", "nothing": b""}, t=empty)
    try:
        async with parts_in(tmp_path / "data", engine, namespace, host_data_dir="/not/there") as parts:
            faults: list[tuple[Runtime, type[WebtermError], str]] = [
                (runtime, Unavailable, "does not find the workspace's files on its machine.*docker.host_data_dir"),
                (
                    replace(runtime, image="no/image:here"),
                    ImageMissing,
                    "no image no/image:here; images are not pulled",
                ),
                (replace(runtime, files=tmp_path / "none"), Unavailable, "directory is not there"),
            ]
            if os.geteuid() == 0:
                faults.append((replace(runtime, account=None), IsolationRefused, "only as a user of their own"))
            for wanted, kind, words in faults:
                with pytest.raises(kind, match=words):
                    await parts.containers.ensure(wanted)
        async with parts_in(tmp_path / "data", engine, namespace) as parts:
            ended: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
            parts.containers.on_ended = lambda *said: ended.put_nowait(said)
            try:
                await parts.containers.ensure(replace(runtime, image=empty))
            except Unavailable as error:
                reason = str(error)
            else:  # a busy machine takes a moment to find that out
                _, reason = await ended.get()
            assert "there is no /bin/sh in it that runs" in reason
            making = asyncio.create_task(parts.containers.ensure(runtime))
            while not engine.of(namespace):  # noqa: ASYNC110 - the engine's own word
                await asyncio.sleep(0.005)
            making.cancel()
            await asyncio.wait([making])
    finally:
        engine.call("DELETE", f"/images/{empty}")
    assert engine.of(namespace) == {}


async def test_volumes_that_an_image_wants_are_in_memory_and_bounded(
    parts: Parts, runtime: Runtime, engine: RealEngine, namespace: str
) -> None:
    image = f"{namespace}:volumes"
    recipe = f"FROM {BUSYBOX}\nVOLUME /data /data/ /var/lib/it /tmp /workspace /workspace/in\n"
    build(Path(engine.socket), {"Dockerfile": recipe.encode()}, t=image)
    try:
        made = await parts.containers.ensure(replace(runtime, image=image))
        assert [mount["Type"] for mount in engine.mounts(made.id)] == ["bind"] * 3
        fill = "dd if=/dev/zero of=$one/x bs=1M count=64; stat -c %s $one/x; rm $one/x"
        script = f"for one in /data /var/lib/it; do {fill}; done"
        status, output = engine.execute(made.id, "sh", "-c", f"({script}) 2>/dev/null; touch /workspace/it")
        assert status == 0
        assert all(0 < int(size) <= 32 << 20 for size in output.split()), output  # half of the memory
        assert (runtime.files / "it").exists()
        await parts.containers.stop(runtime.workspace)
    finally:
        engine.call("DELETE", f"/images/{image}")


async def test_an_engine_that_is_not_there_is_told(tmp_path: Path, runtime: Runtime, engine: RealEngine) -> None:
    async with parts_in(tmp_path, engine, "nobody", host=f"unix://{tmp_path}/none") as parts:
        for call in (
            parts.containers.ensure(runtime),
            parts.containers.find(runtime.workspace),
            parts.containers.stop(runtime.workspace),
            parts.containers.collect(frozenset()),
            parts.containers.count(),
        ):
            with pytest.raises(EngineUnavailable, match="does not answer: No such file"):
                await call


def test_paths_on_the_engines_machine(tmp_path: Path, engine: RealEngine, runtime: Runtime) -> None:
    settings = settings_in(tmp_path, engine, host_data_dir="/srv/webterm")
    assert on_host(settings, tmp_path / "workspaces" / "x") == Path("/srv/webterm/workspaces/x")
    assert on_host(settings, Path("/elsewhere")) == Path("/elsewhere")
    assert on_host(settings_in(tmp_path, engine), tmp_path / "x") == tmp_path / "x"
    assert container_name(runtime.workspace) == f"webterm-{runtime.workspace}"

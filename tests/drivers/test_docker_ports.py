"""Ports of the machine that lead into a container."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from tests.drivers.containers import parts_in
from tests.drivers.sandboxes import runtime_in
from tests.engine import RealEngine
from tests.ports import held_port
from webterm.runtime import RuntimeLimits

pytestmark = [pytest.mark.docker, pytest.mark.blocking_allowed]  # the tests themselves look into the engine

PATIENCE = 60.0


async def said_at(port: int) -> bytes:
    """What whoever connects to a port of this machine hears."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        return await reader.read()
    finally:
        writer.close()


async def test_a_published_port_leads_into_the_container_and_a_taken_one_nowhere(
    tmp_path: Path, engine: RealEngine, namespace: str
) -> None:
    runtime = runtime_in(tmp_path / "workspaces", network=True, limits=RuntimeLimits(memory=64 << 20))
    told: list[str] = []
    with held_port() as one, held_port() as other:
        free, taken = int(one.getsockname()[1]), int(other.getsockname()[1])
        other.listen()
        one.close()
        async with parts_in(tmp_path / "data", engine, namespace) as parts, asyncio.timeout(PATIENCE):
            made = await parts.containers.ensure(replace(runtime, published={8080: free}), told.append)
            serve = "echo listening; while true; do echo hello | nc -l -p 8080; done"
            command = {"Cmd": ["sh", "-c", serve], "AttachStdout": False}
            execution = engine.call("POST", f"/containers/{made.id}/exec", command)
            assert isinstance(execution, dict)
            engine.call("POST", f"/exec/{execution['Id']}/start", {"Detach": True})
            while True:
                try:
                    if await said_at(free) == b"hello\n":
                        break
                except ConnectionError:
                    pass
            assert not any("published" in line for line in told)
            await parts.containers.stop(runtime.workspace)
            again = await parts.containers.ensure(replace(runtime, published={8080: taken}), told.append)
            assert any("no port is published" in line for line in told)
            assert await parts.containers.ensure(replace(runtime, published={8080: taken})) == again
            await parts.containers.stop(runtime.workspace)

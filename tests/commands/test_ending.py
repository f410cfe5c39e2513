"""What ``webterm stop --all`` leaves of containers: nothing of its own data directory, and everything of others."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.drivers.containers import parts_in
from tests.drivers.sandboxes import runtime_in
from tests.engine import RealEngine
from webterm.datadir import identity

pytestmark = [pytest.mark.docker, pytest.mark.blocking_allowed]  # the test itself looks into the engine


async def test_containers_end_with_all_programs(tmp_path: Path, engine: RealEngine, namespace: str) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    own = identity(data)
    others = engine.run(namespace)
    try:
        async with parts_in(data, engine, own) as parts:
            await parts.containers.ensure(runtime_in(tmp_path / "workspaces"))
        words = [sys.executable, "-m", "webterm", "stop", "--all", "--data-dir", str(data)]
        environ = os.environ | {"WEBTERM_DOCKER__HOST": engine.host}
        done = await asyncio.to_thread(subprocess.run, words, env=environ, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == "No program was running.\nContainers removed: 1.\n"
        assert engine.of(own) == {}
        assert engine.of(namespace) == {"containers": [others]}
    finally:
        engine.remove(own)

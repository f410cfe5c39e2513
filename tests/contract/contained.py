"""A driver of containers for each test; one container and one keeper for all tests of a module."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.drivers.containers import parts_in
from tests.drivers.sandboxes import runtime_in
from tests.engine import DEBIAN, RealEngine
from webterm.drivers.docker.driver import DockerDriver
from webterm.drivers.keeping import Keeping
from webterm.keeper.client import shut_down
from webterm.runtime import Runtime, RuntimeLimits

PROCESSES = 64
CONTAINED_PYTHON = ("python3", "-I", "-S")


class Contained:
    """A workspace with the scripts of these tests, whose container the first test makes."""

    def __init__(self, directory: Path, engine: RealEngine, server: str) -> None:
        self.runtime: Runtime = runtime_in(directory, limits=RuntimeLimits(processes=PROCESSES))
        self.keeper = directory / "keeper"
        self._data = directory / "data"
        self._engine = engine
        self._server = server
        for name in ("mirror.py", "teller.py"):
            shutil.copy(Path(__file__).with_name(name), self.runtime.files)

    @asynccontextmanager
    async def driver(self, **docker: object) -> AsyncIterator[DockerDriver]:
        """A driver for one test; ``docker`` has settings of its own."""
        keeping = Keeping(self.keeper, patience=60)
        docker = {"image": DEBIAN, "network": "none", **docker}
        async with parts_in(self._data, self._engine, self._server, **docker) as parts:
            driver = DockerDriver(parts.engine, keeping, parts.containers, close_grace=1)
            try:
                yield driver
            finally:
                await driver.aclose()
                await keeping.aclose()


@pytest.fixture(scope="module")
def contained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Contained]:
    """Made only where a test asks for it: the engine is not needed by others."""
    engine = request.getfixturevalue("engine")
    server = request.getfixturevalue("module_namespace")
    contained = Contained(tmp_path_factory.mktemp("contained"), engine, server)
    yield contained
    asyncio.run(shut_down(contained.keeper, 0))

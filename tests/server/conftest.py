"""A server process of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.server.process import Server, serving


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
async def server(request: pytest.FixtureRequest, directory: Path) -> AsyncIterator[Server]:
    """A server and its owner's browser; parametrized with ``ordinary``, that of somebody with a plain account."""
    if getattr(request, "param", "owner") == "owner":
        async with serving(directory) as server:
            yield server
    else:
        # These connect again more often than anybody's tier allows.
        async with serving(directory, ordinary=True, local__isolation="none", limits__enabled=False) as server:
            yield server


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What the core shows, it shows for the owner and for somebody with a plain account; a flood is nobody's."""
    if "server" in metafunc.fixturenames:
        people = ["owner"] if metafunc.module.__name__.endswith("floods") else ["owner", "ordinary"]
        metafunc.parametrize("server", people, indirect=True)

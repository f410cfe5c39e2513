"""A server process of a module's own, and an empty directory of a test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.server.process import Server, serving


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def standing(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server and its owner's browser; parametrized with ``ordinary``, that of somebody with a plain account."""
    directory = tmp_path_factory.mktemp("standing") / "data"
    if getattr(request, "param", "owner") == "owner":
        async with serving(directory) as server:
            yield server
    else:
        # These connect again more often than anybody's tier allows.
        async with serving(directory, ordinary=True, local__isolation="none", limits__enabled=False) as server:
            yield server


@pytest_asyncio.fixture(loop_scope="module")
async def server(standing: Server) -> AsyncIterator[Server]:
    """The module's server, which runs and has no terminals."""
    yield standing
    await standing.tidy()


BOTH = ("tests.server.test_cuts", "tests.server.test_kills")
"""What is kept over a cut and a kill is kept for the owner and for somebody with a plain account."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Who is asked for and how output is encoded do not know of each other: two pairs show what four would."""
    if metafunc.module.__name__ not in BOTH:
        return
    if "binary" in metafunc.fixturenames:
        pairs = {"owner-json": ("owner", False), "ordinary-binary": ("ordinary", True)}
        names = ("standing", "binary")
        metafunc.parametrize(names, pairs.values(), indirect=["standing"], ids=pairs, scope="module")
    elif "standing" in metafunc.fixturenames:
        metafunc.parametrize("standing", ["owner", "ordinary"], indirect=True)

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


BOTH = ("tests.server.test_cuts", "tests.server.test_kills")
"""What is kept over a cut and a kill is kept for the owner and for somebody with a plain account."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Who is asked for and how output is encoded do not know of each other: two pairs show what four would."""
    if metafunc.module.__name__ not in BOTH:
        return
    if "binary" in metafunc.fixturenames:
        pairs = [("owner", False), ("ordinary", True)]
        metafunc.parametrize(("server", "binary"), pairs, indirect=["server"], ids=["owner-json", "ordinary-binary"])
    elif "server" in metafunc.fixturenames:
        metafunc.parametrize("server", ["owner", "ordinary"], indirect=True)

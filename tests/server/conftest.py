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
async def server(directory: Path) -> AsyncIterator[Server]:
    async with serving(directory) as server:
        yield server

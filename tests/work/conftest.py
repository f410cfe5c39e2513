"""What tests of the rules about workspaces share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.work.bench import Bench, serving


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Workspaces of a server where a host application has the people."""
    async with serving(tmp_path) as bench:
        yield bench

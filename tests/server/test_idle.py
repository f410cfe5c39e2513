"""Terminals that do nothing cost next to nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.idle import measure


@pytest.mark.slow
async def test_many_idle_terminals(directory: Path) -> None:
    idle = await measure(directory, terminals=150, seconds=3.0)
    print(f"\n{idle}")
    assert idle.private + idle.shared < 60 * 1024
    assert idle.processor < 0.01
    assert idle.listing < 0.5
    assert idle.restart < 10

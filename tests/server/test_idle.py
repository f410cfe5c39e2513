"""Terminals that do nothing cost next to nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.idle import measure

WINDOWS = 3
"""The same work takes more of a processor that others use, too: the best of so many counts."""


@pytest.mark.alone
@pytest.mark.slow
async def test_many_idle_terminals(directory: Path) -> None:
    for number in range(WINDOWS):
        idle = await measure(directory.parent / f"data{number}", terminals=150, seconds=3.0)
        print(f"\n{idle}")
        assert idle.private + idle.shared < 60 * 1024
        assert idle.listing < 0.5
        assert idle.restart < 10
        if idle.processor < 0.01:
            return
    pytest.fail(f"{idle.processor:.2%} of a processor")

"""Whose workspace outgrows its limit is found on a disk that others use, too."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

import pytest

from webterm.drivers.disk_guard import DiskGuard
from webterm.ids import WorkspaceId

pytestmark = pytest.mark.blocking_allowed  # the test itself writes files
MIB = 1024**2
PIECES = 64


@pytest.mark.slow
async def test_who_grows_while_others_free_as_much(tmp_path: Path) -> None:
    """The disk does not become fuller then."""
    files, others = tmp_path / "files", tmp_path / "others"
    files.mkdir()
    others.mkdir()
    for number in range(PIECES):
        (others / str(number)).write_bytes(bytes(MIB))
    ended = asyncio.Event()

    async def end(workspace: WorkspaceId, reason: str) -> None:
        assert (workspace, reason.startswith("the workspace holds more than its ")) == ("w", True)
        ended.set()

    guard = DiskGuard(end, interval=0.02, recount=0.1)
    try:
        await guard.watch(WorkspaceId("w"), files, 4 * MIB, os.getpid())
        for number in range(PIECES):
            (others / str(number)).unlink()
            (files / str(number)).write_bytes(bytes(MIB))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), 0.02)
                break
        async with asyncio.timeout(30):
            await ended.wait()
    finally:
        await guard.aclose()

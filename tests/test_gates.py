"""The gates themselves: what must fail does fail."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import uvloop
from blockbuster import BlockingError

from webterm import datadir

ROOT = Path(__file__).parent.parent

SKIPPING = """\
import pytest

@pytest.mark.skip(reason="not today")
def test_skipped() -> None: ...

@pytest.mark.xfail(reason="known")
def test_expected_to_fail() -> None:
    raise AssertionError

def test_passes() -> None: ...
"""


async def test_a_blocking_call_of_ours_in_the_loop_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BlockingError):
        datadir.prepare(tmp_path)
    with pytest.raises(BlockingError):
        datadir.write_private(tmp_path / "file", b"")
    await asyncio.to_thread(datadir.prepare, tmp_path)


@pytest.mark.blocking_allowed  # shows that the marker works
async def test_a_blocking_call_can_be_allowed(tmp_path: Path) -> None:
    datadir.prepare(tmp_path)


async def test_the_loop_is_the_one_of_the_product() -> None:
    assert isinstance(asyncio.get_running_loop(), uvloop.Loop)


@pytest.mark.both_loops
async def test_a_marked_test_runs_on_the_loop_in_its_name(request: pytest.FixtureRequest) -> None:
    assert request.node.name.endswith(("[uvloop]", "[asyncio]"))
    assert ("uvloop" in request.node.name) is isinstance(asyncio.get_running_loop(), uvloop.Loop)


@pytest.mark.parametrize(("ci", "status"), [("true", 1), ("", 0)])
def test_a_skip_is_a_failure_in_continuous_integration(tmp_path: Path, ci: str, status: int) -> None:
    shutil.copy(Path(__file__).parent / "conftest.py", tmp_path)
    (tmp_path / "test_skipping.py").write_text(SKIPPING)
    environ = os.environ | {"CI": ci, "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", "-c", "/dev/null", "."]
    done = subprocess.run(words, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    assert ("skipped, which is not allowed here" in done.stdout) is bool(status)

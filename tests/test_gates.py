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

HANGING = """\
import asyncio
from contextlib import suppress

import pytest

async def stubborn():
    while True:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

@pytest.fixture
async def hung():
    yield
    await stubborn()

async def test_hangs(): await stubborn()

async def test_is_followed_by_a_hang(hung): ...

async def test_fails_before_a_hang(hung): raise ValueError

async def test_is_busy():
    while True:
        pass

@pytest.mark.timeout(60)
async def test_passes(): ...
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


def run(directory: Path, tests: str, *options: str, ci: str = "") -> subprocess.CompletedProcess[str]:
    """Run tests as ours are run, in a directory of their own."""
    shutil.copy(Path(__file__).parent / "conftest.py", directory)
    (directory / "test_these.py").write_text(tests)
    environ = os.environ | {"CI": ci, "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--rootdir={directory}", "-c", "/dev/null"]
    words += [*options, "."]
    return subprocess.run(words, cwd=directory, env=environ, capture_output=True, text=True, timeout=90, check=False)


@pytest.mark.parametrize(("ci", "status"), [("true", 1), ("", 0)])
def test_a_skip_is_a_failure_in_continuous_integration(tmp_path: Path, ci: str, status: int) -> None:
    done = run(tmp_path, SKIPPING, ci=ci)
    assert done.returncode == status, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    assert ("skipped, which is not allowed here" in done.stdout) is bool(status)


def test_what_hangs_fails_and_the_others_run_on(tmp_path: Path) -> None:
    done = run(tmp_path, HANGING, "--timeout=1", "-o", "asyncio_mode=auto", "-W", "ignore")
    lines = done.stdout.splitlines()
    told = {tuple(line.split()[:2]) for line in lines if line.startswith(("FAILED test_", "ERROR test_"))}
    assert told == {
        ("FAILED", "test_these.py::test_hangs"),
        ("ERROR", "test_these.py::test_is_followed_by_a_hang"),
        ("FAILED", "test_these.py::test_fails_before_a_hang"),
        ("ERROR", "test_these.py::test_fails_before_a_hang"),
        ("FAILED", "test_these.py::test_is_busy"),
    }, done.stdout + done.stderr
    assert "3 failed, 2 passed, 2 errors" in lines[-1]
    assert "in stubborn" in done.stdout, "and it is said where"

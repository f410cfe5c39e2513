"""What holds for every test: the event loop, no blocking call in it, and no test left out unseen; and PostgreSQL."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Generator, Iterator, Mapping

import hypothesis
import pytest
import uvloop
from blockbuster import BlockBuster, BlockBusterFunction

from tests.store.postgres import Cluster

# Where a failure stops everybody, the same examples each time; new ones are looked for on the machines of developers.
hypothesis.settings.register_profile("same", derandomize=True)
if os.environ.get("CI"):
    hypothesis.settings.load_profile("same")

pytest_plugins = ["tests.hanging", "tests.taking_turns", "tests.engine", "tests.own_engine"]

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "uvloop": uvloop.new_event_loop,
    "asyncio": asyncio.new_event_loop,
}


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that `webterm serve` takes; with the marker ``both_loops`` also asyncio's own."""
    if item.get_closest_marker("both_loops"):
        return LOOPS
    return {"uvloop": LOOPS["uvloop"]}


def _detector() -> BlockBuster:
    """Raises where code of webterm, running in a loop, makes a call that waits for a disk, a lock or the clock.

    Reading and writing descriptors that do not block is allowed.
    """
    detector = BlockBuster("webterm")
    for name in (
        "os.fsync",
        "fcntl.flock",
        "subprocess.Popen.wait",
        "subprocess.Popen.communicate",
        "bcrypt.hashpw",
        "bcrypt.checkpw",
    ):
        detector.functions[name] = BlockBusterFunction(None, name, scanned_modules="webterm")
    for function in detector.functions.values():
        # For each of its few connections asyncpg looks at ~/.pgpass and at the certificates that a URL names.
        function.can_block_in("asyncpg/connect_utils.py", "_parse_connect_arguments")
    return detector


@pytest.fixture(autouse=True)
def _no_blocking_call_in_the_loop(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.node.get_closest_marker("blocking_allowed"):
        yield
        return
    detector = _detector()
    detector.activate()
    try:
        yield
    finally:
        detector.deactivate()


def _count_skip_as_failure(report: pytest.TestReport | pytest.CollectReport) -> None:
    if os.environ.get("CI") and report.outcome == "skipped" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which is not allowed here: {report.longrepr}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With ``CI`` in the environment a skipped test is a failed one."""
    report = yield
    _count_skip_as_failure(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a skipped module."""
    report = yield
    _count_skip_as_failure(report)
    return report


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server, the same one for all tests."""
    yield from _running_cluster()


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    """A PostgreSQL server that a test may stop."""
    yield from _running_cluster()


def _running_cluster() -> Iterator[Cluster]:
    server = Cluster()
    try:
        server.start()
        yield server
    finally:
        server.remove()

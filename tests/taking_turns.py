"""With several processes: what needs the machine for itself comes last, in one of them, while the others wait.

One of them has the browser.
"""

from __future__ import annotations

import fcntl
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler.loadgroup import LoadGroupScheduling

GROUPS = ("alone", "browser")
_MACHINE = Path(__file__)  # shared by those who work side by side; whoever needs the machine alone has it alone
_DOOR = _MACHINE.with_name("__init__.py")  # held by who waits for the machine, so that nobody overtakes


class ByFile(LoadGroupScheduling):  # type: ignore[misc]  # comes without types
    """The tests of a file stay together, and so do those of each group."""

    def _split_scope(self, nodeid: str) -> str:
        return str(super()._split_scope(nodeid)).split("::", 1)[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile | None:
    """For ``--dist loadgroup``."""
    return ByFile(config, log) if config.getoption("dist") == "loadgroup" else None


def is_alone(item: pytest.Item) -> bool:
    """Whether other tests beside it would disturb it, or it them."""
    return item.get_closest_marker("alone") is not None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Before the workers write their groups into the names of the tests."""
    for item in items:
        if group := next((name for name in GROUPS if item.get_closest_marker(name)), None):
            item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=is_alone)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Outside of the timer of the test, whose time does not run while it waits."""
    if not hasattr(item.config, "workerinput"):
        return (yield)
    with _turn(fcntl.LOCK_EX if is_alone(item) else fcntl.LOCK_SH):
        return (yield)


@contextmanager
def _turn(way: int) -> Iterator[None]:
    with _DOOR.open() as door, _MACHINE.open() as machine:
        fcntl.flock(door, fcntl.LOCK_EX)
        fcntl.flock(machine, way)
        fcntl.flock(door, fcntl.LOCK_UN)
        yield

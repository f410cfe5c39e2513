"""A test that hangs fails within its time, whatever loop it runs on, and so does each hanging part of its teardown.

What ``pytest-timeout`` raises from its signal does not leave uvloop, and its timer goes off once and not at all after a
failure. So the loop is stopped as well, and the timer goes off again and again until the test is over.
"""

from __future__ import annotations

import asyncio
import faulthandler
import signal
import sys
from collections.abc import Generator, Iterator
from contextlib import suppress
from types import FrameType
from typing import Protocol

import pytest

TEARDOWN = 60.0
"""Seconds for what comes after the test itself: for everything, and for each part that does not end by itself."""

_TIMEOUT = pytest.StashKey[float]()


class Settings(Protocol):
    """What ``pytest-timeout`` has found out about a test."""

    timeout: float


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: Settings) -> bool:
    """Instead of the timer of ``pytest-timeout``, with the time that its settings and markers say."""
    timeout = settings.timeout

    def hangs(_signal: int, _frame: FrameType | None) -> None:
        __tracebackhide__ = True
        _fail(f"timeout: more than {timeout:g} s, or {min(timeout, TEARDOWN):g} s after it")

    signal.signal(signal.SIGALRM, hangs)
    signal.setitimer(signal.ITIMER_REAL, timeout, min(timeout, TEARDOWN))
    item.cancel_timeout = _disarm  # type: ignore[attr-defined]  # where pytest-timeout looks for it
    item.stash[_TIMEOUT] = timeout
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """A failure has taken the timer away, and a long test has left it little time."""
    if (timeout := item.stash.get(_TIMEOUT, None)) is not None:
        grace = min(timeout, TEARDOWN)
        signal.setitimer(signal.ITIMER_REAL, grace, grace)
    return (yield)


def pytest_enter_pdb() -> None:
    """Whoever looks around has time."""
    _disarm()


def _disarm() -> None:
    signal.setitimer(signal.ITIMER_REAL, 0)


def _fail(reason: str) -> None:
    __tracebackhide__ = True
    print(f"\n{reason}; what waits:", file=sys.stderr)
    with suppress(RuntimeError):  # not in a loop
        loop = asyncio.get_running_loop()
        for task in asyncio.all_tasks(loop):
            print(f"{task!r}", *_places(task.get_coro()), sep="\n  ", file=sys.stderr)
        loop.stop()
    sys.stderr.flush()
    faulthandler.dump_traceback(file=2)
    pytest.fail(reason)


def _places(waiting: object) -> Iterator[str]:
    """Where a coroutine waits, what that waits for, and so on."""
    while waiting is not None:
        frame = getattr(waiting, "cr_frame", None)
        if isinstance(frame, FrameType):
            yield f'File "{frame.f_code.co_filename}", line {frame.f_lineno}, in {frame.f_code.co_name}'
        waiting = getattr(waiting, "cr_await", None)

"""Reading into logs, and finishing what a killed server left, wherever it was killed."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING

import pytest

from webterm.hub import intake, log
from webterm.hub.intake import Intake
from webterm.hub.log import Log
from webterm.session import Staging

SIZE = 8192

if TYPE_CHECKING:
    from _typeshed import TraceFunction


class Killed(Exception):
    """Stands for SIGKILL: nothing of the code under test runs after it."""


@pytest.fixture
def staging() -> Iterator[Staging]:
    out, into = os.pipe()
    page = os.memfd_create("page")
    os.ftruncate(page, 4096)
    yield Staging(out, into, page)
    for fd in (out, into, page):
        os.close(fd)


@pytest.fixture
def source() -> Iterator[tuple[int, int]]:
    out, into = os.pipe()
    os.set_blocking(out, False)
    fcntl.fcntl(into, fcntl.F_SETPIPE_SZ, 65536)
    yield out, into
    for fd in (out, into):
        with suppress(OSError):
            os.close(fd)


@pytest.mark.parametrize("staged", [True, False])
def test_reads_what_is_there_and_sees_the_end(staged: bool, staging: Staging, source: tuple[int, int]) -> None:
    reader = Intake(staging if staged else None)
    ring = Log(Log.make_memory(SIZE))
    ring.append(b"." * (SIZE - 10))
    out, into = source
    assert reader.pull("a", out, ring, 100) == (0, False)
    os.write(into, b"0123456789abcdef")
    assert reader.pull("a", out, ring, 12) == (12, False)
    assert reader.pull("a", out, ring, 100) == (4, False)
    os.close(into)
    assert reader.pull("a", out, ring, 100) == (0, True)
    assert ring.read(ring.head - 16, ring.head) == b"0123456789abcdef"
    ring.close()


def killed_at(line: int, reader: Intake, fd: int, ring: Log) -> bool:
    """Pull until the ``line``-th line that is executed of intake and log; whether it came to that."""
    left = line

    def trace(frame: FrameType, event: str, _arg: object) -> TraceFunction | None:
        nonlocal left
        if frame.f_code.co_filename not in (intake.__file__, log.__file__):
            return None
        if event == "line":
            left -= 1
            if left < 0:
                raise Killed
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        reader.pull("terminal", fd, ring, 5000)
    except Killed:
        return True
    finally:
        sys.settrace(before)
    return False


@pytest.mark.parametrize("filled", [0, SIZE - 100])
def test_killed_at_any_line_nothing_is_lost_or_doubled(filled: int, staging: Staging, source: tuple[int, int]) -> None:
    out, into = source
    line = 0
    killed = True
    while killed:
        memory = Log.make_memory(SIZE)
        ring = Log(memory)
        ring.append(b"." * filled)
        expected = b"." * filled + bytes(range(256)) * 12
        os.write(into, expected[filled:])
        killed = killed_at(line, Intake(staging), out, ring)
        after = Log(memory)
        again = Intake(staging)
        again.recover({"terminal": after}.get)
        while again.pull("terminal", out, after, 5000)[0]:
            pass
        assert after.head == len(expected), f"killed at line {line}"
        assert after.read(after.tail, after.head) == expected[after.tail :], f"killed at line {line}"
        ring.close()
        after.close()
        os.close(memory)
        line += 1
    assert line > 20


def test_what_was_for_a_terminal_that_is_gone_is_dropped(staging: Staging, source: tuple[int, int]) -> None:
    out, into = source
    os.write(into, b"lost")
    ring = Log(Log.make_memory(SIZE))
    lines = 0
    while ring.head == 0 and killed_at(lines, Intake(staging), out, ring):
        lines += 1
        Intake(staging).recover(lambda key: None)
        os.write(into, b"next")
    os.write(into, b"kept")
    reader = Intake(staging)
    reader.recover(lambda key: None)
    start = ring.head
    reader.pull("terminal", out, ring, 5000)
    assert ring.read(start, ring.head).endswith(b"kept")
    ring.close()

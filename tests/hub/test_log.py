"""The ring against a plain byte string."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webterm.hub.log import HEADER, NOTE_LIMIT, NOTES_KEPT, Log
from webterm.session import Size

SIZE = 4096


@pytest.fixture
def memory() -> Iterator[int]:
    fd = Log.make_memory(SIZE)
    yield fd
    os.close(fd)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=SIZE + 700), max_size=12), st.data())
def test_what_is_kept_is_the_end_of_what_came(pieces: list[bytes], data: st.DataObject) -> None:
    fd = Log.make_memory(SIZE)
    log, whole = Log(fd), b""
    os.close(fd)
    for piece in pieces:
        log.append(piece)
        whole += piece
        assert log.head == len(whole)
        assert log.tail == max(0, len(whole) - SIZE)
        start = data.draw(st.integers(log.tail, log.head))
        end = data.draw(st.integers(start, log.head))
        assert log.read(start, end) == whole[start:end]
    log.close()


def test_another_mapping_sees_the_same(memory: int) -> None:
    log = Log(memory)
    log.append(b"x" * 5000)
    log.hold = 4711
    log.note_sizes([(0, Size(80, 24)), (10, Size(81, 25))])
    log.write_note(7, b"seven")
    other = Log(memory)
    assert (other.head, other.tail, other.hold) == (5000, 5000 - SIZE, 4711)
    assert other.sizes() == [(0, Size(80, 24)), (10, Size(81, 25))]
    assert other.notes() == [(7, b"seven")]
    log.hold = None
    assert other.hold is None
    for one in (log, other):
        one.close()
        one.close()


def test_the_newest_notes_and_sizes_are_kept(memory: int) -> None:
    log = Log(memory)
    for number in range(100):
        log.write_note(number, b"n" * (number % (NOTE_LIMIT + 1)))
    assert [offset for offset, _ in log.notes()] == list(range(100 - NOTES_KEPT, 100))
    log.note_sizes([(number, Size(80, 24)) for number in range(100)])
    assert [offset for offset, _ in log.sizes()] == list(range(36, 100))
    log.close()


def test_fresh_memory_is_hardly_used(memory: int) -> None:
    assert os.fstat(memory).st_size == HEADER + SIZE
    assert os.fstat(memory).st_blocks * 512 <= 4096


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"\0" * (HEADER + SIZE), b"\xff" * (HEADER + SIZE)])
def test_what_is_no_log_is_refused(content: bytes) -> None:
    fd = os.memfd_create("other")
    os.write(fd, content)
    with pytest.raises(ValueError, match="not a log"):
        Log(fd)
    os.close(fd)

"""Where replays start, in which modes and sizes; also for a server that finds only the memory."""

from __future__ import annotations

import os

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hub.test_scanner import Reference, scanned, streams
from webterm.hub.history import History
from webterm.hub.log import Log
from webterm.session import Size

RING = 4096
SIZE = Size(80, 24)


def make_log(size: int = RING) -> Log:
    fd = Log.make_memory(size)
    try:
        return Log(fd)
    finally:
        os.close(fd)


def grow(history: History, log: Log, data: bytes, step: int = 1000) -> None:
    for at in range(0, len(data), step):
        start = log.head
        log.append(data[at : at + step])
        history.grew(start)


@settings(max_examples=100, deadline=None)
@given(st.lists(streams, min_size=1, max_size=6), st.integers(1, 300), st.integers(1, 900))
def test_a_replay_starts_in_the_ground_state_and_in_the_right_modes(parts: list[bytes], repeat: int, step: int) -> None:
    stream = b"".join(parts) * repeat + b"\x18"
    stream = stream[: RING * 3]
    log = make_log()
    history = History(log, SIZE)
    grow(history, log, stream, step)
    for seen in (history, History(log, SIZE)):  # the second knows only what was noted
        start = seen.oldest_start()
        assert log.tail <= start.offset <= log.head
        reference = Reference()
        for byte in stream[: start.offset]:
            reference.feed(byte)
        if start.offset < log.head:
            assert start.preamble == scanned(stream[: start.offset]).preamble()
        fresh = Reference()
        for byte in stream[start.offset : start.offset + 200]:
            reference.feed(byte)
            fresh.feed(byte)
            assert fresh.character == reference.character
            assert fresh.character or fresh.state == reference.state
    log.close()


def test_a_resumed_viewer_gets_the_modes_at_its_offset() -> None:
    log = make_log()
    history = History(log, SIZE)
    grow(history, log, b"x" * 300 + b"\x1b[?1049h" + b"y" * 300 + b"\x1b[?25l" + b"z" * 300)
    assert history.resume_at(100).preamble == ""
    assert history.resume_at(500).preamble == "\x1b[?1049h"
    assert history.resume_at(log.head).preamble == "\x1b[?1049h\x1b[?25l"
    log.close()


def test_scrollback_is_still_there_for_a_server_that_finds_only_the_memory() -> None:
    log = make_log(64 * 1024)
    history = History(log, SIZE)
    grow(history, log, b"line of text\r\n" * 20_000, 1024)
    found = History(log, SIZE)
    assert found.oldest_start() == history.oldest_start()
    assert found.oldest_start().offset <= log.tail + 64 * 1024 // 16
    log.close()


def test_whether_what_is_kept_redraws_the_screen() -> None:
    log = make_log()
    history = History(log, SIZE)
    grow(history, log, b"\x1b[?1049h" + b"x" * 100)
    assert history.oldest_start().redraws
    grow(history, log, b"y" * RING * 2)
    assert not history.oldest_start().redraws
    grow(history, log, b"\x1b[2J" + b"z" * 10)
    assert history.oldest_start().redraws
    grow(history, log, b"y" * RING * 2)
    assert not History(log, SIZE).oldest_start().redraws
    grow(history, log, b"\x1b[?1049l" + b"z" * RING)
    assert history.oldest_start().redraws
    log.close()


def test_sizes_have_their_places() -> None:
    log = make_log()
    history = History(log, SIZE)
    grow(history, log, b"x" * 100)
    history.resized(Size(100, 30))
    grow(history, log, b"x" * 100)
    history.resized(Size(120, 40))
    assert history.size == Size(120, 40)
    assert [history.size_at(offset) for offset in (0, 99, 100, 150, 200)] == [
        SIZE,
        SIZE,
        Size(100, 30),
        Size(100, 30),
        Size(120, 40),
    ]
    assert history.sizes_before(99) == 1
    assert history.size_from(1) == (1, 100, Size(100, 30))
    assert history.size_from(3) is None
    again = History(log, SIZE)
    assert again.size == Size(120, 40)
    assert again.size_at(100) == Size(100, 30)
    grow(history, log, b"x" * RING)
    history.resized(Size(10, 10))
    assert history.size_at(log.tail) == Size(120, 40)
    assert history.size_from(0) == (2, 200, Size(120, 40))
    log.close()


def test_a_string_longer_than_the_ring_is_known_as_one() -> None:
    log = make_log()
    history = History(log, SIZE)
    grow(history, log, b"\x1bP" + b"a" * RING * 3)
    for seen in (history, History(log, SIZE)):
        start = seen.oldest_start()
        assert log.tail <= start.offset < log.head
        assert start.preamble == "\x1b_"
        assert seen.resume_at(log.head).offset == log.head
    grow(history, log, b"\x1b\\done")
    assert History(log, SIZE).modes == history.modes
    log.close()


def test_the_longest_attributes_and_title_fit_into_a_note() -> None:
    codes = (1, 2, 3, 4, 5, 7, 8, 9, 38, 48, 53, 58)
    output = b"".join(b"\x1b[%d:%sm" % (code, b"9" * 28) for code in codes)
    output += b"\x1b[38;2;%d;%d;%dm" % ((10**18,) * 3) + b"\x1b]0;" + "\U0001f600".encode() * 256 + b"\x07"
    log = make_log()
    history = History(log, SIZE)
    for _ in range(40):
        grow(history, log, output + b"x" * 500)
    kept = log.read(log.tail, log.head)
    again = History(log, SIZE)
    assert again.modes.attributes == history.modes.attributes
    assert log.read(log.tail, log.head) == kept
    log.close()


def test_notes_that_cannot_be_read_are_left_out() -> None:
    log = make_log()
    history = History(log, SIZE)
    grow(history, log, b"line\r\n" * 2000)
    start = history.oldest_start()
    for text in (b"", b"\xff", b"x y z", b"1 - []", b'- - {"none":1}'):
        log.write_note(log.head, text)
    assert History(log, SIZE).oldest_start() == start
    log.close()


def test_sizes_of_a_silent_program_do_not_pile_up() -> None:
    log = make_log()
    history = History(log, SIZE)
    seen = history.sizes_before(0)
    for cols in range(1, 400):
        history.resized(Size(cols, 24))
    size = history.size_from(seen)
    assert size is not None
    assert size[1:] == (0, Size(399, 24))
    assert history.size_from(size[0] + 1) is None
    grow(history, log, b"x" * 300)
    for cols in range(1, 300):
        grow(history, log, b"x")
        history.resized(Size(cols, 24))
    assert len(log.sizes()) == 64
    assert history.size == Size(299, 24)
    log.close()

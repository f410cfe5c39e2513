"""A replay from the oldest byte kept begins at a safe place, in the right modes: whatever a program wrote before."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.e2e.serving import ROOT
from webterm.hub.history import History
from webterm.hub.log import Log
from webterm.session import Size

COLS, ROWS = 20, 6
RING = 1024
"""Far less than can be set, so that it wraps all the time."""


class Screens:
    """xterm.js without a browser, one fresh screen after another."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def after(self, *parts: bytes) -> dict[str, Any]:
        """What a fresh screen shows after these bytes."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        steps: list[dict[str, object]] = [{"fresh": [COLS, ROWS]}]
        steps += [{"write": base64.b64encode(part).decode()} for part in parts]
        for step in (*steps, {"dump": True}):
            self._process.stdin.write(json.dumps(step) + "\n")
        self._process.stdin.flush()
        dumped: dict[str, Any] = json.loads(self._process.stdout.readline())
        dumped.pop("answers")
        # Of the screen behind the alternate one nothing is known any more, and only leaving the program would show it.
        dumped["screen"] = dumped["screen"].rpartition("\x1b[?1049h")[2]
        return dumped


@pytest.fixture(scope="module")
def screens() -> Iterator[Screens]:
    process = subprocess.Popen(
        ["node", "tests/screen.mjs"],
        cwd=ROOT / "frontend",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # xterm.js tells of each faulty sequence
        text=True,
    )
    with process:
        yield Screens(process)
        assert process.stdin is not None
        process.stdin.close()


TEXT = st.text(st.sampled_from("abcXYZ 019~éüЖ漢字한👍🏽👩‍👧e\u0301\r\n\t"), min_size=1, max_size=30).map(str.encode)
NUMBERS = st.lists(st.integers(0, 30), max_size=3).map(lambda numbers: ";".join(map(str, numbers)).encode())
COLOURS = st.sampled_from(
    b"|0|1|22|3|4|24|7|27|31|39|44|49|97|38;5;99|48;2;1;2;3|1;4;35|38:2::9:8:7|0;33|58;5;4|4:3|53".split(b"|")
)
PRIVATE = st.sampled_from([b"1", b"6", b"7", b"25", b"45", b"66", b"1000", b"1002", b"1004", b"1006", b"2004"])
TIDY = b"\x1b[m\x1b[r\x1b(B\x1b)B\x1b*B\x0f\x1b[?6l\x1b[?7h"
"""Programs tidy up before they change screens: terminals differ in what each of the two keeps for itself."""
ESCAPES = st.one_of(
    COLOURS.map(lambda colours: b"\x1b[" + colours + b"m"),
    COLOURS.map(lambda colours: b"\xc2\x9b" + colours + b"m"),
    st.builds(
        lambda numbers, final: b"\x1b[" + numbers + final,
        NUMBERS,
        st.sampled_from(list(map(bytes, zip(b"ABCDGHJKLMPSTX@d")))),
    ),
    st.builds(lambda mode, on: b"\x1b[?" + mode + (b"h" if on else b"l"), PRIVATE, st.booleans()),
    st.builds(lambda mode, on: b"\x1b[" + mode + (b"h" if on else b"l"), st.sampled_from([b"4", b"20"]), st.booleans()),
    st.builds(lambda top, height: b"\x1b[%d;%dr" % (top, top + height), st.integers(1, ROWS - 1), st.integers(1, ROWS)),
    st.sampled_from([b"\x1b[r", b"\x1b[!p", b"\x1bc", b"\x1b=", b"\x1b>", b"\x1bD", b"\x1bM", b"\x1bE", b"\x1bH"]),
    st.sampled_from([b"\x1b(0", b"\x1b(B", b"\x1b)0", b"\x1b)A", b"\x1b*0", b"\x0e", b"\x0f", b"\x1bn", b"\x1bo"]),
    st.sampled_from([1049, 1047, 47]).map(lambda mode: TIDY + b"\x1b[?%dh" % mode),
    st.sampled_from([1049, 1047, 47]).map(lambda mode: TIDY + b"\x1b[?%dl" % mode),
    st.sampled_from([b"\x1b[3 q", b"\x1b[0 q", b"\x1b[6n", b"\x1b[c", b"\x1b[>c", b"\x1b[?2026$p", b"\x1bP$qm\x1b\\"]),
    TEXT.map(lambda text: b"\x1b]2;" + text.replace(b"\r", b"").replace(b"\n", b"") + b"\x07"),
    st.integers(0, 700).map(lambda size: b"\x1b]52;c;" + b"QUJD" * size + b"\x1b\\"),
    st.integers(0, 300).map(lambda size: b"\x1bPq" + b"#0;1;" * size + b"\x1b\\"),
    st.sampled_from(
        [b"\x1b[31", b"\x1b]0;never ends", b"\x1b", b"\x1b[", b"\x1b[?", b"\xe6\xbc", b"\xf0\x9f", b"\xff", b"\x18"]
    ),
)
STREAMS = st.lists(st.one_of(TEXT, ESCAPES), min_size=1, max_size=40).map(b"".join)

PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)
REDRAW = b"\x1b[2J\x1b[H" + b"".join(
    b"\x1b[%d;1H%drow lqx~q of a redraw\xe6\xbc\xa2" % (row, row) for row in range(1, ROWS + 1)
)
"""What a full-screen program draws over everything. How it comes out depends on most modes."""


def pieces_of(stream: bytes, sizes: list[int]) -> Iterator[bytes]:
    """The stream as reads of these sizes, again and again."""
    at, turn = 0, 0
    while at < len(stream):
        size = sizes[turn % len(sizes)]
        yield stream[at : at + size]
        at, turn = at + size, turn + 1


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), phases=PHASES)
@given(st.lists(STREAMS, min_size=2, max_size=8), st.lists(st.integers(1, 400), min_size=1, max_size=6))
def test_a_replay_and_a_redraw_give_the_screen_of_who_saw_everything(
    screens: Screens, streams: list[bytes], sizes: list[int]
) -> None:
    memory = Log.make_memory(RING)
    log = Log(memory)
    try:
        history = History(log, Size(COLS, ROWS))
        written = b""
        for stream in streams:
            for piece in pieces_of(stream, sizes):
                start = log.head
                log.append(piece)
                history.grew(start)
                written += piece
            replay = history.oldest_start()
            kept = log.read(replay.offset, log.head)
            assert written.endswith(kept)
            seen = screens.after(written, REDRAW)
            assert screens.after(replay.preamble.encode(), kept, REDRAW) == seen
    finally:
        log.close()
        os.close(memory)

"""The scanner against a byte-by-byte parser written from the state diagram, and against itself in other pieces."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webterm.hub.modes import Modes
from webterm.hub.scanner import Asked, Query, Scanner, unfinished_character

_PIECES = st.sampled_from(
    [
        b"\x1b", b"[", b"]", b"P", b"\\", b"\x07", b"?", b"1049", b"25", b"h", b"l", b"m", b";", b"0", b"2", b"1",
        b"\x1b[?1049h", b"\x1b[31m", b"\x1b[0m", b"\x1b]0;title\x07", b"\x1b]2;ti", b"tle\x1b\\", b"\x1bP$qm\x1b\\",
        b"\x1b(0", b"\x0e", b"\x0f", b"text", b"\r\n", b"\x18", b"\x1a", b"\xc2\x9b", b"\xc2", b"\x9b", b"\xc2\x9d",
        b"\xc2\x9c", b"\xe4\xbd\xa0", b"\xf0\x9f\x98\x80", b"\xe4", b"\xbd", b"\xa0", b"\x1b[c", b"\x1b[6n", b"\x1bc",
        b"\x1b_", b"\x1b^", b"\x1bX", b"$", b"q", b"\xff", b"\x1b[5;10r", b"\x1b[38;2;1;2;3m", b"\x1b=",
    ]
)  # fmt: skip
streams = st.lists(_PIECES | st.binary(min_size=1, max_size=3), max_size=30).map(b"".join)


class Reference:
    """The parser of DEC-style terminals (vt100.net/emu/dec_ansi_parser), reduced to: is it in its ground state?"""

    def __init__(self) -> None:
        self.state = "ground"
        self.character = b""

    def feed(self, byte: int) -> None:
        if self.character and not 0x80 <= byte < 0xC0:
            self._flush()  # what was begun is no character
        self.character += bytes([byte])
        if not unfinished_character(self.character):
            self._flush()

    def _flush(self) -> None:
        text = self.character.decode("utf-8", "replace")
        self.character = b""
        for code in map(ord, text):
            self.state = self._next(code)

    def _next(self, code: int) -> str:
        if code == 0x1B:
            return "escape"
        if code in (0x18, 0x1A):
            return "ground"
        if 0x80 <= code <= 0x9F:
            return {0x9B: "csi", 0x9D: "osc", 0x90: "string", 0x98: "string", 0x9E: "string", 0x9F: "string"}.get(
                code, "ground"
            )
        return self._within(code)

    def _within(self, code: int) -> str:
        if self.state == "escape":
            special = {0x5B: "csi", 0x5D: "osc", 0x50: "string", 0x58: "string", 0x5E: "string", 0x5F: "string"}
            if code < 0x20 or code == 0x7F:
                return "escape"
            return "intermediate" if code < 0x30 else special.get(code, "ground")
        if self.state == "intermediate":
            return "intermediate" if code < 0x30 or code == 0x7F else "ground"
        if self.state == "csi":
            return "csi" if code < 0x40 or code == 0x7F else "ground"
        if self.state == "osc":
            return "ground" if code == 0x07 else "osc"
        return self.state

    @property
    def safe(self) -> bool:
        return self.state == "ground" and not self.character


@settings(max_examples=500, deadline=None)
@given(streams)
def test_a_settled_end_is_in_the_ground_state(stream: bytes) -> None:
    for length in range(len(stream) + 1):
        scanner, reference = Scanner(), Reference()
        scanner.feed(stream[:length])
        for byte in stream[:length]:
            reference.feed(byte)
        assert scanner.settled < length or reference.safe, stream[:length]


@settings(max_examples=500, deadline=None)
@given(streams, st.lists(st.integers(1, 5), min_size=1))
def test_the_pieces_in_which_output_comes_do_not_matter(stream: bytes, steps: list[int]) -> None:
    whole, pieces = Scanner(), Scanner()
    whole.feed(stream)
    asked: list[Asked] = []
    at = turn = 0
    while at < len(stream):
        step = steps[turn % len(steps)]
        pieces.feed(stream[at : at + step])
        asked += pieces.asked
        at, turn = at + step, turn + 1
    assert pieces.settled == whole.settled
    assert asked == whole.asked
    assert pieces.modes == whole.modes


def scanned(data: bytes) -> Modes:
    scanner = Scanner()
    scanner.feed(data)
    return scanner.modes


@pytest.mark.parametrize(
    ("output", "preamble"),
    [
        (b"\x1b[?1049h", "\x1b[?1049h"),
        (b"\x1b[?1049h\x1b[?1049l", ""),
        (b"\x1b[?25l\x1b[?2004h", "\x1b[?25l\x1b[?2004h"),
        (b"\x1b[?25l\x1b[?25h", ""),
        (b"\x1b[?1000;1006h", "\x1b[?1000h\x1b[?1006h"),
        (b"\x1b[?1000h\x1b[?1003h", "\x1b[?1003h"),
        (b"\x1b[3;20r\x1b[?6h", "\x1b[3;20r\x1b[?6h"),
        (b"\x1b[3;20r\x1b[r", ""),
        (b"\x1b(0\x1b)A", "\x1b(0\x1b)A"),
        (b"\x1b(0\x1b(B", ""),
        (b"\x0e", "\x0e"),
        (b"\x0e\x0f", ""),
        (b"\x1b=\x1b[?1h", "\x1b[?1h\x1b="),
        (b"\x1b=\x1b[?66l", ""),
        (b"\x1b[?66h", "\x1b="),
        (b"\x1b[?1004h\x1b[?2004h\x1b[?1006h\x1b[!p", "\x1b[?1006h"),
        (b"\x1b[4h", "\x1b[4h"),
        (b"\x1b[5 q", "\x1b[5 q"),
        (b"\x1b]0;a title\x07", "\x1b]2;a title\x1b\\"),
        (b"\x1b]2;\xe4\xbd\xa0\x1b\\", "\x1b]2;\u4f60\x1b\\"),
        (b"\x1b[1m\x1b[31m", "\x1b[1;31m"),
        (b"\x1b[1;31;48;5;17m\x1b[39m", "\x1b[48;5;17;1m"),
        (b"\x1b[1m\x1b[2m\x1b[22m", ""),
        (b"\x1b[38;2;1;2;3mx\x1b[4:3m", "\x1b[38;2;1;2;3;4:3m"),
        (b"\x1b[31m\x1b[0m", ""),
        (b"\x1b[31m\x1b[?1049h", "\x1b[31m\x1b7\x1b[?1049h\x1b[m\x1b[31m"),
        (b"\x1b[31m\x1b[?1049h\x1b[0m\x1b[32m\x1b[?1049l", "\x1b[31m\x1b7\x1b[m\x1b[31m"),
        (b"\x1b[31m\x1b7\x1b[0m\x1b[1m\x1b8", "\x1b[31m\x1b7\x1b[m\x1b[31m"),
        (b"\x1b[2;5r\x1b[?1049h\x1b[3;4r", "\x1b[2;5r\x1b[?1049h\x1b[3;4r"),
        (b"\x1b[2;5r\x1b[?1049h\x1b[3;4r\x1b[?1049l", "\x1b[2;5r"),
        (b"\x1b[31m\x1b[m\x1b[32mx", "\x1b[32m"),
        (b"\x1b[?1049h\x1b[31m\x1b[?2004h\x1bc", ""),
        (b"\x1b[?1h\x1b[4h\x1b[?1002h\x1b[!p", "\x1b[?1002h"),
    ],
)
def test_modes_become_a_preamble(output: bytes, preamble: str) -> None:
    assert scanned(output).preamble() == preamble


@pytest.mark.parametrize(
    ("output", "query"),
    [
        (b"\x1b[c", Query.DA1),
        (b"\x1b[0c", Query.DA1),
        (b"\x1b[>c", Query.DA2),
        (b"\x1b[=c", Query.DA3),
        (b"\x1b[5n", Query.STATUS),
        (b"\x1b[6n", Query.CURSOR),
        (b"\x1b[?6n", Query.PRIVATE_STATUS),
        (b"\x1b[?2026$p", Query.MODE),
        (b"\x1bP$qm\x1b\\", Query.SETTING),
        (b"\x1b[>q", Query.VERSION),
        (b"\x1b[>0q", Query.VERSION),
        (b"\x1b]11;?\x07", Query.COLOUR),
        (b"\x1b]4;1;?\x1b\\", Query.COLOUR),
    ],
)
def test_queries_are_seen(output: bytes, query: Query) -> None:
    scanner = Scanner()
    scanner.feed(b"abc" + output + b"x")
    assert scanner.asked == [Asked(query, 3 + len(output))]


def test_modes_survive_being_written_down() -> None:
    modes = scanned(b"\x1b]0;t\x07\x1b[?1049h\x1b[?25l\x1b(0\x1b[1;31m\x1b[2;5r\x1b[4h\x1b=\x0e")
    assert Modes.load(modes.dump()) == modes


@pytest.mark.parametrize("text", [b"[]", b'{"nothing":1}', b"x"])
def test_what_is_not_a_dump_of_modes_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Modes.load(text)


def test_titles_hold_no_controls() -> None:
    assert scanned(b"\x1b]0;a\x01\xe2\x80\xaeb\xe2\x80\x8bc<b>\x07").title == "abc<b>"
    assert len(scanned(b"\x1b]0;" + b"x" * 3000 + b"\x07").title) == 256


def test_a_very_long_sequence_is_followed_to_its_end() -> None:
    scanner = Scanner()
    for piece in (b"\x1bPq" + b"~" * 5000, b"\x07" * 10, b"~" * 5000):
        scanner.feed(piece)
        assert scanner.opening == "\x1b_"
        again = Scanner(scanner.settled, scanner.modes, scanner.opening)
        again.feed(b"~\x1b\\")
        assert again.opening == ""
    scanner.feed(b"\x1b")
    scanner.feed(b"\\")
    assert scanner.settled == scanner.offset
    scanner.feed(b"\x1b[" + b"1" * 9000)
    assert scanner.opening == "\x1b["
    scanner.feed(b"\xe4\xbd")
    assert scanner.settled == scanner.offset - 2
    scanner.feed(b"\xa0m")
    assert scanner.settled == scanner.offset
    scanner.feed(b"\x1b]0;" + b"x" * 9000)
    assert scanner.opening == "\x1b]"
    scanner.feed(b"\x07")
    assert scanner.settled == scanner.offset


def test_where_the_screen_was_last_empty_is_known() -> None:
    scanner = Scanner()
    scanner.feed(b"text\x1b[?1049h")
    assert scanner.clean_since == 12
    scanner.feed(b"more\x1b[2J")
    assert scanner.clean_since == 20

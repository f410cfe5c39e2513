"""A light scanner over a program's output: where modes change, what is asked, where a replay may start.

It finds sequences with regular expressions and never keeps a screen. Three facts make that enough: ESC starts a new
sequence from whatever state a terminal's parser is in (ECMA-35, and every DEC-style parser), so the state at the end of
a chunk follows from the bytes after its last ESC; modes change rarely; and of drawing attributes only the last matter.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

from webterm.hub.modes import SGR, Modes

TITLE_LIMIT = 256
_STEPS_KEPT = 256
_REPEATABLE = frozenset({"final", "escape", "shift"})
_SAVES_CURSOR = frozenset({1048, 1049})
_SCREENS = re.compile(rb"(?:^|;)(?:47|104[789])(?:;|$)")
_SAYS_MORE = (b"J", b"c", b"n", b"p", b"q")  # erasing and queries: their place matters, too
_CARRY_LIMIT = 4096

_CSI = rb"(?:\x1b\[|\xc2\x9b)"
_OSC = rb"(?:\x1b\]|\xc2\x9d)"
_DCS = rb"(?:\x1bP|\xc2\x90)"
_ST = rb"(?:\x07|\x1b\\|\xc2\x9c)"
# A control string ends at ST and, if an OSC, at BEL; CAN, SUB, ESC and any C1 control break it off.
_TEXT = rb"(?:[^\x07\x18\x1a\x1b\xc2]|\xc2(?![\x80-\x9f]))*?"


def _sequences(csi: bytes, escape: bytes, osc: bytes, dcs: bytes) -> bytes:
    return rb"|".join(
        (
            csi + rb"(?P<mark>[?>=!]?)(?P<params>[0-9;]{0,64}+)(?P<final>[hlrpJcnq]|\$p| q)",
            escape + rb"(?P<escape>[=>c78no]|[()*+\-./][0-9A-Za-z<=>`])",
            osc + rb"(?P<osc>[0-9]{1,4});(?P<text>" + _TEXT + rb")" + _ST,
            dcs + rb"(?P<dcs>\$q)" + _TEXT + _ST,
        )
    )


# Three of the same, because speed differs by far. Nearly all output has no C1 control, and a pattern that begins with
# one literal byte is searched ten times faster; nearly all sequences draw or move, and are best refused at once.
_DRAWS_OR_MOVES = rb"\[[0-9;:]*+[@-IK-bd-gikmos-~]"
_NOTABLE = re.compile(rb"\x1b(?!" + _DRAWS_OR_MOVES + rb")(?:" + _sequences(rb"\[", rb"", rb"\]", rb"P") + rb")")
_WITH_C1 = _sequences(_CSI, rb"\x1b", _OSC, _DCS)
_NOTABLE_OR_C1 = re.compile(_WITH_C1)
_NOTABLE_OR_SHIFT = re.compile(_WITH_C1 + rb"|(?P<shift>[\x0e\x0f]+)|" + _DCS + _TEXT + _ST)

_ESC = rb"\x1b[\x00-\x17\x19\x1c-\x1f\x7f]*"  # control characters are obeyed within a sequence
_COMPLETE = re.compile(
    rb"(?:" + _ESC + rb"\[|\xc2\x9b)[\x00-\x17\x19\x1c-\x3f\x7f]*[\x18\x1a\x40-\x7e\x80-\xff]"
    rb"|(?:" + _ESC + rb"\]|\xc2\x9d)" + _TEXT + rb"(?:[\x07\x18\x1a]|\xc2[\x80-\x9f])"
    rb"|(?:" + _ESC + rb"[PX^_]|\xc2[\x90\x98\x9e\x9f])"
    rb"(?:[^\x18\x1a\x1b\xc2]|\xc2(?![\x80-\x9f]))*?(?:[\x18\x1a]|\xc2[\x80-\x9f])"
    rb"|" + _ESC + rb"[\x18\x1a\x30-\x4f\x51-\x57\x59\x5a\\\x60-\x7e\x80-\xff]"
    rb"|" + _ESC + rb"[\x20-\x2f][\x00-\x17\x19\x1c-\x2f\x7f]*[\x18\x1a\x30-\x7e\x80-\xff]"
)
_COMMAND = re.compile(_ESC + rb"\]|\xc2\x9d")
_STRING = re.compile(_ESC + rb"[\]PX^_]|\xc2[\x90\x98\x9d-\x9f]")
_COMMAND_END = re.compile(rb"[\x07\x18\x1a\x1b]|\xc2[\x80-\x9f]")
_STRING_END = re.compile(rb"[\x18\x1a\x1b]|\xc2[\x80-\x9f]")
_CONTROL_END = re.compile(rb"[\x18\x1a\x1b\x40-\x7e\x80-\xff]")
_OPENINGS = {_COMMAND_END: "\x1b]", _STRING_END: "\x1b_", _CONTROL_END: "\x1b["}
_ENDS = {opening: end for end, opening in _OPENINGS.items()}
_C1 = re.compile(rb"\xc2[\x90\x98\x9b\x9d-\x9f]")
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


class Query(enum.StrEnum):
    """What a program can ask its terminal, and expects exactly one answer to."""

    DA1 = "da1"  # primary device attributes, CSI c
    DA2 = "da2"  # secondary device attributes, CSI > c
    DA3 = "da3"  # tertiary device attributes, CSI = c
    STATUS = "status"  # DSR 5, CSI 5 n
    CURSOR = "cursor"  # CPR, CSI 6 n
    PRIVATE_STATUS = "private status"  # CSI ? n: DECXCPR, colour scheme and others
    MODE = "mode"  # DECRQM, CSI $ p
    SETTING = "setting"  # DECRQSS, DCS $ q
    VERSION = "version"  # XTVERSION, CSI > q
    COLOUR = "colour"  # OSC 4, 10, 11, 12 with ?


@dataclass(frozen=True, slots=True)
class Asked:
    """A query, and the offset of the byte after it."""

    query: Query
    offset: int


class Scanner:
    """Follows one log. Feed it every byte once, in order; afterwards its attributes hold for the end of the log."""

    def __init__(self, offset: int = 0, modes: Modes | None = None, opening: str = "") -> None:
        """``offset`` is where the next byte comes from, with the ``modes`` and ``opening`` that are in force there."""
        self.offset = offset
        self.modes = modes or Modes()
        self.clean_since = offset if offset == 0 else None
        """From where on the screen can be drawn afresh: it was empty there. None: nobody knows."""
        self.asked: list[Asked] = []
        """Queries found by the last `feed`."""
        self._steps: dict[tuple[Modes, bytes], Modes] = {}  # modes and a sequence → modes after it
        self._carry = b""
        self._string_end = _ENDS.get(opening)  # of a sequence too long to carry

    @property
    def settled(self) -> int:
        """Up to where everything is finished: no character and no sequence is cut there, and `modes` hold.

        Within a sequence longer than 4 KiB that is a place, too, but one that needs the `opening`.
        """
        return self.offset - len(self._carry)

    @property
    def opening(self) -> str:
        """What puts a fresh parser into the state at `settled`, where that is within a very long sequence."""
        return "" if self._string_end is None else _OPENINGS[self._string_end]

    def feed(self, data: bytes) -> None:
        """Follow ``data``, the next bytes of the log."""
        self.asked = []
        self.offset += len(data)
        data, self._carry = self._carry + data, b""
        if self._string_end is not None:
            data = self._after_string(self._string_end, data)
            if self._string_end is not None:
                return
        start = self.offset - len(data)
        rest = _unfinished(data)
        self._carry = data[rest:]
        notable = _pattern_for(data)
        if notable is not None:
            self._scan(notable, data[:rest] if self._carry else data, start)
        if len(self._carry) > _CARRY_LIMIT:
            self._shorten()

    def resized(self) -> None:
        """The terminal has a new size, which gives it its whole screen as scroll region."""
        if self.modes.region:
            self.modes = replace(self.modes, region="")

    def _after_string(self, string_end: re.Pattern[bytes], data: bytes) -> bytes:
        end = string_end.search(data)
        if end is None:
            self._carry = b"\xc2" if data[-1:] == b"\xc2" else b""  # perhaps half of a C1 control
            return b""
        self._string_end = None
        keep = end.group()[0] == 0x1B or end.group()[0] >= 0x80  # it begins something of its own
        return data[end.start() if keep else end.end() :]

    def _shorten(self) -> None:
        """Give up the text of a long sequence, not the knowledge that it is still going on."""
        if _COMMAND.match(self._carry):
            self._string_end = _COMMAND_END
        else:
            self._string_end = _STRING_END if _STRING.match(self._carry) else _CONTROL_END
        self._carry = b""

    def _scan(self, notable: re.Pattern[bytes], data: bytes, start: int) -> None:
        drawn = 0
        for match in notable.finditer(data):
            step = (self.modes, match.group())
            known = self._steps.get(step)
            if known is not None:
                self.modes = known
                continue
            touches = _touches_attributes(match)
            if touches:
                if match.group() != b"\x1bc":  # RIS forgets whatever was drawn with
                    self._draw(data, drawn, match.start())
                drawn = match.end()
            self._follow(match, start + match.end())
            if not touches and match.lastgroup in _REPEATABLE and match.group()[-1:] not in _SAYS_MORE:
                self._remember(step)
        self._draw(data, drawn, len(data))

    def _remember(self, step: tuple[Modes, bytes]) -> None:
        """Programs switch to and fro between a few modes: make the same step the same object, and cheap."""
        if len(self._steps) >= _STEPS_KEPT:
            self._steps.clear()
        self.modes = self._steps[step] = _the_same(self.modes)

    def _follow(self, match: re.Match[bytes], end: int) -> None:
        kind = match.lastgroup
        if kind == "final":
            self._control(match["mark"], match["params"], match["final"], end)
        elif kind == "escape":
            self._escape(match["escape"].decode("ascii"), end)
        elif kind == "shift":
            self.modes = replace(self.modes, shift="\x0e" if match["shift"][-1] == 0x0E else "")
        elif kind == "dcs":
            self.asked.append(Asked(Query.SETTING, end))
        elif kind == "text":
            self._command(int(match["osc"]), match["text"], end)

    def _draw(self, data: bytes, start: int, end: int) -> None:
        begin = max(data.rfind(b"\x1b[0m", start, end), start)
        begin = max(data.rfind(b"\x1b[m", begin, end), begin)
        if SGR.search(data, begin, end):
            self.modes = self.modes.draw_with(data[begin:end])

    def _control(self, mark: bytes, params: bytes, final: bytes, end: int) -> None:
        """A control sequence: CSI, private marker, parameters, final."""
        handler = _CONTROLS.get((mark, final))
        if handler is not None:
            handler(self, [int(p or 0) for p in params.split(b";")], end)

    def _set_private(self, on: bool, numbers: list[int], end: int) -> None:
        before = self.modes.alternate
        if on and _SAVES_CURSOR.intersection(numbers):
            self.modes = self.modes.save()
        self.modes = self.modes.switch_private(numbers, on)
        if self.modes.alternate and not before:
            self.clean_since = end
            self.modes = self.modes.show_alternate()
        elif before and not self.modes.alternate:
            self.clean_since = None
            self.modes = self.modes.show_normal()
        if not on and _SAVES_CURSOR.intersection(numbers):
            self.modes = self.modes.restore()

    def _erase(self, numbers: list[int], end: int) -> None:
        if numbers[0] == 2 and self.modes.alternate:
            self.clean_since = end

    def _region(self, numbers: list[int], _end: int) -> None:
        top, bottom = (*numbers, 0)[:2]
        self.modes = replace(self.modes, region=f"{top or 1};{bottom}" if bottom else (f"{top}" if top > 1 else ""))

    def _cursor_style(self, numbers: list[int], _end: int) -> None:
        self.modes = replace(self.modes, cursor_style=str(numbers[0]) if numbers[0] else "")

    def _ask(self, query: Query, _numbers: list[int], end: int) -> None:
        self.asked.append(Asked(query, end))

    def _status(self, numbers: list[int], end: int) -> None:
        known = {5: Query.STATUS, 6: Query.CURSOR}.get(numbers[0])
        if known is not None:
            self.asked.append(Asked(known, end))

    def _escape(self, escape: str, end: int) -> None:
        if escape == "c":  # RIS
            self.modes = Modes(title=self.modes.title)
            self.clean_since = end
        elif escape in "78":  # DECSC, DECRC
            self.modes = self.modes.save() if escape == "7" else self.modes.restore()
        elif escape in "=>":  # DECKPAM, DECKPNM
            self.modes = replace(self.modes, keypad=escape == "=")
        elif escape in "no":  # LS2, LS3
            self.modes = replace(self.modes, shift=f"\x1b{escape}")
        elif len(escape) == 2:  # SCS
            self.modes = self.modes.designate(escape[0], escape[1])

    def _command(self, number: int, text: bytes, end: int) -> None:
        """An operating system command: OSC number ; text ST."""
        if number in (0, 2):
            self.modes = replace(self.modes, title=clean_title(text.decode("utf-8", "replace")))
        elif number in (4, 10, 11, 12):
            asked = text.split(b";").count(b"?")
            self.asked += [Asked(Query.COLOUR, end)] * asked


def _touches_attributes(match: re.Match[bytes]) -> bool:
    """Whether a sequence saves, restores or resets what drawing sequences before it have set."""
    if match.lastgroup == "escape":
        return match["escape"] in (b"7", b"8", b"c")
    if match.lastgroup != "final":
        return False
    return match["mark"] == b"!" or (match["mark"] == b"?" and _SCREENS.search(match["params"]) is not None)


@lru_cache(maxsize=_STEPS_KEPT)
def _the_same(modes: Modes) -> Modes:
    """One object for all equal modes, so that looking them up compares by identity."""
    return modes


def _private(on: bool) -> Callable[[Scanner, list[int], int], None]:
    return lambda scanner, numbers, end: scanner._set_private(on, numbers, end)


def _ansi(on: bool) -> Callable[[Scanner, list[int], int], None]:
    def switch(scanner: Scanner, numbers: list[int], _end: int) -> None:
        scanner.modes = scanner.modes.switch_ansi(numbers, on)

    return switch


def _query(query: Query) -> Callable[[Scanner, list[int], int], None]:
    return lambda scanner, numbers, end: scanner._ask(query, numbers, end)


def _soft_reset(scanner: Scanner, _numbers: list[int], _end: int) -> None:
    scanner.modes = scanner.modes.soft_reset()


_CONTROLS: dict[tuple[bytes, bytes], Callable[[Scanner, list[int], int], None]] = {
    (b"?", b"h"): _private(True),
    (b"?", b"l"): _private(False),
    (b"", b"h"): _ansi(True),
    (b"", b"l"): _ansi(False),
    (b"", b"r"): Scanner._region,
    (b"", b" q"): Scanner._cursor_style,
    (b"!", b"p"): _soft_reset,
    (b"", b"J"): Scanner._erase,
    (b"", b"c"): _query(Query.DA1),
    (b">", b"c"): _query(Query.DA2),
    (b"=", b"c"): _query(Query.DA3),
    (b"", b"n"): Scanner._status,
    (b"?", b"n"): _query(Query.PRIVATE_STATUS),
    (b"", b"$p"): _query(Query.MODE),
    (b"?", b"$p"): _query(Query.MODE),
    (b">", b"q"): _query(Query.VERSION),
}


def clean_title(text: str) -> str:
    """A title without control, bidirectional and zero-width characters, at most `TITLE_LIMIT` long."""
    return _UNPRINTABLE.sub("", text)[:TITLE_LIMIT].strip()


def _pattern_for(data: bytes) -> re.Pattern[bytes] | None:
    """What finds everything notable in ``data`` the fastest; None where there can be nothing."""
    if b"\x0e" in data or b"\x0f" in data:
        return _NOTABLE_OR_SHIFT
    if b"\xc2" in data and _C1.search(data):
        return _NOTABLE_OR_C1
    return _NOTABLE if b"\x1b" in data else None


def _unfinished(data: bytes) -> int:
    """Where a sequence or character begins that ``data`` does not finish; its length if there is none."""
    begin = _last_introducer(data)
    rest = len(data) - unfinished_character(data)
    if begin < 0:
        return rest
    whole = _COMPLETE.match(data, begin)
    if whole is None and data[begin:] == b"\x1b":  # perhaps half of the ST of a string, which then must be kept whole
        earlier = _last_introducer(data[:begin])
        if earlier >= 0 and _STRING.match(data, earlier) and not _COMPLETE.match(data[:begin], earlier):
            return earlier
    # A sequence can also be broken off by a character, and that one may be unfinished.
    return begin if whole is None or whole.end() > rest else rest


def _last_introducer(data: bytes) -> int:
    begin = data.rfind(b"\x1b")
    at = data.rfind(b"\xc2", begin + 1)
    while at >= 0 and _C1.match(data, at) is None:
        at = data.rfind(b"\xc2", begin + 1, at)
    return max(begin, at)


def unfinished_character(data: bytes) -> int:
    """How many bytes at the end of ``data`` (0 to 3) begin a UTF-8 character that more bytes could finish."""
    for back in range(1, min(4, len(data) + 1)):
        byte = data[-back]
        if byte >= 0xC0:
            length = 2 if 0xC2 <= byte < 0xE0 else 3 if 0xE0 <= byte < 0xF0 else 4 if 0xF0 <= byte < 0xF5 else 1
            return back if back < length else 0
        if byte < 0x80:
            return 0
    return 0

"""What a page's terminal emulator answers by itself when a program asks, marked with whose answer it is."""

from __future__ import annotations

import re
from collections import Counter

QUERIES = {
    "DA1": b"\x1b[c",
    "DA2": b"\x1b[>c",
    "DSR": b"\x1b[5n",
    "CPR": b"\x1b[6n",
    "XTVERSION": b"\x1b[>q",
    "DECRQM": b"\x1b[?2026$p",
    "OSC 11": b"\x1b]11;?\x07",
}
FIXED = ("DA1", "DA2", "DSR", "XTVERSION")
"""What the server answers where no writer can; all others then have no answer."""

_ANSWERS = {
    "DA1": "\x1b[?1;2;{}c",
    "DA2": "\x1b[>0;276;{}c",
    "DSR": "\x1b[0n",
    "CPR": "\x1b[{};7R",
    "XTVERSION": "\x1bP>|emulator {}\x1b\\",
    "DECRQM": "\x1b[?2026;{}$y",
    "OSC 11": "\x1b]11;rgb:0000/0000/{:04x}\x1b\\",
}
_ASKED = re.compile(b"|".join(re.escape(text) for text in QUERIES.values()))
_BY_TEXT = {text: name for name, text in QUERIES.items()}
_HEARD = {
    "DA1": rb"\x1b\[\?1;2(?:;(\d+))?c",
    "DA2": rb"\x1b\[>0;276;(\d+)c",
    "DSR": rb"\x1b\[0n()",
    "CPR": rb"\x1b\[(\d+);7R",
    "XTVERSION": rb"\x1bP>\|(?:emulator |webterm)(\d*)\x1b\\",
    "DECRQM": rb"\x1b\[\?2026;(\d+)\$y",
    "OSC 11": rb"\x1b\]11;rgb:0000/0000/([0-9a-f]{4})\x1b\\",
}


class Emulator:
    """One page's emulator. ``number`` marks its answers."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._rest = b""

    def parse(self, data: bytes) -> list[str]:
        """The answers to the queries that end in ``data``."""
        data = self._rest + data
        answers, end = [], 0
        for match in _ASKED.finditer(data):
            answers.append(_ANSWERS[_BY_TEXT[match.group()]].format(self.number))
            end = match.end()
        self._rest = data[max(end, len(data) - 12) :]
        return answers


def answers_in(heard: bytes) -> tuple[Counter[tuple[str, int]], bytes]:
    """How many answers of each kind came from which emulator (0: the server), and what is left besides."""
    found: Counter[tuple[str, int]] = Counter()
    for name, pattern in _HEARD.items():
        for match in re.finditer(pattern, heard):
            number = match.group(1) or b"0"
            found[name, int(number, 16 if name == "OSC 11" else 10)] += 1
        heard = re.sub(pattern, b"", heard)
    return found, heard

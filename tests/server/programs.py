"""Programs whose every byte is known beforehand, and what compares a client's bytes with them.

Run as ``python programs.py KIND``: prints the bytes of that kind until somebody presses Return, then one last line that
says how many pieces there were, and ends.
"""

from __future__ import annotations

import itertools
import os
import select
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

END = b"\x1b[0m\nEND "
LINES_IN_PIECE = 200


def lines(number: int) -> bytes:
    """Numbered lines."""
    first = number * LINES_IN_PIECE
    return b"".join(b"line %d\r\n" % n for n in range(first, first + LINES_IN_PIECE))


def mixed(number: int) -> bytes:
    """Characters of two to four bytes, control sequences, a string sequence, and odd lengths throughout."""
    colour = number % 256
    text = (
        f"\x1b[38;5;{colour}m№{number} ä€😀𝄞\x1b[0m\x1b]2;title {number}\x07\x1b[{number % 20 + 1};1H\x1b[2K"
        + "é" * (number % 7)
    )
    return (text * 20 + "\r\n").encode()


def bytes_(number: int) -> bytes:
    """Every byte there is, also such that are no text, in an order that never comes again."""
    return b"\x18\x1b\\" + b"%d:" % number + bytes((n * (2 * number + 1) + number) % 256 for n in range(512)) + b"\x18"


def ticker(number: int) -> bytes:
    """One short line at a time."""
    return b"tick %d\r\n" % number


KINDS: dict[str, Callable[[int], bytes]] = {"lines": lines, "mixed": mixed, "bytes": bytes_, "ticker": ticker}


def command(kind: str) -> list[str]:
    """What to run for one of `KINDS`."""
    return [sys.executable, "-S", "-E", str(Path(__file__)), kind]


class Tape:
    """Takes a client's bytes in any pieces and compares them with what the program prints."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.length = 0
        self.difference: str | None = None
        self._pieces = pieces
        self._expected = b""

    def feed(self, data: bytes) -> None:
        """The next bytes."""
        if self.difference is not None:
            return
        done = 0
        while done < len(data):
            if not self._expected:
                self._expected = next(self._pieces, b"")
            part = data[done : done + len(self._expected)]
            if not self._expected.startswith(part) or not part:
                self.difference = f"at {self.length + done}: {part[:80]!r} instead of {self._expected[:80]!r}"
                return
            self._expected = self._expected[len(part) :]
            done += len(part)
        self.length += len(data)

    @property
    def finished(self) -> bool:
        """Whether that was all, to the last byte."""
        return self.difference is None and not self._expected and next(self._pieces, None) is None


class Recording(Tape):
    """A `Tape` for one of `KINDS`, which knows the last line when it comes."""

    def __init__(self, kind: str) -> None:
        super().__init__(map(KINDS[kind], itertools.count()))
        self._make = KINDS[kind]
        self._tail = b""

    def feed(self, data: bytes) -> None:
        """The next bytes. Everything may be the last line, so that much is held back until more comes."""
        held = self._tail + data
        end = held.find(END)
        keep = len(held) - len(END) - 32 if end < 0 else end
        super().feed(held[: max(keep, 0)])
        self._tail = held[max(keep, 0) :]

    @property
    def finished(self) -> bool:
        """Whether everything came, down to the last line and what that says."""
        if self.difference is not None or self._expected or not self._tail.startswith(END):
            return False
        count = int(self._tail[len(END) :].strip().split()[0])
        last = self._make(count)
        return self._tail == END + b"%d\n" % count and next(self._pieces) == last


def sequence(last: int) -> Tape:
    """What ``seq 1 LAST`` prints on a terminal."""
    return Tape(b"%d\r\n" % n for n in range(1, last + 1))


def main(kind: str) -> None:
    """Print until somebody presses Return."""
    tty.setraw(0, termios.TCSANOW)
    make = KINDS[kind]
    delay = 0.01 if kind == "ticker" else 0
    for number in itertools.count():
        if select.select([0], [], [], delay)[0]:
            break
        _print(make(number))
    _print(END + b"%d\n" % number)


def _print(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


if __name__ == "__main__":
    main(sys.argv[1])

"""The modes of a terminal, as far as a fresh screen must be put into them before it draws from the middle of a log.

Names and numbers follow ECMA-48 and the control-sequence documentation of xterm. Pure values: the scanner makes a new
`Modes` for each change, so a checkpoint is one reference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

ALTERNATE_SCREENS = frozenset({47, 1047, 1049})
_ON_BY_DEFAULT = frozenset({7, 25})
# Alternate screen and mouse modes are kept, and so are those that change what drawing means. Left out are modes
# that are gone in a moment (2026, synchronised output) or resize the screen (3, 40).
_KEPT_PRIVATE = frozenset(
    {1, 5, 6, 7, 9, 12, 25, 45, 47, 1000, 1002, 1003, 1004, 1005, 1006, 1007, 1015, 1016, 1047, 1049, 2004, 2031}
)
_KEPT_ANSI = frozenset({4, 20})
_SOFTLY_RESET = frozenset({1, 6, 7, 12, 25, 45, 1004, 2004, 2031})
_KEYPAD = 66  # DECNKM: the same switch as DECKPAM and DECKPNM
_MOUSE_PROTOCOLS = frozenset({9, 1000, 1002, 1003})
_MOUSE_ENCODINGS = frozenset({1005, 1006, 1015, 1016})

_LONGEST_ITEM = 32  # as in 58:2::255:255:255, with room to spare
SGR = re.compile(rb"(?:\x1b\[|\xc2\x9b)([0-9;:]{0,64})m")
_SETS = {
    **{1: "bold", 2: "dim", 3: "italic", 4: "underline", 21: "underline", 5: "blink", 6: "blink", 7: "inverse"},
    **{8: "conceal", 9: "strike", 53: "overline", 58: "underline colour"},
    **dict.fromkeys((*range(30, 39), *range(90, 98)), "foreground"),
    **dict.fromkeys((*range(40, 49), *range(100, 108)), "background"),
}
_CLEARS = {
    **{22: ("bold", "dim"), 23: ("italic",), 24: ("underline",), 25: ("blink",), 27: ("inverse",), 28: ("conceal",)},
    **{29: ("strike",), 39: ("foreground",), 49: ("background",), 55: ("overline",), 59: ("underline colour",)},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Modes:
    """What differs from a terminal that was just reset. Tuples are sorted, so that equal modes are equal values."""

    private: tuple[tuple[int, bool], ...] = ()  # DECSET, DECRST
    ansi: tuple[int, ...] = ()  # SM, RM
    keypad: bool = False  # DECKPAM, DECNKM
    region: str = ""  # DECSTBM, as "top;bottom"
    charsets: tuple[tuple[str, str], ...] = ()  # SCS: "(" → "0"
    shift: str = ""  # SO, LS2, LS3
    cursor_style: str = ""  # DECSCUSR
    attributes: tuple[tuple[str, str], ...] = ()  # SGR: attribute → parameters
    saved: tuple[tuple[str, str], ...] = ()  # the same, as DECSC left them for DECRC
    behind_region: str = ""  # of the normal screen, while the alternate one is shown
    behind_saved: tuple[tuple[str, str], ...] = ()
    title: str = ""  # OSC 0, OSC 2

    @property
    def alternate(self) -> bool:
        """Whether the alternate screen is shown."""
        return any(number in ALTERNATE_SCREENS for number, _ in self.private)

    def switch_private(self, numbers: list[int], on: bool) -> Modes:
        """After DECSET or DECRST of ``numbers``."""
        private = dict(self.private)
        for number in numbers:
            if number in _KEPT_PRIVATE:
                _switch(private, number, on)
        keypad = on if _KEYPAD in numbers else self.keypad
        return replace(self, private=tuple(private.items()), keypad=keypad)

    def switch_ansi(self, numbers: list[int], on: bool) -> Modes:
        """After SM or RM of ``numbers``."""
        kept = set(self.ansi)
        for number in _KEPT_ANSI.intersection(numbers):
            kept.add(number) if on else kept.discard(number)
        return replace(self, ansi=tuple(sorted(kept)))

    def designate(self, slot: str, charset: str) -> Modes:
        """After SCS: ``slot`` is the intermediate character, ``charset`` the final; ``B`` is the default."""
        charsets = dict(self.charsets)
        charsets.pop(slot, None)
        if charset != "B":
            charsets[slot] = charset
        return replace(self, charsets=tuple(sorted(charsets.items())))

    def soft_reset(self) -> Modes:
        """After DECSTR, as the page's emulator understands it: focus reports and bracketed paste end, too."""
        kept = tuple((n, on) for n, on in self.private if n not in _SOFTLY_RESET)
        behind = {"behind_region": self.behind_region, "behind_saved": self.behind_saved}
        return Modes(private=kept, title=self.title, **behind)  # type: ignore[arg-type]

    def save(self) -> Modes:
        """After DECSC."""
        return replace(self, saved=self.attributes)

    def restore(self) -> Modes:
        """After DECRC."""
        return replace(self, attributes=self.saved)

    def show_alternate(self) -> Modes:
        """The alternate screen has come: each screen has its own scroll region and saved cursor."""
        return replace(self, behind_region=self.region, behind_saved=self.saved, region="", saved=())

    def show_normal(self) -> Modes:
        """The normal screen is back."""
        return replace(self, region=self.behind_region, saved=self.behind_saved, behind_region="", behind_saved=())

    def draw_with(self, data: bytes) -> Modes:
        """After the SGR sequences in ``data``."""
        sequences = SGR.findall(data)
        if not sequences:
            return self
        attributes = dict(self.attributes)
        # Each sequence assigns, so of equal ones only the last matters: thousands become a handful.
        for parameters in reversed(dict.fromkeys(reversed(sequences))):
            _assign(attributes, parameters.decode("ascii"))
        drawn = tuple(sorted(attributes.items()))
        return self if drawn == self.attributes else replace(self, attributes=drawn)

    def preamble(self) -> str:
        """The sequences that put a freshly reset terminal into these modes."""
        out = [f"\x1b]2;{self.title}\x1b\\"] if self.title else []
        early = ALTERNATE_SCREENS
        out += [f"\x1b[{self.behind_region}r"] if self.behind_region else []
        out += [_sgr(self.behind_saved), "\x1b7"] if self.behind_saved else []
        out += [f"\x1b[?{number}h" for number, _ in self.private if number in early]
        out += ["\x1b[m"] if self.behind_saved else []
        out += [f"\x1b[{self.region}r"] if self.region else []
        out += [_sgr(self.saved), "\x1b7\x1b[m"] if self.saved else []
        out += [f"\x1b[?{number}{'h' if on else 'l'}" for number, on in self.private if number not in early]
        out += [f"\x1b[{number}h" for number in self.ansi]
        out += ["\x1b="] if self.keypad else []
        out += [f"\x1b{slot}{charset}" for slot, charset in self.charsets]
        out += [self.shift] if self.shift else []
        out += [f"\x1b[{self.cursor_style} q"] if self.cursor_style else []
        out += [_sgr(self.attributes)] if self.attributes else []
        return "".join(out)

    def dump(self) -> bytes:
        """As text for `load`."""
        return json.dumps(
            {k: v for k, v in asdict(self).items() if v}, separators=(",", ":"), ensure_ascii=False
        ).encode()

    @classmethod
    def load(cls, text: bytes) -> Modes:
        """From the text of `dump`. Raises `ValueError` for anything else."""
        try:
            fields: dict[str, Any] = {key: _tuples(value) for key, value in json.loads(text).items()}
            return cls(**fields)
        except (TypeError, AttributeError) as error:
            raise ValueError("not a dump of modes") from error


def _sgr(attributes: tuple[tuple[str, str], ...]) -> str:
    return f"\x1b[{';'.join(parameters for _, parameters in attributes)}m"


def _tuples(value: object) -> object:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _switch(private: dict[int, bool], number: int, on: bool) -> None:
    for group in (ALTERNATE_SCREENS, _MOUSE_PROTOCOLS, _MOUSE_ENCODINGS):
        if number in group:  # one of a group is in force at most
            for other in group:
                private.pop(other, None)
    private.pop(number, None)
    if on != (number in _ON_BY_DEFAULT):
        private[number] = on


def _assign(attributes: dict[str, str], parameters: str) -> None:
    items = iter(parameters.split(";"))
    for item in items:
        code = int(item.split(":")[0] or 0)
        if code == 0:
            attributes.clear()
        elif code in (38, 48, 58) and ":" not in item:
            attributes[_SETS[code]] = _colour(code, items)
        elif code in _SETS and len(item) <= _LONGEST_ITEM:
            attributes[_SETS[code]] = item
        for name in _CLEARS.get(code, ()):
            attributes.pop(name, None)


def _colour(code: int, rest: Iterator[str]) -> str:
    """An extended colour with its parameters: ``38;5;n`` or ``38;2;r;g;b``."""
    kind = int(next(rest, "0") or 0)
    count = {5: 1, 2: 3}.get(kind, 0)
    numbers = [code, kind, *(int(next(rest, "0") or 0) for _ in range(count))]
    return ";".join(str(min(number, 65_535)) for number in numbers)

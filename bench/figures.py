"""Figures and how they are shown: medians of interleaved rounds, their range, and the goal beside them."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table. ``held`` is None where there is no goal."""

    what: str
    figure: str
    against: str = ""
    ratio: str = ""
    goal: str = ""
    held: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A bound for a number."""

    bound: float
    sense: Literal["≥", "≤"]
    unit: str = ""

    def __str__(self) -> str:
        return f"{self.sense} {self.bound:g}{self.unit}"

    def holds(self, value: float) -> bool:
        """Whether ``value`` keeps to it."""
        return value >= self.bound if self.sense == "≥" else value <= self.bound


def at_least(bound: float, unit: str = "") -> Goal:
    """A goal from below."""
    return Goal(bound=bound, sense="≥", unit=unit)


def at_most(bound: float, unit: str = "") -> Goal:
    """A goal from above."""
    return Goal(bound=bound, sense="≤", unit=unit)


def shown(values: Sequence[float], unit: str) -> str:
    """The median, and from the least to the most."""
    middle = statistics.median(values)
    digits = 0 if middle >= 100 else 1 if middle >= 10 else 2
    return f"{middle:.{digits}f} {unit} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def percentile(values: Iterable[float], share: float) -> float:
    """The value below which ``share`` of them lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def compare(what: str, ours: Sequence[float], other: str, theirs: Sequence[float], goal: Goal, *, unit: str) -> Row:
    """A row about the median of the rounds' ratios, because the machine changes more between rounds than within."""
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    return Row(
        what=what,
        figure=shown(ours, unit),
        against=f"{other}: {shown(theirs, unit)}",
        ratio=f"{ratio:.2f} ×",
        goal=f"{goal} ×",
        held=goal.holds(ratio),
    )


def bounded(what: str, ours: Sequence[float], goal: Goal, *, unit: str) -> Row:
    """A row about the median itself."""
    return Row(what=what, figure=shown(ours, unit), goal=f"{goal} {unit}", held=goal.holds(statistics.median(ours)))


def table(rows: Iterable[Row]) -> str:
    """All rows, as Markdown that is also readable as it is."""
    head = ("what", "webterm: median (least–most)", "beside it", "ratio", "goal", "held")
    held = {True: "yes", False: "**no**", None: ""}
    lines = [head] + [(r.what, r.figure, r.against, r.ratio, r.goal, held[r.held]) for r in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    cells = [[cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines]
    cells.insert(1, ["-" * width for width in widths])
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)

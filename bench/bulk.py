"""Much output to a client that only counts: how fast, and how much CPU the server takes for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Goal, Row, at_least, at_most, compare
from bench.programs import Programs
from bench.servers import Terminado, Webterm
from bench.terminals import Bare, Measured, ThroughTerminado, ThroughWebterm, now

_MB = 1_000_000
_FASTER: dict[str, tuple[Goal, Goal]] = {
    "binary": (at_least(0.75), at_least(2.5)),
    "json": (at_least(0.5), at_least(1.7)),
}
_CPU: dict[str, Goal] = {"binary": at_most(1.3), "json": at_most(2.5)}


@dataclass(frozen=True, slots=True)
class Speed:
    """Of one run: MB/s of the program's bytes, and CPU seconds of the way they took for 100 MB."""

    rate: float
    cpu: float


def measure(webterm: Webterm, terminado: Terminado, programs: Programs, *, rounds: int, copies: int) -> Iterator[Row]:
    """Rows for both contents; each round runs every contender once, on ``copies`` times a content."""
    for content in ("plain", "coloured"):
        script = programs.flood(content, copies)
        total, escaped = programs.size(content) * copies, programs.escaped_size(content) * copies
        speeds: dict[str, list[Speed]] = {"bare": [], "binary": [], "json": [], "terminado": []}
        for _ in range(rounds):
            for name, found in speeds.items():
                found.append(run(_contender(name, webterm, terminado, script), total, escaped))
        yield from _rows(content, speeds)


def _contender(name: str, webterm: Webterm, terminado: Terminado, script: Path) -> Measured:
    if name == "bare":
        return Bare(script)
    if name == "terminado":
        return ThroughTerminado(terminado, script, whole=False)
    return ThroughWebterm(webterm, name, script, whole=False)


def run(contender: Measured, total: int, escaped: int) -> Speed:
    """One run, from the go to the last byte."""
    contender.await_ready()
    began, cpu = now(), contender.cpu()
    contender.write("\n")
    contender.count(total, escaped)
    seconds, cpu = now() - began, contender.cpu() - cpu
    contender.close()
    return Speed(total / _MB / seconds, cpu * 100 * _MB / total)


def _rows(content: str, speeds: dict[str, list[Speed]]) -> Iterator[Row]:
    rates = {name: [speed.rate for speed in runs] for name, runs in speeds.items()}
    cpus = {name: [speed.cpu for speed in runs] for name, runs in speeds.items()}
    for mode, goals in _FASTER.items():
        for other, goal in zip(("bare", "terminado"), goals, strict=True):
            yield compare(f"bulk output, {mode}, {content}", rates[mode], other, rates[other], goal, unit="MB/s")
    for mode, goal in _CPU.items():
        what = f"CPU for 100 MB, {mode}, {content}"
        yield compare(what, cpus[mode], "bare", cpus["bare"], goal, unit="s")

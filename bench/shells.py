"""A shell's prompt: how soon after opening, and how soon after Ctrl-C under a flood."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from bench.figures import Row, at_most, bounded, compare, shown
from bench.programs import PROMPT, Programs
from bench.servers import Terminado, Webterm
from bench.terminals import Bare, Channels, Measured, ThroughTerminado, ThroughWebterm, now

_WINDOW = 256 * 1024
_FLOW = 2_000_000  # bytes to see before pressing Ctrl-C


def measure_interrupt(webterm: Webterm, terminado: Terminado, programs: Programs, *, rounds: int) -> Iterator[Row]:
    """Rows for Ctrl-C under ``yes``."""
    found: dict[str, tuple[list[float], list[float]]] = {}
    for _ in range(rounds):
        contenders: list[Measured] = [
            ThroughWebterm(webterm, "binary", programs.shell),
            ThroughWebterm(webterm, "json", programs.shell),
            ThroughTerminado(terminado, programs.shell),
        ]
        for contender in contenders:
            seconds, stale = interrupt(contender)
            times, bytes_ = found.setdefault(contender.name, ([], []))
            times.append(seconds * 1e3)
            bytes_.append(stale / 1024)
    theirs = found.pop("terminado")
    for name, (times, stale_bytes) in found.items():
        mode = name.rpartition(" ")[2]
        yield bounded(f"Ctrl-C under yes to the prompt, {mode}", times, at_most(50), unit="ms")
        yield bounded(f"output between Ctrl-C and the prompt, {mode}", stale_bytes, at_most(_WINDOW / 1024), unit="KiB")
    yield Row(
        what="the same through terminado", figure="", against=f"{shown(theirs[0], 'ms')}; {shown(theirs[1], 'KiB')}"
    )


def interrupt(contender: Measured) -> tuple[float, int]:
    """Seconds from Ctrl-C to the prompt, and the bytes in between."""
    contender.read_until(PROMPT)
    contender.write("yes\r")
    count = 0
    while count < _FLOW:
        count += len(contender.read())
    began = now()
    contender.write("\x03")
    stale = contender.read_until(PROMPT) - len(PROMPT)
    seconds = now() - began
    contender.close()
    return seconds, stale


def measure_opening(webterm: Webterm, programs: Programs, *, rounds: int, times: int) -> Iterator[Row]:
    """Rows for opening a terminal on an open connection, against forking the same shell right here."""
    found: dict[str, list[float]] = {"webterm": [], "bare": []}
    channels = Channels(webterm, "binary")
    for _ in range(rounds):
        ours, theirs = [], []
        for _ in range(times):
            ours.append(open_prompt(channels, programs))
            theirs.append(_fork_prompt(programs))
        found["webterm"].append(statistics.median(ours))
        found["bare"].append(statistics.median(theirs))
    channels.close()
    what = "opening a terminal to the first prompt, p50"
    yield compare(what, found["webterm"], "forked here", found["bare"], at_most(1.3), unit="ms")


def open_prompt(channels: Channels, programs: Programs) -> float:
    """Milliseconds from the message ``open`` to the prompt."""
    began = now()
    mine = channels.open(programs.shell)
    seen = b""
    while PROMPT not in seen:
        for channel, _, frame, at in channels.outputs():
            if channel == mine:
                seen += channels.data(frame, at)
    took = (now() - began) * 1e3
    channels.end(mine)
    channels.await_message("detached")
    return took


def _fork_prompt(programs: Programs) -> float:
    began = now()
    bare = Bare(programs.shell)
    bare.read_until(PROMPT)
    took = (now() - began) * 1e3
    bare.close()
    return took

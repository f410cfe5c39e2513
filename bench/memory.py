"""Viewers that never acknowledge or never read: what they cost the server, and the viewer beside them."""

from __future__ import annotations

from collections.abc import Iterator

from bench.figures import Row, at_least, at_most, bounded, compare
from bench.programs import READY, Programs
from bench.servers import Webterm
from bench.terminals import Channels, now

_MIB = 1024 * 1024
_LIMIT = 8  # MiB: one socket's buffers and a few frames; far from what flows past


def measure(webterm: Webterm, programs: Programs, *, rounds: int, copies: int) -> Iterator[Row]:
    """Rows for both kinds of viewers."""
    alone: list[float] = []
    found: dict[str, tuple[list[float], list[float]]] = {"never acks": ([], []), "never reads": ([], [])}
    for _ in range(rounds):
        alone.append(flow(webterm, programs, copies, None)[0])
        for kind, (rates, growth) in found.items():
            rate, grown = flow(webterm, programs, copies, kind)
            rates.append(rate)
            growth.append(grown)
    total = programs.size("plain") * copies / _MIB
    for kind, (rates, growth) in found.items():
        what = f"memory for a viewer that {kind}, {total:.0f} MiB passing"
        yield bounded(what, growth, at_most(_LIMIT), unit="MiB")
        yield compare(f"rate beside a viewer that {kind}", rates, "alone", alone, at_least(0.9), unit="MB/s")


def flow(webterm: Webterm, programs: Programs, copies: int, kind: str | None) -> tuple[float, float]:
    """MB/s of a good viewer beside a bad one (or none), and by how many MiB the server grew meanwhile."""
    good = Channels(webterm, "binary", peek=2048)
    channel = good.open(programs.flood("plain", copies))
    terminal = str(good.await_message("attached")["terminal"])
    bad = None
    if kind is not None:
        bad = Channels(webterm, "binary")
        bad.attach(terminal, window=0 if kind == "never reads" else None)
        bad.await_message("attached")
    _take(good, len(READY))
    before, began = webterm.anonymous_memory(), now()
    good.write(channel, "\n")
    total = programs.size("plain") * copies
    _take(good, len(READY) + total)
    rate = total / 1e6 / (now() - began)
    grown = webterm.anonymous_memory() - before
    good.end(channel)
    good.await_message("detached")
    good.close()
    if bad is not None:
        bad.close()
    return rate, grown / _MIB


def _take(good: Channels, end: int) -> None:
    while not any(reached >= end for _, reached, _, _ in good.outputs()):
        pass

"""From a key press to its echo: on an idle server, and while another terminal floods."""

from __future__ import annotations

import multiprocessing
import random
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Event

from bench.figures import Row, at_most, bounded, compare, percentile
from bench.programs import READY, Programs
from bench.servers import Terminado, Webterm
from bench.terminals import Bare, Channels, Measured, ThroughTerminado, ThroughWebterm, now

_PAUSE = (0.004, 0.010)  # seconds between two keys: long enough for caches and processors to have gone to sleep
_SOME = 500_000  # bytes of a flood between two looks at whether it should end
_chance = random.Random(3)
Latencies = dict[str, tuple[list[float], list[float]]]


def measure_idle(
    webterm: Webterm, terminado: Terminado, programs: Programs, *, rounds: int, keys: int
) -> Iterator[Row]:
    """Rows for an idle server, with `cat` on a raw terminal: one key at a time, at once after the last or paced."""
    contenders: dict[str, Measured] = {
        "bare": Bare(programs.raw_cat),
        "binary": ThroughWebterm(webterm, "binary", programs.raw_cat),
        "json": ThroughWebterm(webterm, "json", programs.raw_cat),
        "terminado": ThroughTerminado(terminado, programs.raw_cat),
    }
    for contender in contenders.values():
        contender.read_until(READY)
    brisk: Latencies = {name: ([], []) for name in contenders}
    paced: Latencies = {name: ([], []) for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            _note(brisk[name], [_echo(contender) for _ in range(keys)])
        for name, times in _take_turns(contenders, keys // 2).items():
            _note(paced[name], times)
    for contender in contenders.values():
        contender.close()
    for mode in ("binary", "json"):
        for index, name in enumerate(("p50", "p99")):
            what, ours, theirs = f"echo of one key, {mode}, {name}", brisk[mode][index], brisk["terminado"][index]
            yield compare(what, ours, "terminado", theirs, at_most(0.35), unit="µs")
    yield Row(what="the same, bare", figure="", against=_both(brisk["bare"]))
    for name in ("binary", "json"):
        what = f"echo at a typist's pace, {name}"
        yield Row(what=what, figure=_both(paced[name]), against=f"terminado: {_both(paced['terminado'])}")
    yield Row(what="the same, bare", figure="", against=_both(paced["bare"]))


def _take_turns(contenders: dict[str, Measured], keys: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(keys):
        for name, contender in contenders.items():
            time.sleep(_chance.uniform(*_PAUSE))
            times[name].append(_echo(contender))
    return times


def measure_flooded(
    webterm: Webterm, terminado: Terminado, programs: Programs, *, rounds: int, keys: int
) -> Iterator[Row]:
    """Rows for an echo beside a flood: in the same connection, in another, and through terminado."""
    found: Latencies = {name: ([], []) for name in ("same socket", "another socket", "terminado")}
    for _ in range(rounds):
        _note(found["same socket"], same_socket(webterm, programs, keys))
        with _flood(lambda: ThroughWebterm(webterm, "binary", programs.yes, whole=False)):
            _note(found["another socket"], _echoes(ThroughWebterm(webterm, "binary", programs.raw_cat), keys))
        with _flood(lambda: ThroughTerminado(terminado, programs.yes, whole=False)):
            _note(found["terminado"], _echoes(ThroughTerminado(terminado, programs.raw_cat), keys))
    for name in ("same socket", "another socket"):
        for index, (label, goal) in enumerate((("p50", at_most(1000)), ("p99", at_most(3000)))):
            what, ours, theirs = f"echo beside a flood, {name}, {label}", found[name][index], found["terminado"][index]
            yield bounded(what, ours, goal, unit="µs")
            yield compare(what, ours, "terminado", theirs, at_most(1), unit="µs")


def same_socket(webterm: Webterm, programs: Programs, keys: int) -> list[float]:
    """Latencies in µs of keys in one terminal while another one of the same connection floods."""
    channels = Channels(webterm, "binary")
    quiet = channels.open(programs.raw_cat)
    channels.await_message("attached")
    flood = channels.open(programs.yes)
    _take_until(channels, quiet, now() + 0.2)
    times = []
    for _ in range(keys):
        _take_until(channels, None, now() + _chance.uniform(*_PAUSE))
        began = now()
        channels.write(quiet, "x")
        _take_until(channels, quiet, began + 20)
        times.append((now() - began) * 1e6)
    for channel in (flood, quiet):
        channels.end(channel)
        channels.await_message("detached")
    channels.close()
    return times


def _take_until(channels: Channels, wanted: int | None, deadline: float) -> None:
    while now() < deadline:
        if any(channel == wanted for channel, *_ in channels.outputs()):
            return


def _echo(contender: Measured) -> float:
    began = now()
    contender.write("x")
    while not contender.read():
        pass
    return (now() - began) * 1e6


def _echoes(contender: Measured, keys: int) -> list[float]:
    contender.read_until(READY)
    times = []
    for _ in range(keys):
        time.sleep(_chance.uniform(*_PAUSE))
        times.append(_echo(contender))
    contender.close()
    return times


@contextmanager
def _flood(make: Callable[[], ThroughWebterm | ThroughTerminado]) -> Iterator[None]:
    """A terminal that floods a client in a process of its own."""
    context = multiprocessing.get_context("fork")
    flowing, enough = context.Event(), context.Event()
    process = context.Process(target=_take_all, args=(make, flowing, enough), daemon=True)
    process.start()
    flowing.wait(20)
    try:
        yield
    finally:
        enough.set()
        process.join(20)
        process.kill()


def _take_all(make: Callable[[], ThroughWebterm | ThroughTerminado], flowing: Event, enough: Event) -> None:
    contender = make()
    while not enough.is_set():
        contender.count(_SOME, _SOME)
        flowing.set()
    contender.close()  # else it would flood on


def _note(found: tuple[list[float], list[float]], times: list[float]) -> None:
    found[0].append(percentile(times, 0.5))
    found[1].append(percentile(times, 0.99))


def _both(found: tuple[list[float], list[float]]) -> str:
    return f"p50 {statistics.median(found[0]):.0f} µs, p99 {statistics.median(found[1]):.0f} µs"

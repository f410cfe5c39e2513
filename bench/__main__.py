"""The command behind ``bench/run``."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

from bench import bulk, containers, idle, latency, memory, shells, transfers
from bench.figures import Row, at_most, bounded, shown, table
from bench.programs import SHELL, Programs
from bench.servers import ROOT, Terminado, Webterm

DOCUMENT = ROOT / "docs" / "performance.md"
Measure = Callable[[Webterm, Terminado, Programs, bool], Iterator[Row]]


def _idle_terminals(quick: bool) -> Iterator[Row]:
    """On a server of its own, whose client opens the page as a browser does."""
    if not (ROOT / "webterm" / "static" / "index.html").exists():
        yield Row(what="idle terminals", figure="not measured: the page is not built")
        return
    with tempfile.TemporaryDirectory(prefix="webterm-bench-") as directory:
        found = asyncio.run(idle.measure(Path(directory, "data"), 100 if quick else 1000, 2.0 if quick else 10.0))
    count = found.terminals
    yield bounded(f"memory of each of {count} idle terminals", [found.private / 1024], at_most(60), unit="KiB")
    yield bounded(f"CPU of {count} idle terminals", [found.processor * 100], at_most(1), unit="%")
    yield Row(what=f"listing {count} terminals", figure=shown([found.listing * 1000], "ms"))
    yield Row(what=f"{count} terminals back after kill -9 and a start", figure=shown([found.restart], "s"))


MEASURES: dict[str, Measure] = {
    "bulk": lambda w, t, p, quick: bulk.measure(w, t, p, rounds=3 if quick else 7, copies=2 if quick else 12),
    "echo": lambda w, t, p, quick: latency.measure_idle(w, t, p, rounds=3 if quick else 7, keys=100 if quick else 400),
    "flood": lambda w, t, p, quick: latency.measure_flooded(
        w, t, p, rounds=3 if quick else 7, keys=50 if quick else 200
    ),
    "interrupt": lambda w, t, p, quick: shells.measure_interrupt(w, t, p, rounds=3 if quick else 15),
    "opening": lambda w, t, p, quick: shells.measure_opening(w, p, rounds=3 if quick else 7, times=5 if quick else 15),
    "memory": lambda w, t, p, quick: memory.measure(w, p, rounds=2 if quick else 5, copies=4 if quick else 12),
    "transfers": lambda w, t, p, quick: itertools.chain(
        transfers.measure_large(w, rounds=1 if quick else 5, size=(64 if quick else 2048) * 1024 * 1024),
        transfers.measure_small(w, p, count=2000 if quick else 20_000),
    ),
    "idle": lambda w, t, p, quick: _idle_terminals(quick),
    "containers": lambda w, t, p, quick: containers.measure(quick=quick),
}


def main() -> int:
    """Measure and print; the exit status says whether every goal is held."""
    options = _options()
    programs = Programs()
    rows: list[Row] = []
    began = time.monotonic()
    try:
        with Webterm() as webterm, Terminado(list(SHELL)) as terminado:
            for name in options.only or MEASURES:
                print(f"{time.monotonic() - began:4.0f} s  {name} …", file=sys.stderr, flush=True)
                rows += MEASURES[name](webterm, terminado, programs, options.quick)
    finally:
        programs.close()
    print(table(rows))
    if options.write:
        DOCUMENT.write_text(document(rows), encoding="utf-8")
    return 0 if all(row.held is not False for row in rows) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter runs")
    parser.add_argument("--write", action="store_true", help=f"write {DOCUMENT.relative_to(ROOT)}")
    parser.add_argument("--only", action="append", choices=list(MEASURES), help="only this part; may be repeated")
    return parser.parse_args()


def machine() -> str:
    """What this ran on."""
    processor = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    libraries = ", ".join(
        f"{name} {version(name)}" for name in ("aiohttp", "uvloop", "msgspec", "terminado", "tornado")
    )
    return (
        f"{processor}, {os.cpu_count()} cores; Linux {platform.release()}; Python {platform.python_version()};"
        f" {libraries}. webterm runs on uvloop, terminado as in its own example on asyncio."
    )


def document(rows: list[Row]) -> str:
    """The page about performance."""
    return _TEXT.format(machine=machine(), table=table(rows))


_TEXT = """\
# Performance

<!-- Made by bench/run --write. Change bench/__main__.py instead. -->

`bench/run` measures everything below in one run, on this machine, with the contenders taking turns: webterm
(`webterm serve` with its keeper), terminado (tornado with terminado, as in terminado's own example) and bare: the same
program in a pseudo-terminal of the measuring process, read by a loop of `epoll` and `os.read`. `bench/run --quick`
takes about half a minute.

{machine}

{table}

How to read it

- A figure is the median of the rounds, with the least and the most. A ratio is the median of the rounds' own ratios.
- Bulk output: `cat` of a prepared file in memory, on a terminal in raw mode (`stty raw -echo`, so nothing is
  rewritten), to a client in another process that looks at frame headers only and acknowledges every 32 KiB. *Plain* is
  lines of a log; *coloured* is like `ls -laR --color`, with three escape sequences in each line. 1 MB is 10⁶ bytes of
  the program's.
- CPU is user and system time of the server and its keeper, from the kernel's clock of each process.
- Echo: `cat` on a raw terminal gives back one byte; the next key follows at once, or at a typist's pace after 4–10 ms,
  when caches and processors have gone to sleep. Beside a flood, `yes` runs in another terminal of the same socket, or
  of another client's.
- Ctrl-C: bash runs `yes`; the time to its next prompt, and what still came in between.
- Opening: from the message `open` on a connection that is there to the prompt of bash without start-up files.
- Memory: growth of the server's anonymous memory while the output passes, with a viewer beside that never
  acknowledges, or that asks for no flow control and never reads.
- Up and down: one file over plain HTTP, by `sendfile`, beside `cp` of the same file on the same disk, and beside a
  program that has the kernel move the bytes of a socket to a file (`splice`) and never looks at them. Before each of
  them what the one before has written is removed, and the disk is at rest. `up` ends with the answer, `cp` with the
  program: both with the bytes in the page cache. *On the disk*: until `sync` has returned as well. An upload keeps two
  processors busy and `cp` one, so the ratio falls where the machine has something else to do.
- Small files come up in forms of 500. Meanwhile somebody types, on one of the server's terminals and on a bare one:
  what the bare one waits for, the machine does.
- Containers: from the message `open` to the prompt of bash, in a workspace that has no container yet and in one that
  has; beside it the engine's own client on a terminal, with the same image and command. Its stream is read from its
  socket, with nothing in between. Many workspaces at once: no one of them may fail. A workspace's network is one that
  was made for webterm, so that nobody else is in it: in each of its containers the engine sets up a resolver of names,
  with eleven calls of iptables, which it does not for its default network. That takes about as long as an exec, which a
  terminal is beyond a `docker run`: the ratio to the client on the same network is what webterm adds.
- Previews: an app of a few lines on a connection that stays, asked through webterm and at its own address in turns;
  then large answers and requests.
"""

if __name__ == "__main__":
    sys.exit(main())

"""A process that exchanges pairs of names as fast as it can, for races: ``python -m tests.files.swapping A B [C D …]``.

With ``A:B`` for one argument it renames A to B and back instead. It says ``ready`` once everything has been exchanged
and back, and goes on until its input ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

AT_FDCWD = -100
EXCHANGE = 2


def exchange(pairs: list[tuple[bytes, bytes]], ended: threading.Event) -> None:
    rename = ctypes.CDLL(None, use_errno=True).renameat2
    turns = 0
    while not ended.is_set():
        for one, other in pairs:
            # Others may just have renamed or removed one of the two: the next turn does it.
            rename(AT_FDCWD, one, AT_FDCWD, other, EXCHANGE)
        turns += 1
        if turns == 2:
            print("ready", flush=True)


def back_and_forth(one: str, other: str, ended: threading.Event) -> None:
    print("ready", flush=True)
    while not ended.is_set():
        os.rename(one, other)  # noqa: PTH104 - as fast as can be
        os.rename(other, one)  # noqa: PTH104


def main(arguments: list[str]) -> None:
    ended = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    if len(arguments) == 1:
        one, _, other = arguments[0].partition(":")
        back_and_forth(one, other, ended)
    else:
        names = [os.fsencode(name) for name in arguments]
        exchange(list(zip(names[::2], names[1::2], strict=True)), ended)


@contextlib.contextmanager
def swapping(*arguments: Path | str) -> Iterator[None]:
    """Run it while the context lasts."""
    command = [sys.executable, "-m", "tests.files.swapping", *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            yield
            assert process.poll() is None, "it has failed while it was needed"
        finally:
            process.stdin.close()
            process.wait()


if __name__ == "__main__":
    main(sys.argv[1:])

"""``python -m webterm.keeper DIR``: run a keeper. Whoever starts it gives it a session of its own (setsid(2))."""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

from webterm.keeper.service import Keeper
from webterm.keeper.starting import EXIT_TAKEN

_PR_SET_CHILD_SUBREAPER = 36


def main() -> int:
    """Run a keeper to its end; returns its exit status."""
    parser = argparse.ArgumentParser(prog="webterm.keeper", description="Keep terminals over a restart of the server.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--detach", action="store_true", help="go to the background, once it listens")
    parser.add_argument("--patience", type=float, default=10.0, help="seconds to wait for a server without programs")
    parser.add_argument("--grace", type=float, default=3.0, help="seconds between hanging up and killing at SIGTERM")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(levelname)s %(message)s")
    if options.detach:
        return _detached(lambda ready: _keep(options, ready))
    return _keep(options, lambda: None)


def _keep(options: argparse.Namespace, ready: Callable[[], None]) -> int:
    try:
        directory = _checked(options.directory)
        lock = os.open(directory / "keeper.lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        keeper = Keeper(directory, patience=options.patience, grace=options.grace)
    except BlockingIOError:
        sys.stderr.write(f"another keeper has {options.directory}\n")
        return EXIT_TAKEN
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    _adopt_orphans()
    ready()
    keeper.run()
    return 0


def _checked(directory: Path) -> Path:
    status = directory.stat()
    if status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise PermissionError(f"{directory} must belong to its user and be closed to all others (chmod 700)")
    return directory.absolute()


def _adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends (prctl(2)), so that they are found and reaped."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        logging.getLogger("webterm.keeper").warning("orphans are not adopted: %s", os.strerror(ctypes.get_errno()))


def _detached(keep: Callable[[Callable[[], None]], int]) -> int:
    """Run ``keep`` in a child and return when it is ready, or with its status when it ends before."""
    ready_out, ready_in = os.pipe()
    child = os.fork()
    if child:
        os.close(ready_in)
        if os.read(ready_out, 1):
            return 0
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(ready_out)

    def ready() -> None:
        os.write(ready_in, b"1")
        os.close(ready_in)

    return keep(ready)


if __name__ == "__main__":
    sys.exit(main())

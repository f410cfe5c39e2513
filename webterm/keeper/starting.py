"""Reaching a keeper from another process: dial its socket, or start it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from webterm.keeper.wire import KeeperError, Link, socket_path

EXIT_TAKEN = 3
"""The exit status of a keeper that found another one in its directory."""

_START_TIMEOUT = 10.0


def dial(directory: Path) -> Link:
    """Connect to the keeper of a directory. Raises `KeeperError`: ``not_running``, ``no_answer``, ``denied``."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    link = Link(sock)
    try:
        with socket_path(directory) as path:
            sock.connect(path)
        if link.peer()[1] != os.geteuid():
            raise KeeperError("denied", f"the keeper of {directory} belongs to another user")
    except (FileNotFoundError, ConnectionRefusedError):
        link.close()
        raise KeeperError("not_running", f"no keeper runs for {directory}") from None
    except OSError as error:
        link.close()
        raise KeeperError("no_answer", f"the keeper of {directory} cannot be reached: {error.strerror}") from None
    except BaseException:
        link.close()
        raise
    return link


def start_keeper(directory: Path, patience: float) -> int:
    """Start a keeper and wait until it listens; runs in a thread. Returns its exit status: 0 or `EXIT_TAKEN`."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    log_path = directory / "keeper.log"
    command = [sys.executable, "-P", "-X", "utf8", "-m", "webterm.keeper", str(directory.absolute())]
    with os.fdopen(os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb") as log:
        try:
            # It detaches itself: the process waited for here is not the one that stays.
            status = subprocess.run(
                [*command, "--detach", "--patience", str(patience)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=_bare_environment(),
                start_new_session=True,
                timeout=_START_TIMEOUT,
                check=False,
            ).returncode
        except (OSError, subprocess.TimeoutExpired) as error:
            raise KeeperError("no_answer", f"the keeper could not be started: {error}") from None
    if status not in (0, EXIT_TAKEN):
        raise KeeperError("no_answer", f"the keeper could not be started: {log_path} says why")
    return status


def _bare_environment() -> dict[str, str]:
    """What the keeper needs, and none of the server's secrets."""
    wanted = ("PATH", "HOME", "USER", "LANG", "TZ")
    kept = {name: value for name, value in os.environ.items() if name in wanted or name.startswith("LC_")}
    kept["PYTHONPATH"] = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
    return kept

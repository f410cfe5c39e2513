"""What /proc says about processes (proc(5)), as one picture of a moment."""

from __future__ import annotations

import os
import re
import signal
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

COOKIE = "WEBTERM_TERMINAL"
"""The environment variable that marks every program of a terminal with the terminal's token."""

_COOKIE = re.compile(rb"(?:^|\0)" + COOKIE.encode() + rb"=([^\0]*)")

_LONGEST_ENVIRONMENT = 256 * 1024


@dataclass(frozen=True, slots=True)
class Process:
    """``start`` (clock ticks since boot) tells a process from a later one with the same id."""

    pid: int
    start: int
    parent: int = field(compare=False)
    session: int = field(compare=False)

    def send(self, number: int) -> None:
        """Send a signal, unless the process has gone or its id belongs to another by now."""
        current = read_process(self.pid)
        if current is None or current.start != self.start:
            return
        try:
            os.kill(self.pid, number)
        except (ProcessLookupError, PermissionError):
            return  # gone, or it runs as another user: `Snapshot` still finds that one


def read_process(pid: int) -> Process | None:
    """The process with this id; None where there is none or it only waits to be reaped."""
    data = _read(f"/proc/{pid}/stat", 4096)
    # The name in parentheses may hold anything, parentheses too.
    fields = data[data.rfind(b")") + 2 :].split()
    if len(fields) < 20 or fields[0] in (b"Z", b"X"):
        return None
    return Process(pid, start=int(fields[19]), parent=int(fields[1]), session=int(fields[3]))


def _read(path: str, limit: int) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.read(fd, limit)
    except OSError:
        return b""
    finally:
        os.close(fd)


class Snapshot:
    """All living processes but this one."""

    def __init__(self) -> None:
        pids = (
            int(name)
            for name in os.listdir("/proc")  # noqa: PTH208 - thousands of names, no need for a path each
            if name.isdigit()
        )
        found = (read_process(pid) for pid in pids if pid != os.getpid())
        self._by_pid = {process.pid: process for process in found if process is not None}
        self._children: defaultdict[int, list[Process]] = defaultdict(list)
        for process in self._by_pid.values():
            self._children[process.parent].append(process)
        self._marked: defaultdict[str, list[Process]] | None = None

    def alive(self, processes: Iterable[Process]) -> set[Process]:
        """Those that still run; their parent may be another by now."""
        current = ((process, self._by_pid.get(process.pid)) for process in processes)
        return {now for then, now in current if now is not None and now.start == then.start}

    def session(self, session: int) -> set[Process]:
        """The processes of a session (setsid(2))."""
        return {process for process in self._by_pid.values() if process.session == session}

    def descendants(self, roots: Iterable[Process]) -> set[Process]:
        """The processes and their children, and theirs, and so on."""
        found: set[Process] = set()
        ahead = list(roots)
        while ahead:
            process = ahead.pop()
            if process not in found:
                found.add(process)
                ahead.extend(self._children[process.pid])
        return found

    def marked(self, token: str) -> set[Process]:
        """The processes whose environment carries the cookie of a terminal, as far as we may read it."""
        if self._marked is None:
            self._marked = defaultdict(list)
            for process in self._by_pid.values():
                match = _COOKIE.search(_read(f"/proc/{process.pid}/environ", _LONGEST_ENVIRONMENT))
                if match:
                    self._marked[match[1].decode("ascii", "replace")].append(process)
        return set(self._marked[token])


def signal_name(number: int) -> str:
    """``9`` is ``KILL``; a real-time signal without a name is ``RTMIN+n``."""
    try:
        return signal.Signals(number).name.removeprefix("SIG")
    except ValueError:
        return f"RTMIN+{number - signal.SIGRTMIN}"

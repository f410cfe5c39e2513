"""What a /proc says of the processes in it (proc(5)): this machine's own, or that of a sandbox or container."""

from __future__ import annotations

import os
import pwd
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from webterm.runtime import RuntimeProcess

LONGEST_COMMAND = 4096
"""Bytes of a command that are shown."""
SHELLS = frozenset({"bash", "sh", "dash", "ash", "zsh", "fish", "ksh", "mksh", "csh", "tcsh"})
_CALM = frozenset(
    {"-i", "-l", "-il", "-li", "--login", "--interactive", "--norc", "--noprofile", "--noediting", "--posix"}
)
"""Options with which a shell still asks for commands: with any other argument it runs something."""
_PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")
"""Clock ticks in a second."""
_SHORTEST_STAT = 22
SECRET = 16
"""Characters that follow a mark."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One process. ``start`` and ``used`` (by it and by children that it has waited for) are in clock ticks.

    ``session`` is 1 for what a container was started with, and 0 where the leader is outside of what is looked at.
    """

    pid: int
    parent: int
    session: int
    user: int
    name: str
    arguments: tuple[str, ...]
    asleep: bool
    has_terminal: bool
    start: int
    used: int
    memory: int

    @property
    def is_furniture(self) -> bool:
        """Whether it belongs to the sandbox or container itself, and is nobody's program."""
        return self.pid == 1 or self.session == 1

    def is_resting_shell(self) -> bool:
        """Whether it is a shell that waits: for a command, or for other shells."""
        name, *options = self.arguments or ("",)
        shell = PurePosixPath(name.removeprefix("-")).name
        return self.asleep and self.has_terminal and self.name in SHELLS and shell in SHELLS and set(options) <= _CALM

    def shown(self, users: dict[int, str], boot: float) -> RuntimeProcess:
        """For people. ``boot`` is when the clock of ``start`` began, in seconds since 1970."""
        command = " ".join(self.arguments) or f"[{self.name}]"
        return RuntimeProcess(
            pid=self.pid,
            parent=self.parent,
            user=users.get(self.user, str(self.user)),
            command=command.encode("utf-8", "replace")[:LONGEST_COMMAND].decode("utf-8", "ignore"),
            started=round(boot + self.start / TICKS, 2),
            memory=self.memory,
        )


def read_all(proc: str, pids: Iterable[int] | None = None) -> tuple[Seen, ...]:
    """The living processes of a mounted /proc, or those of them with these numbers, in their order. Blocks."""
    chosen = _pids(proc) if pids is None else pids
    found = (read_one(f"{proc}/{pid}") for pid in sorted(chosen))
    return tuple(seen for seen in found if seen is not None)


def read_one(task: str) -> Seen | None:
    """The process with this directory in a /proc; None where there is none, or it only waits to be reaped. Blocks."""
    try:
        user = os.stat(task).st_uid  # noqa: PTH116 - hundreds of them
    except OSError:
        return None
    return parse(_read(f"{task}/stat", 4096), _read(f"{task}/cmdline", LONGEST_COMMAND), user)


def parse(stat: bytes, command: bytes, user: int) -> Seen | None:
    """A process from what its ``stat`` and ``cmdline`` hold."""
    # The name in parentheses may hold anything, parentheses too.
    begin, end = stat.find(b"("), stat.rfind(b")")
    fields = stat[end + 2 :].split()
    if len(fields) < _SHORTEST_STAT or fields[0] in (b"Z", b"X"):
        return None
    return Seen(
        pid=int(stat[:begin]),
        parent=int(fields[1]),
        session=int(fields[3]),
        user=user,
        name=stat[begin + 1 : end].decode(errors="replace"),
        arguments=tuple(command.rstrip(b"\0").decode(errors="replace").split("\0")) if command.strip(b"\0") else (),
        asleep=fields[0] in (b"S", b"I"),
        has_terminal=int(fields[4]) != 0,
        start=int(fields[19]),
        used=sum(map(int, fields[11:15])),
        memory=int(fields[21]) * _PAGE,
    )


def marked(proc: str, mark: bytes, user: int) -> tuple[int, ...]:
    """Processes of a user that carry a mark in their environment, and all that they have started. Blocks.

    A mark is the beginning of a variable, of which as many characters are left as `SECRET` says. Whoever is in another
    process namespace than we (a sandbox) may call itself what it likes. We ourselves are never among them.
    """
    own, parents, found = os.getpid(), dict[int, int](), list[int]()
    namespace = _namespace(f"{proc}/self")
    for pid in _pids(proc):
        seen = read_one(f"{proc}/{pid}")
        if seen is None or pid == own:
            continue
        parents[pid] = seen.parent
        if seen.user == user and _namespace(f"{proc}/{pid}") == namespace and _carries(f"{proc}/{pid}", mark):
            found.append(pid)
    return tuple(sorted(_with_children(found, parents)))


def own_memory(proc: str, pids: Collection[int]) -> int:
    """The memory that is not shared with a file, of all of them together, in bytes. Blocks."""
    total = 0
    for pid in pids:
        fields = _read(f"{proc}/{pid}/statm", 256).split()
        if len(fields) > 2:
            total += (int(fields[1]) - int(fields[2])) * _PAGE
    return total


def user_name(user: int) -> str:
    """Of this machine. Blocks."""
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def _with_children(pids: Collection[int], parents: dict[int, int]) -> set[int]:
    children = dict[int, list[int]]()
    for pid, parent in parents.items():
        children.setdefault(parent, []).append(pid)
    found, ahead = set[int](), list(pids)
    while ahead:
        pid = ahead.pop()
        if pid not in found:
            found.add(pid)
            ahead.extend(children.get(pid, ()))
    return found


def _carries(task: str, mark: bytes) -> bool:
    variables = _read(f"{task}/environ", 256 * 1024).split(b"\0")
    return any(variable.startswith(mark) and len(variable) == len(mark) + SECRET for variable in variables)


def _namespace(task: str) -> int | None:
    try:
        return os.stat(f"{task}/ns/pid").st_ino  # noqa: PTH116 - hundreds of them
    except OSError:
        return None


def _pids(proc: str) -> Iterator[int]:
    try:
        names = os.listdir(proc)  # noqa: PTH208 - hundreds of names, no need for a path each
    except OSError:
        return iter(())
    return (int(name) for name in names if name.isdigit())


def _read(path: str, limit: int) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(fd, limit)
    except OSError:
        return b""
    finally:
        os.close(fd)

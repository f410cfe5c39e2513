"""Where programs of a runtime can be looked at from this machine, and reached: a /proc, and a network namespace."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from webterm.drivers import listeners, running_processes
from webterm.drivers.inner_sockets import InnerSockets, connect
from webterm.drivers.listeners import Listener, Target
from webterm.drivers.running_processes import TICKS, Seen
from webterm.errors import NoSuchPort
from webterm.runtime import RuntimeLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What the processes of a place use together. ``cpu`` is in seconds so far; ``received`` and ``sent`` in bytes."""

    cpu: float
    memory: int
    processes: int
    received: int | None
    sent: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One. All methods but `dial` block.

    ``proc`` is a mounted /proc; of what it shows, only processes that carry ``mark`` in their environment count, and
    what they have started; all, if that is empty. ``net`` is the ``/proc/PID/net`` of their network namespace. If
    that is theirs alone, ``namespaces`` are the descriptors of what has to be entered, in this order, to get there.
    ``groups`` are directories of their control groups. What listens at an address that is ``ignored`` is not theirs.
    """

    proc: str
    net: str
    mark: bytes = b""
    namespaces: tuple[int, ...] = ()
    groups: tuple[Path, ...] = ()
    limits: RuntimeLimits = field(default_factory=RuntimeLimits)
    ignored: frozenset[str] = frozenset()

    def processes(self) -> tuple[Seen, ...]:
        """All of them, in the order of their numbers."""
        found = running_processes.read_all(self.proc, self._pids())
        return tuple(seen for seen in found if self.mark or not seen.is_furniture)

    def is_idle(self) -> bool:
        """Whether there is nothing but shells that wait."""
        return all(seen.is_resting_shell() for seen in self.processes())

    def ports(self) -> frozenset[int]:
        """Where they listen."""
        there, own = self._listeners()
        return listeners.ports(there, own)

    def ways(self, port: int) -> dict[Target, frozenset[int]]:
        """Where to connect to for a port, the likeliest first, and the sockets that may answer there."""
        there, own = self._listeners()
        return {target: listeners.answering(there, port, target) for target in listeners.targets(there, port, own)}

    def usage(self) -> Usage:
        """What they use now."""
        seen = self.processes()
        pids = [one.pid for one in seen]
        memory = _first(self.groups, _group_memory)
        count = _first(self.groups, lambda group: _number(group / "pids.current"))
        seconds = _first(self.groups, _group_cpu)
        received, sent = _traffic(f"{self.net}/dev") if self.namespaces else (None, None)
        return Usage(
            cpu=sum(one.used for one in seen) / TICKS if seconds is None else seconds,
            memory=running_processes.own_memory(self.proc, pids) if memory is None else int(memory),
            processes=len(pids) if count is None else int(count),
            received=received,
            sent=sent,
        )

    async def dial(self, port: int, sockets: InnerSockets) -> socket.socket | None:
        """A connected, non-blocking socket to a port; None where nobody of this place listens there.

        Raises `webterm.errors.NoSuchPort` and `webterm.errors.Unavailable`. Cancelling leaves nothing open.
        """
        fault: NoSuchPort | None = None
        for target, answering in (await asyncio.to_thread(self.ways, port)).items():
            try:
                sock = await self._connected(target, port, sockets)
            except NoSuchPort as error:
                fault = error
                continue
            if self.namespaces or await self._still(target, port, answering, sock):
                return sock
        if fault is not None:
            raise fault
        return None

    async def _connected(self, target: Target, port: int, sockets: InnerSockets) -> socket.socket:
        if self.namespaces:
            sock = await sockets.make(target.family, self.namespaces)
        else:
            sock = socket.socket(target.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        await connect(sock, target.address, port)
        return sock

    async def _still(self, target: Target, port: int, answering: frozenset[int], sock: socket.socket) -> bool:
        """Whether the sockets that could answer before the connection was made are those that can now."""
        try:
            still = (await asyncio.to_thread(self.ways, port)).get(target) == answering
        except BaseException:
            sock.close()
            raise
        if not still:
            sock.close()
        return still

    def _pids(self) -> Collection[int] | None:
        return running_processes.marked(self.proc, self.mark, os.geteuid()) if self.mark else None

    def _listeners(self) -> tuple[tuple[Listener, ...], frozenset[int] | None]:
        """Who listens, and which of that is of this place; None: all."""
        there = tuple(one for one in listeners.read(self.net) if one.address not in self.ignored)
        if self.namespaces or not there:
            return there, None
        pids = [seen.pid for seen in self.processes()]
        return there, listeners.inodes(f"{self.proc}/{pid}" for pid in pids)


@dataclass(frozen=True, slots=True)
class Held:
    """A place, and the descriptors that it needs, which `close` closes."""

    place: Place
    descriptors: tuple[int, ...]

    def close(self) -> None:
        """To be called once."""
        for fd in self.descriptors:
            os.close(fd)


def _first(groups: tuple[Path, ...], read: Callable[[Path], float | None]) -> float | None:
    return next((found for group in groups if (found := read(group)) is not None), None)


def _group_memory(group: Path) -> float | None:
    """Without files' pages that nobody has asked for lately."""
    for current, cache in (("memory.current", "inactive_file"), ("memory.usage_in_bytes", "total_inactive_file")):
        used = _number(group / current)
        if used is not None:
            return max(0, used - (_field(group / "memory.stat", cache) or 0))
    return None


def _group_cpu(group: Path) -> float | None:
    microseconds, nanoseconds = _field(group / "cpu.stat", "usage_usec"), _number(group / "cpuacct.usage")
    if microseconds is not None:
        return microseconds / 1e6
    return None if nanoseconds is None else nanoseconds / 1e9


def _number(path: Path) -> float | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _field(path: Path, name: str) -> float | None:
    try:
        fields = dict(line.split(maxsplit=1) for line in path.read_text().splitlines())
        return int(fields[name])
    except (OSError, ValueError, KeyError):
        return None


def _traffic(path: str) -> tuple[int, int]:
    """Bytes that came in and went out, through all interfaces but loopback, since they are there."""
    received = sent = 0
    try:
        lines = Path(path).read_text().splitlines()[2:]
    except OSError:
        return 0, 0
    for line in lines:
        name, _, counts = line.partition(":")
        if name.strip() != "lo":
            fields = counts.split()
            received, sent = received + int(fields[0]), sent + int(fields[8])
    return received, sent

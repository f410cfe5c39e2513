"""Small scripts for any ``sh``, with which a container tells of itself where this machine does not show it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from webterm.drivers import listeners
from webterm.drivers.docker.relay import RELAYS
from webterm.drivers.listeners import EMBEDDED_DNS, Listener
from webterm.drivers.places import Usage
from webterm.drivers.running_processes import LONGEST_COMMAND, Seen, parse

LISTENERS = "cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep ' 0A '; :"
"""Tells who listens."""
RELAY = f"for one in {' '.join(RELAYS)}; do if command -v $one >/dev/null; then echo $one; break; fi; done"
"""Tells which of the programs is there that pass bytes on."""
_HIGHEST = 2**62
# \1 stands between arguments and \2 between fields: shells have no NUL.
PROCESSES = rf"""
printf '%s\2' "$$"
grep -a '^btime ' /proc/stat
for p in /proc/[0-9]*; do
  s=$(tr '\n' ' ' <"$p/stat") || continue
  c=$(head -c {LONGEST_COMMAND} "$p/cmdline" | tr '\0\n' '\1 ')
  u=
  while read -r k v _; do if [ "$k" = Uid: ]; then u=$v; break; fi; done <"$p/status"
  printf '%s\2%s\2%s\n' "$u" "$s" "$c"
done 2>/dev/null
:
"""
"""Tells which processes there are."""


@dataclass(frozen=True, slots=True)
class Survey:
    """The processes of a container, without those that asked; and when its machine came up, in seconds since 1970."""

    processes: tuple[Seen, ...]
    boot: float


def read_survey(said: bytes) -> Survey:
    """What `PROCESSES` has said."""
    head, *lines = said.split(b"\n")
    asker, _, boot = head.partition(b"\2")
    found = sorted(_processes(lines), key=lambda seen: seen.pid)
    own = int(asker) if asker.isdigit() and len(asker) < 20 else 0
    return Survey(
        tuple(seen for seen in found if seen.session != own and not seen.is_furniture),
        float(boot.split()[-1]) if boot.split()[-1:] and boot.split()[-1].isdigit() else 0.0,
    )


def read_listeners(said: bytes) -> tuple[Listener, ...]:
    """What `LISTENERS` has said."""
    return tuple(one for one in listeners.parse(said) if one.address != EMBEDDED_DNS)


def usage_of(said: Mapping[str, Any]) -> Usage:
    """What the engine says of a container's use."""
    memory, stats = said.get("memory_stats") or {}, (said.get("memory_stats") or {}).get("stats") or {}
    cache = stats.get("total_inactive_file", stats.get("inactive_file", 0))
    networks = (said.get("networks") or {}).values()
    cpu = ((said.get("cpu_stats") or {}).get("cpu_usage") or {}).get("total_usage", 0)
    return Usage(
        cpu=cpu / 1e9,
        memory=max(0, memory.get("usage", 0) - cache),
        processes=(said.get("pids_stats") or {}).get("current", 0),
        received=sum(network.get("rx_bytes", 0) for network in networks),
        sent=sum(network.get("tx_bytes", 0) for network in networks),
    )


def _processes(lines: list[bytes]) -> Iterator[Seen]:
    for line in lines:
        user, _, rest = line.partition(b"\2")
        stat, _, command = rest.rpartition(b"\2")
        seen = None
        with contextlib.suppress(ValueError):  # whoever listens in may have written this
            seen = parse(stat, command.replace(b"\1", b"\0"), int(user)) if user.isdigit() else None
        if seen is not None and all(0 <= number <= _HIGHEST for number in _numbers(seen)):
            yield seen


def _numbers(seen: Seen) -> tuple[int, ...]:
    return seen.pid, seen.parent, seen.session, seen.user, seen.start, seen.used, seen.memory

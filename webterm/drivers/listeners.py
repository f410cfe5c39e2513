"""Who listens at which TCP port: /proc/net/tcp and tcp6 (proc(5)), and whose sockets those are. Files here block."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import struct
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

_LISTEN = b"0A"
_ROW = re.compile(rb"([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})")
_INODE = re.compile(rb"[0-9]{1,20}")
_LARGEST = 1024 * 1024
"""Bytes of one table that are read. Listeners come first in it."""
_MOST_TARGETS = 8
"""Addresses that are thought of for one port: a program may listen at thousands."""
_ANY = ("0.0.0.0", "::")  # noqa: S104 - what others listen at
_LOOPBACK = ("127.0.0.1", "::1")

EMBEDDED_DNS = "127.0.0.11"
"""Where the container engine answers names in each of its own networks: no program's port."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening socket. ``inode`` is its number in its network namespace."""

    address: str
    port: int
    inode: int


@dataclass(frozen=True, slots=True)
class Target:
    """Where a connection may go to."""

    family: socket.AddressFamily
    address: str


def parse(table: bytes) -> Iterator[Listener]:
    """The listeners of a table of either family; what is no row of one is passed over."""
    for line in table.splitlines():
        fields = line.split()
        if (
            len(fields) > 9
            and fields[3] == _LISTEN
            and (row := _ROW.fullmatch(fields[1]))
            and _INODE.fullmatch(fields[9])
        ):
            yield Listener(_address(bytes.fromhex(row[1].decode())), int(row[2], 16), int(fields[9]))


def read(proc_net: str) -> tuple[Listener, ...]:
    """Of the network namespace of a process: ``proc_net`` is its ``/proc/PID/net``. Empty when it has gone."""
    return (*parse(_beginning(f"{proc_net}/tcp")), *parse(_beginning(f"{proc_net}/tcp6")))


def inodes(tasks: Iterable[str]) -> frozenset[int]:
    """The sockets that processes hold, whose directories in a /proc are given."""
    found = set()
    for task in tasks:
        for link in _links(f"{task}/fd"):
            if link.startswith("socket:["):
                found.add(int(link[8:-1]))
    return frozenset(found)


def targets(listeners: Collection[Listener], port: int, own: Collection[int] | None = None) -> tuple[Target, ...]:
    """Where to connect to for a port, the likeliest first; none where nobody listens.

    ``own`` are the only sockets that may answer, None for all: where a connection could come to another one, the
    address is left out. Two sockets may share a port, and the more exact address is asked first.
    """
    there = [listener for listener in listeners if listener.port == port]
    return tuple(target for target in islice(_candidates(there), _MOST_TARGETS) if _is_own(target, there, own))


def ports(listeners: Collection[Listener], own: Collection[int] | None = None) -> frozenset[int]:
    """The ports for which there are `targets`."""
    if own is None:
        return frozenset(listener.port for listener in listeners)
    by_port = dict[int, list[Listener]]()
    for listener in listeners:
        by_port.setdefault(listener.port, []).append(listener)
    return frozenset(port for port, there in by_port.items() if targets(there, port, own))


def answering(listeners: Collection[Listener], port: int, target: Target) -> frozenset[int]:
    """The sockets that a connection to this target may come to."""
    return frozenset(one.inode for one in listeners if one.port == port and _takes(one, target))


def _candidates(there: Sequence[Listener]) -> Iterator[Target]:
    seen = set()
    addresses = [listener.address for listener in there]
    for address in (*_LOOPBACK, *addresses):
        target = Target(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
        if target in seen or address in _ANY:
            continue
        seen.add(target)
        if address not in _LOOPBACK or any(_takes(listener, target) for listener in there):
            yield target


def _is_own(target: Target, there: Sequence[Listener], own: Collection[int] | None) -> bool:
    return own is None or all(listener.inode in own for listener in there if _takes(listener, target))


def _takes(listener: Listener, target: Target) -> bool:
    """Whether a connection may come to this listener; ``::`` may be for both families, which no table says."""
    if listener.address == target.address or listener.address == "::":
        return True
    return listener.address == "0.0.0.0" and target.family is socket.AF_INET  # noqa: S104 - what others listen at


def _address(packed: bytes) -> str:
    """Each 32 bits are in the machine's own order."""
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    address = ipaddress.ip_address(struct.pack(f">{len(words)}I", *words))
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _beginning(path: str) -> bytes:
    """A table up to the first connection."""
    found = bytearray()
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        while len(found) < _LARGEST and (data := os.read(fd, 64 * 1024)):
            found += data
            last = found.rfind(b"\n", 0, len(found) - 1)
            if found[last:].split()[3:4] not in ([_LISTEN], [b"st"]):
                break
    except OSError:
        return b""
    finally:
        os.close(fd)
    return bytes(found)


def _links(directory: str) -> Iterator[str]:
    try:
        names = os.listdir(directory)  # noqa: PTH208 - thousands of names, no need for a path each
    except OSError:
        return
    for name in names:
        try:
            yield os.readlink(f"{directory}/{name}")  # noqa: PTH115
        except OSError:
            continue

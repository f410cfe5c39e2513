"""Whether the kernel has a table of nftables: asked of itself, which takes no program and no time."""

from __future__ import annotations

import errno
import socket
import struct
from pathlib import Path
from typing import Literal

from webterm.drivers.docker.rules import Surroundings

Family = Literal["inet", "bridge"]

_FAMILIES: dict[Family, int] = {"inet": 1, "bridge": 7}
_NETFILTER = 12
"""The protocol of nfnetlink, see netlink(7); the others are of linux/netfilter/nf_tables.h."""
_GET_TABLE = 10 << 8 | 1
_TABLE_NAME = 1
_REQUEST = 1
_ERROR = 2
_HEAD = struct.Struct("=IHHII")


def is_here(around: Surroundings) -> bool:
    """Whether what was seen is our own kernel and network. Blocks."""
    try:
        kernel = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return (kernel, str(Path("/proc/self/ns/net").readlink())) == (around.kernel, around.network)
    except OSError:
        return False


def has_table(family: Family, name: str) -> bool | None:
    """Whether there is such a table in our own network; None where we may not ask. Blocks."""
    text = name.encode() + b"\0"
    attribute = struct.pack("=HH", 4 + len(text), _TABLE_NAME) + text + bytes(-len(text) % 4)
    message = struct.pack("=BBH", _FAMILIES[family], 0, 0) + attribute
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETFILTER) as sock:
            sock.settimeout(1)
            sock.sendto(_HEAD.pack(_HEAD.size + len(message), _GET_TABLE, _REQUEST, 1, 0) + message, (0, 0))
            answer = sock.recv(65536)
    except OSError:
        return None
    if _HEAD.unpack_from(answer)[1] != _ERROR:
        return True
    return False if -struct.unpack_from("=i", answer, _HEAD.size)[0] == errno.ENOENT else None

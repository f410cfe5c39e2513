"""A container whose processes this machine shows: it is looked at as a sandbox is, without asking the engine."""

from __future__ import annotations

import os
from pathlib import Path

from webterm.drivers.listeners import EMBEDDED_DNS
from webterm.drivers.places import Held, Place

_NAMED = ("memory", "pids", "cpu", "cpuacct")


def hold(container: str, pid: int) -> Held | None:
    """Where a container's programs are, by its id and its first process; None where that cannot be seen from here.

    All paths go through a descriptor of that process: a later one with its number is never taken for it. Blocks.
    """
    opened: list[int] = []
    try:
        opened.append(os.open(f"/proc/{pid}", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
        held = f"/proc/self/fd/{opened[0]}"
        groups = Path(held, "cgroup").read_text()
        os.listdir(f"{held}/root/proc")  # noqa: PTH208 - whether we may
        opened.append(os.open(f"{held}/ns/net", os.O_RDONLY | os.O_CLOEXEC))
        if container not in groups:
            raise ProcessLookupError  # a process of this machine; the engine's is another machine's
    except OSError:
        Held(Place(proc="", net=""), tuple(opened)).close()
        return None
    place = Place(
        proc=f"{held}/root/proc",
        net=f"{held}/net",
        namespaces=(opened[1],),
        groups=_directories(groups),
        ignored=frozenset({EMBEDDED_DNS}),
    )
    return Held(place, tuple(opened))


def _directories(groups: str) -> tuple[Path, ...]:
    """Where its control groups are mounted (cgroups(7)), as far as they have to do with use."""
    paths: dict[str, str] = {}
    for line in groups.splitlines():
        number, controllers, path = line.split(":", 2)
        for controller in ("",) if number == "0" else controllers.split(","):
            paths[controller] = path
    found = []
    for mount in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = mount.partition(" - ")
        fields, kind = before.split(), after.split()
        names = [""] if kind[:1] == ["cgroup2"] else kind[-1].split(",") if kind[:1] == ["cgroup"] else []
        for name in names:
            inner = paths.get(name)
            if inner is not None and name in ("", *_NAMED) and inner.startswith(fields[3]):
                directory = Path(fields[4], os.path.relpath(inner, fields[3]))
                if directory.is_dir() and directory != Path(fields[4]):
                    found.append(directory)
    return tuple(found)

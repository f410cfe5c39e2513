"""Control groups: limits on what all programs of a sandbox use together. Everything here blocks.

Version 2 is one tree of groups; version 1 has one for each controller. Both may be there, each with some controllers.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from webterm.runtime import RuntimeLimits

CONTROLLERS = ("memory", "pids", "cpu")
_PREFIX = "webterm-"
_PERIOD = 100_000
"""Microseconds over which the use of processors is counted."""
_PAUSE = 0.01


@dataclass(frozen=True, slots=True)
class Tree:
    """Where groups can be made: a group's directory, and the controllers that work below it."""

    base: Path
    unified: bool
    controllers: frozenset[str]

    def group(self, name: str) -> Path:
        """The directory of our group of that name."""
        return self.base / f"{_PREFIX}{name}"


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups of one sandbox. ``enforced`` are the controllers whose limits are in force."""

    directories: tuple[Path, ...] = ()
    enforced: frozenset[str] = field(default_factory=frozenset)

    @property
    def entrances(self) -> tuple[Path, ...]:
        """The files into which a process that joins writes its number."""
        return tuple(directory / "cgroup.procs" for directory in self.directories)


def find_trees(mounts: str = "/proc/self/mountinfo", own: str = "/proc/self/cgroup") -> tuple[Tree, ...]:
    """The trees in which this process may make groups for its programs, by trying."""
    groups = _own_groups(Path(own))
    found: list[Tree] = []
    missing = set(CONTROLLERS)
    for point, shown, unified, controllers in _mounts(Path(mounts)):
        wanted = frozenset(missing if unified else missing & controllers)
        path = groups.get("" if unified else next(iter(sorted(controllers & set(groups))), "-"))
        if not wanted or path is None:
            continue
        tree = _best(point, shown, path, unified=unified, wanted=wanted)
        if tree is not None:
            found.append(tree)
            missing -= tree.controllers
    return tuple(found)


def make_groups(trees: tuple[Tree, ...], name: str, limits: RuntimeLimits) -> Groups:
    """Make, or find, the groups of a sandbox and set its limits. What cannot be set is not in ``enforced``."""
    directories: list[Path] = []
    enforced: set[str] = set()
    asked = wanted(limits)
    for tree in trees:
        directory = tree.group(name)
        if not tree.controllers & asked:
            continue
        try:
            directory.mkdir(exist_ok=True)
        except OSError:
            continue
        directories.append(directory)
        for controller in tree.controllers:
            settings = _VALUES[controller](limits, unified=tree.unified)
            if settings is not None and _set(directory, settings):
                enforced.add(controller)  # also one without a limit, which an earlier sandbox may have had
    return Groups(tuple(directories), frozenset(enforced))


def get_ready(groups: Groups, member: int) -> None:
    """Somebody is about to join. ``member`` has joined already: joining again changes nothing but what the kernel does.

    For the first to join for a while it waits some 10 ms (for RCU's readers); who comes right after waits less.
    """
    for entrance in groups.entrances[:1]:
        _write(entrance, str(member))


def kill_group(groups: Groups) -> None:
    """End everything in the groups at once, where the kernel knows how (Linux 5.14, version 2)."""
    for directory in groups.directories:
        _write(directory / "cgroup.kill", "1")


def remove_groups(directories: Sequence[Path], patience: float) -> bool:
    """Remove the groups; whether that was possible within ``patience`` seconds. Their last programs may be ending."""
    until = time.monotonic() + patience
    left = list(directories)
    while True:
        left = [directory for directory in left if not _remove(directory)]
        if not left or time.monotonic() >= until:
            return not left
        time.sleep(_PAUSE)


def wanted(limits: RuntimeLimits) -> frozenset[str]:
    """The controllers that the limits ask for."""
    asked = {"memory": limits.memory, "pids": limits.processes, "cpu": limits.cpu}
    return frozenset(name for name, limit in asked.items() if limit)


def _own_groups(path: Path) -> dict[str, str]:
    """Our group by controller; that of version 2 under an empty name (cgroups(7))."""
    found: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for line in path.read_text().splitlines():
            number, controllers, group = line.split(":", 2)
            for controller in [""] if number == "0" else controllers.split(","):
                found[controller] = group
    return found


def _mounts(path: Path) -> Iterator[tuple[Path, str, bool, frozenset[str]]]:
    """Each mounted tree: where, which group it shows at its top, whether it is version 2, its controllers."""
    lines: list[str] = []
    with contextlib.suppress(OSError):
        lines = path.read_text().splitlines()
    for line in lines:
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if kind[:1] == ["cgroup2"]:
            yield Path(fields[4]), fields[3], True, frozenset()
        elif kind[:1] == ["cgroup"]:
            yield Path(fields[4]), fields[3], False, frozenset(kind[-1].split(",")) & frozenset(CONTROLLERS)


def _best(point: Path, shown: str, path: str, *, unified: bool, wanted: frozenset[str]) -> Tree | None:
    """The place with the most controllers: around our own group, in it, or (for root) at the top."""
    own = point / os.path.relpath(path, shown) if path.startswith(shown) else point
    places = [own.parent, own] if unified and own != point else [own]
    if os.geteuid() == 0 and point not in places:
        places.append(point)
    found = [tree for place in places if (tree := _try(place, unified=unified, wanted=wanted)) is not None]
    return max(found, key=lambda tree: len(tree.controllers), default=None)


def _try(base: Path, *, unified: bool, wanted: frozenset[str]) -> Tree | None:
    if not os.access(base / "cgroup.procs", os.W_OK):
        return None  # moving a process takes that right to what is around both groups
    if unified:
        for controller in wanted:
            _write(base / "cgroup.subtree_control", f"+{controller}")
    directory = base / f"{_PREFIX}try-{os.getpid()}"
    try:
        directory.mkdir()
    except OSError:
        return None
    try:
        limits = RuntimeLimits(processes=1, memory=2**30, cpu=1)
        working = frozenset(
            controller
            for controller in wanted
            if (settings := _VALUES[controller](limits, unified=unified)) and _set(directory, settings)
        )
    finally:
        _remove(directory)
    return Tree(base, unified, working) if working else None


def _memory(limits: RuntimeLimits, *, unified: bool) -> Mapping[str, str] | None:
    if unified:
        return {"memory.max": str(limits.memory), "memory.swap.max?": "0"} if limits.memory else {"memory.max": "max"}
    limit = str(limits.memory or -1)
    # The sum of memory and swap is at no time less than memory alone.
    return {"memory.limit_in_bytes": limit, "memory.memsw.limit_in_bytes?": limit}


def _pids(limits: RuntimeLimits, *, unified: bool) -> Mapping[str, str] | None:
    return {"pids.max": str(limits.processes or "max")}


def _cpu(limits: RuntimeLimits, *, unified: bool) -> Mapping[str, str] | None:
    quota = max(1000, int(limits.cpu * _PERIOD))
    if unified:
        return {"cpu.max": f"{quota} {_PERIOD}" if limits.cpu else f"max {_PERIOD}"}
    return {"cpu.cfs_period_us": str(_PERIOD), "cpu.cfs_quota_us": str(quota if limits.cpu else -1)}


_VALUES = {"memory": _memory, "pids": _pids, "cpu": _cpu}


def _set(directory: Path, settings: Mapping[str, str]) -> bool:
    """Write each; a file whose name ends in ``?`` is not on all kernels."""
    done = True
    for name, value in settings.items():
        if name.endswith("?"):
            _write(directory / name[:-1], value)
        else:
            done &= _write(directory / name, value)
    return done


def _write(path: Path, value: str) -> bool:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)  # never made: the kernel has made it, or it is not there
    except OSError:
        return False
    try:
        os.write(fd, value.encode())
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def _remove(directory: Path) -> bool:
    try:
        directory.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True

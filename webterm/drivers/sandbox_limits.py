"""How a runtime's limits are kept, and which of them cannot be."""

from __future__ import annotations

import os

from webterm.drivers import cgroups
from webterm.runtime import Runtime


def unenforced(runtime: Runtime, groups: cgroups.Groups) -> tuple[str, ...]:
    """What the limits ask for and this machine cannot do, in words."""
    missing = cgroups.wanted(runtime.limits) - groups.enforced
    if os.geteuid() != 0:
        missing -= {"pids"}  # RLIMIT_NPROC counts in each sandbox's user namespace by itself
    words = {
        "memory": "memory is limited for each program, not for all together",
        "pids": "the number of processes is limited for all workspaces of the owner together",
        "cpu": "the use of processors is not limited",
    }
    return tuple(f"{words[name]}: no control group can be made" for name in cgroups.CONTROLLERS if name in missing)


def process_limits(runtime: Runtime, groups: cgroups.Groups) -> tuple[str, ...]:
    """What prlimit(1) sets, also in place of control groups that are not there."""
    limits = runtime.limits
    sizes = [size for size in (limits.file_size, limits.disk) if size]
    found = {
        "fsize": min(sizes, default=0),
        "nproc": 0 if "pids" in groups.enforced else limits.processes,
        "data": 0 if "memory" in groups.enforced else limits.memory,
    }
    return tuple(f"--{name}={value}:{value}" for name, value in found.items() if value)

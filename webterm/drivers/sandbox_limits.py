"""How a runtime's limits are kept, and which of them cannot be."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import platform
import subprocess
from pathlib import Path

from webterm.drivers import cgroups
from webterm.drivers.sandbox_entry import Sandbox
from webterm.runtime import Runtime

_log = logging.getLogger("webterm.drivers")

_TERMINALS = 256
"""Pseudo-terminals that the programs of a sandbox may make, of the few thousand that a machine has."""
_SHARE = 4
"""No sandbox has more than one in so many of what its user may have."""
_USER = Path("/proc/sys/user")
_COUNTED = ("max_inotify_instances", "max_inotify_watches")
_MOUNT = {"x86_64": 165, "aarch64": 40, "riscv64": 40, "armv7l": 21, "ppc64le": 21, "s390x": 21, "i686": 21}
"""The number of mount(2), because mount(8) does nothing for users who are not root."""
_TIMEOUT = 10
_TAKE = r"""
my ($mount, $terminals, %most) = @ARGV;
for my $path (keys %most) {
    open(my $file, ">", $path) or die "$path: $!\n";
    print {$file} $most{$path};
    close($file) or die "$path: $!\n";
}
my $flags = 32 | 2 | 8;  # MS_REMOUNT, MS_NOSUID, MS_NOEXEC
my ($what, $where, $options) = ("devpts", "/dev/pts", "mode=620,ptmxmode=666,max=$terminals");
$mount and syscall($mount, $what, $where, $what, $flags, $options) == 0 or die "$where: $!\n";
"""


def take_shares(sandbox: Sandbox) -> bool:
    """Bound what a new sandbox takes of what the machine, or the server's user, has only so much of. Blocks.

    To be called before anything runs in it. Whether it was possible.
    """
    tools, plan, passage = sandbox.tools, sandbox.plan, sandbox.passage
    kept = ("--preserve-credentials",) if "user" in passage.descriptors else ()
    ways = {"user": "user", "mnt": "mount"}
    into = (
        f"--{ways[kind]}=/proc/{passage.holder}/fd/{passage.descriptors[kind]}"
        for kind in ways
        if kind in passage.descriptors
    )
    # Where all sandboxes are the server's user, each is a user namespace, which has its own bounds.
    bounds = () if plan.as_root else tuple(map(str, itertools.chain.from_iterable(_most_counted().items())))
    number = str(_MOUNT.get(platform.machine(), 0))
    try:
        ran = subprocess.run(
            (
                *(tools.nsenter, "--no-fork", *kept, *into, "--"),
                *(tools.perl, "-f", "-e", _TAKE, "--", number, str(_TERMINALS), *bounds),
            ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={"LC_ALL": "C"},
            cwd="/",
            timeout=_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    if ran.returncode != 0:
        _log.warning("what sandboxes share could not be bounded: %s", ran.stderr.decode(errors="replace").strip()[:400])
    return ran.returncode == 0


def _most_counted() -> dict[Path, int]:
    found = {}
    for name in _COUNTED:
        with contextlib.suppress(OSError, ValueError):
            found[_USER / name] = max(1, int((_USER / name).read_text()) // _SHARE)
    return found


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

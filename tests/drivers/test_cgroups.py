"""Control groups: those of this machine, and how the limits are said to both versions."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from webterm.drivers import cgroups
from webterm.drivers.cgroups import Groups, Tree
from webterm.runtime import RuntimeLimits

LIMITS = RuntimeLimits(processes=7, memory=64 * 1024**2, cpu=0.5)
VALUES = {
    True: {"memory.max": "67108864", "memory.swap.max": "0", "pids.max": "7", "cpu.max": "50000 100000"},
    False: {
        "memory.limit_in_bytes": "67108864",
        "memory.memsw.limit_in_bytes": "67108864",
        "pids.max": "7",
        "cpu.cfs_quota_us": "50000",
        "cpu.cfs_period_us": "100000",
    },
}
NONE = {
    True: {"memory.max": "max", "memory.swap.max": "", "pids.max": "9", "cpu.max": "max 100000"},
    False: {"memory.limit_in_bytes": "-1", "pids.max": "9", "cpu.cfs_quota_us": "-1"},
}


@pytest.mark.parametrize("unified", [True, False])
def test_limits_are_said_as_each_version_wants_them(tmp_path: Path, *, unified: bool) -> None:
    group = tmp_path / "webterm-name"
    group.mkdir()
    for name in VALUES[unified]:
        (group / name).touch()
    tree = Tree(tmp_path, unified, frozenset(cgroups.CONTROLLERS))
    found = cgroups.make_groups((tree,), "name", LIMITS)
    assert found.enforced == set(cgroups.CONTROLLERS)
    assert {name: (group / name).read_text() for name in VALUES[unified]} == VALUES[unified]
    for name in VALUES[unified]:
        os.truncate(group / name, 0)
    cgroups.make_groups((tree,), "name", RuntimeLimits(processes=9))
    assert {name: (group / name).read_text() for name in NONE[unified]} == NONE[unified]
    assert cgroups.make_groups((tree,), "other", RuntimeLimits()) == Groups()


def test_what_cannot_be_set_is_not_enforced(tmp_path: Path) -> None:
    (tmp_path / "webterm-name").mkdir()
    (tmp_path / "webterm-name" / "pids.max").touch()
    tree = Tree(tmp_path, True, frozenset(cgroups.CONTROLLERS))
    assert cgroups.make_groups((tree,), "name", LIMITS).enforced == {"pids"}
    assert cgroups.wanted(LIMITS) == {"memory", "pids", "cpu"}
    assert cgroups.wanted(RuntimeLimits(memory=1)) == {"memory"}


def test_what_the_system_says_is_understood(tmp_path: Path) -> None:
    mounts, own = tmp_path / "mountinfo", tmp_path / "cgroup"
    mounts.write_text(
        f"31 23 0:28 / {tmp_path} rw - tmpfs tmpfs rw\n"
        f"32 31 0:29 /docker/x {tmp_path}/v1 rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
        f"33 31 0:30 / {tmp_path}/v2 rw - cgroup2 cgroup2 rw\n"
    )
    own.write_text("4:cpu,cpuacct:/docker/x/y\n1:name=systemd:/init\n0::/user.slice/a\n")
    assert cgroups.find_trees(str(mounts), str(own)) == ()  # directories that are no groups
    assert cgroups.find_trees(str(tmp_path / "no"), str(tmp_path / "no")) == ()


def test_groups_of_this_machine_hold_what_joins(tmp_path: Path) -> None:
    trees = cgroups.find_trees()
    groups = cgroups.make_groups(trees, f"test-{os.getpid()}", LIMITS)
    try:
        joined = "".join(f"echo $$ >{entrance} && " for entrance in groups.entrances)
        bomb = (
            "for (1 .. 10) { $p = fork // last; if (!$p) { sleep 100; exit } push @p, $p } kill 9, @p; print scalar @p"
        )
        ran = subprocess.run(
            ["sh", "-c", f"{joined} exec perl -e '{bomb}'"], capture_output=True, text=True, check=True
        )
        assert ran.stdout == ("6" if "pids" in groups.enforced else "10")
    finally:
        assert cgroups.remove_groups(groups.directories, 20)
    assert not any(directory.exists() for directory in groups.directories)
    assert cgroups.remove_groups(Groups().directories, 0)

"""What the kernel is told about containers' networks, what that depends on, and whether it still knows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.drivers.containers import parts_in
from tests.engine import DEBIAN, RealEngine
from webterm.drivers.docker.errand import run_errand
from webterm.drivers.docker.rules import LOOK, TABLE, Surroundings, bridge_rules, seen
from webterm.drivers.kernel_tables import has_table, is_here

SAID = """nameserver 10.0.0.53\r
nameserver ::1\r
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\r
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\r
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\r
wt-internet\t00001AAC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\r
webterm.filtered 1\r
webterm.kernel 1-2-3 net:[4]\r
"""


def test_what_the_machine_says_about_itself() -> None:
    assert seen(SAID) == Surroundings(
        resolvers=("10.0.0.53",),
        neighbours=("192.0.2.0/24", "172.26.0.0/16"),
        bridged=("172.26.0.0/16",),
        filtered=True,
        kernel="1-2-3",
        network="net:[4]",
    )
    assert seen("webterm.filtered\nwebterm.kernel\n") == Surroundings()
    assert "ip saddr { 172.26.0.0/16 } drop" in bridge_rules(seen(SAID))
    assert "drop" not in bridge_rules(Surroundings())


@pytest.mark.docker
@pytest.mark.blocking_allowed
async def test_the_kernel_itself_says_whether_it_has_them(tmp_path: Path, engine: RealEngine, namespace: str) -> None:
    async with parts_in(tmp_path, engine, namespace) as parts:
        await parts.networks.guard()
        for network, ours in (("host", True), ("none", False)):
            argv = ("/bin/sh", "-c", LOOK)
            _, said = await run_errand(parts.engine, DEBIAN, argv, server=namespace, network=network)
            assert is_here(seen(said)) is ours
    may_ask = os.geteuid() == 0
    assert has_table("inet", TABLE) is (True if may_ask else None)
    assert has_table("inet", "not-there") is (False if may_ask else None)
    assert has_table("bridge", "not-there") is (False if may_ask else None)

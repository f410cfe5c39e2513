from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.keeper.conftest import TOKEN, Peer, error_code, read_until, wait_gone, wait_reaped

SHELL = "trap '' HUP\n"
LAST = "echo go; while :; do sleep 1000; done"


def start(peer: Peer, script: str, children: int = 0) -> list[int]:
    """Run a script that prints the ids of its children and ``go``; returns all ids, its own first."""
    master = peer.spawn("sh", "-c", script)
    packet = peer.ask("take", token=TOKEN)
    fields = packet.message["ok"]
    packet.close()
    assert isinstance(fields, dict)
    words: list[bytes] = []
    while len(words) < children + 1:
        words += read_until(master, b"\n").split()
    return [fields["pid"], *(int(word) for word in words if word != b"go")]


def hang_up(peer: Peer, grace: float = 0.2, scope: str = "tree") -> object:
    return peer.ask("hangup", token=TOKEN, grace_s=grace, scope=scope).message["ok"]


def exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


ESCAPES = {
    "child": "sleep 1000 & echo $!",
    "setsid": "setsid sh -c 'echo $$; exec sleep 1000' &",
    "nohup": "nohup sh -c 'echo $$ >&3; exec sleep 1000' 3>&1 >/dev/null 2>&1 &",
    "double fork": "(sleep 1000 & echo $!)",
    "double fork with setsid": "(setsid sh -c 'echo $$; exec sleep 1000' &)",
    "stopped": "sleep 1000 & kill -STOP $!; echo $!",
    "stopped in its session": "setsid sh -c 'echo $$; kill -STOP $$' &",
    "without environment": "env -i sh -c 'echo $$; exec sleep 1000' &",
    "without environment in its session": "env -i setsid sh -c 'echo $$; exec sleep 1000' &",
    "deaf": "sh -c 'trap \"\" HUP TERM INT; echo $$; while :; do sleep 1000; done' &",
    "grandchild of the deaf": "sh -c \"trap '' HUP; setsid sh -c 'echo \\$\\$; exec sleep 1000'\" &",
}


@pytest.mark.parametrize("escape", ESCAPES.values(), ids=ESCAPES.keys())
def test_nothing_of_the_tree_survives(peer: Peer, escape: str) -> None:
    pids = start(peer, f"{escape}\n echo go; exec cat", 1)
    assert len(pids) == 2
    assert all(map(exists, pids))
    assert hang_up(peer) == {"left": 0, "exit": {"status": None, "signal": "HUP"}}
    wait_reaped(peer, *pids)
    assert peer.ask("list").message["ok"] == {"tokens": []}


def test_all_of_them_at_once_behind_a_deaf_shell(peer: Peer) -> None:
    pids = start(peer, SHELL + "\n".join([*ESCAPES.values(), LAST]), len(ESCAPES))
    assert len(pids) == len(ESCAPES) + 1
    assert hang_up(peer) == {"left": 0, "exit": {"status": None, "signal": "KILL"}}
    wait_reaped(peer, *pids)


def test_a_program_gets_its_time_to_end(peer: Peer) -> None:
    start(peer, "trap 'exit 9' HUP; echo go; while :; do sleep 0.01; done")
    assert hang_up(peer, grace=20) == {"left": 0, "exit": {"status": 9, "signal": None}}


def test_a_deaf_program_is_killed_when_its_time_is_over(peer: Peer) -> None:
    start(peer, SHELL + LAST)
    began = time.monotonic()
    assert hang_up(peer, grace=0.3) == {"left": 0, "exit": {"status": None, "signal": "KILL"}}
    assert time.monotonic() - began >= 0.3


def test_a_stopped_program_hears_of_it(peer: Peer) -> None:
    start(peer, "trap 'exit 9' HUP; echo go; kill -STOP $$; :")
    assert hang_up(peer, grace=20) == {"left": 0, "exit": {"status": 9, "signal": None}}


def test_the_session_scope_spares_what_left_it(peer: Peer) -> None:
    pids = start(peer, "\n".join([ESCAPES["setsid"], "echo go; exec cat"]), 1)
    try:
        hang_up(peer, scope="session")
        wait_reaped(peer, pids[0])
        assert exists(pids[1])
    finally:
        os.kill(pids[1], signal.SIGKILL)


def test_other_terminals_are_spared(peer: Peer) -> None:
    bystander = peer.spawn("cat", token="bystander")
    start(peer, "echo go; exec cat")
    hang_up(peer)
    os.write(bystander, b"alive\n")
    assert b"alive" in read_until(bystander, b"alive")
    assert peer.ask("list").message["ok"] == {"tokens": ["bystander"]}


def test_one_that_ends_by_itself_takes_nothing_along(peer: Peer) -> None:
    pids = start(peer, "\n".join([ESCAPES["nohup"], "echo go; read line"]), 1)
    os.write(peer.masters[0], b"\n")
    try:
        assert peer.event()["status"] == 0
        assert hang_up(peer) == {"left": 0, "exit": {"status": 0, "signal": None}}
        peer.settle()
        assert exists(pids[1])
    finally:
        os.kill(pids[1], signal.SIGKILL)


def test_it_goes_on_without_the_server(peer: Peer, knock: Callable[[], Peer]) -> None:
    pids = start(peer, SHELL + "\n".join([ESCAPES["deaf"], LAST]), 1)
    peer.send("hangup", token=TOKEN, grace_s=0.3, scope="tree")
    peer.link.close()
    for pid in pids:
        wait_gone(pid)
    second = knock()
    second.hello()
    while second.ask("list").message["ok"] != {"tokens": []}:
        pass
    wait_reaped(second, *pids)


def test_a_second_hangup_joins_and_may_hurry(peer: Peer) -> None:
    start(peer, SHELL + LAST)
    peer.send("hangup", token=TOKEN, grace_s=3600, scope="session")
    assert hang_up(peer, grace=0) == peer.reply().message["ok"]
    assert error_code(peer.ask("hangup", token=TOKEN, grace_s=0, scope="tree")) == "no_such_program"


@pytest.mark.parametrize("wrong", [{"grace_s": -1}, {"grace_s": "1"}, {"scope": "all"}, {"token": "nothing-here"}])
def test_a_wrong_hangup_ends_nothing(peer: Peer, wrong: dict[str, object]) -> None:
    start(peer, "echo go; exec cat")
    order = {"token": TOKEN, "grace_s": 0, "scope": "tree", **wrong}
    assert error_code(peer.ask("hangup", **order)) in ("malformed", "no_such_program")
    assert peer.ask("list").message["ok"] == {"tokens": [TOKEN]}

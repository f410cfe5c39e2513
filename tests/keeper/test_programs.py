from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.keeper.conftest import TOKEN, Peer, read_all, read_until, wait_gone, wait_readable, wait_reaped
from webterm.keeper.household import USUAL_DESCRIPTORS
from webterm.keeper.wire import VERSION


def ended(peer: Peer) -> tuple[object, object]:
    event = peer.event()
    assert event["event"] == "exited"
    assert event["token"] == TOKEN
    return event["status"], event["signal"]


def test_it_inherits_three_descriptors(peer: Peer) -> None:
    peer.spawn("cat", token="another-1")
    output = read_all(peer.spawn("sh", "-c", "exec ls /proc/self/fd"))
    assert output.split() == [b"0", b"1", b"2", b"3"]  # 3 is the directory that ls reads


def test_its_environment_is_the_one_given(peer: Peer) -> None:
    env = {"PATH": os.environ["PATH"], "A": "b", "GROSS": "ä\udcff"}
    output = read_all(peer.spawn("env", env=env))
    assert set(output.split()) == {f"{name}={value}".encode("utf-8", "surrogateescape") for name, value in env.items()}


def test_it_has_its_size_before_it_runs(peer: Peer) -> None:
    assert read_all(peer.spawn("stty", "size", cols=500, rows=300)).strip() == b"300 500"


def test_it_leads_a_session_with_this_terminal(peer: Peer) -> None:
    stat = read_all(peer.spawn("cat", "/proc/self/stat")).decode().rpartition(")")[2].split()
    group, session, terminal, foreground = (int(field) for field in stat[2:6])
    assert group == session == foreground
    assert terminal != 0


def test_signals_are_as_at_birth(peer: Peer) -> None:
    status = read_all(peer.spawn("cat", "/proc/self/status")).decode()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert int(fields["SigBlk"], 16) == 0
    assert int(fields["SigIgn"], 16) == 0


def test_its_limit_of_descriptors_is_the_one_of_whoever_started_the_keeper(peer: Peer) -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert read_all(peer.spawn("sh", "-c", "ulimit -n")).strip() == str(min(soft, USUAL_DESCRIPTORS)).encode()


def test_the_command_is_looked_for_on_its_own_path(peer: Peer, tmp_path: Path) -> None:
    command = tmp_path / "only-here"
    command.write_text("#!/bin/sh\necho found $0 in $PWD\n")
    command.chmod(0o755)
    output = read_all(peer.spawn("only-here", env={"PATH": str(tmp_path)}, cwd=str(tmp_path)))
    assert output.strip() == f"found {command} in {tmp_path}".encode()


@pytest.mark.parametrize(
    ("script", "how"),
    [
        ("exit 0", (0, None)),
        ("exit 255", (255, None)),
        ("kill -KILL $$", (None, "KILL")),
        ("kill -36 $$", (None, "RTMIN+2")),
    ],
)
def test_how_it_ended_is_told(peer: Peer, script: str, how: tuple[object, object]) -> None:
    read_all(peer.spawn("sh", "-c", script))
    assert ended(peer) == how


def test_a_signal_reaches_the_foreground_group_only(peer: Peer) -> None:
    master = peer.spawn("sh", "-c", "set -m; trap 'echo shell got it' INT; echo go; cat; echo cat is $?")
    read_until(master, b"go")
    while os.tcgetpgrp(master) == peer.ask("take", token=TOKEN).message["ok"]["pid"]:  # type: ignore[index]
        pass  # until cat is in the foreground
    peer.ask("signal", token=TOKEN, name="INT", to="foreground")
    output = read_all(master)
    assert b"cat is 130" in output


def test_one_that_ended_without_a_server_is_kept(peer: Peer, knock: Callable[[], Peer]) -> None:
    master = peer.spawn("sh", "-c", "read line; echo last words; exit 5", record="mine")
    taken = peer.ask("take", token=TOKEN)
    pid = taken.message["ok"]["pid"]  # type: ignore[index]
    assert isinstance(pid, int)
    taken.close()
    peer.link.close()
    os.write(master, b"\n")
    wait_gone(pid)
    second = knock()
    second.ask("hello", version=VERSION).close()
    assert second.ask("list").message["ok"] == {"tokens": [TOKEN]}
    second.settle()
    taken = second.ask("take", token=TOKEN)
    assert taken.message["ok"] == {"pid": pid, "record": "mine", "memory": False, "exit": {"status": 5, "signal": None}}
    assert read_all(taken.fds[0]) == b"\r\nlast words\r\n"
    second.ask("forget", token=TOKEN)
    assert second.ask("list").message["ok"] == {"tokens": []}
    taken.close()


def test_memory_is_kept_and_handed_over(peer: Peer) -> None:
    memory = os.memfd_create("test")
    os.write(memory, b"scrollback")
    order = {"argv": ["cat"], "env": {"PATH": os.environ["PATH"]}, "cwd": "/", "cols": 80, "rows": 24, "record": ""}
    peer.ask("spawn", [memory], token=TOKEN, **order).close()
    os.close(memory)
    taken = peer.ask("take", token=TOKEN)
    assert taken.message["ok"]["memory"] is True  # type: ignore[index]
    assert os.pread(taken.fds[1], 20, 0) == b"scrollback"
    taken.close()


def test_orphans_are_reaped(peer: Peer) -> None:
    master = peer.spawn("sh", "-c", "(sleep 1000 & echo $!); echo alone; exec cat")
    orphan = int(read_until(master, b"alone").split()[0])
    os.kill(orphan, signal.SIGKILL)
    wait_reaped(peer, orphan)


def test_the_master_does_not_block(peer: Peer) -> None:
    master = peer.spawn("cat")
    assert not os.get_blocking(master)
    os.write(master, b"line\n")
    wait_readable(master)
    assert read_until(master, b"line\r\nline\r\n")

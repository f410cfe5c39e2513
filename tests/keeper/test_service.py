from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.keeper.conftest import PATIENCE, TOKEN, Peer, end_keeper, read_until, wait_gone, wait_readable
from webterm.keeper.starting import EXIT_TAKEN, dial, start_keeper
from webterm.keeper.wire import VERSION, KeeperError

SERVER = Path(__file__).with_name("tiny_server.py")
NUMBERS = 200_000


def keeper_pid(peer: Peer) -> int:
    fields = peer.hello()["ok"]
    assert isinstance(fields, dict)
    pid = fields["pid"]
    assert isinstance(pid, int)
    return pid


def is_listening(place: Path) -> bool:
    try:
        dial(place).close()
    except KeeperError:
        return False
    return True


def test_only_its_user_may_come_near(keeper: Path) -> None:
    assert (keeper / "keeper.sock").stat().st_mode & 0o777 == 0o600
    assert (keeper / "keeper.log").stat().st_mode & 0o777 == 0o600


def test_an_open_directory_is_refused(directory: Path) -> None:
    directory.chmod(0o750)
    with pytest.raises(KeeperError):
        start_keeper(directory, PATIENCE)
    assert "chmod 700" in (directory / "keeper.log").read_text()


def test_it_ends_when_nobody_needs_it(directory: Path) -> None:
    start_keeper(directory, 0.1)
    peer = Peer(dial(directory))
    pid = keeper_pid(peer)
    peer.close()
    wait_gone(pid)
    assert not (directory / "keeper.sock").exists()


def test_it_stays_for_its_server_and_for_its_programs(directory: Path) -> None:
    start_keeper(directory, PATIENCE)
    peer = Peer(dial(directory))
    pid = keeper_pid(peer)
    master = peer.spawn("sh", "-c", "sleep 1.3; echo first; read line; sleep 1.3; echo second; exec cat")
    read_until(master, b"first")
    peer.link.close()
    os.write(master, b"\n")
    read_until(master, b"second")
    again = Peer(dial(directory))
    assert keeper_pid(again) == pid
    again.close()
    peer.close()


def test_a_second_one_is_refused(keeper: Path) -> None:
    assert start_keeper(keeper, PATIENCE) == EXIT_TAKEN
    assert "another keeper" in (keeper / "keeper.log").read_text()
    assert is_listening(keeper)


def test_the_socket_of_a_dead_one_is_replaced(directory: Path) -> None:
    start_keeper(directory, PATIENCE)
    peer = Peer(dial(directory))
    pid = keeper_pid(peer)
    os.kill(pid, signal.SIGKILL)
    wait_gone(pid)
    peer.close()
    assert (directory / "keeper.sock").exists()
    assert not is_listening(directory)
    assert start_keeper(directory, PATIENCE) == 0
    assert is_listening(directory)


def test_a_long_path_works(tmp_path: Path) -> None:
    place = tmp_path / ("long-" * 40)
    assert start_keeper(place, PATIENCE) == 0
    try:
        assert is_listening(place)
        assert (place / "keeper.sock").is_socket()
    finally:
        end_keeper(place)


def test_its_environment_holds_no_secret(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVER_SECRET", "hush")
    start_keeper(directory, PATIENCE)
    peer = Peer(dial(directory))
    environment = Path(f"/proc/{keeper_pid(peer)}/environ").read_bytes()
    peer.close()
    assert b"hush" not in environment
    assert b"PATH=" in environment


def test_it_inherits_no_descriptor(directory: Path) -> None:
    file = os.memfd_create("of-the-server", 0)
    os.set_inheritable(file, True)
    start_keeper(directory, PATIENCE)
    os.close(file)
    peer = Peer(dial(directory))
    names = [str(entry.readlink()) for entry in Path(f"/proc/{keeper_pid(peer)}/fd").iterdir()]
    peer.close()
    assert not [name for name in names if "of-the-server" in name]


def test_sigterm_ends_programs_and_keeper(peer: Peer, keeper: Path) -> None:
    pid = keeper_pid(peer)
    packet = peer.ask("take", token=TOKEN) if peer.spawn("cat") else None
    assert packet is not None
    os.kill(pid, signal.SIGTERM)
    assert peer.event() == {"event": "exited", "token": TOKEN, "status": None, "signal": "HUP"}
    wait_gone(pid)
    packet.close()
    assert not is_listening(keeper)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGPIPE])
def test_other_signals_do_not_disturb(peer: Peer, number: int) -> None:
    os.kill(keeper_pid(peer), number)
    peer.settle()


def test_shutdown_ends_all_and_starts_no_more(peer: Peer) -> None:
    peer.spawn("sh", "-c", "trap '' HUP; echo go; while :; do sleep 1000; done")
    read_until(peer.masters[0], b"go")
    assert peer.ask("shutdown", grace_s=0.2).message["ok"] == {"programs": 1}
    order = {"argv": ["true"], "env": {}, "cwd": "/", "cols": 80, "rows": 24, "record": ""}
    refused = peer.ask("spawn", token="token-02", **order).message["error"]
    assert isinstance(refused, dict)
    assert refused["code"] == "stopping"
    assert peer.event()["signal"] == "KILL"
    with pytest.raises(EOFError):
        peer.receive()


def test_every_byte_survives_the_death_of_the_server(keeper: Path, knock: Callable[[], Peer]) -> None:
    """Killed in the middle of reading, again and again; what all of the servers read is what the program wrote."""
    got = b""
    for turn in range(4):
        got += _read_by_a_doomed_server(keeper, first=turn == 0)
    peer = knock()
    peer.ask("hello", version=VERSION).close()
    taken = peer.ask("take", token=TOKEN)
    got += read_until(taken.fds[0], b"end\r\n")
    taken.close()
    assert got == b"".join(b"%d\r\n" % number for number in range(NUMBERS)) + b"end\r\n"


def _read_by_a_doomed_server(place: Path, *, first: bool) -> bytes:
    """Start a server process, let it take over and read for a while, kill it; returns what it read."""
    command = [sys.executable, str(SERVER), str(place), TOKEN, str(NUMBERS) if first else "0"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0, env=environment) as server:
        assert server.stdout is not None
        try:
            wait_readable(server.stdout.fileno())
            got = server.stdout.read(10_000)
        finally:
            server.kill()
        # What it moved and we had not read yet stands in the pipe.
        return got + server.stdout.read()

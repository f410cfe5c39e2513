"""The data directory: private, held by one server, home of one-use login links."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from webterm import datadir
from webterm.errors import DataDirectoryBusy, DataDirectoryError


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return datadir.prepare(tmp_path / "deep" / "data")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_made_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        assert mode(datadir.prepare(tmp_path / "a" / "b")) == 0o700
    finally:
        os.umask(before)


def test_one_that_others_can_read_is_made_private(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert mode(datadir.prepare(tmp_path)) == 0o700


@pytest.mark.parametrize("open_to", [0o770, 0o702, 0o1777])
def test_one_that_others_can_write_is_refused(tmp_path: Path, open_to: int) -> None:
    tmp_path.chmod(open_to)
    with pytest.raises(DataDirectoryError, match="can be written by other users"):
        datadir.prepare(tmp_path)


def test_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(DataDirectoryError, match=r"is a symbolic link to .*/real"):
        datadir.prepare(tmp_path / "link")


def test_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(DataDirectoryError, match="cannot be used"):
            datadir.prepare(path)


def test_the_directory_of_somebody_else_is_refused(tmp_path: Path) -> None:
    theirs = Path("/root")
    if os.geteuid() == 0:
        theirs = tmp_path / "theirs"
        theirs.mkdir()
        os.chown(theirs, 12345, 12345)
    with pytest.raises(DataDirectoryError, match="belongs to user"):
        datadir.prepare(theirs)


def test_one_server_holds_it_and_a_second_is_told_who(directory: Path) -> None:
    assert datadir.holder(directory) is None
    hold = datadir.Hold(directory)
    with pytest.raises(DataDirectoryBusy, match=f"process id {os.getpid()}, which is starting"):
        datadir.Hold(directory)
    hold.announce("http://127.0.0.1:1/", "127.0.0.1:1")
    with pytest.raises(DataDirectoryBusy, match=f"process id {os.getpid()} at http://127.0.0.1:1/"):
        datadir.Hold(directory)
    assert datadir.holder(directory) == datadir.Holder(os.getpid(), "http://127.0.0.1:1/")
    record = json.loads((directory / datadir.RECORD).read_text())
    assert (record["pid"], record["url"], record["address"]) == (os.getpid(), "http://127.0.0.1:1/", "127.0.0.1:1")
    hold.release()
    assert datadir.holder(directory) is None
    assert not (directory / datadir.RECORD).exists()
    hold.release()
    datadir.Hold(directory).release()


def test_asking_who_holds_it_never_stands_in_the_way(directory: Path) -> None:
    """A server can start in the very moment in which somebody asks."""
    datadir.Hold(directory).release()
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            datadir.holder(directory)

    with ThreadPoolExecutor(2) as pool:
        asking = [pool.submit(ask) for _ in range(2)]
        try:
            for _ in range(500):
                datadir.Hold(directory).release()
        finally:
            done.set()
        for each in asking:
            each.result()


def test_a_killed_server_holds_nothing(directory: Path) -> None:
    code = "import sys; from pathlib import Path; from webterm.datadir import Hold\n"
    code += "hold = Hold(Path(sys.argv[1])); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, directory], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "\n"
        assert datadir.holder(directory) == datadir.Holder(server.pid, None)
        server.kill()
        server.wait()
    assert datadir.holder(directory) is None
    datadir.Hold(directory).release()


def test_a_program_started_while_it_is_held_does_not_hold_it(directory: Path) -> None:
    hold = datadir.Hold(directory)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False):
        hold.release()
        datadir.Hold(directory).release()


def test_everything_in_it_is_private(directory: Path) -> None:
    hold = datadir.Hold(directory)
    hold.announce("http://x/", "x:1")
    datadir.issue_link(directory)
    modes = {path.name: mode(path) for path in directory.rglob("*")}
    hold.release()
    assert {name: found for name, found in modes.items() if found & 0o077} == {}
    assert len(modes) == 4


def test_a_failed_write_leaves_the_old_file_and_nothing_else(directory: Path) -> None:
    (directory / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        datadir.write_private(directory / "taken", b"x")
    assert [path.name for path in directory.iterdir()] == ["taken"]


def test_a_link_signs_in_once(directory: Path) -> None:
    token = datadir.issue_link(directory)
    assert len(token) == 43
    assert token not in "".join(
        path.name + (path.read_text() if path.is_file() else "") for path in directory.rglob("*")
    )
    assert datadir.redeem_link(directory, token)
    assert not datadir.redeem_link(directory, token)


def test_of_many_who_try_at_once_one_gets_in(directory: Path) -> None:
    token = datadir.issue_link(directory)
    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(lambda _: datadir.redeem_link(directory, token), range(64))) == 1


@pytest.mark.parametrize("token", ["", "x", "../server.lock", "\0", "\ud800", "a" * 100_000])
def test_an_unknown_token_does_not(directory: Path, token: str) -> None:
    assert not datadir.redeem_link(directory, token)
    datadir.issue_link(directory)
    assert not datadir.redeem_link(directory, token)


def test_an_old_link_does_not_and_is_swept(directory: Path) -> None:
    token = datadir.issue_link(directory, lifetime=0)
    assert not datadir.redeem_link(directory, token)
    datadir.issue_link(directory, lifetime=0)
    datadir.issue_link(directory)
    assert len(list((directory / datadir.LINKS).iterdir())) == 1


def test_a_damaged_link_file_does_not(directory: Path) -> None:
    token = datadir.issue_link(directory)
    next((directory / datadir.LINKS).iterdir()).write_bytes(b"\xffforever")
    assert not datadir.redeem_link(directory, token)


def test_its_identity_is_made_once_whoever_asks_first(directory: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        words = set(pool.map(lambda _: datadir.identity(directory), range(8)))
    assert words == {datadir.identity(directory)}
    assert len(words.pop()) == 32
    assert [path.name for path in directory.iterdir()] == [datadir.IDENTITY]
    assert mode(directory / datadir.IDENTITY) == 0o600
    (directory / datadir.IDENTITY).write_text("something else")
    with pytest.raises(DataDirectoryError, match="does not hold"):
        datadir.identity(directory)

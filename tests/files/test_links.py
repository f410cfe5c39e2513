"""Attack 26: links, pipes, sockets and devices. Whatever lies in a workspace, nothing leaves it and nothing hangs."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.files.conftest import SECRET, put, read, state
from webterm.errors import Conflict, NotAFile, OutsideWorkspace, WebtermError
from webterm.files.beneath import Way
from webterm.files.root import Root

Act = Callable[[bytes], object]


def acts(root: Root) -> dict[str, Act]:
    """Everything that looks at what a path leads to, or writes there."""
    return {
        "open_file": root.open_file,
        "listing": root.listing,
        "open_directory": root.open_directory,
        "walk": lambda path: list(root.walk(path)),
        "write": root.write,
        "copy": lambda path: root.copy(path, b"copy"),
        "set_executable": lambda path: root.set_executable(path, True),
        "usage": root.usage,
    }


@pytest.fixture(autouse=True)
def _soon() -> Iterator[None]:
    """A call that hangs in the system is not stopped by anything but a signal."""
    signal.alarm(60)
    yield
    signal.alarm(0)


OUT = {
    "system": "/etc",
    "system_file": "/etc/passwd",
    "neighbour": "../outside",
    "neighbour_file": "../outside/secret",
    "far": "../" * 30 + "etc/passwd",
    "through": "neighbour/secret",
    "proc_root": "/proc/self/root/etc/passwd",
    "proc_fd": "/proc/self/fd/0",
    "proc_cwd": "/proc/self/cwd",
    "device": "/dev/zero",
    "kernel": "/proc/kmsg",
    "own_top": "../files/file",
}


@pytest.mark.parametrize("name", OUT)
def test_a_link_out_of_the_workspace_is_only_a_link(root: Root, top: Path, outside: Path, name: str) -> None:
    put(root, b"file", b"content")
    for link, text in OUT.items():
        (top / link).symlink_to(text)
    untouched = state(outside)
    path = name.encode()
    for act in acts(root).values():
        with pytest.raises(OutsideWorkspace):
            act(path)
    below: list[Act] = [root.stat, root.make_file, root.make_directory, root.remove, root.open_file, root.write]
    below.append(lambda path: root.move(b"file", path))
    below.append(lambda path: root.move(path, b"new"))
    below.append(lambda path: root.copy(b"file", path))
    for act in below:
        with pytest.raises(OutsideWorkspace):
            act(path + b"/secret")
    entry = root.stat(path)
    assert (entry.kind, entry.target_kind, entry.size) == ("link", None, len(OUT[name]))
    root.move(path, b"moved")
    assert (top / "moved").is_symlink()
    root.remove(b"moved", recursive=True)
    assert state(outside) == untouched
    assert "copy" not in state(top)


def test_links_of_the_kernel_are_not_followed(way: Way) -> None:
    """Where somebody has made one appear in a workspace: they lead to files and not to names."""
    fd = os.open("/etc/passwd", os.O_RDONLY)
    with Root(Path("/proc/self"), way=way) as root:
        for path in (b"root/etc/passwd", b"cwd", b"exe", b"fd/%d" % fd, b"task/../root", b"fd/0"):
            with pytest.raises(WebtermError):
                root.open_file(path)
    os.close(fd)


def test_a_pipe_a_socket_or_a_device_is_never_opened(root: Root, top: Path) -> None:
    os.mkfifo(top / "pipe")
    put(root, b"file", b"content")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(top / "socket"))
    (top / "link").symlink_to("pipe")
    names = [b"pipe", b"socket", b"link"]
    if os.geteuid() == 0:
        os.mknod(top / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        os.mknod(top / "disk", stat.S_IFBLK | 0o666, os.makedev(7, 250))
        names += [b"null", b"disk"]
    writer_waits = subprocess.Popen(["sh", "-c", "echo word >pipe"], cwd=top)
    try:
        for name in names:
            for what, act in acts(root).items():
                with pytest.raises(
                    NotAFile if what in ("open_file", "write", "set_executable", "copy") else WebtermError
                ):
                    act(name)
            root.move(name, b"moved")
            root.move(b"moved", name)
        assert root.stat(b"link").target_kind == "other"
        assert len(root.listing().items) == len(names) + 1
        assert root.usage().bytes == len("content")
        assert writer_waits.poll() is None  # looking at a pipe is nothing that its writer notices
        for name in names:
            root.remove(name)
    finally:
        writer_waits.kill()
        writer_waits.wait()
    assert sorted(state(top)) == ["file"]


def test_a_file_that_is_leased_is_not_waited_for(root: Root, top: Path) -> None:
    """A program may ask the system to hold back everybody who opens its file, for 45 seconds."""
    put(root, b"file", b"content")
    program = "import fcntl,sys,signal; signal.signal(signal.SIGIO, signal.SIG_IGN); f=open('file','r+b')\n"
    program += f"fcntl.fcntl(f, {fcntl.F_SETLEASE}, {fcntl.F_WRLCK}); print('leased', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, cwd=top, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"leased\n"
        try:
            with pytest.raises(Conflict):
                root.open_file(b"file")
            put(root, b"file", b"new")  # it gets another file of this name
        finally:
            holder.stdin.close()
    assert read(root, b"file") == b"new"


def test_a_hard_link_to_something_outside_is_never_written_to(root: Root, top: Path, outside: Path) -> None:
    """We make no hard links, and the system lets nobody make one to what is not theirs. But if there is one:"""
    os.link(outside / "secret", top / "link")
    os.link(outside / "secret", top / "again")
    before = (outside / "secret").stat()
    put(root, b"link", b"new")
    root.copy(b"again", b"copy")
    root.remove(b"again")
    assert (outside / "secret").read_bytes() == SECRET
    after = (outside / "secret").stat()
    assert (after.st_ino, after.st_mode, after.st_nlink) == (before.st_ino, before.st_mode, 1)
    assert (top / "copy").stat().st_ino != before.st_ino


def test_what_comes_in_is_a_file(root: Root, top: Path, outside: Path) -> None:
    """A link that lies where a finished upload should be is not taken for one."""
    uploads = top.parent / "uploads"
    uploads.mkdir()
    (uploads / "done").symlink_to(outside / "secret")
    (uploads / "dir").mkdir()
    fd = os.open(uploads, os.O_PATH)
    try:
        for name in (b"done", b"dir"):
            with pytest.raises(NotAFile):
                root.take_in(fd, name, b"file")
    finally:
        os.close(fd)
    assert not state(top)
    assert stat.S_IMODE((outside / "secret").stat().st_mode) == 0o644

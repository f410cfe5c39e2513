"""A container engine of a test's own, which may be stopped, killed, started, and have too small a disk."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import images
from tests.engine import RealEngine

_PATIENCE = 60.0


class OwnEngine:
    """``dockerd`` with its own data, sockets and network: nothing of it is seen by the machine's engine.

    Its containers reach neither the internet nor, by address, this machine. Call `start` before use, `remove` after.
    """

    def __init__(self, *, disk: int = 0, live_restore: bool = False) -> None:
        """``disk``: its data lie on a file system of so many bytes; 0 is as many as the machine has.

        ``live_restore``: its containers outlive it.
        """
        # The name is short because a socket's path may not be long.
        self._directory = Path(tempfile.mkdtemp(prefix="wt-en-"))
        self._data = self._directory / "data"
        self._data.mkdir()
        (self._directory / "settings").write_text('{"live-restore": true}' if live_restore else "{}")
        self._mounted = disk > 0
        if self._mounted:
            self._mount(disk)
        self.engine = RealEngine(f"unix://{self._directory}/engine.sock")
        self.log: list[str] = []
        self._process: subprocess.Popen[str] | None = None

    @property
    def host(self) -> str:
        """As the setting ``docker.host`` has it."""
        return self.engine.host

    def start(self) -> None:
        """Start it, and wait until it answers."""
        assert self._process is None
        place = self._directory
        words = ["--host", self.host, "--data-root", self._data, "--exec-root", place / "exec"]
        words += ["--pidfile", self._pid_file, "--config-file", place / "settings"]
        command = [*images.AS_ROOT, "unshare", "--net", images.program("dockerd", "docker.io"), *map(str, words)]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        answers = threading.Event()
        threading.Thread(target=self._read, args=(self._process, answers), daemon=True).start()
        assert answers.wait(_PATIENCE), "".join(self.log[-20:])
        assert self.engine.answers(), "".join(self.log[-20:])

    def stop(self) -> None:
        """SIGTERM, and wait until it has gone, and all containers with it."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """``kill -9``: containers live on until it is started again."""
        containerd = self._directory / "exec" / "containerd" / "containerd.pid"
        pid = int(containerd.read_text())
        ended = os.pidfd_open(pid)
        try:
            self._end(signal.SIGKILL)
            # It goes with its parent, and would be taken for alive until somebody has asked for its exit status.
            assert select.select([ended], [], [], _PATIENCE)[0]
            containerd.unlink()
        finally:
            os.close(ended)

    def fill_disk(self) -> None:
        """Leave no byte free where its data lie."""
        assert self._mounted
        with (self._data / "filler").open("ab", buffering=0) as filler, contextlib.suppress(OSError):
            while True:
                filler.write(bytes(1 << 16))

    def empty_disk(self) -> None:
        """Make room again."""
        (self._data / "filler").unlink()

    def in_network(self, *argv: str) -> None:
        """Run a program as root in its network, which has settings of its own (``/proc/sys/net``)."""
        network = f"--net=/proc/{self._pid_file.read_text()}/ns/net"
        subprocess.run([*images.AS_ROOT, "nsenter", network, *argv], check=True)

    def remove(self) -> None:
        """End it and its containers, and leave nothing behind."""
        if self._process is None:
            self.start()  # its containers outlive it when it is killed
        for container in self.engine.labelled("containers"):
            self.engine.call("DELETE", f"/containers/{container}", force="true", v="true")
        self.stop()
        for mount in self._mounts():
            subprocess.run([*images.AS_ROOT, "umount", "--lazy", mount], check=True)
        subprocess.run([*images.AS_ROOT, "rm", "-rf", "--one-file-system", str(self._directory)], check=True)

    @property
    def _pid_file(self) -> Path:
        return self._directory / "pid"

    def _mounts(self) -> list[str]:
        """What is mounted in its directory, the innermost first."""
        mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        return [mount for mount in reversed(mounts) if Path(mount).is_relative_to(self._directory)]

    def _mount(self, disk: int) -> None:
        image = self._directory / "disk"
        with image.open("wb") as file:
            file.truncate(disk)
        subprocess.run([images.program("mkfs.ext4", "e2fsprogs"), "-q", "-m", "0", str(image)], check=True)
        subprocess.run([*images.AS_ROOT, "mount", "-o", "loop", str(image), str(self._data)], check=True)

    def _read(self, process: subprocess.Popen[str], answers: threading.Event) -> None:
        assert process.stderr is not None
        with process.stderr:
            for line in process.stderr:
                self.log.append(line)
                if "API listen on" in line:
                    answers.set()
        answers.set()  # it has ended

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        assert process is not None
        pid = self._pid_file.read_text()
        subprocess.run([*images.AS_ROOT, "kill", f"-{number.name[3:]}", pid], check=True)
        process.wait(_PATIENCE)


@contextmanager
def _running(engine: OwnEngine) -> Iterator[OwnEngine]:
    try:
        engine.start()
        images.ensure_busybox(Path(engine.engine.socket))
        yield engine
    finally:
        engine.remove()


@pytest.fixture
def own_engine() -> Iterator[OwnEngine]:
    """An engine that a test may stop, with the small image."""
    with _running(OwnEngine()) as engine:
        yield engine


@pytest.fixture
def lasting_engine() -> Iterator[OwnEngine]:
    """The same, whose containers outlive it."""
    with _running(OwnEngine(live_restore=True)) as engine:
        yield engine


@pytest.fixture
def small_engine() -> Iterator[OwnEngine]:
    """The same with 64 MiB for all its data."""
    with _running(OwnEngine(disk=64 << 20)) as engine:
        yield engine

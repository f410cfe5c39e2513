"""A real PostgreSQL for tests: a cluster of its own in a short-lived directory, on a unix socket."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

_FAST = "-c fsync=off -c full_page_writes=off -c max_connections=60 -c listen_addresses=''"


def binaries() -> Path:
    """Where initdb and pg_ctl are: Debian keeps them out of PATH, by version."""
    found = shutil.which("initdb")
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    assert found is not None or versions, "PostgreSQL is not installed; scripts/test installs it"
    return (Path(found).resolve() if found else versions[-1]).parent


class Cluster:
    """A server; `url` names a fresh database of it. Call `start` before use and `remove` after."""

    def __init__(self) -> None:
        self._binaries = binaries()
        # PostgreSQL refuses to run as root. The name is short because a socket's path may not be long.
        self._user = "postgres" if os.geteuid() == 0 else None
        self._directory = Path(tempfile.mkdtemp(prefix="wt-pg-"))
        if self._user is not None:
            account = pwd.getpwnam(self._user)
            os.chown(self._directory, account.pw_uid, account.pw_gid)
        self._numbers = itertools.count(1)
        self._run("initdb", "-D", self._data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync")

    @property
    def _data(self) -> str:
        return str(self._directory / "data")

    def start(self) -> None:
        """Start, and wait until it answers."""
        options = f"{_FAST} -k {self._directory}"
        self._run("pg_ctl", "-D", self._data, "-w", "-l", str(self._directory / "log"), "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop, and wait until it has gone; ``immediate`` is as after a crash."""
        self._run("pg_ctl", "-D", self._data, "-w", "-m", mode, "stop")

    def restart(self, mode: str = "fast") -> None:
        """Stop and start: every connection breaks."""
        self.stop(mode)
        self.start()

    def url(self) -> str:
        """The URL of a new, empty database."""
        name = f"test_{next(self._numbers)}"
        self.sql(f"CREATE DATABASE {name}")
        return f"postgresql://postgres@/{name}?host={self._directory}"

    def sql(self, statement: str) -> str:
        """Run a statement in the database ``postgres``; its output, unaligned."""
        words = ("-h", str(self._directory), "-U", "postgres", "-qAtX", "-v", "ON_ERROR_STOP=1", "-c", statement)
        return self._run("psql", *words)

    def remove(self) -> None:
        """Stop if it runs, and leave nothing behind."""
        if (self._directory / "data" / "postmaster.pid").exists():
            self.stop("immediate")
        shutil.rmtree(self._directory)

    def _run(self, program: str, *words: str) -> str:
        # To a file, not to a pipe: the server inherits what pg_ctl has, and a pipe would never end.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(
                [str(self._binaries / program), *words],
                cwd=self._directory,
                user=self._user,
                group=self._user,
                extra_groups=None if self._user is None else [],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=90,
                check=False,
            )
            output.seek(0)
            text = output.read().decode()
        assert done.returncode == 0, f"{program}: {text}"
        return text

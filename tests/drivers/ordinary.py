"""Running something as an ordinary user, where the tests themselves run as root."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.drivers.sandboxes import PYTHON

UID = 612_345
ROOT = Path(__file__).parents[2]


def as_ordinary_user(home: Path, *command: str, timeout: float = 110) -> subprocess.CompletedProcess[str]:
    """Run a command as a user without any privilege, who can read the tests and their Python wherever they lie.

    ``home`` is given to that user.
    """
    os.chown(home, UID, UID)
    environment = {**os.environ, "HOME": str(home), "TMPDIR": str(home), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [*_opened((*PYTHON, ROOT, home)), *_become(), *command],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def _opened(paths: tuple[Path, ...]) -> list[str]:
    """A mount namespace in which directories that are closed to others have only what is wanted in them."""
    command = ["bwrap", "--cap-add", "ALL", "--die-with-parent", "--dev-bind", "/", "/"]
    closed = {directory for path in paths if (directory := _closed(path)) is not None}
    for directory in sorted(closed):
        command += ["--perms", "0755", "--tmpfs", str(directory)]
    for path in paths:
        top = _closed(path)
        if top is not None:
            for parent in reversed([parent for parent in path.parents if parent.is_relative_to(top)]):
                command += ["--perms", "0755", "--dir", str(parent)]
            command += ["--bind", str(path), str(path)]
    return [*command, "--"]


def _closed(path: Path) -> Path | None:
    """The first directory on the way that others cannot pass."""
    for directory in reversed(path.resolve().parents):
        if not directory.stat().st_mode & 0o001:
            return directory
    return None


def _become() -> list[str]:
    return ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"]


def pytest_as_ordinary_user(home: Path, *arguments: str) -> str:
    """Run tests; what pytest says. Fails where they do."""
    command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={home / 'pytest'}")
    ran = as_ordinary_user(home, *command, *arguments, timeout=600)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout

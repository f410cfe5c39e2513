"""The system's programs that confining takes, and what to do where they are missing."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from webterm.errors import IsolationRefused

PACKAGES = {
    "bwrap": "bubblewrap",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "prlimit": "util-linux",
    "perl": "perl-base",
    "chown": "coreutils",
    "sleep": "coreutils",
}
"""What is needed, and what Debian calls the package that brings it."""

_KEYCTL = {"x86_64": 250, "aarch64": 219, "riscv64": 219, "armv7l": 311, "ppc64le": 271, "s390x": 280, "i686": 288}
KEYCTL = _KEYCTL.get(platform.machine(), 0)
"""The number of keyctl(2) on this machine, 0 where we do not know it."""

_OPTIONS = ("--as-pid-1", "--die-with-parent", "--perms", "--size")
_ANSWER_TIMEOUT = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """Absolute paths of the programs, and what they can do."""

    bwrap: str
    nsenter: str
    setpriv: str
    prlimit: str
    perl: str
    chown: str
    sleep: str
    version: str
    forbids_namespaces: bool
    """Whether bubblewrap can forbid programs to make user namespaces of their own (since 0.8)."""

    def inside(self) -> tuple[str, ...]:
        """Those that are also run inside of a sandbox."""
        return (self.nsenter, self.setpriv, self.perl, self.sleep)


def find_tools(search: str | None = None) -> Tools:
    """Look for the programs in ``search``, a list as in ``$PATH``, which it is when left out. Blocks.

    Raises `webterm.errors.IsolationRefused`, which names what is missing and how to get it.
    """
    found = {name: shutil.which(name, path=search) for name in PACKAGES}
    missing = sorted({PACKAGES[name] for name, path in found.items() if path is None})
    if missing:
        names = ", ".join(name for name, path in found.items() if path is None)
        raise IsolationRefused(f"programs cannot be confined here: {names} is missing; install {' '.join(missing)}")
    paths = {name: str(Path(path).absolute()) for name, path in found.items() if path is not None}
    version, described = _bubblewrap(paths["bwrap"])
    if not all(option in described for option in _OPTIONS):
        raise IsolationRefused(
            f"programs cannot be confined here: bubblewrap {version} is too old; install 0.5 or newer"
        )
    return Tools(
        **paths,
        version=version,
        forbids_namespaces="--disable-userns" in described and not _is_setuid(paths["bwrap"]),
    )


def _bubblewrap(path: str) -> tuple[str, str]:
    """Its version, and what it says of its options."""
    version = _output(path, "--version")
    match = re.search(r"\d+(\.\d+)+", version)
    return (match[0] if match else "of unknown version"), _output(path, "--help")


def _output(*command: str) -> str:
    try:
        ran = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_ANSWER_TIMEOUT, env={}, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise IsolationRefused(f"programs cannot be confined here: {command[0]} cannot be run: {error}") from error
    said = (ran.stdout + ran.stderr).decode(errors="replace")
    if ran.returncode != 0:
        raise IsolationRefused(f"programs cannot be confined here: {command[0]} does not run: {said.strip()[-400:]}")
    return said


def _is_setuid(path: str) -> bool:
    return bool(Path(path).stat().st_mode & 0o4000)

"""What somebody sees who is not root: ``python -m tests.files.unprivileged refused|read_only TOP WAY``.

Ends with an error when something is other than it has to be.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from pathlib import Path

from webterm.errors import PermissionDenied
from webterm.files.beneath import Way
from webterm.files.root import Root

NOBODY = 65534
PR_SET_DUMPABLE = 4


def become_nobody() -> None:
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)  # or /proc/self would not be ours


def refused(root: Root) -> None:
    """Nothing of this is allowed, and all of it says so."""

    def put(path: bytes) -> None:
        with root.write(path, parents=True) as writing:
            writing.write(b"new")
            writing.finish()

    acts: dict[str, Callable[[], object]] = {
        "read": lambda: root.open_file(b"closed/file"),
        "secret": lambda: root.open_file(b"secret"),
        "list": lambda: root.listing(b"closed"),
        "write": lambda: put(b"readable/file"),
        "write in": lambda: put(b"closed/file"),
        "make": lambda: root.make_directory(b"readable/new"),
        "make below": lambda: put(b"readable/new/deep/er"),
        "remove": lambda: root.remove(b"readable/file"),
        "remove tree": lambda: root.remove(b"readable/dir", recursive=True),
        "remove others'": lambda: root.remove(b"own/others", recursive=True),
        "move": lambda: root.move(b"readable/file", b"own/new"),
        "move in": lambda: root.move(b"own/file", b"readable/new"),
        "copy in": lambda: root.copy(b"own/file", b"readable/new"),
        "copy tree": lambda: root.copy(b"closed", b"own/copy"),
        "copy part": lambda: root.copy(b"half", b"own/copy"),
        "executable": lambda: root.set_executable(b"readable/file", True),
    }
    for name, act in acts.items():
        try:
            act()
        except PermissionDenied:
            continue
        sys.exit(f"it was allowed: {name}")
    assert root.usage().entries > 5


def read_only(root: Root) -> None:
    """Own directories may have all kinds of permissions."""
    root.make_directory(b"own/tree/a/b", parents=True)
    root.make_file(b"own/tree/a/b/file")
    for path in (b"own/tree/a/b", b"own/tree/a", b"own/tree"):
        Path(f"/proc/self/fd/{root.open_directory(path)}").chmod(0o500)
    root.copy(b"own/tree", b"own/copy")
    for path in (b"own/tree/a/b", b"own/tree/a", b"own/tree"):
        Path(f"/proc/self/fd/{root.open_directory(path)}").chmod(0)
    root.remove(b"own/tree", recursive=True)
    root.remove(b"own/copy", recursive=True)


def main(what: str, top: str, way: Way) -> None:
    with Root(Path(top), way=way) as root:  # opened as root: the directories above are closed to others
        become_nobody()
        {"refused": refused, "read_only": read_only}[what](root)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], "walk" if sys.argv[3] == "walk" else "openat2")

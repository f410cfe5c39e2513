"""What to execute on this machine so that a launch runs where it has to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """The arguments of execve(2), complete: ``env`` is the whole environment, ``cwd`` an absolute path.

    A confined program is started by a chain of system programs, of which the first remains as its parent: that one has
    the exit status and the signal of the program, takes no harm from signals other than KILL, and is in the program's
    process group. It has to lead a session of its own. ``account`` is the numeric user that the program will be, None
    for our own: whoever gives it pipes gives them to that user, else it could not open ``/dev/stderr``.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    account: int | None = None

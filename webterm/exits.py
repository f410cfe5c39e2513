"""How a program ended."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Exit:
    """How a program ended: ``status`` (0–255) or ``signal`` (a name such as ``KILL``), the other is None.

    Both are None when the program is gone and nobody can tell how it ended, or it went with what it ran in.
    """

    status: int | None = None
    signal: str | None = None

"""Directories that are watched for changes, by one inotify(7) instance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a name in a directory.

    ``created``: it is there now, and was not before, or it replaced another file (as most editors save). ``changed``:
    its content or its permissions did. ``removed``: it is gone. ``moved``: it is gone, to another name or directory.
    Several changes in a short time are told as one; what came and went in it is not told at all.
    """

    name: bytes
    kind: Literal["created", "changed", "removed", "moved"]


class Watching:
    """One inotify instance, and the directories that it watches."""

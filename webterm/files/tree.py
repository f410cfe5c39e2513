"""Walking through all that is below a directory, however deep, on few descriptors."""

from __future__ import annotations

import os
from dataclasses import dataclass

from webterm.files.entries import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Something below the directory that is walked through. ``path`` is from that directory on."""

    path: bytes
    kind: Kind
    status: os.stat_result
    directory: int

    def open(self) -> int:
        """A descriptor to read this regular file; whoever calls closes it. Raises `webterm.errors.NotAFile`."""
        raise NotImplementedError

    def link_text(self) -> bytes:
        """What this link says."""
        raise NotImplementedError

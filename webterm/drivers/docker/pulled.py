"""Which images were pulled because workspaces asked for them, so that they can go again."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

from webterm.drivers.ownership import write_public


class Pulled:
    """Names of images in a file, the one that was used longest ago first. Its methods block, in whatever thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """All of them."""
        with contextlib.suppress(OSError, UnicodeDecodeError):
            return self._path.read_text().split()
        return []

    def add(self, image: str) -> None:
        """It was pulled just now."""
        with self._lock:
            self._write([*(name for name in self.names() if name != image), image])

    def used(self, image: str) -> None:
        """It is used just now, if it is one of them."""
        if image in self.names()[:-1]:
            self.add(image)

    def drop(self, image: str) -> None:
        """It is there no more, or not ours to remove."""
        with self._lock:
            self._write([name for name in self.names() if name != image])

    def _write(self, names: list[str]) -> None:
        write_public(self._path, "".join(f"{name}\n" for name in names))

"""One running command without a terminal, whatever runs it."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod

from webterm.exits import Exit


class Stream(enum.StrEnum):
    """Where output comes from."""

    STDOUT = "stdout"
    STDERR = "stderr"


class Execution(ABC):
    """One running command: stdin, stdout and stderr apart, all of it bytes.

    It runs from the moment a driver returns it, and ends with `aclose` at the latest, with everything that it started.
    It does not outlive the server. Whoever started it closes it.
    """

    @abstractmethod
    async def read(self) -> tuple[Stream, bytes] | None:
        """The next output, at most 64 KiB; None once both streams are at their end. Cancelling loses nothing.

        What is not read holds the command up.
        """

    @abstractmethod
    async def write(self, data: bytes) -> None:
        """Hand ``data`` to the command's stdin; waits while it does not read. Dropped once nobody can read it."""

    @abstractmethod
    async def end_input(self) -> None:
        """Close its stdin. Twice is harmless."""

    @abstractmethod
    async def signal(self, name: str) -> None:
        """Send one of `webterm.session.SIGNALS` to its process group. Ignored once it has ended.

        Raises `webterm.errors.InvalidRequest` for another name.
        """

    @abstractmethod
    async def wait(self) -> Exit:
        """Wait until it has ended. May be asked any number of times; cancelling is free."""

    @abstractmethod
    async def aclose(self) -> None:
        """Kill it and what it started, wait, and let go of everything. Twice is harmless."""

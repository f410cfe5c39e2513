"""What happened to terminals and commands, for whoever keeps account of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from webterm.access import Source
from webterm.ids import TerminalId, WorkspaceId


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalOpened:
    """A program was started. ``program`` is its name without its arguments; empty for the login shell."""

    source: Source
    terminal: TerminalId
    driver: str
    program: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalClosed:
    """Somebody closed a terminal, or the server did by itself; a program that ends on its own is not closed."""

    source: Source
    terminal: TerminalId
    driver: str
    program: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRun:
    """A command was run without a terminal, or a line shell was opened. ``program``: its name without arguments."""

    source: Source
    action: Literal["exec.run", "lines.open"]
    workspace: WorkspaceId | None
    program: str


Event = TerminalOpened | TerminalClosed | CommandRun
Tell = Callable[[Event], None]
"""Takes an event. It may not wait, and does not fail."""

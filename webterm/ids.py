"""Names of things. Each has its own type, so that mixing them up is a type error."""

from __future__ import annotations

import secrets
from typing import NewType

TerminalId = NewType("TerminalId", str)
ViewerId = NewType("ViewerId", int)
UserId = NewType("UserId", str)


def new_terminal_id() -> TerminalId:
    """A fresh id: 22 characters (128 random bits) that are safe in URLs and file names."""
    return TerminalId(secrets.token_urlsafe(16))

"""Names of things. Each has its own type, so that mixing them up is a type error."""

from __future__ import annotations

import secrets
from typing import NewType

TerminalId = NewType("TerminalId", str)
ViewerId = NewType("ViewerId", int)
UserId = NewType("UserId", str)
"""A UUID; a host application that signs people in itself may have ids of another form."""
LoginId = NewType("LoginId", str)
TokenId = NewType("TokenId", str)
ProofId = LoginId | TokenId
"""What a right to be here rests on, and ends with."""
InvitationId = NewType("InvitationId", str)


def new_terminal_id() -> TerminalId:
    """A fresh id: 22 characters (128 random bits) that are safe in URLs and file names."""
    return TerminalId(secrets.token_urlsafe(16))

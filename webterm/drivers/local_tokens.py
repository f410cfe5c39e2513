"""Tokens of the keeper's programs. They say where a program runs, so that this is known after a restart, too."""

from __future__ import annotations

import re
import secrets

from webterm.ids import WorkspaceId
from webterm.runtime import Runtime

_HOLDER = "runtime-"
_PLACELESS = 24
"""Characters that a token without a place has at most."""
_PLACED = re.compile(r"(in|at)-(.+)-[A-Za-z0-9_-]{16}")
"""``in`` a sandbox, or unconfined ``at`` a workspace. A token without a place is 22 characters, too few for this."""


def new_token(runtime: Runtime | None) -> str:
    """A fresh token, which nobody can guess, for a program of a runtime, or of none."""
    if runtime is None:
        return secrets.token_urlsafe(16)
    return f"{'in' if runtime.confined else 'at'}-{runtime.workspace}-{secrets.token_urlsafe(12)}"


def workspace_of(token: str) -> WorkspaceId | None:
    """The workspace in whose runtime a program is."""
    match = _placed(token)
    return None if match is None else WorkspaceId(match[2])


def is_confined(token: str) -> bool:
    """Whether a program is in a sandbox."""
    match = _placed(token)
    return match is not None and match[1] == "in"


def unconfined_beginning(workspace: WorkspaceId) -> str:
    """How the tokens of a workspace's unconfined programs begin; 16 characters follow."""
    return f"at-{workspace}-"


def holder_token(workspace: WorkspaceId) -> str:
    """The token of what holds a workspace's sandbox."""
    return _HOLDER + workspace


def held_by(token: str) -> WorkspaceId | None:
    """The workspace whose sandbox a token's program holds; None for others."""
    return WorkspaceId(token.removeprefix(_HOLDER)) if token.startswith(_HOLDER) else None


def is_local(token: str) -> bool:
    """Whether this is a program of the local driver's; another driver's tokens begin in another way."""
    return len(token) <= _PLACELESS or _placed(token) is not None


def _placed(token: str) -> re.Match[str] | None:
    return None if len(token) <= _PLACELESS else _PLACED.fullmatch(token)

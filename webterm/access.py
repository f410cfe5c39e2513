"""Who is asking, and what somebody may do with one terminal or workspace."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from webterm.ids import UserId


class Role(enum.IntEnum):
    """What a viewer may do with a terminal, a member with a workspace; a higher role includes the lower ones."""

    READ = 1
    WRITE = 2
    OWN = 3


class Scope(enum.StrEnum):
    """What a proof of identity is good for. Routes and messages name the one that they need."""

    TERMINALS_READ = "terminals:read"
    TERMINALS_WRITE = "terminals:write"
    WORKSPACES_READ = "workspaces:read"
    WORKSPACES_WRITE = "workspaces:write"
    """Workspaces and their files; programs in them need `TERMINALS_WRITE` as well."""
    ACCOUNT = "account"
    """One's own account: password, devices, tokens."""
    ADMIN = "admin"
    """Other people's accounts, invitations, which workspaces run, the audit log, measurements."""


EVERYDAY = frozenset(set(Scope) - {Scope.ADMIN})
"""What everybody may do with their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who is asking, and what for. ``owner`` marks the person who started the server."""

    id: UserId
    name: str
    owner: bool = False
    tier: str = "free"
    scopes: frozenset[Scope] = EVERYDAY

    def may(self, scope: Scope) -> bool:
        """Whether this proof of identity is good for that."""
        return scope in self.scopes


LOCAL = "local"
"""The address of a `Source` that is a command, or the server itself: whoever may run one owns the data directory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Who caused a change and from where, for the audit log. ``address`` is an IP address, or `LOCAL`."""

    user: UserId | None
    name: str
    address: str


ITSELF = Source(user=None, name="webterm", address=LOCAL)
"""What the server does by itself."""

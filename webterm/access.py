"""Who is asking, and what somebody may do with one terminal."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from webterm.ids import UserId


class Role(enum.IntEnum):
    """What a viewer may do with a terminal; a higher role includes the lower ones."""

    READ = 1
    WRITE = 2
    OWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who is asking. ``owner`` marks the person who started the server."""

    id: UserId
    name: str
    owner: bool = False

"""How much fits into a workspace: the numbers of its owner's tier."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What there is, and what there may be (0: as much as they like)."""

    bytes: int
    entries: int
    most_bytes: int
    most_entries: int


class Quotas:
    """Sets aside room before anything is written, so that several at a time cannot pass the quota together."""

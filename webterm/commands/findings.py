"""What ``webterm doctor`` tells of one thing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at. ``needed``: the settings ask for it. ``mend`` is empty where nothing is to do."""

    name: str
    works: bool
    needed: bool
    found: str
    mend: str = ""

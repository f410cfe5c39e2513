"""What there is to work with: all rules about workspaces, for whoever speaks with people."""

from __future__ import annotations

from dataclasses import dataclass

from webterm.work.runtimes import Runtimes
from webterm.work.workspaces import Workspaces


@dataclass(frozen=True, slots=True, kw_only=True)
class Workbench:
    """The rules about workspaces, their runtimes and what is in them."""

    workspaces: Workspaces
    runtimes: Runtimes

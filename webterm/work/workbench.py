"""What there is to work with: all rules about workspaces, for whoever speaks with people."""

from __future__ import annotations

from dataclasses import dataclass

from webterm.work.executions import Executions
from webterm.work.files import Files
from webterm.work.line_shells import LineShells
from webterm.work.looks import Looks
from webterm.work.overview import Overview
from webterm.work.previews import Previews
from webterm.work.runtimes import Runtimes
from webterm.work.uploads import Uploads
from webterm.work.watches import Watches
from webterm.work.workspaces import Workspaces


@dataclass(frozen=True, slots=True, kw_only=True)
class Workbench:
    """The rules about workspaces, their runtimes and what is in them."""

    workspaces: Workspaces
    runtimes: Runtimes
    looks: Looks
    overview: Overview
    previews: Previews
    files: Files
    uploads: Uploads
    watches: Watches
    executions: Executions
    line_shells: LineShells

"""Confined runtimes for tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from webterm.ids import new_workspace_id
from webterm.runtime import Runtime, RuntimeLimits

PYTHON = tuple({Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parent.parent})
"""Directories that a sandbox has to see for the tests' own Python to run in it."""
ACCOUNT = 712_345 if os.geteuid() == 0 else None
"""Whom confined programs run as."""


def runtime_in(
    directory: Path,
    *,
    network: bool = False,
    account: int | None = ACCOUNT,
    limits: RuntimeLimits | None = None,
    confined: bool = True,
) -> Runtime:
    """A workspace's runtime whose files are in a new directory of ``directory``."""
    workspace = new_workspace_id()
    files = directory / workspace / "files"
    files.mkdir(parents=True)
    return Runtime(
        workspace=workspace,
        files=files,
        confined=confined,
        account=account,
        network=network,
        limits=limits or RuntimeLimits(),
    )

"""Where a workspace's programs run: what a driver is told about it."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from webterm.ids import WorkspaceId


class RuntimeState(enum.StrEnum):
    """What can be said of a workspace's runtime."""

    ABSENT = "absent"
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeLimits:
    """How much all programs of a runtime may use together; 0 is as much as they like.

    ``memory``, ``file_size`` (one file) and ``disk`` (the workspace's files) are in bytes, ``cpu`` in processors.
    """

    processes: int = 0
    memory: int = 0
    cpu: float = 0.0
    file_size: int = 0
    disk: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """One workspace's running environment, as a driver has to make it.

    ``files`` is the absolute path of the workspace's directory on this machine. ``confined``: its programs see that
    directory and the system's read-only ones, and nothing else of the machine; the owner's are not confined.
    ``account`` is the numeric user that owns the files and runs confined programs where the server is root, else None.
    ``env`` is added to every program's environment; ``network``: whether confined programs may use the machine's.
    """

    workspace: WorkspaceId
    files: Path
    confined: bool
    account: int | None = None
    network: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    image: str = ""
    limits: RuntimeLimits = RuntimeLimits()


Progress = Callable[[str], None]
"""Takes one line for people on how far a start has come. It may not wait, and does not fail."""

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
    ``env`` is added to every program's environment; ``network``: whether confined programs may use the machine's, and
    those in a container the internet. ``image`` is what a container is made of; empty is the driver's own.
    ``published``: TCP ports of programs in a container, each with the port of the engine's machine that leads there.
    """

    workspace: WorkspaceId
    files: Path
    confined: bool
    account: int | None = None
    network: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    image: str = ""
    published: Mapping[int, int] = field(default_factory=dict)
    limits: RuntimeLimits = RuntimeLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeStats:
    """What all programs of a runtime use together, now.

    ``cpu`` in processors (1.5: one and a half), ``memory`` in bytes without caches that can be dropped at once;
    ``received`` and ``sent`` are bytes since the runtime came up. None: that cannot be told here. A limit of 0 is none.
    """

    cpu: float | None = None
    cpu_limit: float = 0.0
    memory: int | None = None
    memory_limit: int = 0
    processes: int | None = None
    processes_limit: int = 0
    received: int | None = None
    sent: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeProcess:
    """One process of a runtime. Numbers are those that its own programs see, where they have their own.

    ``command`` is its argument list, joined by blanks, at most 4,096 bytes of it; ``started`` in seconds since 1970.
    """

    pid: int
    parent: int
    user: str
    command: str
    started: float | None = None
    memory: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverHealth:
    """Whether a driver works now. ``reason`` is for people where it does not; ``version`` is the engine's, if any."""

    works: bool
    reason: str = ""
    version: str = ""
    runtimes: int = 0


Progress = Callable[[str], None]
"""Takes one line for people on how far a start has come. It may not wait, and does not fail."""

OnRuntimeEnded = Callable[[WorkspaceId, str], None]
"""Told that a runtime has ended that nobody asked to end, and why, for people. It may not wait, and does not fail."""

OnRuntimeNote = Callable[[WorkspaceId, str], None]
"""Told what has happened in a runtime that goes on, for people. It may not wait, and does not fail."""

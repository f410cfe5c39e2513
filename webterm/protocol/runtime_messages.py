"""Messages about what workspaces' programs run in."""

from __future__ import annotations

from webterm.protocol.file_messages import RequestNumber
from webterm.protocol.message import Message, Name
from webterm.runtime import RuntimeState

# Client to server.


class WatchRuntime(Message, frozen=True, kw_only=True, tag="watch_runtime"):
    """Have told what a workspace's programs use and listen at, until ``unwatch_runtime``. Answered by ``done``."""

    request: RequestNumber
    workspace: Name


class UnwatchRuntime(Message, frozen=True, kw_only=True, tag="unwatch_runtime"):
    """No longer."""

    workspace: Name


# Server to client.


class Runtime(Message, frozen=True, kw_only=True, tag="runtime"):
    """What a workspace's programs run in has another state, says how far it has come, or that memory ran out in it.

    ``stops_in``: it stops by itself in so many seconds, because nothing runs in it and nobody looks.
    """

    workspace: str
    state: RuntimeState
    message: str
    stops_in: float | None = None


class RuntimeStats(Message, frozen=True, kw_only=True, tag="runtime_stats"):
    """What all programs of a watched workspace use together, now.

    ``cpu`` in processors, ``memory`` in bytes; ``received`` and ``sent`` are bytes since it came up. What is left out
    cannot be told; a limit that is left out is none.
    """

    workspace: str
    cpu: float | None = None
    cpu_limit: float = 0.0
    memory: int | None = None
    memory_limit: int = 0
    processes: int | None = None
    processes_limit: int = 0
    received: int | None = None
    sent: int | None = None


class PortOpened(Message, frozen=True, kw_only=True, tag="port_opened"):
    """A program of a watched workspace listens at this TCP port."""

    workspace: str
    port: int


class PortClosed(Message, frozen=True, kw_only=True, tag="port_closed"):
    """No program of a watched workspace listens at this TCP port any more."""

    workspace: str
    port: int


FromClientAboutRuntimes = WatchRuntime | UnwatchRuntime
FromServerAboutRuntimes = Runtime | RuntimeStats | PortOpened | PortClosed

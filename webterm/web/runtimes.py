"""REST: what workspaces' programs run in, what they use and where they listen."""

from __future__ import annotations

from msgspec import Struct

from webterm.runtime import RuntimeState


class RuntimeBounds(Struct, frozen=True, kw_only=True):
    """What all programs of a workspace may use together: ``memory`` in bytes, ``cpu`` in processors; 0 is any.

    ``network``: whether they reach anything beside each other.
    """

    processes: int
    memory: int
    cpu: float
    network: bool


class RuntimeInfo(Struct, frozen=True, kw_only=True):
    """What a workspace's programs run in, or would. ``message`` is for people: how far it has come, or why it ended.

    ``reason`` says why ``driver`` is another one than usual. ``image`` is what a container is made of, else empty.
    ``ports`` are those that programs listen at. ``stops_in``: in so many seconds it stops, because nothing runs in it
    and nobody looks; null: it does not.
    """

    workspace: str
    state: RuntimeState
    message: str
    driver: str
    reason: str
    image: str
    terminals: int
    ports: list[int]
    stops_in: float | None
    limits: RuntimeBounds


class RuntimeUse(Struct, frozen=True, kw_only=True):
    """What all programs of a workspace use together, now; null: that cannot be told, a limit of 0: there is none.

    ``cpu`` in processors, ``memory`` in bytes; ``received`` and ``sent`` are bytes since it came up. ``disk`` is the
    size of the workspace's files in bytes, and ``disk_limit`` its quota.
    """

    cpu: float | None
    cpu_limit: float
    memory: int | None
    memory_limit: int
    processes: int | None
    processes_limit: int
    received: int | None
    sent: int | None
    disk: int
    disk_limit: int


class ProcessInfo(Struct, frozen=True, kw_only=True):
    """One process, as the workspace's own programs see it. ``started`` in seconds since 1970, ``memory`` in bytes."""

    pid: int
    parent: int
    user: str
    command: str
    started: float | None
    memory: int | None


class ProcessList(Struct, frozen=True, kw_only=True):
    """The processes of a workspace, in the order of their numbers."""

    items: list[ProcessInfo]


class PortInfo(Struct, frozen=True, kw_only=True):
    """A TCP port at which a program of the workspace listens."""

    port: int


class PortList(Struct, frozen=True, kw_only=True):
    """The ports of a workspace, the lowest first."""

    items: list[PortInfo]


class RuntimeLogs(Struct, frozen=True, kw_only=True):
    """What a container's own main program has written lately. What is not UTF-8 shows as U+FFFD."""

    text: str


class RuntimeChoices(Struct, frozen=True, kw_only=True):
    """What an environment may ask for on this server, and what it gets that asks for nothing.

    ``mode`` is the driver of those, now, and ``reason`` why it is another one than usual. ``image`` is the usual one,
    ``images`` what may be asked for beside it (``*`` stands for any characters). ``limits`` are the highest.
    ``idle_minutes``: when a container stops in which nothing runs; 0 is never.
    """

    mode: str
    reason: str
    drivers: list[str]
    image: str
    images: list[str]
    limits: RuntimeBounds
    idle_minutes: float
    preview_domain: str | None

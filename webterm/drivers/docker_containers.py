"""Containers, one for each workspace: brought up, found again, ended, removed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from webterm.ids import WorkspaceId
from webterm.runtime import OnRuntimeEnded, Progress, Runtime

if TYPE_CHECKING:
    from webterm.drivers.docker_engine import Engine
    from webterm.drivers.docker_images import Images
    from webterm.drivers.docker_network import Networks


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """The container of a workspace, running.

    ``address`` is its IPv4 address in the engine's machine, None where it has no network; ``user`` whom programs run
    as, ``UID:UID``. ``pid`` is its first process in our own process namespace, None where that is not visible (an
    engine elsewhere). ``image`` is the image's id.
    """

    id: str
    workspace: WorkspaceId
    address: str | None
    user: str
    pid: int | None
    image: str


class Containers:
    """The containers of the server that ``server`` names, in one engine.

    ``directory`` is for what containers are given from outside beside the workspace; ``on_host`` turns a path of ours
    into that on the engine's machine. ``evict`` is called with a workspace whose programs have to end, and why; it has
    to `stop` it. ``on_ended`` hears of containers that have ended without being asked to.
    """

    on_ended: OnRuntimeEnded | None = None

    def __init__(
        self,
        engine: Engine,
        images: Images,
        networks: Networks,
        *,
        server: str,
        directory: Path,
        image: str,
        network: bool = True,
        read_only: bool = False,
        disk: int = 0,
        on_host: Callable[[Path], Path] = lambda path: path,
        evict: Callable[[WorkspaceId, str], Awaitable[None]] | None = None,
    ) -> None:
        raise NotImplementedError

    async def ensure(self, runtime: Runtime, progress: Progress = lambda _line: None) -> Container:
        """The container of a runtime, brought up if it is not.

        One that is up already is used as it is while programs run in it, though the settings may have changed. Raises
        `webterm.errors.EngineUnavailable`, `webterm.errors.ImageMissing`, `webterm.errors.Unavailable`,
        `webterm.errors.DiskFull` and `webterm.errors.IsolationRefused`. Cancelling leaves it up, or not.
        """
        raise NotImplementedError

    async def find(self, workspace: WorkspaceId) -> Container | None:
        """The container of a workspace if it is up, also from before this server started.

        Raises `webterm.errors.EngineUnavailable`.
        """
        raise NotImplementedError

    async def stop(self, workspace: WorkspaceId) -> None:
        """End a workspace's container and everything in it, and remove it, if there is one.

        Raises `webterm.errors.EngineUnavailable`.
        """
        raise NotImplementedError

    async def collect(self, wanted: frozenset[WorkspaceId]) -> list[str]:
        """Remove this server's containers of workspaces that are not ``wanted``, and those that do not run.

        What was removed, a line each. Raises `webterm.errors.EngineUnavailable`.
        """
        raise NotImplementedError

    async def count(self) -> int:
        """How many are up. Raises `webterm.errors.EngineUnavailable`."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Look after them no more; they stay. Twice is harmless."""
        raise NotImplementedError

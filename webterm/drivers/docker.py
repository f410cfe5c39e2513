"""Programs in containers, one container for each workspace; terminals in them outlive the server."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from webterm.drivers.keeping import Keeping
from webterm.session import Driver, Launch, Session, Size

if TYPE_CHECKING:
    from webterm.drivers.docker_containers import Containers
    from webterm.drivers.docker_engine import Engine


class DockerDriver(Driver):
    """Opens sessions in the containers of one engine.

    ``keeping`` is the way to the keeper, which holds the streams of terminals over a restart of the server. ``env`` is
    added to every program's environment. Closing a session hangs up, and kills after ``close_grace`` seconds. Engine,
    keeping and containers stay the caller's, to be closed after the driver.
    """

    name: ClassVar[str] = "docker"

    def __init__(
        self,
        engine: Engine,
        keeping: Keeping,
        containers: Containers,
        *,
        env: Mapping[str, str] = MappingProxyType({}),
        close_grace: float = 3.0,
    ) -> None:
        self._engine = engine
        self._keeping = keeping
        self._containers = containers
        self._env = dict(env)
        self._close_grace = close_grace

    async def open(self, launch: Launch, size: Size) -> Session:
        raise NotImplementedError

"""An engine and what is in it, as the settings say: for the server, and for commands without one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from webterm.drivers.docker.containers import Containers
from webterm.drivers.docker.engine import Engine
from webterm.drivers.docker.images import Images
from webterm.drivers.docker.network import Networks
from webterm.drivers.docker.pulled import Pulled
from webterm.settings import Settings
from webterm.settings_checks import is_address

ETC = "containers"
"""Directory in the data directory for what containers are given from outside beside the workspace."""

PULLED = "pulled"
"""File in there with the images that were pulled for workspaces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """To be closed together: by leaving, or by `aclose`. The engine's news are listened to after its `Engine.start`."""

    engine: Engine
    images: Images
    networks: Networks
    containers: Containers

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Let go of all; what is in the engine stays. Twice is harmless."""
        await self.containers.aclose()
        await self.networks.aclose()
        await self.images.aclose()
        await self.engine.aclose()


def parts_of(settings: Settings, server: str) -> Parts:
    """The parts for the server that ``server`` names (`webterm.datadir.identity`). Nothing is connected yet."""
    docker = settings.docker
    engine = Engine(docker.host, Path(docker.tls_directory) if docker.tls_directory else None)
    pulled = Pulled(settings.data_dir / ETC / PULLED)
    images = Images(engine, pull=docker.pull, pulled=pulled, keep=(docker.image, docker.guard_image))
    networks = Networks(engine, images, server=server, guard_image=docker.guard_image)
    containers = Containers(
        engine,
        images,
        networks,
        server=server,
        directory=settings.data_dir / ETC,
        image=docker.image,
        network=docker.network == "internet",
        read_only=docker.read_only,
        disk=docker.disk,
        address=_address(settings.server.host),
        on_host=lambda path: on_host(settings, path),
    )
    return Parts(engine=engine, images=images, networks=networks, containers=containers)


def _address(host: str) -> str:
    """Ports are published where the server itself listens; of names only addresses are understood."""
    return host if is_address(host) else "127.0.0.1"


def on_host(settings: Settings, path: Path) -> Path:
    """Where something of ours is on the engine's machine."""
    there = settings.docker.host_data_dir
    if there is not None and path.is_relative_to(settings.data_dir):
        return Path(there, path.relative_to(settings.data_dir))
    return path

"""What ``webterm doctor`` finds out about the container engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from webterm.commands.findings import Finding
from webterm.errors import Unavailable, WebtermError

if TYPE_CHECKING:
    from webterm.drivers.docker.parts import Parts
    from webterm.settings import Settings

_ENGINE = "install a container engine (Debian: docker.io) that the server's user may use, see docker.host"


async def examine_engine(settings: Settings) -> list[Finding]:
    """Findings about the engine and what containers need there. Changes nothing; takes up to ten seconds."""
    from webterm.drivers.docker.parts import parts_of

    if settings.runtimes.driver == "local":
        return []
    async with parts_of(settings, server="") as parts:
        return [finding async for finding in _look(settings, parts)]


async def _look(settings: Settings, parts: Parts) -> AsyncIterator[Finding]:
    from webterm.drivers.docker.shape import check_engine

    needed = settings.runtimes.driver == "docker"
    try:
        info = await parts.engine.info()
        check_engine(info)
    except Unavailable as error:
        mend = _ENGINE if needed else f"{_ENGINE}; without one, programs run on this machine"
        yield Finding(name="engine", works=False, needed=needed, found=str(error), mend=mend)
        return
    found = f"version {info.version} at {parts.engine.host}, {info.cpus} processors, storage {info.storage}"
    yield Finding(name="engine", works=True, needed=needed, found=found)
    yield await _image(settings, parts, needed=needed)
    yield await _guard(settings, parts, needed=needed)
    if not settings.docker.disk:
        found = "containers may fill the engine's disk, which mostly is this machine's: docker.disk is 0"
        yield Finding(name="containers", works=False, needed=False, found=found, mend="see docker.disk")


async def _image(settings: Settings, parts: Parts, *, needed: bool) -> Finding:
    from webterm.drivers.docker.images import RECIPES

    image = settings.docker.image
    try:
        there = await parts.images.find(image) is not None
    except WebtermError as error:
        return Finding(name="image", works=False, needed=needed, found=str(error), mend="see docker.image")
    ours, fetched = image in RECIPES, settings.docker.pull
    later = f"; the first start {'builds' if ours else 'pulls'} it" if fetched else ""
    return Finding(
        name="image",
        works=there,
        needed=needed and not fetched,
        found=f"the engine has {image}" if there else f"the engine has no {image}{later}",
        mend="webterm image build" if ours else f"docker pull {image}",
    )


async def _guard(settings: Settings, parts: Parts, *, needed: bool) -> Finding:
    """Whether containers can have a network from which this machine is kept."""
    from webterm.errors import ImageMissing

    works, soon, found = True, False, "rules can be set that keep containers from this machine's networks"
    try:
        await parts.networks.check()
    except ImageMissing as error:
        works, soon = False, settings.docker.pull
        found = f"{error}; " + ("the first start makes it" if soon else "containers have no network")
    except WebtermError as error:
        works, found = False, f"containers have no network: {error}"
    return Finding(name="network", works=works, needed=needed and not soon, found=found, mend="webterm image build")

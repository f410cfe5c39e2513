"""Containers for tests, made by the parts that the server makes them with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from tests.engine import BUSYBOX, DEBIAN, RealEngine
from webterm.drivers.docker.parts import Parts, parts_of
from webterm.settings import Settings


def settings_in(data: Path, engine: RealEngine, **docker: object) -> Settings:
    """A server's settings with an engine; nothing is pulled, and ``docker`` has more of that section."""
    chosen = {"host": engine.host, "image": BUSYBOX, "guard_image": DEBIAN, "pull": False, **docker}
    return msgspec.convert({"server": {"data_dir": str(data)}, "docker": chosen}, Settings)


@asynccontextmanager
async def parts_in(data: Path, engine: RealEngine, server: str, **docker: object) -> AsyncIterator[Parts]:
    """The parts of a server's engine, listening to its news. What is made in the engine stays for others."""
    async with parts_of(settings_in(data, engine, **docker), server) as parts:
        await parts.engine.start()
        yield parts

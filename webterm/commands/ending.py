"""The end of everything that outlived its server."""

from __future__ import annotations

import asyncio

from webterm.datadir import IDENTITY, identity
from webterm.drivers.docker.parts import parts_of
from webterm.errors import EngineUnavailable, Unavailable
from webterm.keeper.client import KeeperError, shut_down
from webterm.settings import Settings


def end_programs(settings: Settings) -> tuple[int, int]:
    """End all programs, the keeper that held them, and all containers; how many programs and containers there were.

    Raises `webterm.errors.Unavailable`; that there is no engine only where the settings want one.
    """
    try:
        programs = asyncio.run(shut_down(settings.data_dir, settings.local.close_grace)) or 0
    except KeeperError as error:
        raise Unavailable(f"the programs could not be ended: {error}") from error
    known = (settings.data_dir / IDENTITY).exists()
    return programs, asyncio.run(_end_containers(settings)) if known else 0


async def _end_containers(settings: Settings) -> int:
    try:
        async with parts_of(settings, await asyncio.to_thread(identity, settings.data_dir)) as parts:
            return len(await parts.containers.collect(frozenset(), await parts.containers.all_ids()))
    except EngineUnavailable:
        if settings.runtimes.driver == "docker":
            raise
        return 0

"""``webterm gc``: what is left in the container engine of workspaces that there are no more."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from webterm.commands import options

if TYPE_CHECKING:
    from webterm.ids import WorkspaceId
    from webterm.settings import Settings

_AT_A_TIME = 500


@click.command()
@options.config
@options.data_dir
@options.tells_faults
def gc(config: Path | None, data_dir: str | None) -> None:
    """Remove containers of workspaces that there are no more, those that have ended, and images that none asks for.

    A server that runs may go on. Only what belongs to this data directory is touched; of images, those that were pulled
    because a workspace asked for them.
    """
    import asyncio

    for line in asyncio.run(_collect(options.load(config, data_dir=data_dir))) or ["Nothing was left behind."]:
        click.echo(line)


async def _collect(settings: Settings) -> list[str]:
    import asyncio

    from webterm.datadir import holder, identity
    from webterm.drivers.docker.parts import parts_of
    from webterm.errors import EngineUnavailable

    try:
        async with parts_of(settings, await asyncio.to_thread(identity, settings.data_dir)) as parts:
            known = await parts.containers.all_ids()  # before it is found out which workspaces there are
            wanted, images = await _wanted(settings)
            removed = await parts.containers.collect(wanted, known)
            removed += [f"image {name}" for name in await parts.images.remove_unused(images)]
            if await asyncio.to_thread(holder, settings.data_dir) is None:
                removed += [f"network {name}" for name in await parts.networks.remove_unused()]
    except EngineUnavailable:
        if settings.runtimes.driver == "docker":
            raise
        return ["There is no container engine, and so nothing to remove."]
    return [f"Removed {line}" for line in removed]


async def _wanted(settings: Settings) -> tuple[frozenset[WorkspaceId], set[str]]:
    """All workspaces that are not in the trash, and the images for which they ask."""
    from webterm.commands.opening import opened
    from webterm.store import workspaces

    found: set[WorkspaceId] = set()
    images: set[str] = set()
    last = 0
    async with opened(settings, make=False) as store, store.reading() as conn:
        while page := await workspaces.ids_after(conn, last, _AT_A_TIME):
            some = await workspaces.among(conn, [id_ for _, id_ in page])
            found.update(some)
            images.update(one.environment.image for one in some.values())
            last = page[-1][0]
    return frozenset(found), images

"""``webterm image``: what workspaces' containers are made of."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from webterm.commands import options
from webterm.settings_runtimes import DEFAULT_GUARD_IMAGE, DEFAULT_IMAGE

if TYPE_CHECKING:
    from webterm.settings import Settings

_TAGS = {"workspace": DEFAULT_IMAGE, "guard": DEFAULT_GUARD_IMAGE}


@click.group()
def image() -> None:
    """Make the images that workspaces run in."""


@image.command()
@click.argument("what", type=click.Choice([*_TAGS, "all"]), default="all")
@click.option("--tag", help="Name of the image; WHAT says which one is made.")
@click.option("--base", help="Image that they are made from: Debian, or one like it.  [default: debian:bookworm-slim]")
@options.config
@options.data_dir
@options.tells_faults
def build(
    what: Literal["workspace", "guard", "all"],
    config: Path | None,
    data_dir: str | None,
    *,
    tag: str | None,
    base: str | None,
) -> None:
    """Build the image of workspaces that ask for no other, and the one that guards their network.

    With other packages, or for another directory of packages: build an image FROM it, and set docker.image.
    """
    import asyncio

    if tag is not None and what == "all":
        raise click.UsageError("--tag needs to be told which of the images is meant: workspace or guard")
    wanted: dict[str, str] = _TAGS if what == "all" else {what: tag or _TAGS[what]}
    asyncio.run(_build(options.load(config, data_dir=data_dir), wanted, {"BASE": base} if base else {}))


async def _build(settings: Settings, wanted: dict[str, str], arguments: dict[str, str]) -> None:
    from webterm.drivers.docker.images import RECIPES
    from webterm.drivers.docker.parts import parts_of

    async with parts_of(settings, server="") as parts:
        for what, tag in wanted.items():
            click.echo(f"Building {tag}")
            await parts.images.build(RECIPES[_TAGS[what]], tag, click.echo, arguments=arguments)
            click.echo(f"The container engine has the image {tag}.")

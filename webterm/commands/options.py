"""What the commands share: their common options, loading the settings, and telling faults."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec

import click

from webterm.errors import SettingsError, WebtermError

if TYPE_CHECKING:
    from webterm.settings import Settings

P = ParamSpec("P")


def setting(flag: str, key: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """An option for one setting, with the setting's own help and default. Its text is checked with all the others."""
    from webterm.settings import rows

    row = next(row for row in rows() if row.key == key)
    return click.option(flag, help=row.help, show_default=row.default_text or str(row.default), metavar="TEXT")


config = click.option(
    "--config", type=click.Path(path_type=Path), envvar="WEBTERM_CONFIG", help="TOML file of settings."
)
data_dir = setting("--data-dir", "server.data_dir")


def load(config: Path | None, **flags: str | None) -> Settings:
    """Settings from all sources; ``flags`` are options of the section ``server``. Raises SettingsError."""
    from webterm import settings_sources

    named = {f"server.{name}": ("--" + name.replace("_", "-"), value) for name, value in flags.items()}
    return settings_sources.load(config, os.environ, named)


def tells_faults(command: Callable[P, None]) -> Callable[P, None]:
    """Turn the errors that webterm raises on purpose into a line for people and an exit status."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except SettingsError as error:
            _fail(error.faults, status=2)
        except WebtermError as error:
            _fail([str(error)], status=1)

    return run


def _fail(lines: list[str], *, status: int) -> None:
    for line in lines:
        click.echo(f"webterm: {line}", err=True)
    sys.exit(status)

"""What new workspaces begin with: directories of the administrator's, each with ``files/`` and ``template.toml``."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from webterm.errors import NoSuchTemplate, NoSuchWorkspace, WebtermError
from webterm.files.root import Root
from webterm.store.workspaces import Environment
from webterm.work.environments import Environments

__all__ = ["Template", "Templates"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
DESCRIPTION = "template.toml"
FILES = "files"
LARGEST = 64 * 1024
"""Bytes of a description."""
_CHUNK = 256 * 1024

log = logging.getLogger("webterm.work")


class _Description(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``template.toml`` may hold."""

    title: Annotated[str, Meta(max_length=100)] = ""
    description: Annotated[str, Meta(max_length=2000)] = ""
    environment: Environment = Environment()


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One template. ``title`` is for people; ``environment`` is that of workspaces which are made from it."""

    name: str
    title: str
    description: str
    environment: Environment


class Templates:
    """All templates, as they are on disk when they are asked for. The directory need not be there.

    One whose description cannot be understood, or whose environment asks for more than workspaces may have
    (``environments``), is none, and the log says why.
    """

    def __init__(self, directory: Path, environments: Environments) -> None:
        self._directory = directory
        self._environments = environments

    async def all(self) -> list[Template]:
        """By name."""
        return await asyncio.to_thread(self._all)

    async def images(self) -> frozenset[str]:
        """Those that templates name, which workspaces may use therefore."""
        return frozenset(template.environment.image for template in await self.all()) - {""}

    async def get(self, name: str) -> Template:
        """Raises `webterm.errors.NoSuchTemplate`."""
        found = await asyncio.to_thread(self._read, name) if NAME.fullmatch(name) else None
        if found is None:
            raise NoSuchTemplate(f"there is no template {name[:64]!r}")
        return found

    def copy(self, name: str, root: Root) -> None:
        """Copy a template's files into an empty workspace. Blocks. Links and what is no file are left out."""
        try:
            source = Root(self._directory / name / FILES)
        except NoSuchWorkspace:
            return  # a template of settings alone
        with source:
            for found in source.walk():
                if found.kind == "directory":
                    root.make_directory(found.path, parents=True)
                elif found.kind == "file":
                    with (
                        os.fdopen(found.open(), "rb", buffering=0) as file,
                        root.write(found.path, expected=None, executable=bool(found.status.st_mode & 0o111)) as writing,
                    ):
                        while chunk := file.read(_CHUNK):
                            writing.write(chunk)
                        writing.finish()

    def _all(self) -> list[Template]:
        try:
            names = sorted(path.name for path in self._directory.iterdir())
        except OSError:
            return []
        found = (self._read(name) for name in names if NAME.fullmatch(name))
        return [template for template in found if template is not None]

    def _read(self, name: str) -> Template | None:
        directory = self._directory / name
        try:
            with open(directory / DESCRIPTION, "rb") as file:
                text = file.read(LARGEST).decode()
        except FileNotFoundError:
            if not (directory / FILES).is_dir():
                return None
            text = ""
        except (OSError, ValueError) as error:
            log.error("the template %s cannot be read: %s", name, error)
            return None
        try:
            told = msgspec.convert(tomllib.loads(text), _Description)
        except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
            log.error("%s of the template %s cannot be understood: %s", DESCRIPTION, name, error)
            return None
        try:
            self._environments.check(told.environment, images={told.environment.image})
        except WebtermError as error:
            log.error("%s of the template %s asks for what no workspace may have: %s", DESCRIPTION, name, error)
            return None
        return Template(name=name, title=told.title or name, description=told.description, environment=told.environment)

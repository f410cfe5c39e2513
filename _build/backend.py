"""The build backend: setuptools, after building the page.

A checkout holds the page's source in ``frontend/`` and needs Node to build it into ``webterm/static/``. A source
distribution carries the built page and no ``frontend/``, so it needs no Node. ``WEBTERM_SKIP_WEB=1`` leaves
``webterm/static/`` as it is.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from setuptools import build_meta
from setuptools.build_meta import (
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

ROOT = Path(__file__).resolve().parent.parent
FRONTEND = ROOT / "frontend"

Config = dict[str, str | list[str] | None] | None


def build_wheel(wheel_directory: str, config_settings: Config = None, metadata_directory: str | None = None) -> str:
    build_page()
    return str(build_meta.build_wheel(wheel_directory, config_settings, metadata_directory))


def build_editable(wheel_directory: str, config_settings: Config = None, metadata_directory: str | None = None) -> str:
    build_page()
    return str(build_meta.build_editable(wheel_directory, config_settings, metadata_directory))


def build_sdist(sdist_directory: str, config_settings: Config = None) -> str:
    build_page()
    return str(build_meta.build_sdist(sdist_directory, config_settings))


def build_page() -> None:
    """Run the page's own build where there is a page to build."""
    package = FRONTEND / "package.json"
    if os.environ.get("WEBTERM_SKIP_WEB") == "1" or not package.exists():
        return
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise SystemExit(missing_node(package))
    for command in ([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], [npm, "run", "build"]):
        try:
            subprocess.run(command, cwd=FRONTEND, check=True)
        except subprocess.CalledProcessError as error:
            raise SystemExit(
                f"webterm: building the page failed: {' '.join(command)} ended with {error.returncode}"
            ) from None


def missing_node(package: Path) -> str:
    """What to do where Node is missing; the version is the one that the page asks for."""
    wanted = json.loads(package.read_text(encoding="utf-8")).get("engines", {}).get("node", ">=20")
    return (
        f"webterm: a checkout builds its page with Node.js {wanted} and npm, and they were not found on PATH.\n"
        "Install them (https://nodejs.org/, or your system's packages nodejs and npm) and run the command again,\n"
        "or install a released wheel or source distribution: those carry the built page and need no Node."
    )

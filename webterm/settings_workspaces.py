"""Settings about workspaces: what they may hold, and what keeps the programs in them apart."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from webterm.settings_checks import DIRECTORIES, PATH


class Workspaces(msgspec.Struct, frozen=True, kw_only=True):
    """Where people work, and what happens to what they delete. How much fits in is said by `limits.tiers`."""

    directory: Annotated[
        str | None,
        Meta(
            description="Directory that holds the files of all workspaces.",
            extra={"default": "workspaces in the data directory", "check": PATH},
        ),
    ] = None
    templates: Annotated[
        str | None,
        Meta(
            description="Directory of templates; each is a directory with files/ and, if wanted, template.toml.",
            extra={"default": "templates in the data directory", "check": PATH},
        ),
    ] = None
    trash_days: Annotated[
        float, Meta(description="Days for which a deleted workspace can be brought back.", ge=0, le=3650)
    ] = 7.0
    watches: Annotated[
        int, Meta(description="Most directories that one person may watch for changes at a time.", ge=1, le=100_000)
    ] = 256


class Sandbox(msgspec.Struct, frozen=True, kw_only=True):
    """What confined programs on this machine may use, of each workspace together; 0 is as much as they like."""

    network: Annotated[
        bool,
        Meta(description="Confined programs may use the machine's network, its loopback services included."),
    ] = False
    readable: Annotated[
        tuple[str, ...],
        Meta(
            description="Directories that confined programs may read beside the system's own, such as /opt/tools.",
            extra={"check": DIRECTORIES},
        ),
    ] = ()
    processes: Annotated[int, Meta(description="Most processes and threads.", ge=0, le=1_000_000)] = 512
    memory: Annotated[int, Meta(description="Most memory in bytes.", ge=0, le=2**50)] = 2 * 1024**3
    cpu: Annotated[float, Meta(description="Most processors, 0.5 for half of one.", ge=0, le=4096)] = 0.0
    file_size: Annotated[int, Meta(description="Most bytes of one file.", ge=0, le=2**62)] = 0
    first_uid: Annotated[
        int,
        Meta(
            description="Where the server runs as root: confined programs run as this numeric user plus the alias of"
            " the workspace's owner.",
            ge=1000,
            le=2_000_000_000,
        ),
    ] = 700_000

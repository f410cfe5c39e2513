"""Settings about what workspaces' programs run in: containers, what they are made of, and ports seen from outside."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from webterm.settings_checks import ENGINE, HOST_NAME, IMAGE_NAME, IMAGES, PATH

DEFAULT_IMAGE = "webterm-workspace:latest"
DEFAULT_GUARD_IMAGE = "webterm-guard:latest"


class Runtimes(msgspec.Struct, frozen=True, kw_only=True):
    """What workspaces' programs run in."""

    driver: Annotated[
        Literal["auto", "docker", "local"],
        Meta(
            description="Where programs of workspaces run that ask for nothing else: each workspace in a container,"
            " on this machine, or (auto) in containers where an engine answers and on this machine where none does."
        ),
    ] = "auto"
    idle_minutes: Annotated[
        float,
        Meta(
            description="Minutes after which a container is stopped that nobody views and in which nothing runs but"
            " shells at their prompt; 0 means never.",
            ge=0,
            le=525_600,
        ),
    ] = 60.0


class Docker(msgspec.Struct, frozen=True, kw_only=True):
    """Containers. How much the programs of each may use is said by the section sandbox, and by its workspace."""

    host: Annotated[
        str,
        Meta(
            description="The engine: unix:///path or tcp://host:port.",
            extra={"check": ENGINE, "alias": "DOCKER_HOST"},
        ),
    ] = "unix:///var/run/docker.sock"
    tls_directory: Annotated[
        str | None,
        Meta(
            description="Directory with ca.pem, cert.pem and key.pem for an engine at tcp://.",
            extra={"default": "no TLS", "check": PATH, "alias": "DOCKER_CERT_PATH"},
        ),
    ] = None
    image: Annotated[
        str,
        Meta(
            description="Image of workspaces that ask for none. webterm image build makes the default one.",
            extra={"check": IMAGE_NAME},
        ),
    ] = DEFAULT_IMAGE
    images: Annotated[
        tuple[str, ...],
        Meta(
            description="Images that workspaces may ask for beside it; * stands for any characters but / and :, as in"
            " docker.io/library/python:*, and ** for any at all, as in registry.example.org/**.",
            extra={"check": IMAGES},
        ),
    ] = ()
    pull: Annotated[
        bool, Meta(description="Pull an image that the engine does not have, and build the default one.")
    ] = True
    guard_image: Annotated[
        str,
        Meta(
            description="Image with nft, by which the rules are set that keep containers from this machine's networks."
            " webterm image build makes the default one. Without it containers have no network.",
            extra={"check": IMAGE_NAME},
        ),
    ] = DEFAULT_GUARD_IMAGE
    network: Annotated[
        Literal["internet", "none"],
        Meta(
            description="What programs in containers reach: the internet, but neither this machine, nor private"
            " networks, nor each other; or nothing."
        ),
    ] = "internet"
    read_only: Annotated[
        bool, Meta(description="Only the workspace and /tmp of a container can be written to, nothing of its image.")
    ] = False
    disk: Annotated[
        int,
        Meta(
            description="Most bytes that a container may write outside its workspace; whose container has written more"
            " has its programs ended. 0 is as much as they like.",
            ge=0,
            le=2**62,
        ),
    ] = 10 * 1024**3
    host_data_dir: Annotated[
        str | None,
        Meta(
            description="Where the data directory is on the engine's machine, if the server runs in a container.",
            extra={"default": "the same path", "check": PATH, "alias": "HOST_DATA_DIR"},
        ),
    ] = None


class Previews(msgspec.Struct, frozen=True, kw_only=True):
    """Web servers that run in workspaces, seen through this one."""

    domain: Annotated[
        str | None,
        Meta(
            description="Domain whose names PORT--WORKSPACE.domain all lead here, which gives each previewed page an"
            " origin of its own. Not a parent of the server's own name.",
            extra={"check": HOST_NAME},
        ),
    ] = None
    share_days: Annotated[
        float, Meta(description="Most days for which a link to a preview can be shared.", ge=0, le=3650)
    ] = 7.0
    ports_base: Annotated[
        int,
        Meta(
            description="First of the ports of this machine that containers may publish, ten for each person; 0"
            " publishes none.",
            ge=0,
            le=65_000,
        ),
    ] = 0

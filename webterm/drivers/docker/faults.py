"""Why a container cannot be made or started, in words for people who cannot see the engine."""

from __future__ import annotations

import re

from webterm.drivers.docker.engine import EngineRefusal
from webterm.errors import DiskFull, ImageMissing, Unavailable

_PATH = re.compile(r"(?<![\w.:-])/[\w.-]+(/[\w.-]*)+")
_LONGEST = 400


class NetworkGone(Unavailable):
    """Somebody has removed the network that a container was to be in."""


class PortTaken(Unavailable):
    """A port that was to lead into the container is somebody else's."""


def put_in_words(refusal: EngineRefusal, image: str) -> Unavailable:
    """What a refusal to make or start a container of ``image`` means, without the paths of the engine's machine."""
    text = str(refusal)
    if "no space left on device" in text:
        return DiskFull("the container could not be made: the container engine's disk is full")
    if refusal.answer == 404 and "No such image" in text:
        return ImageMissing(f"the container engine has no image {image}")
    if "bind source path does not exist" in text:
        return Unavailable(
            "the container engine does not find the workspace's files on its machine; see the setting"
            " docker.host_data_dir"
        )
    if '"/bin/sh"' in text and ("no such file" in text or "not found" in text):
        return Unavailable(f"the image {image} cannot be used: there is no /bin/sh in it that runs")
    if "network" in text and "not found" in text:
        return NetworkGone(text)
    if "port is already allocated" in text or "address already in use" in text:
        return PortTaken("a port that was to be published is taken")
    if "no available IPv4 addresses" in text or "non-overlapping IPv4 address pool" in text:
        return Unavailable("the container engine has no network address left for another container")
    return Unavailable(f"the container could not be started: {_PATH.sub('…', text)[:_LONGEST]}")

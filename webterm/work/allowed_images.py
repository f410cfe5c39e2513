"""The images that workspaces may ask for."""

from __future__ import annotations

import re

from webterm.errors import ImageRefused
from webterm.settings import Settings


class AllowedImages:
    """Those of the settings: that of workspaces which ask for none, and what ``docker.images`` names."""

    def __init__(self, settings: Settings) -> None:
        self._usual = settings.docker.image
        self._written = settings.docker.images
        self._patterns = [_pattern(text) for text in settings.docker.images]

    def check(self, image: str) -> None:
        """Raise `webterm.errors.ImageRefused` for one that is none of them; empty is the usual one."""
        if image in ("", self._usual) or any(pattern.fullmatch(image) for pattern in self._patterns):
            return
        allowed = ", ".join([self._usual, *self._written])
        raise ImageRefused(f"the image {image[:256]!r} is none of those that workspaces may use here: {allowed}")


def _pattern(text: str) -> re.Pattern[str]:
    """``*`` is any characters within a part of a name, ``**`` any at all."""
    wild = {"*": "[^/:@]*", "**": ".*"}
    return re.compile("".join(wild.get(piece, re.escape(piece)) for piece in re.split(r"(\*\*|\*)", text)))

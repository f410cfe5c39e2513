"""The images that workspaces may ask for."""

from __future__ import annotations

import re
from collections.abc import Collection

from webterm.errors import ImageRefused
from webterm.settings import Settings


class AllowedImages:
    """Those of the settings: that of workspaces which ask for none, and what ``docker.images`` names.

    Besides, those of templates: what the administrator has put there, workspaces may use.
    """

    def __init__(self, settings: Settings) -> None:
        self._usual = settings.docker.image
        self._written = settings.docker.images
        self._patterns = [_pattern(text) for text in settings.docker.images]

    def names(self, image: str) -> bool:
        """Whether the settings allow it; empty is the usual one."""
        return image in ("", self._usual) or any(pattern.fullmatch(image) for pattern in self._patterns)

    def check(self, image: str, templates: Collection[str]) -> None:
        """Raise `webterm.errors.ImageRefused` for one that is none of them.

        ``templates`` are the images of templates.
        """
        if image in templates or self.names(image):
            return
        allowed = ", ".join(dict.fromkeys([self._usual, *self._written, *sorted(templates)]))
        raise ImageRefused(f"the image {image[:256]!r} is none of those that workspaces may use here: {allowed}")


def _pattern(text: str) -> re.Pattern[str]:
    """``*`` is any characters within a part of a name, ``**`` any at all."""
    wild = {"*": "[^/:@]*", "**": ".*"}
    return re.compile("".join(wild.get(piece, re.escape(piece)) for piece in re.split(r"(\*\*|\*)", text)))

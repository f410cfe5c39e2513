"""Paths of files as they travel: text where they are text, and percent-encoded (RFC 3986) where not.

A path is bytes, as the system has it; most are UTF-8, and none has to be.
"""

from __future__ import annotations

import re
from urllib.parse import quote_from_bytes, unquote_to_bytes

from webterm.errors import InvalidPath

LONGEST = 4096
"""Bytes of a path: PATH_MAX of Linux."""
_SAFE = "/!$&'()*+,;=:@"  # what needs no percent sign in a URL's path, besides letters, digits and "-._~"
_BROKEN = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def percent(path: bytes) -> str:
    """A path as it stands in URLs, slashes as they are."""
    return quote_from_bytes(path, safe=_SAFE)


def shown(path: bytes) -> tuple[str, str | None]:
    """A path as text, and percent-encoded where the text is not the whole truth."""
    try:
        return path.decode(), None
    except UnicodeDecodeError:
        return path.decode("utf-8", "replace"), percent(path)


def decoded(text: str) -> bytes:
    """The path of a percent-encoded one. ``%2F`` is a slash like any other.

    Raises `webterm.errors.InvalidPath` where the encoding is broken, and for a path that is too long to be one.
    """
    raw = text.encode("utf-8", "surrogateescape")
    if _BROKEN.search(raw):
        raise InvalidPath("a % in a path is followed by two hexadecimal digits; % itself is %25")
    return _short(unquote_to_bytes(raw))


def written(text: str, *, encoded: bool) -> bytes:
    """The path that a message or a body names: as text, or percent-encoded. Raises `webterm.errors.InvalidPath`."""
    try:
        return decoded(text) if encoded else _short(text.encode())
    except UnicodeEncodeError:
        raise InvalidPath("a path in a message is text, or percent-encoded") from None


def _short(path: bytes) -> bytes:
    if len(path) > LONGEST:
        raise InvalidPath(f"a path has at most {LONGEST} bytes")
    return path

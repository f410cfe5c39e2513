"""Paths of files in URLs and bodies.

A path is bytes, as the system has it; most are UTF-8, and none has to be. In a URL it is percent-encoded, and read from
the request's very line: what comes between there and a handler decodes to text, and would lose bytes or move slashes.
``%2F`` is a slash like any other. What a path may be is for the files' own rules (`webterm.work.files`).
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from aiohttp import web

from webterm.errors import InvalidPath

WORKSPACE = "/api/v1/workspaces/{workspace:[A-Za-z0-9-]{1,64}}"
PATH = "/{path:[\\s\\S]+}"
LONGEST = 4096
"""Bytes of a path: PATH_MAX of Linux."""
_BROKEN = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def workspace_of(request: web.Request) -> str:
    """The id of the workspace that a request is about, as it stands there."""
    return request.match_info["workspace"]


def path_of(request: web.Request) -> bytes:
    """The path at the end of the URL; empty, which is the workspace itself, where the route has none.

    Raises `webterm.errors.InvalidPath` where the encoding is broken, and for a path that is too long to be one.
    """
    resource = request.match_info.route.resource
    template = resource.canonical if resource is not None else ""
    if not template.endswith("/{path}"):
        return b""
    # No other part of the URL can hold a slash: an encoded one does not fit any pattern but this last one.
    return decoded(request.rel_url.raw_path.split("/", template.count("/"))[-1])


def decoded(text: str) -> bytes:
    """The path of a percent-encoded one. Raises `webterm.errors.InvalidPath` as above."""
    raw = text.encode("utf-8", "surrogateescape")
    if _BROKEN.search(raw):
        raise InvalidPath("a % in a path is followed by two hexadecimal digits; % itself is %25")
    return _short(unquote_to_bytes(raw))


def written(text: str, *, encoded: bool) -> bytes:
    """The path that a body names: as text, or percent-encoded. Raises `webterm.errors.InvalidPath`."""
    try:
        return decoded(text) if encoded else _short(text.encode())
    except UnicodeEncodeError:
        raise InvalidPath("a path in a body is text, or percent-encoded") from None


def _short(path: bytes) -> bytes:
    if len(path) > LONGEST:
        raise InvalidPath(f"a path has at most {LONGEST} bytes")
    return path

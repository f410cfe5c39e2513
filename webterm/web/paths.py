"""Paths of files in URLs.

They are read from the request's very line: what comes between there and a handler decodes to text, and would lose
bytes or move slashes. What a path may be is for the files' own rules (`webterm.work.files`).
"""

from __future__ import annotations

from aiohttp import web

from webterm.protocol.file_paths import decoded

WORKSPACE = "/api/v1/workspaces/{workspace:[A-Za-z0-9-]{1,64}}"
PATH = "/{path:[\\s\\S]+}"


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

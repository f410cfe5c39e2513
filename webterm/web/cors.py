"""Letting pages of other origins call the API: with a token in the ``Authorization`` header, never with a cookie.

The Fetch standard's CORS protocol. Only origins of the settings are answered, each with its own name, and never with
``Access-Control-Allow-Credentials``: a browser then shows such a page nothing that rode on a cookie.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from aiohttp import web

PATHS = "/api/"
"""Below the prefix: what pages elsewhere may call."""
LASTS = 600
"""Seconds for which a browser may remember the answer to a preflight."""
EXPOSED = (
    "Accept-Ranges",
    "Content-Disposition",
    "Content-Range",
    "ETag",
    "Location",
    "Retry-After",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "Webterm-Offset",
    "Webterm-End",
    "WWW-Authenticate",
)


class Cors:
    """Which origins may call. ``origins`` as browsers write them, in any case."""

    def __init__(self, origins: tuple[str, ...], prefix: str) -> None:
        self._origins = frozenset(_as_browsers_write_it(origin) for origin in origins)
        self._paths = prefix + PATHS

    def lists(self, request: web.Request) -> bool:
        """Whether a request says that it comes from a page of a listed origin."""
        origins = request.headers.getall("Origin", [])
        return len(origins) == 1 and origins[0] in self._origins

    def allows(self, request: web.Request) -> bool:
        """Whether a request comes from a page that may call the API."""
        return self.lists(request) and self._concerns(request)

    def headers(self, request: web.Request) -> Mapping[str, str]:
        """For every answer, refusals included, so that a page can tell them apart."""
        if not self._origins or not self._concerns(request):
            return {}
        if not self.allows(request):
            return {"Vary": "Origin"}
        return {
            "Access-Control-Allow-Origin": request.headers["Origin"],
            "Access-Control-Expose-Headers": ", ".join(EXPOSED),
            "Vary": "Origin",
        }

    def preflight(self, request: web.Request) -> web.Response | None:
        """The answer to a browser that asks whether a page may call. None when it is no such question, or no."""
        wanted = request.headers.get("Access-Control-Request-Method")
        if request.method != "OPTIONS" or wanted is None or not self.allows(request):
            return None
        headers = {
            "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
            "Access-Control-Allow-Headers": "Authorization, Content-Type, If-Match, If-None-Match, If-Range, Range",
            "Access-Control-Max-Age": str(LASTS),
        }
        return web.Response(status=204, headers=headers)

    def _concerns(self, request: web.Request) -> bool:
        return request.path.startswith(self._paths)


def _as_browsers_write_it(origin: str) -> str:
    """RFC 6454, section 6.2: lower case, without the scheme's own port."""
    parts = urlsplit(origin.lower())
    default = {"http": 80, "https": 443}.get(parts.scheme)
    host = parts.netloc.removesuffix(f":{parts.port}") if parts.port == default else parts.netloc
    return f"{parts.scheme}://{host}"

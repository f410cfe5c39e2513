"""How errors are told over HTTP: RFC 9457, ``application/problem+json``."""

from __future__ import annotations

import math
from http import HTTPStatus

import msgspec
from aiohttp import web

from webterm.errors import EditConflict, RateLimited, WebtermError, WrongOffset

CODES = {
    400: "invalid_request",
    401: "not_signed_in",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "timeout",
    413: "too_big",
    415: "unsupported_media_type",
    416: "range_not_satisfiable",
    417: "expectation_failed",
    421: "wrong_host",
}
"""Codes of what the HTTP layer refuses by itself. All others are in `webterm.errors`."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """The body of every refusal. ``code`` is for programs and stays, ``detail`` is for people.

    ``current`` and ``expected`` are the tags of an ``edit_conflict`` (null: no file), ``offset`` is where an upload
    goes on after a ``wrong_offset``.
    """

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str
    current: str | msgspec.UnsetType | None = msgspec.UNSET
    expected: str | msgspec.UnsetType | None = msgspec.UNSET
    offset: int | msgspec.UnsetType = msgspec.UNSET


def problem(status: int, code: str, detail: str, **more: str | int | None) -> web.Response:
    """An answer that says what is wrong. ``more``: further members of `Problem`."""
    told = detail.encode("utf-8", "replace").decode()  # names of files may hold what is no text
    body = Problem(title=HTTPStatus(status).phrase, status=status, code=code, detail=told, **more)  # type: ignore[arg-type]
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/problem+json")


def from_error(error: WebtermError) -> web.Response:
    """The answer to one of our own errors."""
    response = problem(error.status, error.code, str(error) or error.code, **_members(error))
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"  # RFC 9110, section 11.6.1: a 401 names a scheme
    if isinstance(error, RateLimited):
        response.headers["Retry-After"] = str(max(math.ceil(error.retry_after), 1))
    return response


def _members(error: WebtermError) -> dict[str, str | int | None]:
    if isinstance(error, EditConflict):
        return {"current": error.current, "expected": error.expected}
    return {"offset": error.offset} if isinstance(error, WrongOffset) else {}


def from_http(error: web.HTTPException) -> web.Response:
    """The answer to an error of aiohttp, of which the status, what it needs and our own text are passed on."""
    detail = error.text if error.text and not error.text.startswith(f"{error.status}:") else error.reason
    response = problem(error.status, CODES.get(error.status, "http_error"), detail)
    for name in ("Allow", "Content-Range"):
        if name in error.headers:
            response.headers[name] = error.headers[name]
    return response


def unknown(request_id: str) -> web.Response:
    """The answer to an error nobody foresaw. The log has the rest under ``request_id``."""
    return problem(500, "internal_error", f"something went wrong here; the server's log has it under {request_id}")

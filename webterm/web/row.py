"""What the table of routes says about one route."""

from __future__ import annotations

import functools
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from aiohttp import web

from webterm.access import Scope

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
PLACEHOLDER = re.compile(r"\{(?P<name>[_a-zA-Z]\w*)(?::(?P<pattern>(?:[^{}]|\{[^{}]*\})+))?\}")
"""A variable part of a path, with its regular expression (aiohttp's notation)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of the query, or one header: a text, a whole number, or 1 for yes and 0 for no."""

    name: str
    kind: Literal["text", "number", "flag"]
    doc: str
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One route. The gate enforces it, and the OpenAPI document is made from it.

    ``access``: the scope that a caller needs; ``any`` for everybody who is signed in, None for everybody. ``origin``:
    ``own`` refuses what other sites' pages make a browser send; ``any`` is for what changes nothing. ``limit``: which
    of the tier's numbers a call counts against. ``asks``: whether it is found out who calls; where it is not, the
    answer is the same for everybody. ``ticket``: a one-use ticket in the URL is as good as a login.
    ``body``: what the request's JSON is read as; ``takes`` is the media type of a body that is no JSON and of any
    length, which the handler reads as it comes (`webterm.web.transfers`). ``answer``: what the JSON of the answer is
    (None: there is none), with ``status``; ``media`` where the answer is no JSON; ``streamed``: what it is where the
    body asks for it in pieces; ``also``: further statuses that are no refusals; ``headers`` those of the answer that do
    not follow from the rest, ``asked`` those of the request.
    ``errors``: statuses of refusals beyond those that follow from the rest of the row. ``doc`` says what the route is
    for, on one line.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "*"]
    path: str
    handler: Handler
    access: Scope | Literal["any"] | None
    origin: Literal["own", "any"]
    doc: str
    limit: Literal["general", "auth", "ai", "files", "none"] = "general"
    asks: bool = True
    ticket: bool = False
    body: object = None
    takes: Literal["application/octet-stream", "multipart/form-data"] | None = None
    answer: object = None
    status: int = 200
    also: tuple[int, ...] = ()
    media: str | None = None
    streamed: Literal["application/x-ndjson"] | None = None
    query: tuple[Parameter, ...] = ()
    headers: tuple[Parameter, ...] = ()
    asked: tuple[Parameter, ...] = ()
    errors: tuple[int, ...] = ()

    @property
    def template(self) -> str:
        """The path without the regular expressions in it: ``/api/v1/terminals/{terminal}``."""
        return _template(self.path)


@functools.cache
def _template(path: str) -> str:
    return PLACEHOLDER.sub(lambda found: f"{{{found['name']}}}", path)

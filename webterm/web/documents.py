"""The API's own documents, for programs and for people: OpenAPI, AsyncAPI, and two views of the first."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec
from aiohttp import ETag, web

from webterm.web.asyncapi import asyncapi
from webterm.web.cookies import cookie_name
from webterm.web.openapi import openapi
from webterm.web.row import Row
from webterm.web.schemas import Json
from webterm.web.site import Site, site

KEPT = "no-cache"
"""Browsers keep it, and ask each time whether it is still the same."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it is sent, and its fingerprint."""

    body: bytes
    tag: str

    @classmethod
    def of(cls, document: Json) -> Document:
        """Encoded."""
        body = msgspec.json.encode(document)
        return cls(body, hashlib.sha256(body).hexdigest()[:32])


class Documents:
    """The documents of one application, made when they are first asked for."""

    def __init__(self, here: Site, rows: Sequence[Row]) -> None:
        """``rows`` are all that the application has."""
        name = cookie_name(here.settings.data_dir, secure=here.settings.server.secure)
        self._cookie = None if here.actor_of else name
        self._prefix = here.prefix
        self._rows = rows

    @cached_property
    def openapi(self) -> Document:
        return Document.of(openapi(self._rows, cookie=self._cookie))

    @cached_property
    def asyncapi(self) -> Document:
        return Document.of(asyncapi(self._prefix, cookie=self._cookie))


DOCUMENTS = web.AppKey("webterm_documents", Documents)


async def show_openapi(request: web.Request) -> web.StreamResponse:
    """All routes."""
    return _answer(request, request.app[DOCUMENTS].openapi)


async def show_asyncapi(request: web.Request) -> web.StreamResponse:
    """The WebSocket."""
    return _answer(request, request.app[DOCUMENTS].asyncapi)


async def docs(request: web.Request) -> web.StreamResponse:
    """Swagger UI."""
    return await _view(request, "docs.html")


async def redoc(request: web.Request) -> web.StreamResponse:
    """ReDoc."""
    return await _view(request, "redoc.html")


def _answer(request: web.Request, document: Document) -> web.Response:
    headers = {"Cache-Control": KEPT}
    if any(tag in (ETag(document.tag), ETag("*")) for tag in request.if_none_match or ()):
        response = web.Response(status=304, headers=headers)
    else:
        response = web.Response(body=document.body, content_type="application/json", headers=headers)
    response.etag = document.tag
    return response


async def _view(request: web.Request, name: str) -> web.StreamResponse:
    # Relative addresses in the view lead to the document and to the page's other files.
    file = site(request).page / name
    if not await asyncio.to_thread(file.is_file):
        raise web.HTTPNotFound(text="this page was built without a view of openapi.json")
    return web.FileResponse(file, headers={"Cache-Control": KEPT})


ROWS: Sequence[Row] = (
    Row(
        method="GET",
        path="/openapi.json",
        handler=show_openapi,
        access=None,
        origin="any",
        limit="none",
        asks=False,
        media="application/json",
        doc="This document: every route, as OpenAPI 3.1.",
    ),
    Row(
        method="GET",
        path="/asyncapi.json",
        handler=show_asyncapi,
        access=None,
        origin="any",
        limit="none",
        asks=False,
        media="application/json",
        doc="The WebSocket's messages, as AsyncAPI 3.0.",
    ),
    Row(
        method="GET",
        path="/docs",
        handler=docs,
        access=None,
        origin="any",
        limit="none",
        asks=False,
        media="text/html",
        errors=(404,),
        doc="The routes, to read and to try out (Swagger UI).",
    ),
    Row(
        method="GET",
        path="/redoc",
        handler=redoc,
        access=None,
        origin="any",
        limit="none",
        asks=False,
        media="text/html",
        errors=(404,),
        doc="The routes, to read (ReDoc).",
    ),
)

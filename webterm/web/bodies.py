"""Bodies of requests and answers: JSON, checked against a class."""

from __future__ import annotations

import asyncio
from typing import TypeVar

import msgspec
from aiohttp import web

from webterm.errors import InvalidRequest, TooBig

LARGEST = 64 * 1024
PATIENCE = 30.0
"""Seconds that a body may take."""
BODY = web.RequestKey("webterm_body", bytes)

T = TypeVar("T")


async def receive(request: web.Request, *, patience: float = PATIENCE) -> None:
    """Wait until a request's body is there, for `read_json`; of one that is too large, only the beginning.

    To be done before it is found out who asks: otherwise somebody could begin a request, lose the right to it, and
    end it whenever they like. Raises HTTP 408 for one that takes longer than ``patience`` seconds.
    """
    try:
        async with asyncio.timeout(patience):
            request[BODY] = await _beginning(request)
    except TimeoutError:
        raise web.HTTPRequestTimeout(text=f"the body did not come within {patience:g} seconds") from None


async def _beginning(request: web.Request) -> bytes:
    # aiohttp's own limit belongs to the application that we may be embedded in.
    body = bytearray()
    if request.content_type == "application/json" and (request.content_length or 0) <= LARGEST:
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > LARGEST:
                break
    return bytes(body)


async def read_json(request: web.Request, shape: type[T]) -> T:
    """The request's body as a ``shape``; the gate has waited for it.

    Raises HTTP 415 for another content type (a form of another site can send those without asking),
    `webterm.errors.TooBig` beyond 64 KiB and `webterm.errors.InvalidRequest`, which names the field.
    """
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="the body has to be application/json")
    body = request[BODY]
    if max(len(body), request.content_length or 0) > LARGEST:
        raise TooBig(f"the body is larger than {LARGEST} bytes")
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(str(error)) from None
    except RecursionError:
        raise InvalidRequest("the body is nested too deeply") from None


def json(value: object, *, status: int = 200) -> web.Response:
    """An answer that holds ``value``."""
    return web.Response(status=status, body=msgspec.json.encode(value), content_type="application/json")

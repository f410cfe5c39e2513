"""Bodies of requests and answers: JSON, checked against a class."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from aiohttp import web

from webterm.errors import InvalidRequest, TooBig

LARGEST = 64 * 1024

T = TypeVar("T")


async def read_json(request: web.Request, shape: type[T]) -> T:
    """The request's body as a ``shape``.

    Raises HTTP 415 for another content type (a form of another site can send those without asking),
    `webterm.errors.TooBig` beyond 64 KiB and `webterm.errors.InvalidRequest`, which names the field.
    """
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="the body has to be application/json")
    body = await _read(request)
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(str(error)) from None
    except RecursionError:
        raise InvalidRequest("the body is nested too deeply") from None


async def _read(request: web.Request) -> bytes:
    # aiohttp's own limit belongs to the application that we may be embedded in.
    body = bytearray()
    if (request.content_length or 0) <= LARGEST:
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > LARGEST:
                break
        else:
            return bytes(body)
    raise TooBig(f"the body is larger than {LARGEST} bytes")


def json(value: object, *, status: int = 200) -> web.Response:
    """An answer that holds ``value``."""
    return web.Response(status=status, body=msgspec.json.encode(value), content_type="application/json")

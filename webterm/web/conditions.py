"""Conditional requests and ranges (RFC 9110, sections 13 and 14), for files: strong tags only, one range at a time."""

from __future__ import annotations

import re

from aiohttp import web

from webterm.errors import EditConflict, InvalidRequest

TAG = re.compile(r'(?P<weak>W/)?"(?P<tag>[\x21\x23-\x7e\x80-\xff]*)"')
RANGE = re.compile(r"bytes\s*=\s*(?P<first>[0-9]{0,18})-(?P<last>[0-9]{0,18})", re.IGNORECASE)
ANYTHING = "*"


def quoted(tag: str) -> str:
    """A tag, as it stands in headers."""
    return f'"{tag}"'


def expected(request: web.Request) -> str | None:
    """Which file a request wants to replace: the tag in ``If-Match``, or `ANYTHING`; None: it does not say.

    Raises `webterm.errors.InvalidRequest` for a header that names several, or none.
    """
    header = _header(request, "If-Match")
    if header is None or header.strip() == ANYTHING:
        return ANYTHING if header else None
    found = TAG.fullmatch(header.strip())
    if found is None or found["weak"]:
        raise InvalidRequest('If-Match: one tag, as in "tag", or *')
    return found["tag"]


def is_new(request: web.Request) -> bool:
    """Whether a request wants to write only what is not there: ``If-None-Match: *``.

    Raises `webterm.errors.InvalidRequest` for tags in that header, which say nothing about writing.
    """
    header = _header(request, "If-None-Match")
    if header is not None and header.strip() != ANYTHING:
        raise InvalidRequest("If-None-Match: only * here")
    return header is not None


def is_known(request: web.Request, tag: str) -> bool:
    """Whether who asks has this version already (``If-None-Match``).

    Raises `webterm.errors.EditConflict` when ``If-Match`` demands another one.
    """
    demanded = _header(request, "If-Match")
    if demanded is not None and tag not in (strong := _tags(demanded, weak=False)) and ANYTHING not in strong:
        raise EditConflict("the file is another one now", current=tag, expected=demanded[:256])
    header = _header(request, "If-None-Match")
    if header is None:
        return False
    had = _tags(header, weak=True)
    return tag in had or ANYTHING in had


def wanted(request: web.Request, tag: str, size: int) -> tuple[int, int] | None:
    """The part that is asked for, from its first byte to the one after its last; None: all of it.

    Several ranges at a time, other units, and a part of another version (``If-Range``) get all of it, which is always
    right. Raises HTTP 416 for a part that there is not.
    """
    header = _header(request, "Range")
    only_of = _header(request, "If-Range")
    found = RANGE.fullmatch(header.strip()) if header is not None else None
    if found is None or request.method != "GET" or (only_of is not None and only_of.strip() != quoted(tag)):
        return None
    first, last = found["first"], found["last"]
    if not first and not last:
        return None
    if not first:
        start, end = max(size - int(last), 0), size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    if start >= end:
        raise web.HTTPRequestRangeNotSatisfiable(
            text=f"there are {size} bytes", headers={"Content-Range": f"bytes */{size}"}
        )
    return start, end


def _tags(header: str, *, weak: bool) -> set[str]:
    if header.strip() == ANYTHING:
        return {ANYTHING}
    return {found["tag"] for found in TAG.finditer(header) if weak or not found["weak"]}


def _header(request: web.Request, name: str) -> str | None:
    found = request.headers.getall(name, [])
    return ", ".join(found) if found else None

"""Reading what a request says in its query."""

from __future__ import annotations

from typing import TypeVar

from aiohttp import web

from webterm.errors import InvalidRequest

T = TypeVar("T")


def number(request: web.Request, name: str, default: T, *, least: int = 0, most: int) -> int | T:
    """A whole number; ``default`` without one. Raises `webterm.errors.InvalidRequest`, which names the parameter."""
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most)) and least <= int(text) <= most):
        raise InvalidRequest(f"{name}: a number from {least} to {most}")
    return int(text)


def text(request: web.Request, name: str, *, longest: int) -> str:
    """A text; empty without one. Raises `webterm.errors.InvalidRequest`, which names the parameter."""
    found = request.query.get(name, "")
    if len(found) > longest:
        raise InvalidRequest(f"{name}: at most {longest} characters")
    return found


def flag(request: web.Request, name: str, default: T) -> bool | T:
    """Yes or no, as 1 or 0; ``default`` without one. Raises `webterm.errors.InvalidRequest`."""
    found = request.query.get(name)
    if found is None:
        return default
    if found not in ("0", "1"):
        raise InvalidRequest(f"{name}: 0 or 1")
    return found == "1"

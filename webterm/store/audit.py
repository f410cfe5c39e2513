"""The audit log: who did what to what, from where and when, as a chain in which every row vouches for those before it.

A row's hash is the SHA-256 of the row before it and of its own content, so that a row that was changed, taken out or
put elsewhere no longer fits. Rows are numbered 1, 2, 3 … without holes. What is missing at the end can only be seen
by who remembers how far the log went (`Head`). Texts come from strangers: what could forge a line or hide in one is
written in a form that can be seen.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from sqlalchemy import Row, insert, or_, select, type_coerce
from sqlalchemy.types import NULLTYPE

from webterm.access import Source
from webterm.ids import UserId
from webterm.store import tables
from webterm.store.engine import Connection

GENESIS = "0" * 64
"""What stands where the first row names the one before it."""
CLOCK_TOLERANCE = 10.0
"""Seconds that a row may be older than the one before it: several servers write, and each asks its clock first."""
_PAGE = 500
_LENGTHS = {"name": 128, "address": 64, "action": 64, "target": 256, "detail": 1024}
_AS_KEPT = [type_coerce(column, NULLTYPE).label("at") if column.name == "at" else column for column in tables.audit.c]
"""Without making numbers of what is none: SQLite keeps whatever it is given."""
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}  # general categories of Unicode that are not seen as what they are


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row. ``at`` is in seconds since 1970; ``user`` is None for commands and strangers."""

    number: int
    at: float
    user: UserId | None
    name: str
    address: str
    action: str
    target: str
    detail: str
    previous: str
    hash: str


@dataclass(frozen=True, slots=True)
class Head:
    """How far the log went at some time: the number and the hash of its newest row."""

    number: int = 0
    hash: str = GENESIS


@dataclass(frozen=True, slots=True)
class Fault:
    """The first row at which the log is not what was written."""

    number: int
    what: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `verify` found: how many rows are good, the last of them, what is wrong, and where the clock went back."""

    head: Head
    fault: Fault | None = None
    clock: tuple[int, ...] = ()
    """Numbers of the first rows that are older than the row before them, 10 at most."""


async def append(
    conn: Connection, source: Source, action: str, target: str = "", *, now: float, detail: str = ""
) -> None:
    """Write one entry in the transaction of ``conn``, with which it comes and goes.

    It has to be one of `webterm.store.engine.Store.writing`: those take turns, and so the numbers have no holes.

    ``action`` is a dotted word, ``target`` an id or a name; neither these nor ``detail`` may hold a secret or what
    somebody typed. Longer texts are cut.
    """
    before = await head(conn)
    texts = {"name": source.name, "address": source.address, "action": action, "target": target, "detail": detail}
    content = {
        "number": before.number + 1,
        "at": float(now),
        "user": visible(source.user, 64) if source.user is not None else None,
        **{field: visible(text, _LENGTHS[field]) for field, text in texts.items()},
    }
    await conn.execute(insert(tables.audit).values(**content, previous=before.hash, hash=chained(before.hash, content)))


async def head(conn: Connection) -> Head:
    """The newest row."""
    columns = tables.audit.c
    newest = select(columns.number, columns.hash).order_by(columns.number.desc()).limit(1)
    row = (await conn.execute(newest)).one_or_none()
    return Head(row.number, row.hash) if row is not None else Head()


async def hash_of(conn: Connection, number: int) -> str | None:
    """The hash of one row, if there is one with this number. Before the first there is `GENESIS`."""
    if number == 0:
        return GENESIS
    return (await conn.execute(select(tables.audit.c.hash).where(tables.audit.c.number == number))).scalar_one_or_none()


async def holds(conn: Connection, action: str, target: str) -> bool:
    """Whether that was ever done to this."""
    columns = tables.audit.c
    query = select(columns.number).where(columns.action == action, columns.target == target).limit(1)
    return (await conn.execute(query)).first() is not None


async def page(
    conn: Connection, *, before: int | None = None, limit: int, action: str = "", user: str = ""
) -> list[Entry]:
    """The newest entries with a number below ``before``.

    ``action`` and ``user`` narrow it down to actions that begin so, and to people of that id or a name that begins so.
    """
    columns = tables.audit.c
    query = select(tables.audit).order_by(columns.number.desc()).limit(limit)
    if before is not None:
        query = query.where(columns.number < before)
    if action:
        query = query.where(columns.action.istartswith(action, autoescape=True))
    if user:
        query = query.where(or_(columns.user == user, columns.name.istartswith(user, autoescape=True)))
    return [_entry(row) for row in await conn.execute(query)]


async def verify(conn: Connection, known: Head | None = None) -> Verdict:
    """Go through the whole log, a page at a time, up to the first row that is not what was written.

    ``known`` is how far the log is known to have gone once: less, or another row there, is a fault too. Somebody who
    writes every hash anew, from the changed row to the end, is found out by ``known`` alone, and only if it is the
    hash of that row or of a later one.
    """
    good = Head()
    clock: list[int] = []
    at = float("-inf")
    while rows := await _rows_after(conn, good.number or None):
        for row in rows:
            if (what := _wrong(good, row)) is not None:
                return Verdict(good, what, tuple(clock))
            if row.at < at - CLOCK_TOLERANCE and len(clock) < 10:
                clock.append(row.number)
            at, good = row.at, Head(row.number, row.hash)
            if known is not None and row.number == known.number and row.hash != known.hash:
                what = Fault(row.number, "this row, or one before it, has been replaced, and the hashes with it")
                return Verdict(good, what, tuple(clock))
    if known is not None and good.number < known.number:
        what = Fault(good.number + 1, f"the log ends before this row, and once had {known.number}")
        return Verdict(good, what, tuple(clock))
    return Verdict(good, None, tuple(clock))


def visible(text: str, limit: int) -> str:
    r"""``text`` as it may stand in a line: what is not seen as what it is becomes \xNN, \uNNNN or \UNNNNNNNN.

    A backslash is doubled, so that nobody can write such a form himself. Cut to about ``limit`` characters.
    """
    cut = text[:limit]
    shown = "".join(_shown(character) for character in cut)
    return shown if len(text) <= limit else shown + "…"


def chained(previous: str, content: dict[str, Any]) -> str:
    """The hash of a row: SHA-256 over the hash before it and the row's JSON, keys in order and ASCII only."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(f"{previous}{canonical}".encode()).hexdigest()


def _shown(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if unicodedata.category(character) not in _HIDDEN:
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


async def _rows_after(conn: Connection, number: int | None) -> Sequence[Row[Any]]:
    query = select(*_AS_KEPT).order_by(tables.audit.c.number).limit(_PAGE)
    if number is not None:
        query = query.where(tables.audit.c.number > number)
    return (await conn.execute(query)).all()


def _wrong(before: Head, row: Row[Any]) -> Fault | None:
    expected = before.number + 1
    if row.number < expected:
        return Fault(row.number, "no row has this number")
    if row.number > expected:
        return Fault(expected, "this row is missing")
    if row.previous != before.hash:
        return Fault(expected, "this row does not follow the one before it")
    content = {name: value for name, value in row._mapping.items() if name not in {"previous", "hash"}}
    if not _is_sound(content) or row.hash != chained(before.hash, content):
        return Fault(expected, "this row has been changed")
    return None


def _is_sound(content: dict[str, Any]) -> bool:
    """Whether the values have their types."""
    texts = [value for name, value in content.items() if name not in {"number", "at"} and value is not None]
    return isinstance(content["at"], float) and isfinite(content["at"]) and all(isinstance(text, str) for text in texts)


def _entry(row: Row[Any]) -> Entry:
    return Entry(**row._mapping)

"""Personal access tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from webterm.ids import TokenId, UserId
from webterm.store import tables
from webterm.store.engine import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One token, known by its hash. Times are in seconds since 1970; ``expires`` None: never, ``seen`` None: unused."""

    id: TokenId
    user: UserId
    name: str
    hash: str
    scopes: tuple[str, ...]
    created: float
    expires: float | None
    seen: float | None


async def add(conn: Connection, token: Token) -> None:
    """Note a token that is given out."""
    row = {field: getattr(token, field) for field in Token.__slots__}
    await conn.execute(insert(tables.tokens).values(row | {"scopes": " ".join(token.scopes)}))


async def by_id(conn: Connection, id: TokenId) -> Token | None:  # noqa: A002
    """A token, also one that has run out."""
    row = (await conn.execute(select(tables.tokens).where(tables.tokens.c.id == id))).one_or_none()
    return None if row is None else _token(row)


async def by_hash(conn: Connection, hash: str) -> Token | None:  # noqa: A002 - as the column is called
    """A token, also one that has run out."""
    row = (await conn.execute(select(tables.tokens).where(tables.tokens.c.hash == hash))).one_or_none()
    return None if row is None else _token(row)


async def of_user(conn: Connection, user: UserId) -> list[Token]:
    """All tokens of a person, the oldest first."""
    columns = tables.tokens.c
    query = select(tables.tokens).where(columns.user == user).order_by(columns.created, columns.id)
    return [_token(row) for row in await conn.execute(query)]


async def remove(conn: Connection, id: TokenId) -> bool:  # noqa: A002
    """Take a token back; whether there was one."""
    gone = delete(tables.tokens).where(tables.tokens.c.id == id).returning(tables.tokens.c.id)
    return (await conn.execute(gone)).one_or_none() is not None


async def remove_expired(conn: Connection, now: float) -> list[Token]:
    """Remove what has run out at ``now``, and return it."""
    gone = delete(tables.tokens).where(tables.tokens.c.expires <= now).returning(tables.tokens)
    return [_token(row) for row in await conn.execute(gone)]


async def touch(conn: Connection, id: TokenId, seen: float) -> None:  # noqa: A002
    """Note that a token is in use."""
    await conn.execute(update(tables.tokens).where(tables.tokens.c.id == id).values(seen=seen))


def _token(row: Row[Any]) -> Token:
    values = dict(row._mapping)
    return Token(**values | {"scopes": tuple(values["scopes"].split())})

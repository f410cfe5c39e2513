"""Refresh tokens. Used ones stay for a while, so that a second use is seen."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, insert, select, update

from webterm.ids import LoginId
from webterm.store import tables
from webterm.store.engine import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """One refresh token of the family ``login``. Times are in seconds since 1970; ``used`` is None while it is good."""

    hash: str
    login: LoginId
    created: float
    used: float | None


async def add(conn: Connection, *, hash: str, login: LoginId, now: float) -> None:  # noqa: A002 - as the column is called
    """Note a token that is given out."""
    await conn.execute(insert(tables.refreshes).values(hash=hash, login=login, created=now))


async def by_hash(conn: Connection, hash: str) -> Refresh | None:  # noqa: A002
    """A token, also a used one."""
    row = (await conn.execute(select(tables.refreshes).where(tables.refreshes.c.hash == hash))).one_or_none()
    return None if row is None else Refresh(**row._mapping)


async def forget(conn: Connection, login: LoginId, before: float) -> None:
    """Remove the tokens of a login that were used before that time."""
    columns = tables.refreshes.c
    await conn.execute(delete(tables.refreshes).where(columns.login == login, columns.used < before))


async def use(conn: Connection, hash: str, now: float) -> bool:  # noqa: A002
    """Use up a token; True for the first caller only."""
    columns = tables.refreshes.c
    used = update(tables.refreshes).where(columns.hash == hash, columns.used.is_(None)).values(used=now)
    return (await conn.execute(used.returning(columns.hash))).one_or_none() is not None

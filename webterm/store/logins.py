"""Where people are signed in: browsers, and programs that hold refresh tokens."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import delete, insert, select, update

from webterm.ids import LoginId, UserId
from webterm.store import tables
from webterm.store.engine import Connection

Kind = Literal["browser", "api"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """One sign-in. Times are in seconds since 1970.

    A browser's ``id`` is the SHA-256 of its cookie's token; a program's is random, and names the family of its refresh
    tokens. ``address`` and ``agent`` (what the browser or the program calls itself) are those of the last note.
    """

    id: LoginId
    user: UserId
    kind: Kind
    created: float
    seen: float
    expires: float
    address: str
    agent: str


async def add(conn: Connection, login: Login) -> None:
    """Note a sign-in."""
    row = {field: getattr(login, field) for field in Login.__slots__}
    await conn.execute(insert(tables.logins).values(row))


async def by_id(conn: Connection, id: LoginId) -> Login | None:  # noqa: A002 - as the column is called
    """A login, also one that has run out."""
    row = (await conn.execute(select(tables.logins).where(tables.logins.c.id == id))).one_or_none()
    return None if row is None else Login(**row._mapping)


async def of_user(conn: Connection, user: UserId) -> list[Login]:
    """All logins of a person, the one that was in use last first."""
    columns = tables.logins.c
    query = select(tables.logins).where(columns.user == user).order_by(columns.seen.desc(), columns.id)
    return [Login(**row._mapping) for row in await conn.execute(query)]


async def touch(conn: Connection, id: LoginId, seen: float, expires: float, address: str) -> None:  # noqa: A002
    """Note that a login is in use. One that has ended stays so."""
    noted = update(tables.logins).where(tables.logins.c.id == id)
    await conn.execute(noted.values(seen=seen, expires=expires, address=address))


async def remove(conn: Connection, ids: Iterable[LoginId]) -> list[LoginId]:
    """End logins; the ids of those that there were."""
    gone = delete(tables.logins).where(tables.logins.c.id.in_(list(ids))).returning(tables.logins.c.id)
    return [LoginId(id) for id in (await conn.execute(gone)).scalars()]  # noqa: A001


async def remove_of_user(conn: Connection, user: UserId, keep: LoginId | None) -> list[LoginId]:
    """End all logins of a person but ``keep``; their ids."""
    gone = delete(tables.logins).where(tables.logins.c.user == user).returning(tables.logins.c.id)
    if keep is not None:
        gone = gone.where(tables.logins.c.id != keep)
    return [LoginId(id) for id in (await conn.execute(gone)).scalars()]  # noqa: A001


async def remove_expired(conn: Connection, now: float) -> list[Login]:
    """End what has run out at ``now``, and return it."""
    gone = delete(tables.logins).where(tables.logins.c.expires <= now).returning(tables.logins)
    return [Login(**row._mapping) for row in await conn.execute(gone)]

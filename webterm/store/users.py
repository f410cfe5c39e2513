"""People. A user name or an e-mail address leads to one person, however it is written (NFKC, without case)."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, TypedDict, Unpack

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from webterm.errors import NameTaken, NoSuchUser
from webterm.ids import UserId
from webterm.store import tables
from webterm.store.engine import Connection

Role = Literal["user", "admin"]


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One person.

    ``alias`` is a small number, given once; ``password`` the text that a password is checked against (None: nobody
    signs in by password); ``owner`` the person whose machine this is, one at most; ``created`` in seconds since 1970.
    """

    id: UserId
    alias: int
    username: str
    email: str | None
    password: str | None
    role: Role
    tier: str
    owner: bool
    disabled: bool
    created: float


class Changes(TypedDict, total=False):
    """What `change` may change."""

    username: str
    email: str | None
    password: str | None
    role: Role
    tier: str
    disabled: bool


def key(text: str) -> str:
    """A user name or an e-mail address in the form in which two are compared."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


async def add(
    conn: Connection,
    *,
    id: UserId,  # noqa: A002 - as the column is called
    username: str,
    email: str | None,
    password: str | None,
    role: Role,
    tier: str,
    owner: bool,
    now: float,
) -> User:
    """A new person. Raises `webterm.errors.NameTaken`; then nothing has been written, and the transaction goes on."""
    row = {"username": username, "email": email, "password": password, "role": role, "tier": tier, "owner": owner}
    async with conn.begin_nested():
        added = insert(tables.users).values(id=id, **row, disabled=False, created=now).returning(tables.users)
        user = _user((await conn.execute(added)).one())
        await _take_names(conn, user)
    return user


async def by_id(conn: Connection, id: UserId) -> User | None:  # noqa: A002
    return _maybe((await conn.execute(select(tables.users).where(tables.users.c.id == id))).one_or_none())


async def names_of(conn: Connection, ids: Collection[UserId]) -> dict[UserId, str]:
    """The user names of those of ``ids`` who have a row here."""
    query = select(tables.users.c.id, tables.users.c.username).where(tables.users.c.id.in_(ids))
    return {UserId(row.id): row.username for row in await conn.execute(query)}


async def by_alias(conn: Connection, alias: int) -> User | None:
    return _maybe((await conn.execute(select(tables.users).where(tables.users.c.alias == alias))).one_or_none())


async def by_name(conn: Connection, text: str) -> User | None:
    """The person with this user name or e-mail address."""
    query = select(tables.users).join(tables.names).where(tables.names.c.key == key(text))
    return _maybe((await conn.execute(query)).one_or_none())


async def owner(conn: Connection) -> User | None:
    """The person whose machine this is."""
    return _maybe((await conn.execute(select(tables.users).where(tables.users.c.owner))).one_or_none())


async def page(conn: Connection, *, after_alias: int = 0, limit: int, search: str | None = None) -> list[User]:
    """The next people by alias; ``search`` is a part of their user name or e-mail address."""
    query = select(tables.users).order_by(tables.users.c.alias).limit(limit)
    query = query.where(tables.users.c.alias > after_alias)
    if search:
        found = select(tables.names.c.user).where(tables.names.c.key.contains(key(search), autoescape=True))
        query = query.where(tables.users.c.id.in_(found))
    return [_user(row) for row in await conn.execute(query)]


async def change(conn: Connection, id: UserId, **fields: Unpack[Changes]) -> User:  # noqa: A002
    """Change one person. Raises `webterm.errors.NoSuchUser` and `webterm.errors.NameTaken`, having written nothing."""
    async with conn.begin_nested():
        changed = update(tables.users).where(tables.users.c.id == id).values(**fields).returning(tables.users)
        query = changed if fields else select(tables.users).where(tables.users.c.id == id)
        row = (await conn.execute(query)).one_or_none()
        if row is None:
            raise NoSuchUser("there is no such user")
        user = _user(row)
        if "username" in fields or "email" in fields:
            await conn.execute(delete(tables.names).where(tables.names.c.user == id))
            await _take_names(conn, user)
    return user


async def remove(conn: Connection, id: UserId) -> bool:  # noqa: A002
    """Remove a person and all proofs of being that person; whether there was one. The alias is not given again."""
    gone = delete(tables.users).where(tables.users.c.id == id).returning(tables.users.c.alias)
    return (await conn.execute(gone)).one_or_none() is not None


async def _take_names(conn: Connection, user: User) -> None:
    keys = {key(text) for text in (user.username, user.email) if text}
    try:
        await conn.execute(insert(tables.names), [{"key": name, "user": user.id} for name in sorted(keys)])
    except IntegrityError as error:
        raise NameTaken("somebody else has this user name or e-mail address") from error


def _maybe(row: Row[tuple[object, ...]] | None) -> User | None:
    return None if row is None else _user(row)


def _user(row: Row[tuple[object, ...]]) -> User:
    return User(**row._mapping)

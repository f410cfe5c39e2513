"""Who people are at OpenID providers."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError

from webterm.errors import NameTaken
from webterm.ids import UserId
from webterm.store import tables
from webterm.store.engine import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The person ``subject`` at ``provider`` is ``user`` here. ``created`` is in seconds since 1970."""

    provider: str
    subject: str
    user: UserId
    email: str | None
    created: float


async def add(conn: Connection, identity: Identity) -> None:
    """Link an identity: a person has one at each provider, and it is no other person's.

    Raises `webterm.errors.NameTaken`; then nothing has been written, and the transaction goes on.
    """
    row = {field: getattr(identity, field) for field in Identity.__slots__}
    try:
        async with conn.begin_nested():
            await conn.execute(insert(tables.identities).values(row))
    except IntegrityError as error:
        raise NameTaken("this identity belongs to an account already, or this account has another one there") from error


async def by_subject(conn: Connection, provider: str, subject: str) -> Identity | None:
    """Whose identity that is."""
    columns = tables.identities.c
    query = select(tables.identities).where(columns.provider == provider, columns.subject == subject)
    row = (await conn.execute(query)).one_or_none()
    return None if row is None else Identity(**row._mapping)


async def of_user(conn: Connection, user: UserId) -> list[Identity]:
    """All identities of a person, by provider."""
    columns = tables.identities.c
    query = select(tables.identities).where(columns.user == user).order_by(columns.provider)
    return [Identity(**row._mapping) for row in await conn.execute(query)]


async def remove(conn: Connection, user: UserId, provider: str) -> bool:
    """Unlink a person's identity at a provider; whether there was one."""
    columns = tables.identities.c
    gone = delete(tables.identities).where(columns.user == user, columns.provider == provider)
    return (await conn.execute(gone.returning(columns.subject))).one_or_none() is not None

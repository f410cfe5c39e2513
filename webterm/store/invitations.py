"""Invitations to make an account, each good for one."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, insert, select, update

from webterm.ids import InvitationId, UserId
from webterm.store import tables
from webterm.store.engine import Connection
from webterm.store.users import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """One invitation, known by its hash. Times are in seconds since 1970.

    ``created_by`` is None for the command line; an invitation goes with the person who made it. ``used_by`` is None
    again when that person's account has been removed.
    """

    id: InvitationId
    hash: str
    email: str | None
    role: Role
    tier: str
    created_by: UserId | None
    created: float
    expires: float
    used_by: UserId | None
    used_at: float | None


async def add(conn: Connection, invitation: Invitation) -> None:
    """Note an invitation that is given out."""
    row = {field: getattr(invitation, field) for field in Invitation.__slots__}
    await conn.execute(insert(tables.invitations).values(row))


async def by_hash(conn: Connection, hash: str) -> Invitation | None:  # noqa: A002 - as the column is called
    """An invitation, also one that is used or has run out."""
    row = (await conn.execute(select(tables.invitations).where(tables.invitations.c.hash == hash))).one_or_none()
    return None if row is None else Invitation(**row._mapping)


async def open_ones(conn: Connection, now: float) -> list[Invitation]:
    """What can still be used at ``now``, the newest first."""
    columns = tables.invitations.c
    query = select(tables.invitations).where(columns.used_at.is_(None), columns.expires > now)
    return [
        Invitation(**row._mapping) for row in await conn.execute(query.order_by(columns.created.desc(), columns.id))
    ]


async def use(conn: Connection, id: InvitationId, user: UserId, now: float) -> bool:  # noqa: A002
    """Use up an invitation for a person who is in the store; False when it is used, has run out or is not there."""
    columns = tables.invitations.c
    open_one = (columns.id == id, columns.used_at.is_(None), columns.expires > now)
    used = update(tables.invitations).where(*open_one).values(used_by=user, used_at=now).returning(columns.id)
    return (await conn.execute(used)).one_or_none() is not None


async def remove(conn: Connection, id: InvitationId) -> bool:  # noqa: A002
    """Take an invitation back; whether there was one."""
    gone = delete(tables.invitations).where(tables.invitations.c.id == id).returning(tables.invitations.c.id)
    return (await conn.execute(gone)).one_or_none() is not None

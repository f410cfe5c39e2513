"""Rights that have changed, for every server on this database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import delete, func, insert, select

from webterm.ids import ProofId, UserId
from webterm.store import tables
from webterm.store.engine import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Number ``number`` of all changes.

    ``ended``: the proof (None: whatever this person holds) is no longer good. ``changed``: what the person may do is
    different now, and connections have to come back for it.
    """

    number: int
    user: UserId
    proof: ProofId | None
    kind: Literal["ended", "changed"]


async def note(
    conn: Connection, user: UserId, proof: ProofId | None, kind: Literal["ended", "changed"], now: float
) -> None:
    """Note a change in the transaction that makes it. Writers take turns, so numbers appear in their order."""
    await conn.execute(insert(tables.changes).values(user=user, proof=proof, kind=kind, created=now))


async def since(conn: Connection, number: int) -> list[Change]:
    """The changes after ``number``, in their order."""
    columns = tables.changes.c
    query = select(columns.number, columns.user, columns.proof, columns.kind).where(columns.number > number)
    return [Change(**row._mapping) for row in await conn.execute(query.order_by(columns.number))]


async def latest(conn: Connection) -> int:
    """The number of the newest change that is there, 0 for none."""
    newest: int | None = (await conn.execute(select(func.max(tables.changes.c.number)))).scalar_one()
    return newest or 0


async def prune(conn: Connection, before: float) -> None:
    """Forget the changes made before that time, except for the newest: `latest` never goes back."""
    columns = tables.changes.c
    newest = select(func.max(columns.number)).scalar_subquery()
    await conn.execute(delete(tables.changes).where(columns.created < before, columns.number < newest))

"""Rights in workspaces that have ended or changed, for every server on this database."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, func, insert, select

from webterm.access import Role
from webterm.ids import UserId, WorkspaceId
from webterm.store import tables
from webterm.store.engine import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceChange:
    """Number ``number`` of all changes. Without ``user`` the workspace itself has gone, into the trash at least.

    ``role`` is what the member has now; None: nothing any more.
    """

    number: int
    workspace: WorkspaceId
    user: UserId | None
    role: Role | None


async def note(
    conn: Connection, workspace: WorkspaceId, user: UserId | None = None, role: Role | None = None, *, now: float
) -> None:
    """Note a change in the transaction that makes it. Writers take turns, so numbers appear in their order."""
    row = {"workspace": workspace, "user": user, "role": None if role is None else int(role)}
    await conn.execute(insert(tables.workspace_changes).values(**row, created=now))


async def since(conn: Connection, number: int) -> list[WorkspaceChange]:
    """The changes after ``number``, in their order."""
    columns = tables.workspace_changes.c
    query = select(columns.number, columns.workspace, columns.user, columns.role).where(columns.number > number)
    rows = await conn.execute(query.order_by(columns.number))
    return [
        WorkspaceChange(
            number=row.number,
            workspace=row.workspace,
            user=row.user,
            role=None if row.role is None else Role(row.role),
        )
        for row in rows
    ]


async def latest(conn: Connection) -> int:
    """The number of the newest change that is there, 0 for none."""
    newest: int | None = (await conn.execute(select(func.max(tables.workspace_changes.c.number)))).scalar_one()
    return newest or 0


async def prune(conn: Connection, before: float) -> None:
    """Forget the changes made before that time, except for the newest: `latest` never goes back."""
    columns = tables.workspace_changes.c
    newest = select(func.max(columns.number)).scalar_subquery()
    await conn.execute(delete(tables.workspace_changes).where(columns.created < before, columns.number < newest))

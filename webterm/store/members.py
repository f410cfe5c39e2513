"""Who may be in a workspace besides its owner."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import delete, func, insert, select

from webterm.access import Role
from webterm.ids import UserId, WorkspaceId
from webterm.store import tables
from webterm.store.engine import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One person in one workspace. ``name`` is empty where the person has no row here."""

    workspace: WorkspaceId
    user: UserId
    name: str
    role: Role
    created: float


async def set_role(conn: Connection, workspace: WorkspaceId, user: UserId, role: Role, now: float) -> Role | None:
    """Let a person be in a workspace with this role. Returns the role before."""
    gone = await remove(conn, workspace, user)
    row = {"workspace": workspace, "user": user, "role": int(role)}
    await conn.execute(insert(tables.members).values(**row, created=now))
    return gone


async def remove(conn: Connection, workspace: WorkspaceId, user: UserId) -> Role | None:
    """Take a person out of a workspace. Returns the role before; None: the person was no member."""
    columns = tables.members.c
    gone = delete(tables.members).where(columns.workspace == workspace, columns.user == user).returning(columns.role)
    role = (await conn.execute(gone)).scalar_one_or_none()
    return None if role is None else Role(role)


async def remove_everywhere(conn: Connection, user: UserId) -> list[WorkspaceId]:
    """Take a person out of all workspaces, which are returned."""
    gone = delete(tables.members).where(tables.members.c.user == user).returning(tables.members.c.workspace)
    return [WorkspaceId(row.workspace) for row in await conn.execute(gone)]


async def role_of(conn: Connection, workspace: WorkspaceId, user: UserId) -> Role | None:
    """A member's role; None: the person is no member."""
    columns = tables.members.c
    query = select(columns.role).where(columns.workspace == workspace, columns.user == user)
    role = (await conn.execute(query)).scalar_one_or_none()
    return None if role is None else Role(role)


async def count(conn: Connection, workspace: WorkspaceId) -> int:
    """How many members a workspace has."""
    query = select(func.count()).select_from(tables.members).where(tables.members.c.workspace == workspace)
    return (await conn.execute(query)).scalar_one()


async def of_workspaces(conn: Connection, ids: Collection[WorkspaceId]) -> dict[WorkspaceId, list[Member]]:
    """The members of several workspaces, those first who came first."""
    columns = tables.members.c
    names = func.coalesce(tables.users.c.username, "").label("name")
    people = tables.members.outerjoin(tables.users, tables.users.c.id == columns.user)
    query = select(*columns, names).select_from(people).where(columns.workspace.in_(ids))
    found: dict[WorkspaceId, list[Member]] = {id: [] for id in ids}  # noqa: A001
    for row in await conn.execute(query.order_by(columns.created, columns.user)):
        found[row.workspace].append(Member(**{**row._mapping, "role": Role(row.role)}))
    return found

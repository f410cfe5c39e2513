"""Links that show a preview to whoever holds them, each known by its hash."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, func, insert, select

from webterm.ids import ShareId, UserId, WorkspaceId
from webterm.store import tables
from webterm.store.engine import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewShare:
    """One link to one port of a workspace. Times are in seconds since 1970."""

    id: ShareId
    hash: str
    workspace: WorkspaceId
    port: int
    created_by: UserId
    created: float
    expires: float


async def add(conn: Connection, share: PreviewShare) -> None:
    """Note a link that is given out."""
    row = {field: getattr(share, field) for field in PreviewShare.__slots__}
    await conn.execute(insert(tables.preview_shares).values(row))


async def by_hash(conn: Connection, hash: str) -> PreviewShare | None:  # noqa: A002 - as the column is called
    """A link, also one that has run out."""
    query = select(tables.preview_shares).where(tables.preview_shares.c.hash == hash)
    row = (await conn.execute(query)).one_or_none()
    return None if row is None else PreviewShare(**row._mapping)


async def of_workspace(conn: Connection, workspace: WorkspaceId, now: float) -> list[PreviewShare]:
    """The links of a workspace that have not run out, the newest first."""
    columns = tables.preview_shares.c
    query = select(tables.preview_shares).where(columns.workspace == workspace, columns.expires > now)
    rows = await conn.execute(query.order_by(columns.created.desc(), columns.id))
    return [PreviewShare(**row._mapping) for row in rows]


async def count(conn: Connection, workspace: WorkspaceId, now: float) -> int:
    """How many links of a workspace have not run out."""
    columns = tables.preview_shares.c
    query = select(func.count()).select_from(tables.preview_shares)
    return (await conn.execute(query.where(columns.workspace == workspace, columns.expires > now))).scalar_one()


async def remove(conn: Connection, workspace: WorkspaceId, id: ShareId) -> bool:  # noqa: A002
    """Take a link of a workspace back; whether there was one."""
    columns = tables.preview_shares.c
    gone = delete(tables.preview_shares).where(columns.workspace == workspace, columns.id == id).returning(columns.id)
    return (await conn.execute(gone)).one_or_none() is not None


async def prune(conn: Connection, before: float) -> None:
    """Forget the links that ran out before that time."""
    await conn.execute(delete(tables.preview_shares).where(tables.preview_shares.c.expires < before))

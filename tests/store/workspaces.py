"""Workspaces for the store's tests."""

from __future__ import annotations

from tests.store.people import NOW
from webterm.ids import UserId, WorkspaceId
from webterm.store import workspaces
from webterm.store.engine import Connection
from webterm.store.workspaces import Environment, Workspace


async def add_workspace(conn: Connection, owner: UserId, name: str, *, home: bool = False) -> Workspace:
    """A workspace whose id is ``id-NAME``."""
    return await workspaces.add(
        conn,
        id=WorkspaceId(f"id-{name}"),
        owner=owner,
        alias=await workspaces.alias_of(conn, owner),
        tier="free",
        name=name,
        description="",
        template="",
        environment=Environment(),
        home=home,
        now=NOW,
    )

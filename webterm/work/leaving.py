"""What becomes of a person's workspaces when the account is removed."""

from __future__ import annotations

from webterm.access import Source
from webterm.ids import UserId
from webterm.store import audit, members, workspace_changes, workspaces
from webterm.store.engine import Connection


async def leave_all(conn: Connection, user: UserId, by: Source, now: float) -> None:
    """In the transaction that removes a person: own workspaces go into the trash, memberships end.

    Servers hear of it as of all changes (`webterm.work.endings`), and move the files then.
    """
    for workspace in await workspaces.of_owner(conn, user):
        if workspace.deleted is None:
            await workspaces.change(conn, workspace.id, deleted=now, home=False)
            await workspace_changes.note(conn, workspace.id, now=now)
            await audit.append(conn, by, "workspace.delete", workspace.id, now=now, detail=workspace.name)
    for left in await members.remove_everywhere(conn, user):
        await workspace_changes.note(conn, left, user, now=now)

"""Who may do what in which workspace: the one place where that is decided."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass

from webterm.access import Actor, Role
from webterm.errors import NoSuchWorkspace, QuotaReached, ReadOnly
from webterm.ids import UserId, WorkspaceId
from webterm.settings import Settings
from webterm.settings_accounts import Tier
from webterm.store import members, workspaces
from webterm.store.engine import Connection, Store
from webterm.store.members import Member
from webterm.store.workspaces import Workspace
from webterm.tasks import Tasks


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A workspace as somebody sees it: with their role in it, and its members."""

    workspace: Workspace
    role: Role
    members: list[Member]


class Admission:
    """Looks up workspaces for those who may see them. ``oldest`` says what is too old to be in the trash."""

    def __init__(self, store: Store, settings: Settings, tasks: Tasks, oldest: Callable[[], float]) -> None:
        self._store = store
        self._settings = settings
        self._tasks = tasks
        self._oldest = oldest

    async def allowed(
        self, conn: Connection, actor: Actor, workspace: str, least: Role, *, trashed: bool = False
    ) -> tuple[Workspace, Role]:
        """The workspace and the actor's role, which is at least this. ``trashed``: own ones may be in the trash.

        Raises `webterm.errors.NoSuchWorkspace` and `webterm.errors.ReadOnly`.
        """
        found = await workspaces.by_id(conn, WorkspaceId(workspace))
        if found is None:
            raise no_such(workspace)
        own = found.owner == actor.id
        role = await _role_in(conn, found, actor.id)
        gone = found.deleted is not None and not (trashed and own and found.deleted > self._oldest())
        if role is None or gone:
            raise no_such(workspace)
        if role < least:
            raise ReadOnly(f"you may only {role.name.lower()} in this workspace")
        if own and found.tier != actor.tier:  # a host application's people have no row that says so
            found = dataclasses.replace(found, tier=actor.tier)
            self._tasks.run(self._note_tier(found))
        return self.known(found), role

    async def may_be_in(self, conn: Connection, user: UserId, workspace: WorkspaceId, least: Role) -> bool:
        """Whether a person has at least this role in a workspace that is not in the trash."""
        found = await workspaces.by_id(conn, workspace)
        if found is None or found.deleted is not None:
            return False
        return (await _role_in(conn, found, user) or 0) >= least

    async def seen(self, conn: Connection, found: Workspace, role: Role) -> Seen:
        """A workspace with its members."""
        everybody = await members.of_workspaces(conn, [found.id])
        return Seen(workspace=self.known(found), role=role, members=everybody[found.id])

    async def seen_by(self, conn: Connection, actor: Actor, found: list[Workspace]) -> list[Seen]:
        """Workspaces that the actor owns or is a member of, with their members."""
        everybody = await members.of_workspaces(conn, [each.id for each in found])
        return [
            Seen(workspace=self.known(each), role=_role(each, actor, everybody[each.id]), members=everybody[each.id])
            for each in found
        ]

    async def check_number(self, conn: Connection, actor: Actor) -> None:
        """Raises `webterm.errors.QuotaReached` when the actor may have no more workspaces."""
        most = self.tier(actor.tier).workspaces
        there = await workspaces.count(conn, actor.id)
        if most and there >= most:
            raise QuotaReached(f"you have {there} workspaces, and may have {most}; delete one first")

    def tier(self, name: str) -> Tier:
        """A tier's numbers."""
        return self._settings.limits.tier(name)

    def account(self, alias: int) -> int | None:
        """Files belong to a user of the system's own only where the server is root, who alone can give them away."""
        return self._settings.sandbox.first_uid + alias if os.geteuid() == 0 else None

    def known(self, found: Workspace) -> Workspace:
        """A row, with the account of its files."""
        return dataclasses.replace(found, account=self.account(found.alias))

    async def _note_tier(self, found: Workspace) -> None:
        async with self._store.writing() as conn:
            await workspaces.change(conn, found.id, tier=found.tier)


def no_such(workspace: str) -> NoSuchWorkspace:
    """What is said of a workspace that is not there, or not for this actor."""
    return NoSuchWorkspace(f"There is no workspace {workspace[:64]!r}.")


async def _role_in(conn: Connection, workspace: Workspace, user: UserId) -> Role | None:
    return Role.OWN if workspace.owner == user else await members.role_of(conn, workspace.id, user)


def _role(workspace: Workspace, actor: Actor, everybody: list[Member]) -> Role:
    return Role.OWN if workspace.owner == actor.id else next(each.role for each in everybody if each.user == actor.id)

"""Who may be in a workspace besides its owner, and as what."""

from __future__ import annotations

from collections.abc import Callable

from webterm.access import Actor, Role, Source
from webterm.errors import Conflict, LimitReached, NoSuchMember, NoSuchUser
from webterm.ids import UserId
from webterm.store import audit, members, users, workspace_changes
from webterm.store.engine import Connection, Store
from webterm.store.members import Member
from webterm.work.admission import Admission
from webterm.work.endings import Endings

__all__ = ["Member", "Memberships"]

MOST = 100
"""Members of one workspace."""


class Memberships:
    """Members of all workspaces. What a call takes away from somebody ends within a second, also on other servers."""

    def __init__(
        self,
        store: Store,
        admission: Admission,
        endings: Endings,
        *,
        own_people: bool,
        clock: Callable[[], float],
    ) -> None:
        """``own_people``: people have accounts here, so that it is known who there is, and by which name."""
        self._store = store
        self._admission = admission
        self._endings = endings
        self._own_people = own_people
        self._clock = clock

    async def get(self, actor: Actor, workspace: str, who: str) -> Member:
        """One member, for the owner and for members. Raises `webterm.errors.NoSuchMember`."""
        async with self._store.reading() as conn:
            found, role = await self._admission.allowed(conn, actor, workspace, Role.READ)
            seen = await self._admission.seen(conn, found, role)
        for member in seen.members:
            if member.user == who:
                return member
        raise _no_such_member()

    async def set_role(self, actor: Actor, workspace: str, who: str, role: Role, by: Source) -> Member:
        """Let somebody be in a workspace, or give a member another role. Needs `Role.OWN`.

        ``who`` is an id or, where people have accounts here, a user name. Raises `webterm.errors.NoSuchUser`,
        `webterm.errors.Conflict` for the workspace's owner, and `webterm.errors.LimitReached`.
        """
        now = self._clock()
        async with self._store.writing() as conn:
            found, _ = await self._admission.allowed(conn, actor, workspace, Role.OWN)
            user = await self._person(conn, who)
            if user == found.owner:
                raise Conflict("the workspace is this person's own")
            before = await members.set_role(conn, found.id, user, role, now)
            if await members.count(conn, found.id) > MOST:
                raise LimitReached(f"a workspace has at most {MOST} members")
            if before is not role:
                await audit.append(conn, by, "member.set", found.id, now=now, detail=f"{user}: {role.name.lower()}")
            if before not in (None, role):
                await workspace_changes.note(conn, found.id, user, role, now=now)
            everybody = (await members.of_workspaces(conn, [found.id]))[found.id]
        self._endings.poke()
        return next(member for member in everybody if member.user == user)

    async def remove(self, actor: Actor, workspace: str, who: str, by: Source) -> None:
        """Take somebody out of a workspace. Who has `Role.OWN` may do so, and everybody for themselves.

        Raises `webterm.errors.NoSuchMember`.
        """
        now = self._clock()
        async with self._store.writing() as conn:
            least = Role.READ if who == actor.id else Role.OWN
            found, _ = await self._admission.allowed(conn, actor, workspace, least)
            if await members.remove(conn, found.id, UserId(who)) is None:
                raise _no_such_member()
            await workspace_changes.note(conn, found.id, UserId(who), now=now)
            await audit.append(conn, by, "member.remove", found.id, now=now, detail=who)
        self._endings.poke()

    async def _person(self, conn: Connection, who: str) -> UserId:
        if not self._own_people:
            return UserId(who)
        user = await users.by_id(conn, UserId(who))
        if user is None and "@" not in who:  # who has which address is nobody's business
            user = await users.by_name(conn, who)
        if user is None:
            raise NoSuchUser("there is no such person")
        return user.id


def _no_such_member() -> NoSuchMember:
    return NoSuchMember("there is no such member in this workspace")

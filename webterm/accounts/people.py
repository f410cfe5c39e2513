"""People: how accounts are made, changed and removed.

Each rule writes the change, its entry of the audit log and, where a right ends or changes, the line that tells every
server (`webterm.accounts.rights`), all in one transaction. ``by`` says who causes it and from where.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from webterm.access import LOCAL, Source
from webterm.accounts.actors import check_admin
from webterm.accounts.invitations import good_invitation
from webterm.accounts.logins import end_logins
from webterm.accounts.names import LONGEST, checked_email, checked_tier, checked_username, name_of_process
from webterm.accounts.passwords import Passwords
from webterm.accounts.rights import Rights
from webterm.errors import Conflict, Forbidden, NoSuchInvitation, NoSuchUser, RegistrationClosed
from webterm.ids import LoginId, ProofId, UserId, new_user_id
from webterm.settings import Settings
from webterm.store import audit, changes, invitations, users
from webterm.store.engine import Connection, Store
from webterm.store.invitations import Invitation
from webterm.store.users import Role, User
from webterm.work.leaving import leave_all

__all__ = ["Candidate", "People", "Role", "User"]

MOST_PER_PAGE = 200
LARGEST_ALIAS = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What somebody fills in who wants an account. ``invitation`` is the token of one."""

    username: str
    password: str
    email: str | None = None
    invitation: str | None = None


class People:
    """Everybody who has an account. What a call has changed is committed when it returns."""

    def __init__(
        self,
        store: Store,
        passwords: Passwords,
        settings: Settings,
        rights: Rights,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._settings = settings
        self._rights = rights
        self._clock = clock

    async def get(self, who: str) -> User:
        """The person with this id, or with this alias in decimal digits. Raises `webterm.errors.NoSuchUser`."""
        async with self._store.reading() as conn:
            return await _person(conn, who)

    async def named(self, name: str) -> User:
        """The person with this user name, e-mail address, id or alias. Raises `webterm.errors.NoSuchUser`."""
        async with self._store.reading() as conn:
            found = await users.by_name(conn, name)
            return found if found is not None else await _person(conn, name)

    async def is_removed(self, who: UserId) -> bool:
        """Whether this person had an account here, and it was removed; that is not so of who is just not known."""
        async with self._store.reading() as conn:
            return await users.by_id(conn, who) is None and await audit.holds(conn, "user.delete", who)

    async def page(
        self, *, after: int = 0, limit: int = 50, search: str | None = None
    ) -> tuple[list[User], int | None]:
        """At most ``limit`` people by alias, from the one after ``after`` on, and the next page's ``after`` if any.

        ``search``: only those with this in their user name or e-mail address.
        """
        limit = min(max(limit, 1), MOST_PER_PAGE)
        async with self._store.reading() as conn:
            found = await users.page(conn, after_alias=after, limit=limit + 1, search=search or None)
        return found[:limit], found[limit - 1].alias if len(found) > limit else None

    async def register(self, wanted: Candidate, by: Source) -> User:
        """Make an account for somebody who asks for one, as the settings allow.

        Raises `webterm.errors.RegistrationClosed`; `webterm.errors.NoSuchInvitation` when the invitation is no good;
        `webterm.errors.InvalidRequest` when a name, an address or the password is not as it has to be;
        `webterm.errors.NameTaken`; `webterm.errors.RateLimited` when too many passwords wait to be hashed.
        """
        mode = self._settings.accounts.registration
        if mode == "closed":
            raise RegistrationClosed("no accounts can be made here; ask the server's owner for one")
        if mode == "invite" and wanted.invitation is None:
            raise RegistrationClosed("an account can only be made with an invitation")
        username = checked_username(wanted.username)
        email = None if wanted.email is None else checked_email(wanted.email)
        async with self._store.reading() as conn:  # before the hard work; what counts is the look when it is done
            invited = await self._invited(conn, wanted)
        self._passwords.check_new(wanted.password, username=username, email=(invited and invited.email) or email)
        kept = await self._passwords.hash(wanted.password)
        async with self._store.writing() as conn:
            return await self._admit(conn, await self._invited(conn, wanted), username, email, kept, by)

    async def _invited(self, conn: Connection, wanted: Candidate) -> Invitation | None:
        token = wanted.invitation
        return None if token is None else await good_invitation(conn, token, now=self._clock())

    async def _admit(
        self, conn: Connection, invited: Invitation | None, username: str, email: str | None, kept: str, by: Source
    ) -> User:
        now = self._clock()
        if invited is None:
            new = _New(username, email, kept, "user", self._settings.accounts.default_tier)
        else:
            new = _New(username, invited.email or email, kept, invited.role, invited.tier)
        user = await self._add(conn, new, now)
        if invited is not None and not await invitations.use(conn, invited.id, user.id, now):
            raise NoSuchInvitation("this invitation has just been used")
        source = Source(user=user.id, name=user.username, address=by.address)
        detail = "" if invited is None else f"invitation {invited.id}"
        await audit.append(conn, source, "user.register", user.id, now=now, detail=detail)
        return user

    async def create(
        self,
        by: Source,
        *,
        username: str,
        password: str | None = None,
        email: str | None = None,
        role: Role = "user",
        tier: str | None = None,
    ) -> User:
        """Make an account for somebody else. Without a password nobody can sign in to it by name.

        Raises as `register` does, save for what is about registering, and `webterm.errors.MissingScope` as `change`.
        """
        checked_username(username, reserved=False)
        email = None if email is None else checked_email(email)
        tier = self._settings.accounts.default_tier if tier is None else tier
        kept = None if password is None else await self._hash_new(password, username, email)
        now = self._clock()
        async with self._store.writing() as conn:
            await check_admin(conn, by)
            user = await self._add(conn, _New(username, email, kept, role, tier), now)
            await audit.append(
                conn, by, "user.create", user.id, now=now, detail=f"{username}, role {role}, tier {tier}"
            )
        return user

    async def ensure_owner(self, by: Source) -> User:
        """The account of the person who started the server. The first call makes it, an admin of the highest tier.

        It is called as the operating system's user is, or with a number added where somebody has that name. It has
        no password before its person sets one.
        """
        name, now = await name_of_process(), self._clock()
        async with self._store.writing() as conn:
            owner = await users.owner(conn)
            if owner is None:
                free = await free_name(conn, name)
                top = list(self._settings.limits.tiers)[-1]
                owner = await self._add(conn, _New(free, None, None, "admin", top, owner=True), now)
                source = Source(user=owner.id, name=owner.username, address=by.address)
                await audit.append(conn, source, "user.owner", owner.id, now=now, detail=free)
        return owner

    async def change(
        self,
        who: str,
        by: Source,
        *,
        role: Role | None = None,
        tier: str | None = None,
        disabled: bool | None = None,
        password: str | None = None,
    ) -> User:
        """Change somebody's account; what is None stays. A new password and being disabled end all of their logins.

        The owner's account is changed by the owner and by commands alone; it stays an admin's, and is never disabled.
        One's own password is not changed here: it takes the current one, and no token is good for it.
        Raises `webterm.errors.NoSuchUser`, `webterm.errors.Forbidden` and `webterm.errors.InvalidRequest`; and
        `webterm.errors.MissingScope` when who asks is no admin (any more).
        """
        kept = None
        if password is not None:
            known = await self.get(who)
            _check_may_change(known, by)
            if by.user == known.id:
                raise Forbidden("your own password is changed on your account page, or by PUT /api/v1/auth/password")
            kept = await self._hash_new(password, known.username, known.email)
        if tier is not None:
            checked_tier(tier, self._settings.limits)
        now = self._clock()
        async with self._store.writing() as conn:
            await check_admin(conn, by)
            user = await _person(conn, who)
            _check_may_change(user, by)
            if user.owner and (role == "user" or disabled):
                raise Forbidden("the owner is always an admin, and cannot be disabled")
            wanted = {"role": role, "tier": tier, "disabled": disabled, "password": kept}
            fields = {name: new for name, new in wanted.items() if new is not None and new != getattr(user, name)}
            if fields:
                user = await self._apply(conn, user, fields, by, now)
        self._rights.poke()
        return user

    async def _apply(self, conn: Connection, user: User, fields: dict[str, Any], by: Source, now: float) -> User:
        changed = await users.change(conn, user.id, **fields)
        for name in fields:
            action, detail = _told(changed, name)
            await audit.append(conn, by, action, user.id, now=now, detail=detail)
        if changed.disabled or "password" in fields:
            await end_logins(conn, user.id, by, now=now)
            await changes.note(conn, user.id, None, "ended", now)
        elif fields.keys() & {"role", "tier"}:
            await changes.note(conn, user.id, None, "changed", now)
        return changed

    async def set_own_password(self, known: User, password: str, by: Source, *, keep: ProofId | None) -> None:
        """Give the person ``known``, read when it was found to be them, a new password. Other logins than ``keep`` end.

        Personal access tokens stay. Raises `webterm.errors.InvalidRequest`, and `webterm.errors.Conflict` when the
        password has been changed meanwhile.
        """
        kept = await self._hash_new(password, known.username, known.email)
        now = self._clock()
        async with self._store.writing() as conn:
            user = await _person(conn, known.id)
            if user.password != known.password or user.disabled:
                raise Conflict("this account has just been changed by somebody else")
            await users.change(conn, user.id, password=kept)
            await end_logins(conn, user.id, by, keep=LoginId(keep) if keep is not None else None, now=now)
            await audit.append(conn, by, "user.password", user.id, now=now)
        self._rights.poke()

    async def delete(self, who: str, by: Source) -> None:
        """Remove an account with everything that hangs on it: logins, tokens, invitations, links to providers.

        The person's workspaces go into the trash, from which nobody brings them back.
        Raises `webterm.errors.NoSuchUser`, and `webterm.errors.Forbidden` for the owner's.
        """
        now = self._clock()
        async with self._store.writing() as conn:
            await check_admin(conn, by)
            user = await _person(conn, who)
            if user.owner:
                raise Forbidden("the owner's account cannot be removed")
            await audit.append(conn, by, "user.delete", user.id, now=now, detail=user.username)
            await changes.note(conn, user.id, None, "ended", now)
            await leave_all(conn, user.id, by, now)
            await users.remove(conn, user.id)
        self._rights.poke()

    async def _hash_new(self, password: str, username: str, email: str | None) -> str:
        self._passwords.check_new(password, username=username, email=email)
        return await self._passwords.hash(password)

    async def _add(self, conn: Connection, new: _New, now: float) -> User:
        return await users.add(
            conn,
            id=new_user_id(),
            username=new.username,
            email=new.email,
            password=new.password,
            role=new.role,
            tier=checked_tier(new.tier, self._settings.limits),
            owner=new.owner,
            now=now,
        )


@dataclass(frozen=True, slots=True)
class _New:
    username: str
    email: str | None
    password: str | None
    role: Role
    tier: str
    owner: bool = False


async def _person(conn: Connection, who: str) -> User:
    numbered = who.isascii() and who.isdigit() and len(who) <= len(str(LARGEST_ALIAS)) and int(who) <= LARGEST_ALIAS
    user = await (users.by_alias(conn, int(who)) if numbered else users.by_id(conn, UserId(who)))
    if user is None:
        raise NoSuchUser("there is no such person")
    return user


async def free_name(conn: Connection, name: str) -> str:
    """``name``, or where somebody has it ``name`` with a number."""
    free, number = name, 1
    while await users.by_name(conn, free) is not None:
        number += 1
        free = f"{name[: LONGEST - len(str(number))]}{number}"
    return free


def _check_may_change(user: User, by: Source) -> None:
    if user.owner and not (by.user == user.id or (by.user is None and by.address == LOCAL)):
        raise Forbidden("only the owner changes the owner's account")


def _told(user: User, field: str) -> tuple[str, str]:
    """What the audit log says about a changed field: action and detail. Nothing about a password but that."""
    if field == "disabled":
        return ("user.disable" if user.disabled else "user.enable"), ""
    return f"user.{field}", "" if field == "password" else str(getattr(user, field))

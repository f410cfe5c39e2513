"""Invitations: who holds one may make an account, once, and gets the role and the tier that it says.

The token is shown once; the store has its SHA-256. An invitation is worth no more than who made it: when that person
is no longer an admin, or disabled or gone, it is void.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from webterm.access import Scope, Source
from webterm.accounts.actors import check_admin, scopes_of
from webterm.accounts.logins import DAY
from webterm.accounts.names import checked_email, checked_tier
from webterm.accounts.secret_texts import hash_of, new_secret
from webterm.errors import LimitReached, NoSuchInvitation
from webterm.ids import InvitationId, new_invitation_id
from webterm.settings import Settings
from webterm.store import audit, invitations, users
from webterm.store.engine import Connection, Store
from webterm.store.invitations import Invitation
from webterm.store.users import Role

__all__ = ["Invitation", "Invitations", "good_invitation"]

MOST = 1000
"""Invitations that are open at the same time."""


async def good_invitation(conn: Connection, token: str, *, now: float) -> Invitation:
    """The invitation with this token. Raises `webterm.errors.NoSuchInvitation` when it can not be used (any more)."""
    found = await invitations.by_hash(conn, hash_of(token))
    if found is None or found.used_at is not None or found.expires <= now or not await _is_backed(conn, found):
        raise NoSuchInvitation("this invitation is wrong, used or too old; ask for a fresh one")
    return found


class Invitations:
    """All invitations. What a call has changed is committed when it returns."""

    def __init__(self, store: Store, settings: Settings, *, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock

    async def create(
        self, by: Source, *, email: str | None = None, role: Role = "user", tier: str | None = None
    ) -> tuple[str, Invitation]:
        """A new invitation: its token, told only here, and what is kept. ``tier`` None: that of new accounts.

        With ``email`` the account gets this address. Raises `webterm.errors.InvalidRequest` for a bad address or
        tier, `webterm.errors.LimitReached` when too many are open.
        """
        now, accounts = self._clock(), self._settings.accounts
        token = new_secret()
        invitation = Invitation(
            id=new_invitation_id(),
            hash=hash_of(token),
            email=None if email is None else checked_email(email),
            role=role,
            tier=checked_tier(accounts.default_tier if tier is None else tier, self._settings.limits),
            created_by=by.user,
            created=now,
            expires=now + accounts.invitation_days * DAY,
            used_by=None,
            used_at=None,
        )
        async with self._store.writing() as conn:
            await check_admin(conn, by)
            if len(await invitations.open_ones(conn, now)) >= MOST:
                raise LimitReached(f"{MOST} invitations are open; remove some")
            await invitations.add(conn, invitation)
            await audit.append(conn, by, "invitation.create", invitation.id, now=now, detail=f"role {role}")
        return token, invitation

    async def open_ones(self) -> list[Invitation]:
        """Invitations that can still be used, the newest first."""
        now = self._clock()
        async with self._store.reading() as conn:
            return [each for each in await invitations.open_ones(conn, now) if await _is_backed(conn, each)]

    async def remove(self, invitation: InvitationId, by: Source) -> None:
        """Make an invitation void. Raises `webterm.errors.NoSuchInvitation`."""
        async with self._store.writing() as conn:
            await check_admin(conn, by)
            if not await invitations.remove(conn, invitation):
                raise NoSuchInvitation("there is no such invitation")
            await audit.append(conn, by, "invitation.remove", invitation, now=self._clock())


async def _is_backed(conn: Connection, invitation: Invitation) -> bool:
    """Whether its maker could make it today; commands can make any."""
    if invitation.created_by is None:
        return True
    maker = await users.by_id(conn, invitation.created_by)
    return maker is not None and not maker.disabled and Scope.ADMIN in scopes_of(maker)

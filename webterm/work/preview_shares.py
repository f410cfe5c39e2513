"""Links that show a preview to whoever holds them, until they run out or are taken back.

The link's secret is shown once; the store has its SHA-256. A link is worth no more than who made it: it shows nothing
any more when that person may not run programs in the workspace, is disabled or gone.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from webterm.access import Actor, Role, Source
from webterm.accounts.secret_texts import hash_of, new_secret
from webterm.errors import Forbidden, InvalidRequest, LimitReached, NoSuchShare
from webterm.ids import ShareId, new_share_id
from webterm.settings import Settings
from webterm.store import audit, preview_shares, users
from webterm.store.engine import Store
from webterm.store.preview_shares import PreviewShare
from webterm.work.workspaces import Workspaces

__all__ = ["PreviewShare", "PreviewShares"]

DAY = 86_400.0
MOST = 100
"""Links of one workspace that have not run out."""


class PreviewShares:
    """All links. Whoever makes, sees or removes one needs `Role.WRITE`; all raise as `Workspaces.allowed` does.

    ``own_people``: people have accounts here, so that it is known who there is.
    """

    def __init__(
        self,
        store: Store,
        workspaces: Workspaces,
        settings: Settings,
        *,
        own_people: bool,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._workspaces = workspaces
        self._longest = settings.previews.share_days * DAY
        self._own_people = own_people
        self._clock = clock

    async def create(
        self, actor: Actor, workspace: str, port: int, by: Source, *, seconds: float | None = None
    ) -> tuple[str, PreviewShare]:
        """A new link: its secret, told only here, and what is kept. ``seconds`` None: as long as the settings allow.

        Raises `webterm.errors.Forbidden` where the settings allow none, `webterm.errors.InvalidRequest` for one that
        is to last longer, and `webterm.errors.LimitReached`.
        """
        if not self._longest:
            raise Forbidden("the settings of this server allow no links to previews")
        if seconds is not None and not 0 < seconds <= self._longest:
            raise InvalidRequest(f"a link to a preview lasts for at most {self._longest / DAY:g} days here")
        found = await self._workspaces.allowed(actor, workspace, Role.WRITE)
        now, secret = self._clock(), new_secret()
        share = PreviewShare(
            id=new_share_id(),
            hash=hash_of(secret),
            workspace=found.id,
            port=port,
            created_by=actor.id,
            created=now,
            expires=now + (self._longest if seconds is None else seconds),
        )
        async with self._store.writing() as conn:
            await preview_shares.prune(conn, now)
            if await preview_shares.count(conn, found.id, now) >= MOST:
                raise LimitReached(f"a workspace has at most {MOST} links to previews; remove some")
            await preview_shares.add(conn, share)
            await audit.append(conn, by, "share.create", found.id, now=now, detail=f"{share.id}: port {port}")
        return secret, share

    async def of_workspace(self, actor: Actor, workspace: str) -> list[PreviewShare]:
        """The links of a workspace that have not run out, the newest first."""
        found = await self._workspaces.allowed(actor, workspace, Role.WRITE)
        async with self._store.reading() as conn:
            return await preview_shares.of_workspace(conn, found.id, self._clock())

    async def remove(self, actor: Actor, workspace: str, share: str, by: Source) -> None:
        """Take a link back: what it shows ends within a second. Raises `webterm.errors.NoSuchShare`."""
        found = await self._workspaces.allowed(actor, workspace, Role.WRITE)
        async with self._store.writing() as conn:
            if not await preview_shares.remove(conn, found.id, ShareId(share)):
                raise NoSuchShare("there is no such link")
            await audit.append(conn, by, "share.remove", found.id, now=self._clock(), detail=share)

    async def good(self, hash: str) -> PreviewShare | None:  # noqa: A002 - as the store calls it
        """The link with this hash, if it is still to show something."""
        async with self._store.reading() as conn:
            found = await preview_shares.by_hash(conn, hash)
            if found is None or found.expires <= self._clock():
                return None
            maker = await users.by_id(conn, found.created_by)
        if self._own_people and (maker is None or maker.disabled):
            return None
        backed = await self._workspaces.may_be_in(found.created_by, found.workspace, Role.WRITE)
        return found if backed else None

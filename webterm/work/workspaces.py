"""Workspaces: who has them, who may be in them, and what becomes of them.

Everything that is done to one is written into the audit log, in the same transaction; ``by`` says who causes it and
from where. All that takes a workspace's id raises `webterm.errors.NoSuchWorkspace` where there is none, or none that
this actor may see: the two are not to be told apart; and `webterm.errors.ReadOnly` where the actor's role is too low.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from webterm.access import ITSELF, Actor, Role, Source
from webterm.errors import (
    EditConflict,
    InvalidRequest,
    ReadOnly,
)
from webterm.files.root import Root
from webterm.ids import UserId, WorkspaceId, new_workspace_id
from webterm.settings import Settings
from webterm.settings_accounts import Tier
from webterm.store import audit, workspace_changes, workspaces
from webterm.store.engine import Connection, Store
from webterm.store.members import Member
from webterm.store.workspaces import Environment, EnvironmentLimits, Workspace
from webterm.tasks import Tasks
from webterm.work.admission import Admission, Seen, no_such
from webterm.work.directories import Directories, Spot
from webterm.work.endings import Ending, Endings, MemberChanged, MemberGone, OnEnding, WorkspaceGone
from webterm.work.environments import UNASKED, Environments
from webterm.work.memberships import Memberships
from webterm.work.publishing import published
from webterm.work.templates import Templates
from webterm.work.trash import PURGED, Trash

__all__ = [
    "Ending",
    "Environment",
    "EnvironmentLimits",
    "Member",
    "MemberChanged",
    "MemberGone",
    "Seen",
    "Workspace",
    "WorkspaceGone",
    "Workspaces",
]

MOST_PER_PAGE = 100
LONGEST_NAME = 100
LONGEST_DESCRIPTION = 2000
HOME = "Home"
FIRST_FILE = b"README.md"
FIRST_WORDS = (
    b"# Welcome\n\nThis file is in your workspace: the editor, the shell and the API see the same files here.\n"
)


class Workspaces:
    """All workspaces, which may be made from ``templates``.

    ``Workspaces(store, settings, drivers=names_of_drivers, own_people=actor_of is None)``: ``own_people``, when people
    have accounts here, and no host application signs them in. `start` when the store is open and the data directory
    is held, before the hub starts; `aclose` after the hub, before the store.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        *,
        drivers: Collection[str],
        own_people: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.environments = Environments(settings, drivers)
        self.templates = Templates(settings.templates_dir, self.environments)
        self._store = store
        self._clock = clock
        self._first_port = settings.previews.ports_base
        self._directories = Directories(settings.workspaces_dir)
        self._endings = Endings(store, clock=clock)
        self._trash = Trash(store, self._directories, days=settings.workspaces.trash_days, clock=clock)
        self._tasks = Tasks("workspaces")
        self._admission = Admission(store, settings, self._tasks, self._trash.oldest)
        self._endings.subscribe(self._trash.on_ending)
        self.members = Memberships(store, self._admission, self._endings, own_people=own_people, clock=clock)

    async def start(self) -> None:
        """Begin. Puts right what a server that was killed left half done.

        Raises `webterm.errors.StoreUnavailable`, and `webterm.errors.Unavailable` where the directory cannot be used.
        """
        await asyncio.to_thread(self._directories.prepare)
        await self._endings.start()
        await self._trash.start()

    async def aclose(self) -> None:
        """Stop. What is left half done is put right by `start`. Twice is harmless."""
        await self._tasks.aclose()
        await self._trash.aclose()
        await self._endings.aclose()

    def subscribe(self, callback: OnEnding) -> None:
        """Have ``callback`` called within a second of every right that ends or changes, in the loop.

        It gets `WorkspaceGone`, `MemberGone` or `MemberChanged`, may not wait, and should not fail.
        """
        self._endings.subscribe(callback)

    def mark(self) -> int:
        """Where the changes of rights stand; see `ended`."""
        return self._endings.mark()

    def ended(self, mark: int, workspace: WorkspaceId, user: UserId, role: Role = Role.READ) -> bool:
        """Whether it was told since ``mark`` that this right has ended. Does not wait.

        Take the mark, ask `allowed`, open what takes time, and ask this before it is handed out: so that nothing
        slips through between the look and the subscriber's list.
        """
        return self._endings.ended(mark, workspace, user, role)

    def root(self, workspace: Workspace) -> Path:
        """The directory that holds a workspace's files."""
        return self._directories.files(workspace.id)

    def tier(self, workspace: Workspace) -> Tier:
        """The numbers that hold for a workspace: those of its owner's tier."""
        return self._admission.tier(workspace.tier)

    async def allowed(self, actor: Actor, workspace: str, role: Role = Role.READ) -> Workspace:
        """The workspace, if the actor has at least this role in it. Everything that is done in one passes here."""
        async with self._store.reading() as conn:
            return (await self._admission.allowed(conn, actor, workspace, role))[0]

    async def may_be_in(self, user: UserId, workspace: WorkspaceId, role: Role) -> bool:
        """Whether a person has at least this role in a workspace that is not in the trash."""
        async with self._store.reading() as conn:
            return await self._admission.may_be_in(conn, user, workspace, role)

    async def known(self, workspace: WorkspaceId) -> Workspace | None:
        """A workspace that is not in the trash, whoever asks: for the server's own purposes."""
        async with self._store.reading() as conn:
            found = await workspaces.by_id(conn, workspace)
        return None if found is None or found.deleted is not None else self._admission.known(found)

    async def present(self) -> frozenset[WorkspaceId]:
        """All whose files are where they belong, also those that the database has forgotten: nothing of them ends."""
        return frozenset(await asyncio.to_thread(self._directories.found, Spot.LIVE))

    async def published(self, workspace: Workspace) -> dict[int, int]:
        """The ports of this machine that lead into a workspace's container: see `webterm.work.publishing`."""
        if not (self._first_port and workspace.environment.ports):
            return {}
        async with self._store.reading() as conn:
            return published(workspace, await workspaces.of_owner(conn, workspace.owner), self._first_port)

    def left(self) -> set[WorkspaceId]:
        """Which workspaces were deleted while no server ran, as `start` has found out."""
        return self._trash.left

    async def note(self, action: str, workspace: Workspace, by: Source, detail: str = "") -> None:
        """Write what is done in a workspace into the audit log."""
        async with self._store.writing() as conn:
            await audit.append(conn, by, action, workspace.id, now=self._clock(), detail=detail)

    async def get(self, actor: Actor, workspace: str) -> Seen:
        """One workspace, with its members."""
        async with self._store.reading() as conn:
            found, role = await self._admission.allowed(conn, actor, workspace, Role.READ)
            return await self._admission.seen(conn, found, role)

    async def page(
        self, actor: Actor, *, after: int | None = None, limit: int = 50, trash: bool = False
    ) -> tuple[list[Seen], int | None]:
        """At most ``limit`` of those that the actor owns or is a member of, the newest first.

        ``trash``: instead those of the actor's own that are in the trash.
        ``after`` is what the page before returned besides; None there: that was the last.
        """
        limit = min(max(limit, 1), MOST_PER_PAGE)
        trashed_after = self._trash.oldest() if trash else None
        async with self._store.reading() as conn:
            found = await workspaces.page(conn, actor.id, before=after, limit=limit + 1, trashed_after=trashed_after)
            shown = found[:limit]
            seen = await self._admission.seen_by(conn, actor, shown)
        return seen, shown[-1].number if len(found) > limit else None

    async def create(
        self,
        actor: Actor,
        by: Source,
        *,
        name: str,
        description: str = "",
        template: str = "",
        environment: Environment | None = None,
    ) -> Seen:
        """Make a workspace of the actor's, empty or with a template's files.

        Without ``environment`` it gets the template's. Raises `webterm.errors.InvalidRequest`,
        `webterm.errors.NoSuchTemplate`, `webterm.errors.NoSuchDriver`, `webterm.errors.ImageRefused`,
        `webterm.errors.QuotaReached`, and `webterm.errors.Unavailable` or `webterm.errors.DiskFull`; then nothing is
        left of it.
        """
        made_from = await self.templates.get(template) if template else None
        if environment is None:
            environment = made_from.environment if made_from is not None else UNASKED
        wanted = _Wanted(_checked_name(name), _checked_description(description), template, environment)
        self.environments.check(environment, images=await self.template_images(environment.image))
        made = await asyncio.shield(self._tasks.run(self._create(actor, wanted, by, home=False)))
        return Seen(workspace=made, role=Role.OWN, members=[])

    async def template_images(self, image: str) -> frozenset[str]:
        """Those that templates name. Empty where the settings allow ``image`` anyway, so that nobody has to look."""
        return frozenset() if self.environments.images.names(image) else await self.templates.images()

    async def home(self, actor: Actor) -> Workspace:
        """The workspace in which the actor's programs run when none is named; made if there is none.

        Raises what `create` raises.
        """
        async with self._store.reading() as conn:
            found = await workspaces.home_of(conn, actor.id)
        if found is not None:
            return self._admission.known(found)
        wanted = _Wanted(HOME, "", "", UNASKED)
        by = Source(user=actor.id, name=actor.name, address="")
        return await asyncio.shield(self._tasks.run(self._create(actor, wanted, by, home=True)))

    async def _create(self, actor: Actor, wanted: _Wanted, by: Source, *, home: bool) -> Workspace:
        async with self._store.writing() as conn:
            await self._admission.check_number(conn, actor)  # before the work; what counts is the look when it is done
            alias = await workspaces.alias_of(conn, actor.id)
        new, account = new_workspace_id(), self._admission.account(alias)
        try:
            await asyncio.to_thread(self._fill, new, account, wanted.template)
            async with self._store.writing() as conn:
                if home and (other := await workspaces.home_of(conn, actor.id)) is not None:
                    return self._admission.known(other)
                await self._admission.check_number(conn, actor)
                made = await workspaces.add(
                    conn,
                    id=new,
                    owner=actor.id,
                    alias=alias,
                    tier=actor.tier,
                    name=wanted.name,
                    description=wanted.description,
                    template=wanted.template,
                    environment=wanted.environment,
                    home=home,
                    now=self._clock(),
                )
                await audit.append(conn, by, "workspace.create", new, now=self._clock(), detail=wanted.name)
        finally:
            await self._trash.settle_new(new)
        return self._admission.known(made)

    def _fill(self, new: WorkspaceId, account: int | None, template: str) -> None:
        files = self._directories.make(new, account)
        if template:
            with Root(files, account=account) as root:
                self.templates.copy(template, root)

    async def change(
        self,
        actor: Actor,
        workspace: str,
        by: Source,
        *,
        name: str | None = None,
        description: str | None = None,
        environment: Environment | None = None,
    ) -> Seen:
        """Change what is not None. Needs `Role.OWN`. Another environment holds from the next start on.

        Its variables are only for the person whose workspace it is to change: where that is the server's owner, they
        are those of programs that nothing confines, and could have them run anything (``BASH_ENV``, ``LD_PRELOAD``).
        So is its driver: it says whether something confines them.
        Raises `webterm.errors.InvalidRequest`, `webterm.errors.NoSuchDriver` and `webterm.errors.ImageRefused`.
        """
        fields = workspaces.Changes()
        if name is not None:
            fields["name"] = _checked_name(name)
        if description is not None:
            fields["description"] = _checked_description(description)
        if environment is not None:
            fields["environment"] = environment
        images = await self.template_images(environment.image) if environment is not None else frozenset()
        now = self._clock()
        async with self._store.writing() as conn:
            found, role = await self._admission.allowed(conn, actor, workspace, Role.OWN)
            if environment is not None and found.owner != actor.id:
                if environment.env != found.environment.env:
                    raise ReadOnly("only the person whose workspace it is may change its environment variables")
                if environment.driver != found.environment.driver:
                    raise ReadOnly("only the person whose workspace it is may change its driver")
            if environment is not None:
                self.environments.check(environment, found.environment, images=images)
            changed = [field for field, value in fields.items() if value != getattr(found, field)]
            if changed:
                fields["updated"] = now
                found = await workspaces.change(conn, found.id, **fields) or found
                await audit.append(conn, by, "workspace.change", found.id, now=now, detail=", ".join(changed))
            return await self._admission.seen(conn, found, role)

    async def delete(self, actor: Actor, workspace: str, by: Source, *, purge: bool = False) -> None:
        """Put a workspace into the trash, or ``purge`` it, also from the trash. Needs `Role.OWN`; what runs in it ends.

        The trash of a person holds as many as the person may have; what was deleted first is purged for the next one.
        """
        now = self._clock()
        async with self._store.writing() as conn:
            found, _ = await self._admission.allowed(conn, actor, workspace, Role.OWN, trashed=purge)
            over = [] if purge else await self._too_many_in_trash(conn, found)
            for each in over:
                await workspaces.change(conn, each.id, deleted=PURGED)
                await audit.append(conn, ITSELF, "workspace.purge", each.id, now=now, detail=each.name)
            await workspaces.change(conn, found.id, deleted=PURGED if purge else now)
            await workspace_changes.note(conn, found.id, now=now)
            action = "workspace.purge" if purge else "workspace.delete"
            await audit.append(conn, by, action, found.id, now=now, detail=found.name)
        self._endings.poke()
        for each in (*over, found):
            await asyncio.shield(self._tasks.run(self._trash.settle(each.id)))

    async def _too_many_in_trash(self, conn: Connection, found: Workspace) -> list[Workspace]:
        most = self.tier(found).workspaces
        oldest = self._trash.oldest()
        kept = [each for each in await workspaces.of_owner(conn, found.owner) if (each.deleted or oldest) > oldest]
        kept.sort(key=lambda each: each.deleted or 0.0)
        return kept[: max(len(kept) - most + 1, 0)] if most else []

    async def restore(self, actor: Actor, workspace: str, by: Source) -> Seen:
        """Bring a workspace of the actor's own back from the trash.

        Raises `webterm.errors.NoSuchWorkspace`, also when it is not in the trash, and `webterm.errors.QuotaReached`.
        """
        now = self._clock()
        async with self._store.writing() as conn:
            found = await workspaces.by_id(conn, WorkspaceId(workspace))
            if found is None or found.owner != actor.id or (found.deleted or PURGED) <= self._trash.oldest():
                raise no_such(workspace)
            await self._admission.check_number(conn, actor)
            home = found.home and await workspaces.home_of(conn, actor.id) is None
            back = await workspaces.change(conn, found.id, deleted=None, home=home, updated=now)
            await audit.append(conn, by, "workspace.restore", found.id, now=now, detail=found.name)
            seen = await self._admission.seen(conn, back or found, Role.OWN)
        await asyncio.shield(self._tasks.run(self._trash.settle(found.id)))
        return seen

    async def ensure_default(self, actor: Actor, workspace: str) -> bool:
        """Make a first file where a workspace is empty. Needs `Role.WRITE`. Returns whether that was so."""
        found = await self.allowed(actor, workspace, Role.WRITE)
        return await asyncio.to_thread(_make_first_file, self.root(found), found.account)


@dataclass(frozen=True, slots=True)
class _Wanted:
    name: str
    description: str
    template: str
    environment: Environment


def _make_first_file(path: Path, account: int | None) -> bool:
    with Root(path, account=account) as root:
        if root.listing(hidden=True, limit=1).items:
            return False
        try:
            with root.write(FIRST_FILE, expected=None) as writing:
                writing.write(FIRST_WORDS)
                writing.finish()
        except EditConflict:  # somebody else has just made one
            return False
    return True


def _checked_name(name: str) -> str:
    name = name.strip()
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        raise InvalidRequest(f"name: 1 to {LONGEST_NAME} printable characters")
    return name


def _checked_description(text: str) -> str:
    if len(text) > LONGEST_DESCRIPTION or "\0" in text:
        raise InvalidRequest(f"description: at most {LONGEST_DESCRIPTION} characters, and no NUL")
    return text

"""Uploads that can be cut and go on: their bytes, and what is known of them, are on disk beside a workspace's files."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
import os
import time
from collections.abc import AsyncIterable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from webterm.access import Actor, Role
from webterm.errors import Conflict, InvalidRequest, LimitReached, TooBig, WebtermError, WrongOffset
from webterm.files.entries import ANY, Entry, Expected
from webterm.files.root import Root
from webterm.ids import UploadId, WorkspaceId, new_upload_id
from webterm.tasks import Tasks
from webterm.work.directories import Directories, Spot
from webterm.work.files import Files
from webterm.work.holds import Hold
from webterm.work.needs import Before, look
from webterm.work.quotas import Reservation
from webterm.work.receiving import Chunk, receive
from webterm.work.shelf import Facts, Kept, Shelf, append, none
from webterm.work.workspaces import Ending, MemberGone, Workspace, WorkspaceGone

__all__ = ["Upload", "Uploads"]

log = logging.getLogger("webterm.work")

LASTS = 86_400.0
"""Seconds for which an upload is kept when no more bytes come."""
SWEEP = 300.0
"""Seconds between two searches for those that have expired."""
MOST = 256
"""Unfinished uploads of one person in one workspace."""
TOLD = 1024
"""Finished uploads, of everybody, whose makers are told of them when they ask: the answer may have been lost."""
LARGEST = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """An upload as its maker sees it: ``offset`` bytes of ``size`` are there.

    ``expires`` in seconds since 1970, if no more bytes come. ``entry`` is the file as it was put in its place; only
    `Uploads.get` knows of the upload then, and not for ever.
    """

    id: UploadId
    path: bytes
    size: int
    offset: int
    expires: float
    entry: Entry | None = None


class Uploads:
    """Resumable uploads. Each belongs to who began it; to others there is none (`webterm.errors.NoSuchUpload`).

    They survive a restart of the server. All calls raise what `webterm.work.files.Files.write` raises, too.
    """

    def __init__(
        self, files: Files, directory: Path, *, told: int = TOLD, clock: Callable[[], float] = time.time
    ) -> None:
        """``directory`` holds the directories of all workspaces (`webterm.work.directories`).

        ``told`` is how many finished uploads are remembered.
        """
        self._files = files
        self._directories = Directories(directory)
        self._workspaces = files.workspaces
        self._threads = files.threads
        self._told = told
        self._clock = clock
        self._known: dict[UploadId, _Upload] = {}
        self._done: dict[UploadId, tuple[_Upload, Entry]] = {}
        self._tasks = Tasks("uploads")
        self._sweeping: asyncio.Task[None] | None = None
        self._workspaces.subscribe(self._on_ending)

    async def start(self) -> None:
        """Take up what was there before, and begin to remove what expires."""
        found = await self._threads.quick(lambda: list(self._found()))
        for workspace, kept in found:
            self._know(workspace, kept)
        await self.sweep()
        self._sweeping = asyncio.create_task(self._sweep_for_ever(), name="uploads")

    async def aclose(self) -> None:
        """Stop. Uploads stay on disk. Twice is harmless."""
        sweeping, self._sweeping = self._sweeping, None
        if sweeping is not None:
            sweeping.cancel()
            await asyncio.gather(sweeping, return_exceptions=True)
        await self._tasks.aclose()

    async def begin(
        self,
        actor: Actor,
        workspace: str,
        path: bytes,
        *,
        size: int,
        expected: Expected = ANY,
        executable: bool | None = None,
        modified: float | None = None,
        parents: bool = True,
    ) -> Upload:
        """Announce a file of ``size`` bytes, for which quota is set aside. It is complete with a `put`, also of none.

        ``expected`` as in `Files.write`, looked at now and again when the file is put in its place; ``modified`` is
        the time that it shall have then. Raises `webterm.errors.LimitReached` for too many unfinished ones.
        """
        if not 0 <= size <= LARGEST:
            raise InvalidRequest("size: a number of bytes")
        with await self._files.holds.take(actor, workspace, Role.WRITE) as hold:
            self._check_number(hold)
            there = await self._look(hold.workspace, path, expected, parents)
            reservation = await self._files.quotas.reserve(
                hold.workspace, bytes=size - there.bytes, entries=there.entries
            )
            facts = Facts(
                user=actor.id,
                path=path,
                size=size,
                anything=expected is ANY,
                tag=None if expected is ANY else expected,
                executable=executable,
                modified=modified,
                parents=parents,
                room=reservation.bytes,
                names=reservation.entries,
            )
            upload = _Upload(hold.workspace.id, new_upload_id(), facts, reservation, self._clock())
            self._known[upload.id] = upload
            try:
                shelf = self._shelf(hold.workspace.id)
                await self._threads.quick(lambda: shelf.make(upload.id, facts), drop=lambda _: shelf.remove(upload.id))
            except BaseException:
                self._forget(upload)
                raise
        return upload.seen()

    async def put(self, actor: Actor, workspace: str, upload: str, offset: int, data: AsyncIterable[Chunk]) -> Upload:
        """Add bytes; the answer has ``entry`` when they were the last ones.

        What came before ``data`` raised, or before this was cancelled, is kept: `get` says how much. Raises
        `webterm.errors.WrongOffset` when the upload goes on elsewhere, `webterm.errors.Conflict` while another call
        adds to it, `webterm.errors.TooBig` when there is more than was announced. When the file cannot be put in its
        place, the upload stays, and a `put` of nothing tries again.
        """
        with await self._files.holds.take(actor, workspace, Role.WRITE) as hold:
            known = await self._of(hold, upload)
            with known.busy():
                if offset != known.offset:
                    raise WrongOffset(f"the upload goes on at byte {known.offset:,}", offset=known.offset)
                await self._receive(hold, known, data)
                if known.offset < known.facts.size:
                    return known.seen()
                return known.seen(await self._complete(hold, known))

    async def get(self, actor: Actor, workspace: str, upload: str) -> Upload:
        """How far an upload has come; one that was finished not long ago, too."""
        with await self._files.holds.take(actor, workspace, Role.WRITE) as hold:
            done, entry = self._done.get(UploadId(upload), (None, None))
            if done is not None and done.belongs(hold):
                return done.seen(entry)
            return (await self._of(hold, upload)).seen()

    async def cancel(self, actor: Actor, workspace: str, upload: str) -> None:
        """Give an upload up and remove its bytes, also while some come."""
        with await self._files.holds.take(actor, workspace, Role.WRITE) as hold:
            await self._remove(await self._of(hold, upload), self._shelf(hold.workspace.id))

    async def sweep(self) -> None:
        """Remove what has expired. One that cannot be removed now keeps no other from it."""
        now = self._clock()
        for upload in list(self._known.values()):
            if now >= upload.expires and upload.state is _State.WAITING:
                try:
                    await self._remove(upload, self._shelf(upload.workspace))
                except (WebtermError, OSError):
                    log.exception("an upload that has expired could not be removed")

    async def _receive(self, hold: Hold, upload: _Upload, data: AsyncIterable[Chunk]) -> None:
        end = upload.offset

        async def admit(more: int) -> None:
            nonlocal end
            hold.check()
            upload.check()
            end += more
            if end > upload.facts.size:
                raise TooBig(f"more came than the {upload.facts.size:,} bytes that were announced")

        shelf = self._shelf(hold.workspace.id)
        descriptor = await self._threads.quick(lambda: shelf.open(upload.id), drop=os.close)
        try:
            await receive(data, self._threads, lambda chunks: upload.append(descriptor, chunks), admit=admit, keep=True)
        finally:
            upload.touched = self._clock()
            os.close(descriptor)

    async def _complete(self, hold: Hold, upload: _Upload) -> Entry:
        await self._files.holds.confirm(hold)
        upload.check()
        upload.state = _State.COMPLETING
        # Not to be cancelled in the middle: nobody would know what has become of it.
        return await asyncio.shield(self._tasks.run(self._take_in(hold.workspace, upload)))

    async def _take_in(self, workspace: Workspace, upload: _Upload) -> Entry:
        facts, shelf = upload.facts, self._shelf(workspace.id)
        try:
            async with self._files.roots.held(workspace) as root:
                there = await self._threads.quick(lambda: look(root, facts.path, parents=facts.parents))
                entry = await self._threads.step(lambda: shelf.take_in(upload.id, facts, root))
        except BaseException:
            upload.state = _State.WAITING
            raise
        upload.state = _State.GONE
        upload.reservation.settle(bytes=entry.size - there.bytes, entries=there.entries)
        self._forget(upload)
        self._done[upload.id] = upload, entry
        if len(self._done) > self._told:
            del self._done[next(iter(self._done))]
        return entry

    async def _look(self, workspace: Workspace, path: bytes, expected: Expected, parents: bool) -> Before:
        """What is in the place, if it may be replaced."""

        def look_at(root: Root) -> Before:
            there = look(root, path, parents=parents)
            if there.entries <= 1:  # otherwise directories would have to be made for this look
                root.write(path, expected=expected, parents=parents).close()
            return there

        async with self._files.roots.held(workspace) as root:
            return await self._threads.quick(lambda: look_at(root))

    async def _of(self, hold: Hold, upload: str) -> _Upload:
        """The upload of that name, if it is this one's and here."""
        known = self._known.get(UploadId(upload))
        if known is None:  # it may have come back with its workspace, from the trash
            shelf = self._shelf(hold.workspace.id)
            kept = await self._threads.quick(lambda: shelf.get(upload))
            known = self._known.get(kept.id) or self._know(hold.workspace.id, kept)
        if not known.belongs(hold):
            raise none(upload)
        known.check()
        return known

    def _know(self, workspace: WorkspaceId, kept: Kept) -> _Upload:
        facts = kept.facts
        reservation = self._files.quotas.keep(workspace, bytes=facts.room, entries=facts.names)
        known = _Upload(workspace, kept.id, facts, reservation, kept.touched, offset=kept.offset)
        self._known[kept.id] = known
        return known

    def _found(self) -> Iterator[tuple[WorkspaceId, Kept]]:
        for workspace in self._directories.found(Spot.LIVE):
            for kept in self._shelf(workspace).all():
                yield workspace, kept

    def _check_number(self, hold: Hold) -> None:
        of_them = [upload for upload in self._known.values() if upload.belongs(hold)]
        if len(of_them) >= MOST:
            raise LimitReached(f"there are {MOST} unfinished uploads of yours here; finish or cancel one")

    async def _remove(self, upload: _Upload, shelf: Shelf) -> None:
        if upload.state is _State.COMPLETING:
            raise Conflict("the upload is complete, and just being put in its place")
        upload.state = _State.GONE
        try:
            await self._threads.quick(lambda: shelf.remove(upload.id))
        except OSError:
            upload.state = _State.WAITING  # it is still there, and is removed when it expires
            raise
        self._forget(upload)

    def _forget(self, upload: _Upload) -> None:
        self._known.pop(upload.id, None)
        upload.reservation.release()

    def _on_ending(self, ending: Ending) -> None:
        for upload in [upload for upload in self._known.values() if upload.workspace == ending.workspace]:
            if isinstance(ending, WorkspaceGone):
                self._forget(upload)  # its bytes are in the trash, with the files
            elif isinstance(ending, MemberGone) and ending.user == upload.facts.maker:
                self._tasks.run(self._remove(upload, self._shelf(upload.workspace)))

    async def _sweep_for_ever(self) -> None:
        while True:
            await asyncio.sleep(SWEEP)
            await self.sweep()

    def _shelf(self, workspace: WorkspaceId) -> Shelf:
        return Shelf(self._directories.uploads(workspace))


class _State(enum.Enum):
    WAITING = "waiting"
    COMING = "coming"
    COMPLETING = "completing"
    GONE = "gone"


class _Upload:
    """An upload that is known, with the room that is set aside for it."""

    def __init__(
        self,
        workspace: WorkspaceId,
        upload: UploadId,
        facts: Facts,
        reservation: Reservation,
        touched: float,
        *,
        offset: int = 0,
    ) -> None:
        self.workspace = workspace
        self.id = upload
        self.facts = facts
        self.reservation = reservation
        self.touched = touched
        self.offset = offset
        self.state = _State.WAITING

    @property
    def expires(self) -> float:
        return self.touched + LASTS

    def belongs(self, hold: Hold) -> bool:
        """Whether it is this one's, and in this workspace."""
        return self.workspace == hold.workspace.id and self.facts.maker == hold.actor.id

    @contextlib.contextmanager
    def busy(self) -> Iterator[None]:
        """While some call adds to it. Raises `webterm.errors.Conflict` while another does."""
        if self.state is not _State.WAITING:
            raise Conflict("another call adds to this upload")
        self.state = _State.COMING
        try:
            yield
        finally:
            if self.state is _State.COMING:
                self.state = _State.WAITING

    def append(self, descriptor: int, chunks: Sequence[Chunk]) -> None:
        """Add bytes, in a thread; ``offset`` moves with them."""
        for count in append(descriptor, self.offset, chunks, self.facts.path):
            self.offset += count

    def check(self) -> None:
        """Raises `webterm.errors.NoSuchUpload` when it has been given up."""
        if self.state is _State.GONE:
            raise none(self.id)

    def seen(self, entry: Entry | None = None) -> Upload:
        """What its maker is told."""
        return Upload(
            id=self.id,
            path=self.facts.path,
            size=self.facts.size,
            offset=self.offset,
            expires=self.expires,
            entry=entry,
        )

"""Uploads that can be cut and go on: their bytes and what is known of them are on disk, beside the workspace's files."""

from __future__ import annotations

import time
from collections.abc import AsyncIterable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from webterm.access import Actor
from webterm.files.entries import ANY, Entry, Expected
from webterm.ids import UploadId
from webterm.work.files import Files
from webterm.work.quotas import Quotas

if TYPE_CHECKING:
    from webterm.work.workspaces import Workspaces


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """An upload as its maker sees it: ``offset`` bytes of ``size`` are there.

    ``expires`` in seconds since 1970. ``entry`` is the file, once it is complete; the upload is gone then.
    """

    id: UploadId
    path: bytes
    size: int
    offset: int
    expires: float
    entry: Entry | None = None


class Uploads:
    """Resumable uploads. Each belongs to the one who began it; to others there is none (`webterm.errors.NoSuchUpload`).

    All raise what `webterm.work.files.Files.write` raises, too.
    """

    def __init__(
        self, workspaces: Workspaces, quotas: Quotas, files: Files, *, clock: Callable[[], float] = time.time
    ) -> None:
        raise NotImplementedError

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
        """Announce a file of ``size`` bytes, for which quota is set aside. One of 0 bytes is complete with its first `put`.

        ``expected`` as in `Files.write`, looked at now and again when the file is put in its place.
        """
        raise NotImplementedError

    async def put(self, actor: Actor, workspace: str, upload: str, offset: int, data: AsyncIterable[bytes]) -> Upload:
        """Add bytes; the answer has ``entry`` when they were the last ones.

        What came before ``data`` raised, or before this was cancelled, is kept: `get` says how much. Raises
        `webterm.errors.WrongOffset` when the upload goes on elsewhere, `webterm.errors.Conflict` while another call
        adds to it, `webterm.errors.TooBig` when there is more than was announced.
        """
        raise NotImplementedError

    async def get(self, actor: Actor, workspace: str, upload: str) -> Upload:
        """How far an upload has come."""
        raise NotImplementedError

    async def cancel(self, actor: Actor, workspace: str, upload: str) -> None:
        """Give an upload up and remove its bytes."""
        raise NotImplementedError

    async def start(self) -> None:
        """Take up what another server left, and begin to remove what has expired."""

    async def aclose(self) -> None:
        """Stop. Uploads stay on disk."""

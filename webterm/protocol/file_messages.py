"""Messages about the files of workspaces: requests that are answered, and watches."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from webterm.protocol.file_entries import FileEntry, FoundEntry
from webterm.protocol.message import Message, Name
from webterm.work.files import LONGEST_TEXT

LARGEST_PIECE = 256 * 1024
"""Bytes of a file in one ``file_data``."""
LARGEST_WRITE = 512 * 1024
"""Bytes of a file in one ``write_file``."""
MOST_LISTED = 5000
"""Entries in one ``files``."""
DEEPEST = 32
MOST_FOUND = 1000

RequestNumber = Annotated[int, Meta(ge=1, le=2**31 - 1)]
PathText = Annotated[str, Meta(max_length=3 * 4096)]
"""Relative to the workspace; as text, or percent-encoded where the message says ``encoded``."""
Tag = Annotated[str, Meta(max_length=256)]
Content = Annotated[bytes, Meta(max_length=LARGEST_WRITE)]


class FileRequest(Message, frozen=True, kw_only=True):
    """Something asked about one workspace; the answer, or ``error``, has the same number."""

    request: RequestNumber
    workspace: Name


# Client to server.


class ListFiles(FileRequest, frozen=True, kw_only=True, tag="list_files"):
    """What is in a directory, by name. ``after`` is the ``next`` of the page before."""

    path: PathText = ""
    encoded: bool = False
    depth: Annotated[int, Meta(ge=1, le=DEEPEST)] = 1
    hidden: bool = False
    after: PathText | None = None
    limit: Annotated[int, Meta(ge=1, le=MOST_LISTED)] = 1000


class StatFile(FileRequest, frozen=True, kw_only=True, tag="stat_file"):
    """What is at a path."""

    path: PathText
    encoded: bool = False


class ReadFile(FileRequest, frozen=True, kw_only=True, tag="read_file"):
    """A piece of a file."""

    path: PathText
    encoded: bool = False
    offset: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    length: Annotated[int, Meta(ge=0, le=LARGEST_PIECE)] = LARGEST_PIECE


class WriteFile(FileRequest, frozen=True, kw_only=True, tag="write_file"):
    """Write a whole file, at once or not at all; larger ones go over HTTP.

    ``expected``: the tag of the file that is to be replaced, null for one that must not be there yet; without it,
    whatever is there is replaced. ``executable`` left out: as the file that is replaced.
    """

    path: PathText
    encoded: bool = False
    data: Content
    expected: Tag | UnsetType | None = UNSET
    parents: bool = False
    executable: bool | None = None


class MakeDirectory(FileRequest, frozen=True, kw_only=True, tag="make_directory"):
    """Make a directory; with ``parents`` also those that are missing on the way."""

    path: PathText
    encoded: bool = False
    parents: bool = False


class MoveFile(FileRequest, frozen=True, kw_only=True, tag="move_file"):
    """Move or rename a file or directory."""

    source: PathText
    target: PathText
    encoded: bool = False
    overwrite: bool = False


class CopyFile(FileRequest, frozen=True, kw_only=True, tag="copy_file"):
    """Copy a file, or a directory with all that is in it."""

    source: PathText
    target: PathText
    encoded: bool = False
    overwrite: bool = False


class SetExecutable(FileRequest, frozen=True, kw_only=True, tag="set_executable"):
    """Make a file a program, or not."""

    path: PathText
    encoded: bool = False
    executable: bool


class RemoveFile(FileRequest, frozen=True, kw_only=True, tag="remove_file"):
    """Remove a file, link or empty directory; with ``recursive`` a directory with all that is in it."""

    path: PathText
    encoded: bool = False
    recursive: bool = False


class SearchFiles(FileRequest, frozen=True, kw_only=True, tag="search_files"):
    """Look for names below ``path``, or with ``content`` for lines in files. Bounded in time, bytes and results."""

    query: Annotated[str, Meta(min_length=1, max_length=LONGEST_TEXT)]
    content: bool = False
    path: PathText = ""
    encoded: bool = False
    case: bool = False
    hidden: bool = False
    limit: Annotated[int, Meta(ge=1, le=MOST_FOUND)] = 200


class Watch(FileRequest, frozen=True, kw_only=True, tag="watch"):
    """Have changes in a directory told, until ``unwatch`` or the end of the socket."""

    path: PathText = ""
    encoded: bool = False


class Unwatch(Message, frozen=True, kw_only=True, tag="unwatch"):
    """Have nothing told any more. A watch that there is not is no error: it may just have ended by itself."""

    watch: Annotated[int, Meta(ge=1, le=2**53)]


# Server to client.


class Answer(Message, frozen=True, kw_only=True):
    """The answer to the request of this number."""

    request: int


class Files(Answer, frozen=True, kw_only=True, tag="files"):
    """The answer to ``list_files``. ``next`` is the ``after`` of the next page; without it this is the last one."""

    items: list[FileEntry]
    next: str | None = None
    tag: str


class File(Answer, frozen=True, kw_only=True, tag="file"):
    """What is at a path now."""

    entry: FileEntry


class FileData(Answer, frozen=True, kw_only=True, tag="file_data"):
    """The bytes of a file from ``offset`` on, in base64; ``entry`` is of the file that they come from."""

    entry: FileEntry
    offset: int
    data: bytes


class Matches(Answer, frozen=True, kw_only=True, tag="matches"):
    """The answer to ``search_files``. Not ``complete``: there may be more than was looked at."""

    items: list[FoundEntry]
    complete: bool


class Done(Answer, frozen=True, kw_only=True, tag="done"):
    """It has been done."""


class Watching(Answer, frozen=True, kw_only=True, tag="watching"):
    """The answer to ``watch``: what changes from now on is told under this number. Look at the directory after this."""

    watch: int
    entry: FileEntry


class FileChange(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One name in a watched directory, and what happened to it; ``encoded`` where it is not UTF-8.

    ``moved`` is told of a name that is gone, and ``created`` of the new one.
    """

    name: str
    kind: Literal["created", "changed", "removed", "moved"]
    encoded: str | None = None


class FileChanged(Message, frozen=True, kw_only=True, tag="file_changed"):
    """Something has changed in a watched directory.

    ``refresh``: too much to tell; list the directory anew. ``ended``: the directory is gone, or may not be seen any
    more, and with it the watch.
    """

    workspace: str
    watch: int
    path: str
    encoded: str | None = None
    changes: list[FileChange]
    refresh: bool = False
    ended: bool = False


FromClientAboutFiles = (
    ListFiles
    | StatFile
    | ReadFile
    | WriteFile
    | MakeDirectory
    | MoveFile
    | CopyFile
    | SetExecutable
    | RemoveFile
    | SearchFiles
    | Watch
    | Unwatch
)
FromServerAboutFiles = Files | File | FileData | Matches | Done | Watching | FileChanged

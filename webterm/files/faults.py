"""The one gate through which the system's errors about files become ours."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from typing import Final

from webterm.errors import (
    AlreadyExists,
    Conflict,
    DirectoryNotEmpty,
    DiskFull,
    InvalidPath,
    NoSuchFile,
    NotADirectory,
    NotAFile,
    OutsideWorkspace,
    PermissionDenied,
    TooBig,
    Unavailable,
    WebtermError,
)
from webterm.files.names import shown

_FAULTS: Final[dict[int, tuple[type[WebtermError], str]]] = {
    errno.ENOENT: (NoSuchFile, "there is no {}"),
    errno.ENOTDIR: (NotADirectory, "{} is no directory, or a part of the path to it is none"),
    errno.EISDIR: (NotAFile, "{} is a directory"),
    errno.ENXIO: (NotAFile, "{} is no file that can be read or written"),
    errno.EEXIST: (AlreadyExists, "{} is there already"),
    errno.ENOTEMPTY: (DirectoryNotEmpty, "the directory {} is not empty"),
    errno.EACCES: (PermissionDenied, "the system does not allow this with {}"),
    errno.EPERM: (PermissionDenied, "the system does not allow this with {}"),
    errno.EROFS: (PermissionDenied, "{} cannot be changed: the disk is read-only"),
    errno.ENOSPC: (DiskFull, "no room is left on the disk for {}"),
    errno.EDQUOT: (DiskFull, "the disk quota leaves no room for {}"),
    errno.EFBIG: (TooBig, "{} would be too big for the disk"),
    errno.ENAMETOOLONG: (InvalidPath, "the name of {} is too long"),
    errno.EINVAL: (InvalidPath, "the system cannot do this with {}"),
    errno.EILSEQ: (InvalidPath, "the disk does not take the name {}"),
    errno.EXDEV: (OutsideWorkspace, "a link on the path to {} leads out of the workspace"),
    errno.ELOOP: (OutsideWorkspace, "links on the path to {} go in circles"),
    errno.EAGAIN: (Conflict, "a program holds {}, or changes the path to it"),
    errno.EBUSY: (Conflict, "{} is in use"),
    errno.ETXTBSY: (Conflict, "the program {} is running"),
}


def ours(error: OSError, path: bytes) -> WebtermError:
    """What this error of the system is in our words. ``path`` is what was asked for."""
    kind, text = _FAULTS.get(error.errno or 0, (Unavailable, f"the system failed with {{}}: {error.strerror}"))
    return kind(text.format(shown(path) if path else "the workspace's top directory"))


@contextlib.contextmanager
def translated(path: bytes) -> Iterator[None]:
    """Raise the system's errors as ours."""
    try:
        yield
    except OSError as error:
        raise ours(error, path) from error

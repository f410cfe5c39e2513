"""Opening paths so that they never leave a directory, whatever links lie on them and whoever swaps them meanwhile.

`open_path` opens nothing for reading or writing: it takes hold of what has a name (O_PATH), which has no effect on
pipes and devices. What is held can then be looked at and opened in earnest by `reopen`, and is still the same thing.
To act on a name (make, rename, remove), hold its directory and use the name with it: the system calls for that never
follow a link in the last name.

There are two ways with the same outcome: the system's own, ``openat2`` (Linux 5.6), and a walk, name by name.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import os
import stat
from collections.abc import Iterator
from typing import Final, Literal

Way = Literal["openat2", "walk"]

MOST_LINKS: Final = 40
"""As many links as the system follows on one path."""
MOST_STEPS: Final = 20_000
"""Links that lead up and down again could make one path take for ever."""
MOST_TRIES: Final = 64
"""How often a path is tried again on which something is being renamed."""

_PATH: Final = os.O_PATH | os.O_CLOEXEC
_OPENAT2: Final = 437  # on all architectures of Linux that Python runs on
_NO_MAGIC_LINKS: Final = 0x02
_BENEATH: Final = 0x08
_NOREPLACE: Final = 1

_libc = ctypes.CDLL(None, use_errno=True)
_int, _text = ctypes.c_int, ctypes.c_char_p
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long
_syscall.argtypes = (ctypes.c_long, _int, _text, ctypes.c_void_p, ctypes.c_size_t)
_renameat2 = getattr(_libc, "renameat2", None)
if _renameat2 is not None:
    _renameat2.argtypes = (_int, _text, _int, _text, ctypes.c_uint)


class _How(ctypes.Structure):
    """``struct open_how``."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


@contextlib.contextmanager
def held(fd: int) -> Iterator[int]:
    """Close a descriptor at the end."""
    try:
        yield fd
    finally:
        os.close(fd)


def open_path(top: int, path: bytes, *, follow: bool = True, way: Way | None = None) -> int:
    """A descriptor (O_PATH) of what this path leads to, beneath the directory ``top``; ``b""`` is that directory.

    ``follow``: also a link in the last name. Raises OSError: EXDEV where it would lead out (absolute links always do),
    ELOOP after too many links, and what else the system has.
    """
    path = path or b"."
    if (way or best_way()) == "walk":
        return _walk(top, path, follow=follow)
    flags = _PATH | (0 if follow else os.O_NOFOLLOW)
    for _ in range(MOST_TRIES):
        with contextlib.suppress(BlockingIOError):
            return _openat2(top, path, flags)
    return _walk(top, path, follow=follow)  # somebody renames on this path without a pause


@functools.cache
def best_way() -> Way:
    """``openat2`` where the system has it and lets us use it."""
    try:
        with held(os.open("/", _PATH)) as top, held(_openat2(top, b".", _PATH)):
            return "openat2"
    except OSError:
        return "walk"


def _openat2(top: int, path: bytes, flags: int) -> int:
    how = _How(flags=flags, mode=0, resolve=_BENEATH | _NO_MAGIC_LINKS)
    while True:
        fd: int = _syscall(_OPENAT2, top, path, ctypes.byref(how), ctypes.sizeof(how))
        if fd >= 0:
            return fd
        number = ctypes.get_errno()
        if number != errno.EINTR:
            raise _fault(number, path)


def _fault(number: int, path: bytes) -> OSError:
    return OSError(number, os.strerror(number), path)


def _walk(top: int, path: bytes, *, follow: bool) -> int:
    for _ in range(MOST_TRIES):
        with contextlib.suppress(BlockingIOError), contextlib.closing(_Walk(top, path, follow=follow)) as walk:
            return walk.run()
    raise _fault(errno.EAGAIN, path)


class _Walk:
    """One path, walked name by name. Only the directory that has been reached is held."""

    def __init__(self, top: int, path: bytes, *, follow: bool) -> None:
        self._top = top
        self._path = path
        self._follow = follow
        self._ahead = path.split(b"/")[::-1]
        self._behind: list[bytes] = []  # the names from the top to where we are, none of them a link
        self._here: int | None = os.dup(top)
        self._links = 0
        self._steps = 0

    def close(self) -> None:
        if self._here is not None:
            os.close(self._here)
            self._here = None

    def run(self) -> int:
        if len(self._path) >= 4096:
            raise _fault(errno.ENAMETOOLONG, self._path)
        if self._path.startswith(b"/"):
            raise _fault(errno.EXDEV, self._path)
        while self._ahead:
            self._step()
            name = self._ahead.pop()
            if name == b"..":
                self._up()
            elif name not in (b"", b"."):
                fd = os.open(name, _PATH | os.O_NOFOLLOW, dir_fd=self._reached())
                if self._enter(name, fd):
                    return fd
        here = self._reached()
        self._here = None
        return here

    def _enter(self, name: bytes, fd: int) -> bool:
        """Go on with what has this name. True when it is the end of the path; then the descriptor is not closed."""
        keep = False
        try:
            mode = os.fstat(fd).st_mode
            if stat.S_ISLNK(mode) and (self._ahead or self._follow):
                self._turn(os.readlink(b"", dir_fd=fd))
            elif not self._ahead:
                keep = True
            elif stat.S_ISDIR(mode):
                self._behind.append(name)
                fd, self._here = self._reached(), fd
            else:
                raise _fault(errno.ENOTDIR, self._path)
        finally:
            if not keep:
                os.close(fd)
        return keep

    def _turn(self, text: bytes) -> None:
        """Follow a link."""
        self._links += 1
        if self._links > MOST_LINKS:
            raise _fault(errno.ELOOP, self._path)
        if text.startswith(b"/"):
            raise _fault(errno.EXDEV, self._path)
        self._ahead.extend(reversed(text.split(b"/")))

    def _up(self) -> None:
        """Go to the parent. Where that is, is read off the names, for the directory may have been moved elsewhere."""
        if not self._behind:
            raise _fault(errno.EXDEV, self._path)
        self._behind.pop()
        self.close()

    def _reached(self) -> int:
        """The directory that has been reached: held, or gone to again from the top after `_up`."""
        if self._here is None:
            self._here = os.dup(self._top)
            for name in self._behind:
                self._step()
                try:
                    below = os.open(name, _PATH | os.O_NOFOLLOW | os.O_DIRECTORY, dir_fd=self._here)
                except (FileNotFoundError, NotADirectoryError):
                    raise _fault(errno.EAGAIN, self._path) from None  # it was there a moment ago: all over again
                os.close(self._here)
                self._here = below
        return self._here

    def _step(self) -> None:
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise _fault(errno.ELOOP, self._path)


def reopen(fd: int, flags: int) -> int:
    """Open in earnest what ``fd`` (O_PATH) holds. Never waits: not for a pipe's other end, nor for a lease to end."""
    return os.open(f"/proc/self/fd/{fd}", flags | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)


def open_listed(directory: int) -> int:
    """A descriptor to list the directory that is held."""
    return os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)


def set_mode(fd: int, mode: int) -> None:
    """Give what is held (O_PATH; no link) these permissions."""
    os.chmod(f"/proc/self/fd/{fd}", mode)  # noqa: PTH101 - fchmod takes no such descriptor


def give(fd: int, account: int) -> None:
    """Make what is held (O_PATH; no link) the property of this user and the group of the same number."""
    os.chown(f"/proc/self/fd/{fd}", account, account)


def rename_new(source: int, old: bytes, target: int, new: bytes) -> None:
    """Rename, unless there is something: then FileExistsError. Both names are looked up in the directories held."""
    while _renameat2 is not None:
        if _renameat2(source, old, target, new, _NOREPLACE) == 0:
            return
        number = ctypes.get_errno()
        if number == errno.EINVAL:
            break
        if number != errno.EINTR:
            raise _fault(number, new)
    # A file system that does not know how: look first. (Or a directory is moved into itself, and that fails here too.)
    with contextlib.suppress(FileNotFoundError):
        os.stat(new, dir_fd=target, follow_symlinks=False)
        raise _fault(errno.EEXIST, new)
    os.rename(old, new, src_dir_fd=source, dst_dir_fd=target)

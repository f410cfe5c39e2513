"""Renaming: what had one name has another one, at once."""

from __future__ import annotations

import errno
import os
from typing import Final

from webterm.errors import Conflict, InvalidPath
from webterm.files.beneath import rename_new
from webterm.files.names import shown
from webterm.files.placing import Place

_SAME: Final = "a directory cannot be moved into itself"


def move(source: Place, target: Place, *, overwrite: bool) -> None:
    """Rename. Without ``overwrite`` nothing may be there (EEXIST). Raises OSError and our errors."""
    try:
        if not overwrite:
            rename_new(source.directory, source.name, target.directory, target.name)
        elif not _are_one_file(source, target):
            os.rename(source.name, target.name, src_dir_fd=source.directory, dst_dir_fd=target.directory)
    except OSError as error:
        if error.errno == errno.EINVAL:
            raise InvalidPath(_SAME) from error
        if error.errno == errno.EXDEV:
            raise Conflict(f"{shown(target.name)} would be on another disk: copy it, and remove it here") from error
        raise


def _are_one_file(source: Place, target: Place) -> bool:
    """Whether both are names of one file: the system would then leave both. Of two names only the target's is left."""
    there = target.status()
    here = source.status()
    if there is None or here is None or not os.path.samestat(here, there):
        return False
    same_directory = os.path.samestat(os.fstat(source.directory), os.fstat(target.directory))
    if not (same_directory and source.name == target.name):
        os.unlink(source.name, dir_fd=source.directory)
    return True

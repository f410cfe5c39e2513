"""What the environments of workspaces may ask for."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from webterm.errors import InvalidRequest, NoSuchDriver
from webterm.files.names import shown
from webterm.settings import Settings
from webterm.store.workspaces import Environment, EnvironmentLimits
from webterm.work.allowed_images import AllowedImages

UNASKED: Final = Environment()
"""The environment that asks for nothing, and is allowed everywhere."""
_UNITS = (("TiB", 1024**4), ("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024))


class Environments:
    """What the settings allow. ``drivers`` are the names of all that there are."""

    def __init__(self, settings: Settings, drivers: Collection[str]) -> None:
        self._drivers = frozenset(drivers)
        self.images = AllowedImages(settings)
        self._most = settings.sandbox

    def check(self, wanted: Environment, before: Environment = UNASKED, *, images: Collection[str] = ()) -> None:
        """Raise where more is asked for than there may be. What is as ``before`` stays: settings may have changed.

        ``images`` are those of templates. Raises `webterm.errors.NoSuchDriver`, `webterm.errors.ImageRefused`, and
        `webterm.errors.InvalidRequest` that names each limit, what was asked for and the most that there may be.
        """
        if wanted.driver != before.driver:
            self._check_driver(wanted.driver)
        if wanted.image != before.image:
            self.images.check(wanted.image, images)
        if wanted.cwd != before.cwd:
            _check_directory(wanted.cwd)
        excess = set(self.excess(wanted.limits)) - set(self.excess(before.limits))
        if excess:
            raise InvalidRequest("; ".join(sorted(excess)))

    def excess(self, wanted: EnvironmentLimits) -> list[str]:
        """For each limit that is more than the settings allow, and so does not hold, a line for people."""
        most = self._most
        asked = (
            ("memory", wanted.memory, most.memory, _size(wanted.memory), _size(most.memory)),
            ("cpu", wanted.cpu, most.cpu, f"{_number(wanted.cpu)} processors", _number(most.cpu)),
            ("processes", wanted.processes, most.processes, f"{wanted.processes:,}", f"{most.processes:,}"),
        )
        return [
            f"{name}: {spelled} asked for, and the server's settings allow at most {allowed}"
            for name, value, bound, spelled, allowed in asked
            if 0 < bound < value
        ]

    def _check_driver(self, driver: str | None) -> None:
        if driver is not None and driver not in self._drivers:
            names = ", ".join(sorted(self._drivers))
            raise NoSuchDriver(f"there is no driver {driver!r}; there are {names}")


def _check_directory(path: str) -> None:
    if path.startswith("/") or ".." in path.split("/"):
        raise InvalidRequest(
            f"cwd: {shown(path.encode())} leads out of the workspace; the folder in which programs begin is a path"
            " from the workspace's top, without a slash at its beginning, and has no '..' in it"
        )


def _number(value: float) -> str:
    return str(value).removesuffix(".0")


def _size(size: int) -> str:
    """Bytes in the largest unit in which they are whole: two that differ never look the same."""
    for unit, factor in _UNITS:
        if size and size % factor == 0:
            return f"{size // factor:,} {unit}"
    return f"{size:,} bytes"

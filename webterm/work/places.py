"""Where somebody's programs may run."""

from __future__ import annotations

from collections.abc import Collection

from webterm.access import Actor
from webterm.errors import IsolationRefused, NoSuchWorkspace
from webterm.terminals.rules import Place


class Places:
    """Finds the place for a terminal. ``shared``: names of drivers that do not keep people's programs apart.

    ``isolated``: then only the server's owner may use those, because their programs may do whatever the server's own
    user may.
    """

    def __init__(self, shared: Collection[str], *, default: str, isolated: bool) -> None:
        self._shared = frozenset(shared)
        self._default = default
        self._isolated = isolated

    async def place(self, actor: Actor, workspace: str | None, driver: str | None) -> Place:
        """Raises `webterm.errors.NoSuchWorkspace` and `webterm.errors.IsolationRefused`, which names the setting."""
        if workspace is not None:
            raise NoSuchWorkspace(f"There is no workspace {workspace[:64]!r}.")
        name = driver or self._default
        if self._isolated and name in self._shared and not actor.owner:
            raise IsolationRefused(
                f"only the owner of this server may start programs with the driver {name}, which keeps nobody's"
                ' programs apart; the setting local.isolation = "none" lets everybody'
            )
        return Place(driver=name)

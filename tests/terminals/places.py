"""Places for terminals where no workspace is."""

from __future__ import annotations

from webterm.access import Actor
from webterm.errors import NoSuchWorkspace
from webterm.terminals.rules import Place


async def anywhere(actor: Actor, workspace: str | None, driver: str | None) -> Place:
    """Wherever one likes: there are no workspaces."""
    if workspace is not None:
        raise NoSuchWorkspace(f"There is no workspace {workspace!r}.")
    return Place(driver=driver)

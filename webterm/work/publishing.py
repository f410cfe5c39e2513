"""Ports of this machine that lead into containers: ten for each person, who shares them out among their workspaces."""

from __future__ import annotations

from collections.abc import Sequence

from webterm.store.workspaces import GUESTS, Workspace

EACH = 10
"""Ports of one person."""
LAST = 65_535


def published(found: Workspace, own: Sequence[Workspace], base: int) -> dict[int, int]:
    """The ports that a workspace asks for, each with the one that leads there.

    ``own`` are all workspaces of its owner, the oldest first: those before get theirs before, so that each workspace
    has the same at every start; what is beyond the last is left out. ``base`` is the first port of the first person,
    0: there are none.
    """
    first = base + EACH * (found.alias % GUESTS - 1)  # people have accounts here, or are guests, but not both
    if not base or first + EACH - 1 > LAST:
        return {}
    free = iter(range(first, first + EACH))
    for each in own:
        if each.deleted is not None:
            continue
        mine = dict(zip(dict.fromkeys(each.environment.ports), free, strict=False))
        if each.id == found.id:
            return mine
    return {}

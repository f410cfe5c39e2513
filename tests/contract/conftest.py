"""Sandboxes and containers are the same for both event loops: one is enough for them."""

from __future__ import annotations

import pytest

from tests.contract.contained import contained

__all__ = ["contained"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what would only be the same again, and cost a minute."""
    twice = [item for item in items if "/contract/" in item.nodeid and _is_twice(item)]
    for item in items:
        if "/contract/" in item.nodeid and _kind(item) == "docker":
            item.add_marker(pytest.mark.docker)
    if twice:
        items[:] = [item for item in items if item not in set(twice)]
        config.hook.pytest_deselected(items=twice)


def _is_twice(item: pytest.Item) -> bool:
    return _kind(item) in ("sandbox", "docker") and "asyncio-" in item.nodeid


def _kind(item: pytest.Item) -> object:
    callspec = getattr(item, "callspec", None)
    return callspec.params.get("subject") if callspec is not None else None

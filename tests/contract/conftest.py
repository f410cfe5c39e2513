"""Sandboxes are the same for both event loops: one is enough for them."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what would only be the same again, and cost a minute."""
    twice = [item for item in items if "/contract/" in item.nodeid and "asyncio-sandbox" in item.nodeid]
    if twice:
        items[:] = [item for item in items if item not in set(twice)]
        config.hook.pytest_deselected(items=twice)

"""Stores for tests: each test that asks for one runs on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.store.postgres import Cluster
from webterm.store.engine import Store

ENGINES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """The kind of database: ``sqlite`` or ``postgresql``."""
    kind: str = request.param
    return kind


@pytest.fixture
def url(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if engine == "sqlite":
        return f"sqlite:///{tmp_path / 'webterm.db'}"
    cluster: Cluster = request.getfixturevalue("cluster")
    return cluster.url()


Stores = Callable[[str], Store]


@pytest.fixture
async def stores() -> AsyncIterator[Stores]:
    """Makes stores, which are closed after the test."""
    async with AsyncExitStack() as stack:

        def make(url: str) -> Store:
            made = Store(url)
            stack.push_async_callback(made.aclose)
            return made

        yield make


@pytest.fixture
async def store(stores: Stores, url: str) -> Store:
    """An open store on an empty database."""
    opened = stores(url)
    await opened.open()
    return opened

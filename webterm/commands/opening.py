"""What commands that work on the store begin and end with."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from webterm.access import Source
    from webterm.settings import Settings
    from webterm.store.engine import Store


@contextlib.asynccontextmanager
async def opened(settings: Settings, *, make: bool = True) -> AsyncIterator[Store]:
    """The settings' store, open and up to date; one that is not there is made only if ``make`` says so."""
    import asyncio

    from webterm.store.engine import Store

    store = Store(settings.database_url)
    try:
        await asyncio.to_thread(store.database.prepare, make=make)
        await store.open()
        yield store
    finally:
        await store.aclose()


async def this_process() -> Source:
    """Who causes what a command does."""
    from webterm.access import LOCAL, Source
    from webterm.accounts.names import name_of_process

    return Source(user=None, name=await name_of_process(), address=LOCAL)

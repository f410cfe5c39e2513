"""A provider, a clock, and a client of that provider."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.clients.browsing import Clock, started
from tests.web.provider import OpenIdProvider, open_id_provider
from webterm.clients.oidc import ProviderClient


@pytest.fixture
async def provider() -> AsyncIterator[OpenIdProvider]:
    async with open_id_provider() as provider:
        yield provider


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def client(provider: OpenIdProvider, clock: Clock) -> AsyncIterator[ProviderClient]:
    client = await started(provider, clock)
    yield client.provider("test")
    await client.aclose()
    await client.aclose()

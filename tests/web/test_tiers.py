"""The tiers over HTTP."""

from __future__ import annotations

import aiohttp

from tests.web.asking import asked
from tests.web.conftest import Running


async def test_whoever_is_signed_in_sees_the_numbers(running: Running, owner: aiohttp.ClientSession) -> None:
    status, tiers = await asked(running, owner, "GET", "/api/v1/tiers")
    assert status == 200
    assert tiers[0] == {"name": "free", "general": 60, "auth": 10, "ai": 10}
    assert [tier["name"] for tier in tiers] == ["free", "pro", "team", "enterprise"]
    async with aiohttp.ClientSession() as stranger:
        assert (await asked(running, stranger, "GET", "/api/v1/tiers"))[0] == 401

"""Invitations over HTTP, from an admin to somebody new."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.web.asking import AUTH, asked
from tests.web.conftest import Running, browser, started
from tests.web.proofs import PASSWORD
from webterm.settings_accounts import Accounts

INVITATIONS = "/api/v1/invitations"


@pytest.fixture
async def running(directory: Path) -> AsyncIterator[Running]:
    """A server where people come by invitation."""
    async with started(directory, accounts=Accounts(registration="invite")) as running:
        yield running


async def invited(running: Running, owner: aiohttp.ClientSession, **fields: str) -> dict[str, Any]:
    status, made = await asked(running, owner, "POST", INVITATIONS, fields)
    assert status == 201, made
    return dict(made)


def registration(token: object, name: str = "ann") -> dict[str, object]:
    return {"username": name, "password": PASSWORD, "invitation": token}


async def test_from_an_admin_to_somebody_new(running: Running, owner: aiohttp.ClientSession) -> None:
    made = await invited(running, owner, email="ann@b.example", role="admin", tier="pro")
    token = made.pop("token")
    assert len(token) == 43
    assert await asked(running, owner, "GET", INVITATIONS) == (200, [made])
    async with browser(running) as client:
        without = await asked(running, client, "POST", f"{AUTH}/register", {"username": "ann", "password": PASSWORD})
        assert without == (403, {"code": "registration_closed"})
        status, user = await asked(running, client, "POST", f"{AUTH}/register", registration(token))
        assert (status, user["email"], user["role"], user["tier"]) == (201, "ann@b.example", "admin", "pro")
        assert await asked(running, client, "GET", INVITATIONS) == (200, [])
        again = await asked(running, client, "POST", f"{AUTH}/register", registration(token, "ben"))
        assert again == (404, {"code": "no_such_invitation"})


async def test_one_invitation_makes_one_account(running: Running, owner: aiohttp.ClientSession) -> None:
    token = (await invited(running, owner))["token"]
    async with browser(running) as client:
        done = await asyncio.gather(
            *(
                asked(running, client, "POST", f"{AUTH}/register", registration(token, f"person{number}"))
                for number in range(4)
            )
        )
    assert sorted(status for status, _ in done) == [201, 404, 404, 404]


async def test_taking_one_back(running: Running, owner: aiohttp.ClientSession) -> None:
    made = await invited(running, owner)
    assert (await asked(running, owner, "DELETE", f"{INVITATIONS}/{made['id']}"))[0] == 204
    assert await asked(running, owner, "DELETE", f"{INVITATIONS}/{made['id']}") == (404, {"code": "no_such_invitation"})
    async with browser(running) as client:
        assert (await asked(running, client, "POST", f"{AUTH}/register", registration(made["token"])))[0] == 404


async def test_only_admins_invite(running: Running, owner: aiohttp.ClientSession) -> None:
    token = (await invited(running, owner))["token"]
    async with browser(running) as client:
        assert (await asked(running, client, "GET", INVITATIONS))[0] == 401
        await asked(running, client, "POST", f"{AUTH}/register", registration(token))
        assert await asked(running, client, "GET", INVITATIONS) == (403, {"code": "missing_scope"})
        assert await asked(running, client, "POST", INVITATIONS, {}) == (403, {"code": "missing_scope"})
        assert await asked(running, client, "DELETE", f"{INVITATIONS}/x") == (403, {"code": "missing_scope"})


@pytest.mark.parametrize("body", [{"tier": "gold"}, {"email": "no"}, {"role": "owner"}, {"days": 3}, []])
async def test_what_cannot_be_promised(running: Running, owner: aiohttp.ClientSession, body: object) -> None:
    assert await asked(running, owner, "POST", INVITATIONS, body) == (400, {"code": "invalid_request"})

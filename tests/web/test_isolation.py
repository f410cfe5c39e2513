"""Whose programs may run on this machine, over REST and over the socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.web.conftest import Running, browser, started
from tests.web.proofs import Proof, call, cookie, make_person
from webterm.settings import Local

PROGRAM = {"cols": 80, "rows": 24, "argv": ["/bin/true"]}


@pytest.fixture(params=["refuse", "none"])
async def running(request: pytest.FixtureRequest, directory: Path) -> AsyncIterator[Running]:
    async with started(directory, local=Local(isolation=request.param)) as running, browser(running) as owner:
        await running.sign_in(owner)
        await make_person(running, owner, "ada", role="admin")
        await make_person(running, owner, "ben")
        async with owner.post(running.url("/api/v1/terminals"), json=PROGRAM) as answer:
            assert answer.status == 201  # the owner's always do
        yield running


@pytest.mark.parametrize("name", ["ada", "ben"])
async def test_others_start_programs_only_where_the_setting_says_so(
    running: Running, name: str, request: pytest.FixtureRequest
) -> None:
    let = request.node.callspec.params["running"] == "none"
    proof = await cookie(running, name)
    for body in (PROGRAM, PROGRAM | {"driver": "local"}):
        status, told = await call(running, "POST", "/api/v1/terminals", proof, body)
        message = await over_the_socket(running, proof, body)
        if let:
            assert (status, message["type"]) == (201, "attached")
        else:
            assert (status, told["code"], message["code"]) == (403, "isolation_refused", "isolation_refused")
            assert 'local.isolation = "sandbox"' in told["detail"] == message["message"]
    status, _ = await call(running, "POST", "/api/v1/terminals", proof, PROGRAM | {"argv": [], "driver": "echo"})
    assert status == 201  # no program at all


async def over_the_socket(running: Running, proof: Proof, body: dict[str, object]) -> dict[str, Any]:
    """The first answer to opening the same."""
    async with (
        aiohttp.ClientSession() as client,
        client.ws_connect(running.url("/ws"), headers=proof.headers) as socket,
    ):
        assert (await socket.receive_json())["type"] == "ready"
        await socket.send_json({"type": "open", "channel": 1, **body})
        return dict(await socket.receive_json())

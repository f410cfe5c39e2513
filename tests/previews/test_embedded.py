"""Previews where a host application signs people in, below a prefix."""

from __future__ import annotations

import sys
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.previews.conftest import app_in, bare
from tests.web.conftest import browser, started
from webterm.access import Actor
from webterm.app import sign_out
from webterm.ids import UserId
from webterm.settings_runtimes import Runtimes

ANN = Actor(id=UserId("ann"), name="Ann", owner=True)


async def actor_of(request: web.Request) -> Actor | None:
    return ANN if request.cookies.get("host") == "ann" else None


async def test_a_preview_ends_when_the_host_signs_its_person_out(tmp_path: Path) -> None:
    async with started(tmp_path / "data", "/terminal", actor=actor_of, runtimes=Runtimes(driver="local")) as running:
        async with browser(running) as client:
            client.cookie_jar.update_cookies({"host": "ann"}, running.root)
            async with app_in(running, client, sys.executable) as app:
                path = (await app.pass_path()).removesuffix("/")
                assert path.startswith(f"/terminal{app.base}/~")
                path = path.removeprefix("/terminal")
                told = await app.echoed(path + "/echo", headers={"Cookie": "host=ann"})
                assert "cookie" not in told["named"]
                async with bare() as guest, guest.get(running.url(path + "/events")) as events:
                    await events.content.readuntil(b"\n\n")
                    await sign_out(running.app, ANN.id)
                    with pytest.raises(aiohttp.ClientError):
                        await events.content.read()
                    async with guest.get(running.url(path + "/echo")) as answer:
                        assert answer.status == 404

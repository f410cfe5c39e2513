"""Links that show a preview to whoever holds them."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from yarl import URL

from tests.pace import within
from tests.previews.conftest import App, bare
from tests.web.asking import registered
from tests.web.conftest import browser

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def made(app: App, client: aiohttp.ClientSession | None = None, **more: object) -> tuple[str, str]:
    """A new link: its id and its path."""
    url = app.running.url(app.api + "/shares")
    async with (client or app.owner).post(url, json={"port": app.port, **more}) as answer:
        assert answer.status == 201, await answer.text()
        told = await answer.json()
    assert told["url"].startswith(app.running.origin)
    return told["share"]["id"], URL(told["url"]).raw_path.rstrip("/")


async def status(app: App, path: str) -> int:
    async with bare() as client, client.get(app.running.url(path + "/echo")) as answer:
        return answer.status


async def test_a_link_shows_its_port_until_it_is_taken_back(app: App) -> None:
    share, path = await made(app, minutes=60)
    assert (await app.echoed(path + "/echo", method="POST"))["target"] == "/echo"
    assert [each["id"] for each in (await app.asked("GET", "/shares"))["items"]] == [share]
    async with bare() as client, client.get(app.running.url(path + "/events")) as events:
        await events.content.readuntil(b"\n\n")
        await app.asked("DELETE", f"/shares/{share}", status=204)
        async with within(1):
            with pytest.raises(aiohttp.ClientError):
                await events.content.read()
    assert await status(app, path) == 404
    assert (await app.asked("GET", "/shares"))["items"] == []
    await app.asked("DELETE", f"/shares/{share}", status=404)


async def test_a_link_that_has_run_out_shows_nothing(app: App) -> None:
    _, path = await made(app, minutes=2.5 / 60)
    assert await status(app, path) == 200
    async with bare() as client, client.get(app.running.url(path + "/events")) as events:
        async with asyncio.timeout(30):
            with pytest.raises(aiohttp.ClientError):
                await events.content.read()
    assert await status(app, path) == 404


async def test_a_link_is_worth_no_more_than_who_made_it(app: App) -> None:
    async with browser(app.running) as member:
        user = await registered(app.running, member, "max")
        await app.asked("PUT", f"/members/{user['id']}", {"role": "read"})
        async with member.post(app.running.url(app.api + "/shares"), json={"port": app.port}) as answer:
            assert (answer.status, (await answer.json())["code"]) == (403, "read_only")
        await app.asked("PUT", f"/members/{user['id']}", {"role": "write"})
        _, path = await made(app, member)
    assert await status(app, path) == 200
    async with bare() as client, client.get(app.running.url(path + "/events")) as events:
        await events.content.readuntil(b"\n\n")
        await app.asked("PUT", f"/members/{user['id']}", {"role": "read"})
        async with asyncio.timeout(30):
            with pytest.raises(aiohttp.ClientError):
                await events.content.read()
    assert await status(app, path) == 404


@pytest.mark.parametrize("minutes", [0, -1, 7 * 24 * 60 + 1, "1"])
async def test_links_do_not_last_longer_than_the_settings_say(app: App, minutes: object) -> None:
    await app.asked("POST", "/shares", {"port": app.port, "minutes": minutes}, status=400)


async def test_what_was_done_with_links_is_written_down(app: App) -> None:
    share, path = await made(app)
    await app.asked("DELETE", f"/shares/{share}", status=204)
    async with app.owner.get(app.running.url("/api/v1/audit?action=share.")) as answer:
        told = await answer.json()
    assert [entry["action"] for entry in told["items"]][:2] == ["share.remove", "share.create"]
    assert path.rpartition("~")[2] not in str(told)

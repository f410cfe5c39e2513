"""Terminals over REST, with real programs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.web.conftest import Running, browser, started
from webterm.access import Actor
from webterm.ids import UserId

TERMINALS = "/api/v1/terminals"
NOBODYS = "AAAAAAAAAAAAAAAAAAAAAA"


async def create(running: Running, client: aiohttp.ClientSession, **more: object) -> dict[str, object]:
    async with client.post(running.url(TERMINALS), json={"cols": 80, "rows": 24} | more) as answer:
        assert answer.status == 201, await answer.text()
        made: dict[str, object] = await answer.json()
        assert answer.headers["Location"] == f"{running.prefix}{TERMINALS}/{made['id']}"
        return made


async def output_until(running: Running, client: aiohttp.ClientSession, id_: object, wanted: str) -> str:
    """Output from the start, once it has ``wanted``; asks again from where the last answer ended."""
    text, after = "", "0"
    async with asyncio.timeout(20):
        while wanted not in text:
            url = running.url(f"{TERMINALS}/{id_}/output?after={after}")
            async with client.get(url) as answer:
                assert answer.status == 200
                assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
                assert answer.headers["Webterm-Offset"] == after
                after = answer.headers["Webterm-End"]
                text += await answer.text()
    return text


async def test_the_life_of_a_terminal(running: Running, owner: aiohttp.ClientSession) -> None:
    made = await create(
        running, owner, argv=["/bin/sh", "-c", 'echo "$GREETING" in "$PWD"; cat'], cwd="/", env={"GREETING": "grüß"}
    )
    assert (made["driver"], made["cols"], made["rows"], made["state"]) == ("local", 80, 24, "running")
    assert "grüß in /\r\n" in await output_until(running, owner, made["id"], "\r\n")
    url = running.url(f"{TERMINALS}/{made['id']}")
    async with owner.post(url / "resize", json={"cols": 100, "rows": 30}) as answer:
        resized = await answer.json()
        assert (answer.status, resized["cols"], resized["rows"]) == (200, 100, 30)
    async with owner.get(running.url(TERMINALS)) as answer:
        assert [terminal["id"] for terminal in await answer.json()] == [made["id"]]
    async with owner.delete(url) as answer:
        assert (answer.status, await answer.read()) == (204, b"")
    async with owner.get(url) as answer:
        assert (answer.status, (await answer.json(content_type=None))["code"]) == (404, "no_such_terminal")


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("after=-1", "after"),
        ("after=x", "after"),
        ("after=", "after"),
        ("after=1.0", "after"),
        ("after=%D9%A1", "after"),  # a digit, but not one of ours
        ("after=99999999", "after"),
        ("after=" + "9" * 30, "after"),
        ("limit=-1", "limit"),
        ("limit=10000000", "limit"),
    ],
)
async def test_offsets_that_cannot_be(running: Running, owner: aiohttp.ClientSession, query: str, named: str) -> None:
    made = await create(running, owner, driver="echo")
    async with owner.get(running.url(f"{TERMINALS}/{made['id']}/output?{query}")) as answer:
        assert answer.status == 400
        assert (await answer.json(content_type=None))["detail"].startswith(f"{named}: ")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"driver": "nothing"}, 404, "no_such_driver"),
        ({"argv": ["/nowhere/program"]}, 422, "launch_failed"),
        ({"cwd": "/nowhere"}, 422, "launch_failed"),
        ({"argv": ["/bin/echo", "a\0b"]}, 422, "launch_failed"),
        ({"cwd": "/\0"}, 422, "launch_failed"),
        ({"env": {"A=B": "c"}}, 422, "launch_failed"),
        ({"env": {"A": "\0"}}, 422, "launch_failed"),
    ],
)
async def test_what_cannot_be_started(
    running: Running, owner: aiohttp.ClientSession, body: dict[str, object], status: int, code: str
) -> None:
    async with owner.post(running.url(TERMINALS), json={"cols": 80, "rows": 24} | body) as answer:
        assert (answer.status, (await answer.json(content_type=None))["code"]) == (status, code)
    async with owner.get(running.url(TERMINALS)) as answer:
        assert await answer.json() == []


async def by_header(request: web.Request) -> Actor | None:
    """Several people, as a host application would know them."""
    name = request.headers.get("X-Test-User")
    return Actor(id=UserId(name), name=name) if name else None


@pytest.fixture
async def shared(directory: Path) -> AsyncIterator[Running]:
    async with started(directory, "/terminal", actor=by_header) as running:
        yield running


async def test_terminals_of_others_are_not_there(shared: Running) -> None:
    async with browser(shared, **{"X-Test-User": "ann"}) as ann, browser(shared, **{"X-Test-User": "bob"}) as bob:
        made = await create(shared, ann, driver="echo")
        for terminal in (made["id"], NOBODYS):
            url = shared.url(f"{TERMINALS}/{terminal}")
            answers = [
                await bob.get(url),
                await bob.delete(url),
                await bob.get(url / "output"),
                await bob.post(url / "resize", json={"cols": 1, "rows": 1}),
            ]
            assert [answer.status for answer in answers] == [404] * 4
            details = {
                (await answer.json(content_type=None))["detail"].replace(str(terminal), "") for answer in answers
            }
            assert len(details) == 1
        async with bob.get(shared.url(TERMINALS)) as answer:
            assert await answer.json() == []
        async with ann.get(shared.url(f"{TERMINALS}/{made['id']}")) as answer:
            assert (answer.status, (await answer.json())["cols"]) == (200, 80)


async def test_health_tells_strangers_nothing(running: Running, owner: aiohttp.ClientSession) -> None:
    async with aiohttp.ClientSession() as monitoring, monitoring.get(running.url("/health")) as answer:
        assert await answer.json() == {"status": "ok"}
    await create(running, owner, driver="echo")
    async with owner.get(running.url("/health")) as answer:
        assert (await answer.json())["counts"]["terminals"] == 1

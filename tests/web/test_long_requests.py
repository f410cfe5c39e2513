"""Requests that take long: how many somebody may have, how long they may stand still, and what ends them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import web

from tests.web.conftest import Running, started
from tests.web.filing import Desk, admit, connected, desk_of, until
from tests.web.proofs import Proof, call
from tests.web.test_uploads import nothing, said
from webterm.access import Actor
from webterm.app import sign_out
from webterm.ids import UserId
from webterm.settings import Local
from webterm.web.large_bodies import LARGE
from webterm.web.long_requests import LongRequests
from webterm.web.site import SITE

MOST = 3


@pytest.fixture
async def running(directory: Path) -> AsyncIterator[Running]:
    async with started(directory, local=Local(isolation="none")) as running:
        site = running.app[SITE]
        site.long_requests = LongRequests(site.long_requests.is_live, most=MOST, standstill=3.0)
        yield running


@pytest.fixture
async def desk(running: Running) -> Desk:
    return await desk_of(running, "ann")


async def test_a_body_that_stands_still_is_given_up(desk: Desk) -> None:
    """Also a large one, which comes another way."""

    async def put(size: int) -> None:
        async with connected(desk) as (reader, writer):
            writer.write(desk.head("PUT", f"files/{size}", Content_Length=str(size), Expect="100-continue"))
            assert await said(reader) == 100
            writer.write(bytes(size - 1))
            answer = await until(reader)
            assert (answer.status, answer.code) == (408, "timeout")

    await asyncio.gather(put(1000), put(LARGE))
    assert nothing(desk)


async def test_a_server_that_stops_waits_for_no_body(desk: Desk) -> None:
    async with connected(desk) as (reader, writer):
        writer.write(desk.head("PUT", "files/f", Content_Length="1000", Expect="100-continue"))
        assert await said(reader) == 100
        writer.write(bytes(999))
        await desk.running.app.shutdown()
        answer = await until(reader)
        assert (answer.status, answer.code) == (503, "shutting_down")
    assert nothing(desk)


async def test_a_slow_body_is_not(desk: Desk) -> None:
    """Longer than the patience in all, and never as long without a byte; a large one has come but for its end."""

    async def put(size: int) -> None:
        async with connected(desk) as (reader, writer):
            writer.write(desk.head("PUT", f"files/{size}", Content_Length=str(size), Expect="100-continue"))
            assert await said(reader) == 100
            writer.write(bytes(size - 8))
            for number in range(8):
                await asyncio.sleep(0.5)  # the slowness itself
                writer.write(b"%d" % number)
            assert (await until(reader)).status == 201
        assert (desk.files / str(size)).read_bytes() == bytes(size - 8) + b"01234567"

    await asyncio.gather(put(8), put(LARGE))


async def test_an_answer_that_nobody_takes_is_given_up(desk: Desk) -> None:
    size = 32 * 1024 * 1024
    with (desk.files / "f").open("wb") as file:
        file.truncate(size)
    async with connected(desk) as (reader, writer):
        writer.write(desk.head("GET", "files/f"))
        await reader.readuntil(b"\r\n\r\n")
        long_requests = desk.running.app[SITE].long_requests
        async with asyncio.timeout(30):
            while len(long_requests):  # noqa: ASYNC110
                await asyncio.sleep(0.02)  # what has ended tells nobody
        seen = 0
        try:
            while chunk := await reader.read(1 << 20):
                seen += len(chunk)
        except ConnectionError:
            pass
        assert seen < size


async def test_one_person_has_a_bounded_number(desk: Desk) -> None:
    member = Desk(desk.running, await admit(desk, "ben", "write"), desk.workspace)
    async with AsyncExitStack() as stack:
        lines = [await stack.enter_async_context(connected(desk)) for _ in range(MOST)]
        for number, (reader, writer) in enumerate(lines):
            writer.write(desk.head("PUT", f"files/f{number}", Content_Length="1", Expect="100-continue"))
            assert await said(reader) == 100
        refused = await desk.ask("PUT", "files/more", b"x")
        assert (refused.status, refused.code) == (429, "limit_reached")
        assert (await member.ask("PUT", "files/theirs", b"x")).status == 201
        for reader, writer in lines:
            writer.write(b"x")
            assert (await until(reader)).status == 201
        assert (await desk.ask("PUT", "files/more", b"x")).status == 201


async def test_where_a_host_application_has_the_people(directory: Path) -> None:
    """It says when somebody leaves, and is asked once more before what they have sent appears."""
    there = {"ann"}

    async def actor(request: web.Request) -> Actor | None:
        name = request.headers.get("X-Person", "")
        return Actor(id=UserId(name), name=name) if name in there else None

    async with started(directory, "/terminal", actor=actor, local=Local(isolation="none")) as running:
        proof = Proof({"X-Person": "ann", "Origin": running.origin}, frozenset())
        status, made = await call(running, "POST", "/api/v1/workspaces", proof, {"name": "Ours"})
        assert status == 201
        desk = Desk(running, proof, made["id"])
        for leave in (there.clear, None):
            there.add("ann")
            async with connected(desk) as (reader, writer):
                writer.write(desk.head("PUT", "files/f", Content_Length="10", Expect="100-continue"))
                assert await said(reader) == 100
                if leave is None:
                    writer.write(bytes(9))
                    await sign_out(running.app, UserId("ann"))
                else:
                    leave()
                    writer.write(bytes(10))
                assert (await until(reader)).code == "not_signed_in"
        assert nothing(desk)

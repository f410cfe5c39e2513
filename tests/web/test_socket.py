"""The WebSocket over a real connection: what a peer's reading, or not reading, does to itself and to others."""

from __future__ import annotations

import asyncio

import aiohttp

from tests.pace import Stopwatch
from tests.web.conftest import Running, browser
from webterm.web.site import SITE

TERMINALS = 40
LISTS = 2000


async def test_who_comes_while_the_server_stops_is_told_to_come_back(
    running: Running, owner: aiohttp.ClientSession
) -> None:
    await running.app[SITE].connections.shutdown()
    async with owner.ws_connect(running.url("/ws")) as page:
        message = await page.receive()
        while message.type is aiohttp.WSMsgType.TEXT:
            message = await page.receive()
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1012)


async def test_a_client_that_asks_much_and_reads_late_freezes_nobody(
    running: Running, owner: aiohttp.ClientSession
) -> None:
    async with browser(running) as other:
        await running.sign_in(other)
        async with owner.ws_connect(running.url("/ws"), max_msg_size=0) as greedy:
            for channel in range(1, TERMINALS + 1):
                await greedy.send_json({"type": "open", "channel": channel, "cols": 80, "rows": 24, "driver": "echo"})
            await _until(greedy, "attached", TERMINALS)
            async with other.ws_connect(running.url("/ws")) as patient, asyncio.TaskGroup() as group:
                await _until(patient, "ready", 1)
                asking = group.create_task(_ask(greedy))
                worst = await _worst_round_trip(patient, 50)
                reading = group.create_task(_until(greedy, "terminals", LISTS))
                while not reading.done():
                    worst = max(worst, await _worst_round_trip(patient, 5))
                await asking
    assert worst < 1.0


async def _ask(socket: aiohttp.ClientWebSocketResponse) -> None:
    for _ in range(LISTS):
        await socket.send_json({"type": "list"})


async def _until(socket: aiohttp.ClientWebSocketResponse, type_: str, count: int) -> None:
    while count:
        message = await socket.receive_json()
        count -= message["type"] == type_


async def _worst_round_trip(socket: aiohttp.ClientWebSocketResponse, times: int) -> float:
    worst = 0.0
    for _ in range(times):
        watch = Stopwatch()
        await socket.send_json({"type": "ping"})
        await _until(socket, "pong", 1)
        worst = max(worst, watch.read())
    return worst

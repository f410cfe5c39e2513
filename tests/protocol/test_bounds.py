"""What one client may pile up, at the server or at others, and what happens when it leaves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

from tests.protocol.conftest import Peer
from webterm.hub.hub import Hub
from webterm.hub.terminal import VIEWERS

Join = Callable[..., Peer]


async def test_news_of_one_kind_do_not_pile_up(join: Join) -> None:
    peer = join()
    channel = await peer.open()
    for number in range(1000):
        peer.send("rename", channel=channel, title=f"title {number}")
    peer.send("ping")
    await peer.expect("pong")
    frames = [frame for frame in peer.drain() if isinstance(frame, dict)]
    assert len([frame for frame in frames if frame["type"] == "title"]) <= 2


async def test_answers_that_nobody_takes_are_noticed(join: Join) -> None:
    peer = join()
    seen = [peer.connection.congested]
    for _ in range(20_000):
        peer.connection.receive_text(json.dumps({"type": "ping", "nonce": "n" * 20}).encode())
    seen.append(peer.connection.congested)
    peer.drain()
    seen.append(peer.connection.congested)
    assert seen == [False, True, False]


async def test_what_was_asked_for_happens_although_the_client_leaves(join: Join, hub: Hub) -> None:
    peer, other = join(), join()
    channel = await peer.open()
    peer.send("list")
    terminal = (await peer.expect("terminals"))["terminals"][0]["id"]
    other.send("attach", channel=1, terminal=terminal)
    await other.expect("attached")
    peer.send("rename", channel=channel, title="late name")
    peer.send("close", channel=channel)
    peer.connection.leave()
    await peer.connection.aclose()
    await other.expect("title", title="late name")
    await other.expect("detached", channel=1, reason="closed")
    assert hub.counts()["terminals"] == 0


async def test_a_client_is_not_listened_to_while_much_is_under_way_for_it(join: Join) -> None:
    peer = join()
    channel = await peer.open()
    seen = []
    for number in range(100):
        peer.send("rename", channel=channel, title=f"{number}")
        seen.append(peer.connection.congested)
    assert seen[0] is False
    assert seen[-1] is True
    await peer.expect("title", title="99")
    async with asyncio.timeout(5):
        while peer.connection.congested:  # noqa: ASYNC110 - what the socket waits for is a call of `wake`
            await asyncio.sleep(0)


async def test_little_waits_for_a_terminal_that_is_not_open_yet(join: Join) -> None:
    peer = join()
    peer.send("open", channel=1, cols=80, rows=24)
    for _ in range(3):
        peer.send("answer", channel=1, data="x" * 30_000)
    await peer.expect("error", channel=1, code="input_overflow")


async def test_viewers_of_one_terminal_are_bounded_and_hear_of_changes_once(join: Join) -> None:
    peer, crowd = join(), join()
    channel = await peer.open()
    peer.send("list")
    terminal = (await peer.expect("terminals"))["terminals"][0]["id"]
    for number in range(1, VIEWERS + 1):
        crowd.send("attach", channel=number, terminal=terminal, role="read")
    await crowd.expect("error", code="limit_reached", channel=VIEWERS)
    viewers = (await peer.expect("viewers", channel=channel))["viewers"]
    assert len(viewers) == VIEWERS


async def test_who_comes_while_input_waits_is_told(join: Join) -> None:
    peer, late = join(), join()
    channel = await peer.open(window=100)
    for _ in range(12):
        peer.send("input", channel=channel, data="x" * 65_536)
    await peer.expect("input_paused", channel=channel)
    peer.send("list")
    terminal = (await peer.expect("terminals"))["terminals"][0]["id"]
    late.send("attach", channel=1, terminal=terminal)
    await late.expect("input_paused", channel=1)


async def test_acks_without_a_window_count(join: Join, hub: Hub) -> None:
    peer = join()
    channel = await peer.open(window=0)
    peer.send("input", channel=channel, data="\x1b[c")
    output = await peer.expect("output", channel=channel)
    while "\x1b[c" not in output["data"] and "[c" not in output["data"]:
        output = await peer.expect("output", channel=channel)
    peer.send("ack", channel=channel, offset=output["end"])
    head = output["end"]
    peer.send("detach", channel=channel)
    peer.send("ping")
    await peer.expect("pong")
    assert hub.visible(peer.connection.actor)[0].head == head


async def test_a_replay_mark_inside_a_character_that_never_ends_stops_nothing(join: Join) -> None:
    peer, text = join(binary=True), join()
    channel = await peer.open()
    peer.connection.receive_binary(b"\x02" + channel.to_bytes(4) + b"ab\xf0\x9f")
    data = b""
    while not data.endswith(b"ab\xf0\x9f"):
        frame = await peer.next()
        data += frame[13:] if isinstance(frame, bytes) else b""
    peer.send("list")
    terminal = (await peer.expect("terminals"))["terminals"][0]["id"]
    text.send("attach", channel=1, terminal=terminal, window=3)
    await text.expect("attached")
    peer.connection.receive_binary(b"\x02" + channel.to_bytes(4) + b"\x98")
    peer.send("signal", channel=channel, name="TERM")
    await peer.expect("exited", channel=channel)
    end = 0
    while end < len(data) + 1:
        end = (await text.expect("output", channel=1))["end"]
        text.send("ack", channel=1, offset=end)
    await text.expect("exited", channel=1)

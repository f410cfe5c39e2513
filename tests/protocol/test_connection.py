"""The protocol without a socket: messages in, frames out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.protocol.conftest import LIMITS, STRANGER, Peer
from webterm.hub.hub import Hub
from webterm.protocol.channel import TURN
from webterm.protocol.connection import CHANNELS
from webterm.session import SIGNALS

Join = Callable[..., Peer]


async def test_the_server_speaks_first(join: Join) -> None:
    peer = join()
    peer.connection.greet("webterm/1")
    ready = await peer.expect("ready", version=1, server="webterm/1")
    assert ready["user"] == {"id": "owner", "name": "Owner"}
    assert ready["limits"]["terminals"] == LIMITS.per_actor
    assert ready["resume_grace"] == LIMITS.resume_grace


async def test_what_is_typed_comes_back_in_numbered_bytes(join: Join) -> None:
    peer = join()
    channel = await peer.open()
    peer.send("input", channel=channel, data="h\u00e9")
    got, expected = "", 0
    while not got.endswith("h\u00e9"):
        output = await peer.expect("output", channel=channel)
        assert output["offset"] == expected
        expected = output["end"]
        got += output["data"]
    assert expected == len(got.encode())


async def test_what_is_sent_before_the_terminal_is_open_arrives(join: Join) -> None:
    peer = join()
    peer.send("open", channel=7, cols=80, rows=24)
    peer.send("input", channel=7, data="early")
    await peer.expect("attached", channel=7)
    assert "early" in await peer.read(7, "early")


async def test_binary_frames_carry_offset_and_bytes(join: Join) -> None:
    peer = join(binary=True)
    channel = await peer.open()
    peer.connection.receive_binary(b"\x02" + channel.to_bytes(4) + b"\xff\xfe")
    data = b""
    while b"\xff\xfe" not in data:
        frame = await peer.next()
        if isinstance(frame, bytes):
            assert frame[0] == 1
            assert int.from_bytes(frame[1:5]) == channel
            assert int.from_bytes(frame[5:13]) == len(data)
            data += frame[13:]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"", "invalid_request"),
        (b"[]", "invalid_request"),
        (b"{", "invalid_request"),
        (b'{"type":"nothing"}', "unknown_type"),
        (b'{"type":"nothing","channel":3}', "unknown_type"),
        (b'{"channel":1}', "invalid_request"),
        (b'{"type":"input","channel":1}', "invalid_request"),
        (b'{"type":"ack","channel":1,"offset":-1}', "invalid_request"),
        (b'{"type":"open","channel":0,"cols":80,"rows":24}', "invalid_request"),
        (b'{"type":"open","channel":1,"cols":501,"rows":24}', "invalid_request"),
        (b'{"type":"open","channel":1,"cols":80.5,"rows":24}', "invalid_request"),
        (b'{"type":"open","channel":1,"cols":NaN,"rows":24}', "invalid_request"),
        (b'{"type":"signal","channel":1,"name":"SEGV"}', "invalid_request"),
        (b'{"type":"ping","nonce":"\xff"}', "invalid_request"),
        (b'{"type":"ping","nonce":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "invalid_request"),
        (b'{"type":"detach","channel":99}', "no_such_channel"),
        (b'{"type":"attach","channel":1,"terminal":"none"}', "no_such_terminal"),
        (b'{"type":"exec","channel":1,"workspace":"w","argv":["ls"]}', "unknown_type"),
        (b'{"type":"open","channel":1,"cols":80,"rows":24,"workspace":"w"}', "no_such_workspace"),
        (b'{"type":"open","channel":1,"cols":80,"rows":24,"driver":"none"}', "no_such_driver"),
    ],
)
async def test_what_is_wrong_is_answered_and_harms_nobody(join: Join, text: bytes, code: str) -> None:
    peer = join()
    peer.connection.receive_text(text)
    error = await peer.expect("error", code=code)
    assert error["message"]
    peer.send("ping", nonce="still there")
    await peer.expect("pong", nonce="still there")


@pytest.mark.parametrize("frame", [b"", b"\x01", b"\x01\0\0\0\x01", b"\x02\0\0\0", b"\x03\0\0\0\x01x"])
async def test_wrong_binary_frames_are_answered(join: Join, frame: bytes) -> None:
    peer = join(binary=True)
    peer.connection.receive_binary(frame)
    await peer.expect("error", code="invalid_request")


async def test_a_channel_is_used_once_at_a_time(join: Join) -> None:
    peer = join()
    channel = await peer.open()
    peer.send("open", channel=channel, cols=80, rows=24)
    await peer.expect("error", code="channel_in_use", channel=channel)
    peer.send("detach", channel=channel)
    peer.send("open", channel=channel, cols=80, rows=24)
    await peer.expect("attached", channel=channel)


async def test_channels_and_terminals_are_bounded(join: Join) -> None:
    peer = join()
    channel = await peer.open()
    peer.send("list")
    terminal = (await peer.expect("terminals"))["terminals"][0]["id"]
    for number in range(channel + 1, CHANNELS + 2):
        peer.send("attach", channel=number, terminal=terminal, role="read")
    await peer.expect("error", code="limit_reached", channel=CHANNELS + 1)
    other = join()
    for number in range(LIMITS.per_actor):
        other.send("open", channel=number + 1, cols=80, rows=24)
    await other.expect("error", code="limit_reached")


async def test_strangers_see_nothing(join: Join, hub: Hub) -> None:
    owner, stranger = join(), join(STRANGER)
    await owner.open()
    stranger.send("list")
    assert (await stranger.expect("terminals"))["terminals"] == []
    owner.send("list")
    terminal = (await owner.expect("terminals"))["terminals"][0]["id"]
    stranger.send("attach", channel=1, terminal=terminal)
    await stranger.expect("error", code="no_such_terminal")


@pytest.mark.parametrize(
    ("type_", "fields"),
    [
        ("input", {"data": "x"}),
        ("answer", {"data": "\x1b[?1;2c"}),
        ("resize", {"cols": 10, "rows": 10}),
        ("rename", {"title": "mine"}),
        ("close", {}),
        *[("signal", {"name": name}) for name in SIGNALS],
    ],
)
async def test_who_may_only_look_can_do_nothing(join: Join, type_: str, fields: dict[str, object]) -> None:
    owner, reader = join(), join()
    channel = await owner.open()
    owner.send("list")
    terminal = (await owner.expect("terminals"))["terminals"][0]["id"]
    reader.send("attach", channel=1, terminal=terminal, role="read", cols=10, rows=10)
    attached = await reader.expect("attached")
    assert (attached["role"], attached["cols"]) == ("read", 80)
    reader.send(type_, channel=1, **fields)
    await reader.expect("error", code="read_only", channel=1)
    owner.send("input", channel=channel, data="untouched")
    assert "untouched" in await owner.read(channel, "untouched")
    owner.send("list")
    unchanged = (await owner.expect("terminals"))["terminals"][0]
    assert (unchanged["cols"], unchanged["title"], unchanged["state"]) == (80, "", "running")


async def test_a_name_is_told_to_everyone_and_given_back(join: Join) -> None:
    one, other = join(), join()
    channel = await one.open()
    one.send("list")
    terminal = (await one.expect("terminals"))["terminals"][0]["id"]
    other.send("attach", channel=4, terminal=terminal)
    await other.expect("attached")
    one.send("rename", channel=channel, title="my\x07 \u202ename")
    await other.expect("title", channel=4, title="my name")
    one.send("rename", channel=channel, title="")
    await other.expect("title", channel=4, title="")


async def test_the_lead_follows_who_types(join: Join) -> None:
    one, other = join(), join()
    channel = await one.open()
    one.send("list")
    terminal = (await one.expect("terminals"))["terminals"][0]["id"]
    other.send("attach", channel=1, terminal=terminal, cols=100, rows=30)
    await other.expect("attached", cols=80)
    assert (await one.expect("resized", channel=channel))["cols"] == 100
    one.send("input", channel=channel, data="x")
    assert (await one.expect("resized", channel=channel))["cols"] == 80
    viewers = (await other.expect("viewers"))["viewers"]
    assert [viewer["lead"] for viewer in sorted(viewers, key=lambda v: int(v["id"]))] == [True, False]


async def test_terminals_share_the_socket_in_turns(join: Join) -> None:
    peer = join()
    channels = [await peer.open(window=0) for _ in range(2)]
    for channel in channels:
        peer.send("input", channel=channel, data="x" * (TURN * 2))
    order: list[int] = []
    sizes: dict[int, int] = dict.fromkeys(channels, 0)
    while min(sizes.values()) < TURN * 2:
        message = await peer.expect("output")
        assert message["end"] - message["offset"] <= TURN + 3
        order.append(message["channel"])
        sizes[message["channel"]] += message["end"] - message["offset"]
    assert set(order[:4]) == set(channels)


async def test_a_window_bounds_what_is_under_way(join: Join) -> None:
    peer = join()
    channel = await peer.open(window=1000)
    peer.send("input", channel=channel, data="y" * 5000)
    got = 0
    while got < 1000:
        got = (await peer.expect("output", channel=channel))["end"]
    assert got == 1000
    assert peer.drain() == []
    peer.send("ack", channel=channel, offset=600)
    assert (await peer.expect("output", channel=channel))["end"] == 1600
    peer.send("ack", channel=channel, offset=1601)
    await peer.expect("error", code="invalid_request", channel=channel)


@pytest.mark.parametrize("after", [1, 2, 3])
async def test_text_never_ends_inside_a_character(join: Join, after: int) -> None:
    peer = join()
    channel = await peer.open(window=after)
    text = "\u00e9\u4f60\U0001f600" * 20
    peer.send("input", channel=channel, data=text)
    got, end = "", 0
    while text not in got:
        message = await peer.expect("output", channel=channel)
        assert message["end"] - message["offset"] == len(message["data"].encode())
        got, end = got + message["data"], message["end"]
        peer.send("ack", channel=channel, offset=end)
    assert "\ufffd" not in got


async def test_an_unfinished_character_is_shown_when_the_program_ends(join: Join) -> None:
    peer = join(binary=True)
    text = join()
    channel = await peer.open()
    peer.send("list")
    terminal = (await peer.expect("terminals"))["terminals"][0]["id"]
    text.send("attach", channel=1, terminal=terminal)
    await text.expect("attached")
    peer.connection.receive_binary(b"\x02" + channel.to_bytes(4) + b"ab\xe4\xbd")
    got = ""
    while "ab" not in got:
        got += (await text.expect("output"))["data"]
    assert "\ufffd" not in got
    peer.send("signal", channel=channel, name="TERM")
    assert "\ufffd" in (await text.expect("output"))["data"]
    await text.expect("exited", channel=1, signal="TERM")


async def test_a_closed_terminal_says_how_it_ended(join: Join) -> None:
    one, other = join(), join()
    channel = await one.open()
    one.send("list")
    terminal = (await one.expect("terminals"))["terminals"][0]["id"]
    other.send("attach", channel=5, terminal=terminal, role="read")
    await other.expect("attached")
    one.send("close", channel=channel)
    for peer, number in ((one, channel), (other, 5)):
        await peer.expect("exited", channel=number)
        await peer.expect("detached", channel=number, reason="closed")
        peer.send("input", channel=number, data="x")
        await peer.expect("error", code="no_such_channel")
    one.send("list")
    assert (await one.expect("terminals"))["terminals"] == []


async def test_the_end_is_kept_for_who_comes_later(join: Join) -> None:
    peer = join()
    channel = await peer.open()
    peer.send("input", channel=channel, data="last words\x04")
    peer.send("signal", channel=channel, name="TERM")
    await peer.expect("exited", channel=channel, signal="TERM")
    peer.send("list")
    info = (await peer.expect("terminals"))["terminals"][0]
    assert (info["state"], info["signal"]) == ("exited", "TERM")
    late = join()
    late.send("attach", channel=1, terminal=info["id"], after=0)
    assert "last words" in await late.read(1, "last words")
    await late.expect("exited", channel=1, signal="TERM")

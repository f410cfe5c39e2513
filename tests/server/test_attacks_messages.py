"""What comes over a socket is checked, whatever it is: it harms neither the server nor the socket's own terminals."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import get_args

import msgspec
import pytest
import pytest_asyncio
from yarl import URL

from tests.server.client import Client
from tests.server.people import HEADER, page_of, people_at
from tests.server.raw import BINARY, CLOSE, PING, TEXT, RawSocket, handshake, raw_socket
from tests.web.conftest import Running
from webterm.protocol import messages
from webterm.protocol.message import Message, type_of
from webterm.web.routes import rows
from webterm.web.site import SITE

pytestmark = pytest.mark.asyncio(loop_scope="module")
PING_MESSAGE = b'{"type":"ping","nonce":"n"}'
ABOUT: dict[str, object] = {"request": 1, "workspace": "w"}
PLACE: dict[str, object] = {"path": "p", "encoded": False}
VALID: dict[str, dict[str, object]] = {
    "open": {
        "channel": 7, "cols": 80, "rows": 24, "workspace": "w", "driver": "echo", "argv": ["a"], "cwd": "/",
        "env": {"A": "b"}, "title": "t", "window": 1, "replaces": "t",
    },
    "attach": {
        "channel": 7, "terminal": "t", "after": 1, "role": "read", "cols": 80, "rows": 24, "window": 1,
    },
    "detach": {"channel": 7},
    "input": {"channel": 7, "data": "x"},
    "answer": {"channel": 7, "data": "x"},
    "resize": {"channel": 7, "cols": 80, "rows": 24},
    "rename": {"channel": 7, "title": "t"},
    "signal": {"channel": 7, "name": "INT"},
    "ack": {"channel": 7, "offset": 1},
    "close": {"channel": 7},
    "list": {},
    "exec": {
        "channel": 7, "workspace": "w", "argv": ["a"], "line": "a", "cwd": "/", "env": {"A": "b"}, "stdin": "x",
        "timeout": 1.5,
    },
    "end_input": {"channel": 7},
    "open_lines": {"channel": 7, "workspace": "w", "driver": "echo", "cwd": "/", "env": {"A": "b"}},
    "line": {"channel": 7, "data": "x"},
    "list_files": ABOUT | PLACE | {"depth": 1, "hidden": False, "after": "a", "limit": 1},
    "stat_file": ABOUT | PLACE,
    "read_file": ABOUT | PLACE | {"offset": 1, "length": 1},
    "write_file": ABOUT | PLACE | {"data": "eA==", "expected": "t", "parents": False, "executable": False},
    "make_directory": ABOUT | PLACE | {"parents": False},
    "move_file": ABOUT | {"source": "a", "target": "b", "encoded": False, "overwrite": False},
    "copy_file": ABOUT | {"source": "a", "target": "b", "encoded": False, "overwrite": False},
    "set_executable": ABOUT | PLACE | {"executable": False},
    "remove_file": ABOUT | PLACE | {"recursive": False},
    "search_files": ABOUT | PLACE | {"query": "q", "content": False, "case": False, "hidden": False, "limit": 1},
    "watch": ABOUT | PLACE,
    "unwatch": {"watch": 1},
    "watch_runtime": ABOUT,
    "unwatch_runtime": {"workspace": "w"},
    "ping": {"nonce": "n"},
}  # fmt: skip
WRONG: dict[type, list[object]] = {
    str: [5, 1.5, True, [], {}, ["x"]],
    bool: ["x", 5, 1.5, [], {}],
    int: ["1", 1.5, True, -1, 2**63, 10**30, [], {}],
    float: ["1", True, -1, 0, 1e300, [], {}],
    list: ["x", 5, {}, [5], [None], [["x"]], ["x"] * 2000],
    dict: ["x", 5, [], {"A": 5}, {"": "x"}, {"A": None}],
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """The same one for all: none of them harms it."""
    async with people_at(tmp_path_factory.mktemp("running") / "data") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def page(running: Running) -> AsyncIterator[Client]:
    async with page_of(running, "alice") as page:
        yield page


@pytest_asyncio.fixture(loop_scope="module")
async def raw(running: Running) -> AsyncIterator[RawSocket]:
    async with raw_socket(running.url("/ws"), {HEADER: "alice"}) as raw:
        yield raw


def classes() -> Iterator[type[Message]]:
    yield from get_args(messages.FromClient)


def wrong_messages() -> Iterator[dict[str, object]]:
    """Every field of every message, with everything that it must not be; and each required field left out."""
    for cls in classes():
        kind = type_of(cls)
        for field in msgspec.structs.fields(cls):
            value = VALID[kind][field.encode_name]
            good = {"type": kind, **VALID[kind]}
            for wrong in WRONG[type(value)]:
                yield good | {field.encode_name: wrong}
            if field.required:
                yield {name: value for name, value in good.items() if name != field.encode_name}


async def test_every_message_and_field_is_tried() -> None:
    assert set(VALID) == {type_of(cls) for cls in classes()}
    for cls in classes():
        names = {field.encode_name for field in msgspec.structs.fields(cls)}
        assert set(VALID[type_of(cls)]) == names


async def test_every_field_of_every_message_with_every_wrong_type(page: Client) -> None:
    view = page.begin("")
    view.channel = 7
    page.views = {7: view}
    count = 0
    for message in wrong_messages():
        view.errors.clear()
        page.errors.clear()
        await page.send_text(json.dumps(message).encode())
        await page.settle()
        errors = [*page.errors, *view.errors]
        assert [error.code for error in errors] == ["invalid_request"], message
        count += 1
    assert count > 200


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"", "invalid_request"),
        (b"null", "invalid_request"),
        (b"[]", "invalid_request"),
        (b"7", "invalid_request"),
        (b"{}", "invalid_request"),
        (b"{", "invalid_request"),
        (b'{"type":null}', "invalid_request"),
        (b'{"type":7}', "invalid_request"),
        (b'{"type":["ping"]}', "invalid_request"),
        (b'{"type":"nonsense"}', "unknown_type"),
        (b'{"type":"attached","channel":1}', "unknown_type"),
        (b'{"type":"' + b"x" * 100_000 + b'"}', "unknown_type"),
        (b'{"type":"ping","nonce":NaN}', "invalid_request"),
        (b'{"type":"ack","channel":1,"offset":NaN}', "invalid_request"),
        (b'{"type":"ack","channel":1,"offset":Infinity}', "invalid_request"),
        (b'{"type":"ack","channel":1,"offset":' + b"9" * 10_000 + b"}", "invalid_request"),
        (b'{"type":"ack","channel":1,"offset":1e400}', "invalid_request"),
        (b'{"type":"ping","nonce":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "invalid_request"),
        (b"[" * 500_000, "invalid_request"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "invalid_request"),
        (b'{"type":"ping","nonce":"\xff\xfe"}', "invalid_request"),
        (b'{"type":"ping","nonce":"\xed\xa0\x80"}', "invalid_request"),
        (b'\xef\xbb\xbf{"type":"ping"}', "invalid_request"),
        (b'{"type":"ping"}{"type":"ping"}', "invalid_request"),
        (b'{"type":"ping","type":"nonsense"}', "unknown_type"),
        (b'{"type":"ack","channel":1,"offset":1,"offset":"x"}', "invalid_request"),
    ],
    ids=lambda value: str(value[:40]),
)
async def test_text_that_is_no_message(page: Client, text: bytes, code: str) -> None:
    await page.send_text(text)
    await page.settle()
    assert [error.code for error in page.errors] == [code]
    assert len(page.errors[0].message) < 500


async def test_unknown_fields_and_repeated_ones_confuse_nobody(page: Client) -> None:
    """What this server does not know is passed over; of two the last counts, as in every browser."""
    await page.send_text(b'{"type":"ping","nonce":"a","nonce":"b","more":{"x":[1]},"__proto__":{"type":"close"}}')
    await page.until(lambda: page.pongs)
    assert page.pongs == ["b"]
    assert not page.errors


@pytest.mark.parametrize(
    "frame",
    [b"", b"\x00", b"\x02", b"\x02\0\0\0", b"\x01\0\0\0\x01\0\0\0\0\0\0\0\0x", b"\xff" * 100, b"\x03\0\0\0\x01\x01x"],
)
async def test_binary_frames_that_are_no_input(running: Running, frame: bytes) -> None:
    async with page_of(running, "alice", binary=True) as page:
        await page.send_bytes(frame)
        await page.settle()
        assert [error.code for error in page.errors] == ["invalid_request"]


@pytest.mark.parametrize("number", [0, 1, 2**31, 2**32 - 1])
async def test_binary_input_for_channels_that_are_not_there(running: Running, number: int) -> None:
    async with page_of(running, "alice", binary=True) as page:
        await page.send_bytes(b"\x02" + number.to_bytes(4, "big") + b"x")
        await page.settle()
        assert [error.code for error in page.errors] == ["no_such_channel"]


async def test_every_message_for_a_channel_that_is_not_there(page: Client) -> None:
    for cls in classes():
        kind = type_of(cls)
        if "channel" in VALID[kind] and kind not in ("open", "attach", "exec", "open_lines"):
            page.errors.clear()
            await page.send_json({"type": kind, **VALID[kind]})
            await page.settle()
            assert [error.code for error in page.errors] == ["no_such_channel"], kind


# Frames.


@pytest.mark.parametrize("length", [1024 * 1024 + 1, 2**30, 2**63 - 1])
async def test_a_frame_that_says_it_is_huge(raw: RawSocket, length: int) -> None:
    """Refused by what its header says, before any of it comes."""
    raw.writer.write(bytes([0x80 | BINARY, 0xFF]) + length.to_bytes(8, "big") + bytes(4))
    assert await raw.close_code() == 1009


async def test_fragments_that_are_too_much_together(raw: RawSocket) -> None:
    raw.send(TEXT, b" " * 600_000, fin=False)
    raw.send(0, b" " * 600_000, fin=False)
    assert await raw.close_code() == 1009


async def test_fragments_of_one_byte(raw: RawSocket) -> None:
    text = b" " * 5000 + PING_MESSAGE
    for at in range(len(text)):
        raw.send(TEXT if at == 0 else 0, text[at : at + 1], fin=at == len(text) - 1)
        if at % 1000 == 0:
            raw.send(PING, b"between")
    while b"pong" not in await raw.until(TEXT):
        pass


async def test_a_byte_at_a_time(raw: RawSocket) -> None:
    raw.send(TEXT, b"")
    assert b"ready" in await raw.until(TEXT)
    frame = bytes([0x80 | TEXT, 0x80 | len(PING_MESSAGE)]) + bytes(4) + PING_MESSAGE
    for byte in frame:
        raw.writer.write(bytes([byte]))
        await raw.writer.drain()
        await asyncio.sleep(0)
    while b"pong" not in await raw.until(TEXT):
        pass


@pytest.mark.parametrize(
    ("opcode", "payload", "options"),
    [
        (TEXT, b"x", {"reserved": 4}),
        (TEXT, b"x", {"reserved": 1}),
        (3, b"x", {}),
        (11, b"x", {}),
        (0, b"x", {}),
        (PING, b"x" * 126, {}),
        (PING, b"x", {"fin": False}),
        (CLOSE, b"x", {}),
        (CLOSE, b"\x00\x01", {}),
        (CLOSE, b"\x03\xe8\xff\xfe", {}),
    ],
)
async def test_frames_that_break_the_rules(
    raw: RawSocket, opcode: int, payload: bytes, options: dict[str, int]
) -> None:
    raw.send(opcode, payload, fin=options.get("fin", True) is True, reserved=options.get("reserved", 0))
    assert await raw.close_code() in (1002, 1007, None)


async def test_a_compressed_bomb(tmp_path: Path) -> None:
    """A thousand times larger when it is unpacked, and refused where the limit is."""
    async with people_at(tmp_path / "data", compression=True) as running:
        headers = {HEADER: "alice", "Sec-WebSocket-Extensions": "permessage-deflate"}
        async with raw_socket(running.url("/ws"), headers) as raw:
            packer = zlib.compressobj(9, wbits=-15)
            bomb = packer.compress(bytes(200_000_000)) + packer.flush(zlib.Z_SYNC_FLUSH)
            assert len(bomb) < 1024 * 1024
            raw.send(TEXT, bomb[:-4], reserved=4)
            assert await raw.close_code() == 1009


# Nobody speaks who has not signed in.


async def answer_to(url: URL, headers: dict[str, str], more: bytes = b"") -> bytes:
    """The head of the answer to somebody who asks for a WebSocket, and sends ``more`` without waiting."""
    reader, writer = await asyncio.open_connection(url.host, url.port)
    try:
        writer.write(handshake(url, headers) + more)
        return await reader.readuntil(b"\r\n\r\n")
    finally:
        writer.transport.abort()


async def test_no_route_opens_a_socket_for_a_stranger(running: Running) -> None:
    """Whatever routes there will be."""
    paths = [row.path.replace("{id}", "x") for row in rows(running.app[SITE])]
    assert "/ws" in paths
    for path in paths:
        for headers in ({}, {"Cookie": "webterm=x"}, {"Authorization": "Bearer x"}):
            answer = await answer_to(running.url(path), headers)
            assert not answer.startswith(b"HTTP/1.1 1"), path
    answer = await answer_to(running.url("/ws"), {})
    assert answer.startswith(b"HTTP/1.1 401")


async def test_messages_before_the_handshake_is_answered_reach_nobody(running: Running) -> None:
    early = bytes([0x80 | TEXT, 0x80 | len(PING_MESSAGE)]) + bytes(4) + PING_MESSAGE
    answer = await answer_to(running.url("/ws"), {}, early)
    assert answer.startswith(b"HTTP/1.1 401")

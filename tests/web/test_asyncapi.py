"""The AsyncAPI document of the WebSocket: complete, and true for what really travels."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import aiohttp
import jsonschema_rs
import pytest

from tests.web.conftest import Running
from webterm.protocol.frames import SUBPROTOCOLS
from webterm.protocol.message import type_of
from webterm.web.asyncapi import BINARY, asyncapi
from webterm.web.schemas import FROM_CLIENT, FROM_SERVER

DOCUMENT = asyncapi("/terminal", cookie="webterm-test")
MESSAGES = DOCUMENT["components"]["messages"]


def references(part: object) -> Iterator[str]:
    if isinstance(part, Mapping):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        yield from (found for value in part.values() for found in references(value))
    elif isinstance(part, list):
        yield from (found for value in part for found in references(value))


def check(message: Mapping[str, object]) -> str:
    """A message against the schema that the document has for its ``type``; returns the type."""
    kind = str(message["type"])
    payload = MESSAGES[kind]["payload"]
    validator = jsonschema_rs.Draft202012Validator({**payload, "components": DOCUMENT["components"]})
    validator.validate(message)
    return kind


def test_every_message_is_there_and_goes_its_way() -> None:
    assert set(MESSAGES) == {*map(type_of, FROM_CLIENT), *map(type_of, FROM_SERVER), *BINARY}
    for name, classes, frames in (
        ("hear", FROM_CLIENT, {"inputFrame"}),
        ("say", FROM_SERVER, {"outputFrame", "execOutputFrame"}),
    ):
        told = {ref["$ref"].rpartition("/")[2] for ref in DOCUMENT["operations"][name]["messages"]}
        assert told == {*map(type_of, classes)} | frames
    assert DOCUMENT["operations"]["hear"]["action"] == "receive"
    assert DOCUMENT["operations"]["say"]["action"] == "send"


def test_every_reference_leads_somewhere() -> None:
    found = list(references(DOCUMENT))
    assert found
    for pointer in found:
        part = DOCUMENT
        for name in pointer.removeprefix("#/").split("/"):
            part = part[name]


@pytest.mark.parametrize("name", DOCUMENT["components"]["schemas"])
def test_every_schema_is_json_schema(name: str) -> None:
    jsonschema_rs.meta.validate(DOCUMENT["components"]["schemas"][name])


def test_it_says_where_and_how() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert DOCUMENT["servers"]["here"]["pathname"] == "/terminal"
    channel = DOCUMENT["channels"]["socket"]
    assert channel["address"] == "/ws"
    offered = channel["bindings"]["ws"]["headers"]["properties"]["Sec-WebSocket-Protocol"]["enum"]
    assert tuple(offered) == SUBPROTOCOLS
    ways = {ref["$ref"].rpartition("/")[2] for ref in DOCUMENT["operations"]["hear"]["security"]}
    assert ways == {"cookie", "accessToken", "personalToken", "ticket"}


def test_a_wrong_message_does_not_pass() -> None:
    with pytest.raises(jsonschema_rs.ValidationError):
        check({"type": "resize", "channel": 0, "cols": 80, "rows": 24})


OPEN = {"type": "open", "channel": 1, "driver": "echo", "cols": 80, "rows": 24, "window": 65_536}
CONVERSATION: list[tuple[dict[str, object], str]] = [
    (OPEN, "attached"),
    ({"type": "input", "channel": 1, "data": "hello"}, "output"),
    ({"type": "resize", "channel": 1, "cols": 100, "rows": 30}, "resized"),
    ({"type": "rename", "channel": 1, "title": "mine"}, "title"),
    ({"type": "list"}, "terminals"),
    ({"type": "signal", "channel": 2, "name": "INT"}, "error"),
    ({"type": "signal", "channel": 1, "name": "TERM"}, "exited"),
    ({"type": "close", "channel": 1}, "detached"),
    ({"type": "ping", "nonce": "last"}, "pong"),
]
"""What a client says, and what the server has to say before the client goes on."""


async def test_what_really_travels(running: Running, owner: aiohttp.ClientSession) -> None:
    async with owner.ws_connect(running.url("/ws"), protocols=["webterm.v1.json"]) as socket:
        assert check(json.loads(await socket.receive_str())) == "ready"
        for message, expected in CONVERSATION:
            check(message)
            await socket.send_json(message)
            while check(json.loads(await socket.receive_str())) != expected:
                pass


async def test_what_travels_in_binary_frames(running: Running, owner: aiohttp.ClientSession) -> None:
    async with owner.ws_connect(running.url("/ws"), protocols=["webterm.v1.binary"]) as socket:
        await socket.send_json(OPEN)
        await socket.send_bytes(b"\x02" + (1).to_bytes(4) + b"hello")
        while (frame := await socket.receive()).type is not aiohttp.WSMsgType.BINARY:
            check(json.loads(frame.data))
    kind, channel, offset, data = frame.data[0], frame.data[1:5], frame.data[5:13], frame.data[13:]
    assert (kind, int.from_bytes(channel), int.from_bytes(offset)) == (1, 1, 0)
    assert b"hello".startswith(data[:5])


async def test_it_is_served(running: Running) -> None:
    async with aiohttp.ClientSession() as client, client.get(running.url("/asyncapi.json")) as answer:
        assert answer.status == 200
        document: dict[str, Any] = await answer.json()
    assert document["channels"] == DOCUMENT["channels"]

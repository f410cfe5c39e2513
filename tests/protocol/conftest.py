"""A connection over a real hub with the product's own fake driver, and no socket."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.terminals.places import anywhere
from webterm.access import Actor
from webterm.drivers.echo import EchoDriver
from webterm.hub.hub import Hub, HubLimits
from webterm.ids import ProofId, UserId
from webterm.protocol.connection import Connection
from webterm.terminals.rules import TerminalRules

OWNER = Actor(id=UserId("owner"), name="Owner", owner=True)
STRANGER = Actor(id=UserId("stranger"), name="Stranger")
LIMITS = HubLimits(per_actor=20, total=30, log_bytes=65536, resume_grace=0.5, idle_timeout=0.0, keep_exited=3600.0)

Message = dict[str, Any]


class Peer:
    """The client's side: sends messages, and keeps what comes back."""

    def __init__(self, hub: Hub, actor: Actor, binary: bool, proof: ProofId | None) -> None:
        self._woken = asyncio.Event()
        self.connection = Connection(
            TerminalRules(hub, anywhere), actor, binary=binary, wake=self._woken.set, proof=proof
        )
        self.inbox: list[Message | bytes] = []
        self._channels = itertools.count(1)

    def send(self, type_: str, **fields: object) -> None:
        self.connection.receive_text(json.dumps({"type": type_, **fields}).encode())

    async def next(self) -> Message | bytes:
        """The next frame, whatever it is."""
        while True:
            frame = self.connection.next_frame()
            if frame is not None:
                return json.loads(frame.payload) if frame.text else frame.payload
            self._woken.clear()
            async with asyncio.timeout(5):
                await self._woken.wait()

    async def expect(self, type_: str, **fields: object) -> Message:
        """Take messages until one is like this."""
        while True:
            message = await self.next()
            if isinstance(message, dict) and message["type"] == type_ and fields.items() <= message.items():
                return message

    def drain(self) -> list[Message | bytes]:
        """All frames that there are now."""
        found = []
        while (frame := self.connection.next_frame()) is not None:
            found.append(json.loads(frame.payload) if frame.text else frame.payload)
        return found

    async def open(self, **fields: object) -> int:
        """Open an echo terminal on a fresh channel and wait until it is attached."""
        channel = next(self._channels)
        self.send("open", **{"channel": channel, "cols": 80, "rows": 24, "driver": "echo", **fields})
        await self.expect("attached", channel=channel)
        return channel

    async def read(self, channel: int, until: str) -> str:
        """Output of a channel as text, until ``until`` has come."""
        text = ""
        while until not in text:
            message = await self.expect("output", channel=channel)
            text += message["data"]
            self.send("ack", channel=channel, offset=message["end"])
        return text


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    driver = EchoDriver()
    made = Hub({"echo": driver}, default_driver="echo", limits=LIMITS)
    await made.start()
    yield made
    await made.aclose(end=True)
    await driver.aclose()


@pytest.fixture
async def join(hub: Hub) -> AsyncIterator[Callable[..., Peer]]:
    peers: list[Peer] = []

    def make(actor: Actor = OWNER, *, binary: bool = False, proof: ProofId | None = None) -> Peer:
        peers.append(Peer(hub, actor, binary, proof))
        return peers[-1]

    yield make
    for peer in peers:
        peer.connection.leave()
        await peer.connection.aclose()

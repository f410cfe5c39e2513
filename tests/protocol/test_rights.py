"""What somebody may do on a socket: by the scopes of a proof, with what is theirs, and for as long as it is good."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import get_args

import pytest

from tests.protocol.conftest import OWNER, STRANGER, Peer
from webterm.access import Scope
from webterm.hub.hub import Hub
from webterm.ids import LoginId
from webterm.protocol import messages
from webterm.protocol.exec_messages import FromClientAboutCommands
from webterm.protocol.file_messages import FromClientAboutFiles
from webterm.protocol.message import type_of
from webterm.protocol.runtime_messages import FromClientAboutRuntimes

Join = Callable[..., Peer]

LOOKER = replace(OWNER, scopes=frozenset({Scope.TERMINALS_READ}))
"""The owner, by a token that is good for looking only."""
LAPTOP, PHONE = LoginId("laptop"), LoginId("phone")

REFUSED: dict[str, dict[str, object]] = {
    "open": {"cols": 80, "rows": 24},
    "input": {"data": "x"},
    "answer": {"data": "\x1b[?1;2c"},
    "resize": {"cols": 10, "rows": 10},
    "rename": {"title": "mine"},
    "signal": {"name": "INT"},
    "close": {},
}
HARMLESS: dict[str, dict[str, object]] = {
    "attach": {"terminal": "", "role": "write", "cols": 10, "rows": 10},
    "detach": {},
    "ack": {"offset": 0},
    "list": {},
    "ping": {},
}


async def terminal_of(peer: Peer) -> str:
    peer.send("list")
    return str((await peer.expect("terminals"))["terminals"][0]["id"])


def test_every_message_is_thought_of() -> None:
    parts = (FromClientAboutFiles, FromClientAboutCommands, FromClientAboutRuntimes)  # tests of those think of them
    others = [cls for part in parts for cls in get_args(part)]
    kinds = [type_of(cls) for cls in get_args(messages.FromClient) if cls not in others]
    assert sorted(kinds) == sorted([*REFUSED, *HARMLESS])


@pytest.mark.parametrize("kind", REFUSED)
async def test_a_proof_that_is_good_for_looking_only(join: Join, kind: str) -> None:
    owner, looker = join(), join(LOOKER)
    channel = await owner.open()
    terminal = await terminal_of(owner)
    looker.send("attach", channel=1, terminal=terminal, role="write", cols=10, rows=10)
    attached = await looker.expect("attached")
    assert (attached["role"], attached["cols"]) == ("read", 80)
    number = 2 if kind == "open" else 1
    looker.send(kind, channel=number, **REFUSED[kind])
    await looker.expect("error", code="missing_scope", channel=number)
    owner.send("input", channel=channel, data="untouched")
    assert "untouched" in await looker.read(1, "untouched")
    owner.send("list")
    (unchanged,) = (await owner.expect("terminals"))["terminals"]
    assert (unchanged["cols"], unchanged["title"], unchanged["state"]) == (80, "", "running")


async def test_binary_input_is_input(join: Join) -> None:
    owner, looker = join(), join(LOOKER, binary=True)
    await owner.open()
    looker.send("attach", channel=1, terminal=await terminal_of(owner))
    await looker.expect("attached", role="read")
    looker.connection.receive_binary(b"\x02" + (1).to_bytes(4) + b"x")
    await looker.expect("error", code="missing_scope", channel=1)


@pytest.mark.parametrize("kind", [*REFUSED, *HARMLESS])
async def test_a_terminal_of_somebody_else_is_not_there(join: Join, kind: str) -> None:
    """Neither by its id nor by the number that it has on its owner's socket."""
    owner, stranger = join(), join(STRANGER)
    channel = await owner.open()
    terminal = await terminal_of(owner)
    fields = {**REFUSED, **HARMLESS}[kind]
    if kind == "attach":
        stranger.send(kind, channel=channel, **{**fields, "terminal": terminal})
        told = await stranger.expect("error", code="no_such_terminal", channel=channel)
        stranger.send(kind, channel=channel, **{**fields, "terminal": "A" * 22})
        missing = await stranger.expect("error", code="no_such_terminal", channel=channel)
        assert told["message"].replace(terminal, "A" * 22) == missing["message"]
    elif kind == "list":
        stranger.send(kind)
        assert (await stranger.expect("terminals"))["terminals"] == []
    elif kind not in {"open", "exec", "ping"}:
        stranger.send(kind, channel=channel, **fields)
        await stranger.expect("error", code="no_such_channel", channel=channel)
    owner.send("list")
    (unchanged,) = (await owner.expect("terminals"))["terminals"]
    assert (unchanged["cols"], unchanged["title"], unchanged["viewers"]) == (80, "", 1)


# What ends.


async def test_nothing_comes_or_goes_after_the_end(join: Join) -> None:
    gone, other = join(proof=LAPTOP), join(proof=PHONE)
    channel = await gone.open()
    other.send("attach", channel=1, terminal=await terminal_of(gone))
    await other.expect("attached")
    gone.send("ping")
    gone.send("input", channel=channel, data="before ")
    await other.read(1, "before ")
    gone.connection.revoke()
    assert gone.drain() == []  # neither the answer to the ping nor the output
    gone.send("input", channel=channel, data="after ")
    gone.send("open", channel=5, cols=80, rows=24)
    gone.connection.receive_binary(b"\x02" + channel.to_bytes(4) + b"after ")
    other.send("input", channel=1, data="end")
    assert await other.read(1, "end") == "end"
    assert gone.drain() == []
    assert not gone.connection.congested
    other.send("list")
    assert len((await other.expect("terminals"))["terminals"]) == 1


async def test_what_waits_for_a_terminal_to_open_is_given_up(hub: Hub, join: Join) -> None:
    gone = join(proof=LAPTOP)
    gone.send("open", channel=1, cols=80, rows=24)
    gone.send("input", channel=1, data="early")
    gone.connection.revoke()
    await gone.connection.aclose()
    assert hub.visible(OWNER) == []
    assert gone.drain() == []


async def test_other_sockets_of_the_same_proof_lose_it_as_well(join: Join) -> None:
    """Whoever looks after sockets ends each; none of them is a way in until that has happened."""
    one, same, other = join(proof=LAPTOP), join(proof=LAPTOP), join(proof=PHONE)
    channel = await one.open()
    terminal = await terminal_of(one)
    for peer in (same, other):
        peer.send("attach", channel=1, terminal=terminal)
        await peer.expect("attached")
    one.connection.revoke()
    for _ in range(2):  # before it has been told, and after
        same.send("input", channel=1, data="x")
        await same.expect("error", code="no_such_channel", channel=1)
        same.drain()
    other.send("input", channel=1, data="still here")
    assert await other.read(1, "still here") == "still here"
    assert channel == 1


async def test_the_answers_of_who_is_gone_do_not_count(join: Join) -> None:
    """The one who was asked has lost the right: the server answers, and what that one says is nothing."""
    asked, other = join(proof=LAPTOP), join(proof=PHONE)
    channel = await asked.open()
    other.send("attach", channel=1, terminal=await terminal_of(asked))
    await other.expect("attached")
    asked.send("input", channel=channel, data="\x1b[c")  # echoed, so it is the program that asks; and it leads
    await other.read(1, "\x1b[c")
    asked.connection.revoke()
    asked.send("answer", channel=channel, data="\x1b[?1;2;99c")
    assert await other.read(1, "\x1b[?1;2c") == "\x1b[?1;2c"


async def test_a_held_place_is_not_held_for_a_proof_that_has_ended(hub: Hub, join: Join) -> None:
    broken, other = join(proof=LAPTOP), join(proof=PHONE)
    await broken.open()
    terminal = await terminal_of(broken)
    other.send("attach", channel=1, terminal=terminal, role="read")
    await other.expect("attached")
    broken.connection.broke()
    audience = hub.get(OWNER, terminal).audience
    assert audience.held is not None
    hub.revoke(OWNER.id, LAPTOP)
    assert audience.held is None

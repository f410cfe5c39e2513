"""A right that has ended: nothing goes either way any more, and everybody else is left in peace."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from tests.hub.test_hub import LIMITS, OWNER, SIZE, Watcher, eventually, serving
from webterm.access import Role, Source
from webterm.events import Event, TerminalClosed, TerminalOpened
from webterm.hub.hub import Hub
from webterm.hub.input import INPUT_LIMIT
from webterm.hub.terminal import State, Terminal
from webterm.hub.viewer import Gone
from webterm.ids import LoginId, UserId

HERE = Source(user=OWNER.id, name="Owner", address="192.0.2.1")
ADMIN = Source(user=UserId("admin"), name="Admin", address="192.0.2.2")
LAPTOP, PHONE = LoginId("laptop"), LoginId("phone")


async def deaf(hub: Hub, gate: Path) -> Terminal:
    """A program that reads nothing until the file ``gate`` is there, and then shows whatever it reads."""
    script = 'stty raw -echo; printf ready; while [ ! -e "$0" ]; do sleep 0.02; done; exec cat'
    return await hub.open(OWNER, size=SIZE, argv=["sh", "-c", script, str(gate)])


def type_(watcher: Watcher, data: bytes) -> None:
    watcher.terminal.type(watcher.attachment.viewer, data)


async def test_what_waits_for_a_slow_program_never_arrives(tmp_path: Path) -> None:
    async with serving(tmp_path) as hub:
        terminal = await deaf(hub, tmp_path / "gate")
        laptop, phone = Watcher(terminal, proof=LAPTOP), Watcher(terminal, proof=PHONE)
        await phone.until(lambda: phone.output == b"ready")
        type_(laptop, b"x" * (INPUT_LIMIT // 2))
        type_(phone, b"<phone")
        type_(laptop, b"laptop")
        type_(phone, b">")
        hub.revoke(OWNER.id, LAPTOP)
        assert laptop.events[-1] == Gone("revoked", None)
        seen = len(laptop.output)
        await asyncio.to_thread((tmp_path / "gate").touch)
        await phone.until(lambda: phone.output.endswith(b">"))
        arrived = phone.output.removeprefix(b"ready")
        assert arrived == b"x" * arrived.count(b"x") + b"<phone>"
        assert arrived.count(b"x") < INPUT_LIMIT // 8  # what its terminal had taken before
        laptop.take_all()
        assert len(laptop.output) == seen
        assert [viewer.id for viewer in terminal.audience] == [phone.attachment.viewer.id]


async def test_input_of_somebody_who_has_left_goes_as_well(tmp_path: Path) -> None:
    """It makes no difference whether the page that sent it is still there."""
    async with serving(tmp_path) as hub:
        terminal = await deaf(hub, tmp_path / "gate")
        left, broken = Watcher(terminal, proof=LAPTOP), Watcher(terminal, proof=LAPTOP)
        phone = Watcher(terminal, proof=PHONE)
        await phone.until(lambda: phone.output == b"ready")
        for watcher in (left, broken):
            type_(watcher, b"x" * (INPUT_LIMIT // 3) + b"end")
        terminal.detach(left.attachment.viewer)
        terminal.broke(broken.attachment.viewer)
        held = terminal.audience.held
        assert held is broken.attachment.viewer
        hub.revoke(OWNER.id, LAPTOP)
        assert terminal.audience.held is None
        type_(phone, b"phone")
        await asyncio.to_thread((tmp_path / "gate").touch)
        await phone.until(lambda: phone.output.endswith(b"phone"))
        assert b"end" not in phone.output


async def test_a_person_is_more_than_one_proof_and_not_everybody(tmp_path: Path) -> None:
    guest = replace(OWNER, id=UserId("guest"))
    async with serving(tmp_path) as hub:
        one, two = [await hub.open(OWNER, size=SIZE, argv=["cat"]) for _ in range(2)]
        mine = [Watcher(one, proof=LAPTOP), Watcher(two, proof=PHONE), Watcher(two, Role.READ, proof=PHONE)]
        theirs = Watcher(two, actor=guest, proof=LAPTOP)
        hub.revoke(OWNER.id)
        assert [watcher.events[-1] for watcher in mine] == [Gone("revoked", None)] * 3
        assert two.audience.live == [theirs.attachment.viewer]
        type_(theirs, b"still here\n")
        await theirs.until(lambda: theirs.output.count(b"still here") == 2)
        assert [one.state, two.state] == [State.RUNNING] * 2


async def test_a_place_held_over_a_restart_is_the_owners(tmp_path: Path) -> None:
    async with serving(tmp_path, end=False) as hub:
        terminal = await hub.open(OWNER, size=SIZE, argv=["cat"])
        Watcher(terminal, proof=LAPTOP)
    async with serving(tmp_path, replace(LIMITS, resume_grace=600.0)) as hub:
        (again,) = hub.visible(OWNER)
        assert again.audience.held is not None
        hub.revoke(UserId("guest"))
        hub.revoke(OWNER.id, LAPTOP)  # whose it was is not known any more, and it is nobody else's
        assert again.audience.held is not None
        hub.revoke(OWNER.id)
        assert again.audience.held is None


def closed(terminal: Terminal, source: Source, program: str = "cat") -> TerminalClosed:
    return TerminalClosed(source=source, terminal=terminal.id, driver="local", program=program)


async def test_it_is_told_who_opens_and_closes_what(tmp_path: Path) -> None:
    events: list[Event] = []
    async with serving(tmp_path, tell=events.append) as hub:
        cat = await hub.open(OWNER, size=SIZE, argv=["cat", "/secret/argument", "-"], address="192.0.2.1")
        shell = await hub.open(OWNER, size=SIZE, address="192.0.2.1")
        opened = [(cat, "cat"), (shell, "")]
        assert events == [
            TerminalOpened(source=HERE, terminal=terminal.id, driver="local", program=program)
            for terminal, program in opened
        ]
        events.clear()
        await asyncio.gather(hub.close(cat, HERE), hub.close(cat, ADMIN))  # the first one closes it
        assert events == [closed(cat, HERE)]
        await hub.close(shell)
        assert events[1:] == [closed(shell, Source(user=None, name="webterm", address="local"), "")]


async def test_a_program_that_ends_is_not_closed_by_anybody(tmp_path: Path) -> None:
    events: list[Event] = []
    async with serving(tmp_path, tell=events.append) as hub:
        terminal = await hub.open(OWNER, size=SIZE, argv=["true"])
        await eventually(lambda: terminal.state is State.EXITED)
        await hub.close(terminal, HERE)
        assert terminal.state is State.REMOVED
        assert [type(event) for event in events] == [TerminalOpened]


async def test_all_of_a_person_are_closed_and_nobody_elses(tmp_path: Path) -> None:
    events: list[Event] = []
    async with serving(tmp_path, tell=events.append) as hub:
        mine = [await hub.open(OWNER, size=SIZE, argv=["cat"]) for _ in range(2)]
        other = await hub.open(replace(OWNER, id=UserId("other")), size=SIZE, argv=["cat"])
        events.clear()
        await hub.close_all_of(OWNER.id, ADMIN)
        assert [terminal.state for terminal in mine] == [State.REMOVED] * 2
        assert other.state is State.RUNNING
        assert events == [closed(terminal, ADMIN) for terminal in mine]

"""The hub over real programs: limits, idling, ends that are kept, and coming back."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from webterm.access import Actor, Role
from webterm.drivers.local import LocalDriver
from webterm.errors import LaunchFailed, LimitReached, NoSuchDriver, NoSuchTerminal
from webterm.events import Tell
from webterm.hub.hub import Hub, HubLimits
from webterm.hub.log import Log
from webterm.hub.terminal import State, Terminal
from webterm.hub.viewer import Chunk, Ended, Event, Gone, Item, SizeChange, Skip, TitleChanged
from webterm.ids import ProofId, UserId
from webterm.session import Exit, Launch, Size

OWNER = Actor(id=UserId("owner"), name="Owner", owner=True)
SIZE = Size(80, 24)
LIMITS = HubLimits(per_actor=3, total=4, log_bytes=65536, resume_grace=0.5, idle_timeout=0.0, keep_exited=3600.0)


@asynccontextmanager
async def serving(
    directory: Path, limits: HubLimits = LIMITS, *, end: bool = True, tell: Tell = lambda event: None
) -> AsyncIterator[Hub]:
    home = {"HOME": str(directory)}  # so that nobody's profile is read
    driver = LocalDriver(directory, shell="/bin/sh", cwd="/", env=home, close_grace=0.2)
    hub = Hub({"local": driver}, default_driver="local", limits=limits, tell=tell)
    await hub.start()
    try:
        yield hub
    finally:
        await hub.aclose(end=end)
        await driver.aclose()


class Watcher:
    """A viewer that takes everything at once."""

    def __init__(
        self,
        terminal: Terminal,
        role: Role = Role.WRITE,
        *,
        after: int | None = None,
        window: int = 0,
        actor: Actor = OWNER,
        proof: ProofId | None = None,
    ) -> None:
        self.terminal = terminal
        self.items: list[Item] = []
        self.events: list[Event] = []
        self.output = b""
        self._changed = asyncio.Event()
        self.attachment = terminal.attach(
            actor, role, window, after=after, size=None, ready=self._changed.set, notify=self._note, proof=proof
        )
        self._changed.set()

    def _note(self, event: Event) -> None:
        self.events.append(event)
        self._changed.set()

    def take_all(self) -> None:
        """Take what there is."""
        while (item := self.terminal.take(self.attachment.viewer, 65536)) is not None:
            self.items.append(item)
            self.output += item.data if isinstance(item, Chunk) else b""

    async def until(self, condition: Callable[[], bool]) -> None:
        """Take items until this holds."""
        async with asyncio.timeout(20):
            while True:
                self.take_all()
                if condition():
                    return
                self._changed.clear()
                await self._changed.wait()


async def eventually(condition: Callable[[], bool]) -> None:
    """A terminal that is removed has nobody left to tell, so this has to look."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_limits_are_told_with_their_numbers(tmp_path: Path) -> None:
    async with serving(tmp_path) as hub:
        for _ in range(3):
            await hub.open(OWNER, size=SIZE, argv=["cat"])
        with pytest.raises(LimitReached, match="may have 3"):
            await hub.open(OWNER, size=SIZE, argv=["cat"])
        other = replace(OWNER, id=UserId("other"))
        await hub.open(other, size=SIZE, argv=["cat"])
        with pytest.raises(LimitReached, match="server has 4"):
            await hub.open(other, size=SIZE, argv=["cat"])
        with pytest.raises(NoSuchTerminal):
            hub.get(other, hub.visible(OWNER)[0].id)
        assert hub.counts() == {"terminals": 4, "exited": 0, "viewers": 0}


async def test_what_cannot_start_leaves_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path) as hub:
        with pytest.raises(LaunchFailed, match="no-such-command"):
            await hub.open(OWNER, size=SIZE, argv=["no-such-command"])
        with pytest.raises(NoSuchDriver, match="there are local"):
            await hub.open(OWNER, size=SIZE, driver="none")
        assert hub.visible(OWNER) == []


async def test_opening_many_at_once_keeps_the_limit(tmp_path: Path) -> None:
    async with serving(tmp_path) as hub:
        opened = await asyncio.gather(
            *(hub.open(OWNER, size=SIZE, argv=["cat"]) for _ in range(8)), return_exceptions=True
        )
        assert sum(isinstance(one, Terminal) for one in opened) == 3


async def test_an_idle_shell_is_closed_and_a_busy_one_is_not(tmp_path: Path) -> None:
    async with serving(tmp_path, replace(LIMITS, idle_timeout=0.6)) as hub:
        idle = await hub.open(OWNER, size=SIZE)
        busy = await hub.open(OWNER, size=SIZE)
        asked_for = await hub.open(OWNER, size=SIZE, argv=["cat"])
        watcher = Watcher(busy)
        busy.type(watcher.attachment.viewer, b"echo go; cat\n")
        await watcher.until(lambda: b"go\r\n" in watcher.output)
        busy.detach(watcher.attachment.viewer)
        looked_at = Watcher(idle)
        idle.detach(looked_at.attachment.viewer)
        await eventually(lambda: idle.state is State.REMOVED)
        assert (busy.state, asked_for.state) == (State.RUNNING, State.RUNNING)


async def test_an_end_is_kept_for_a_while(tmp_path: Path) -> None:
    async with serving(tmp_path, replace(LIMITS, keep_exited=0.6)) as hub:
        terminal = await hub.open(OWNER, size=SIZE, argv=["sh", "-c", "echo bye; exit 3"])
        watcher = Watcher(terminal)
        await watcher.until(lambda: Ended(Exit(status=3)) in watcher.items)
        assert hub.get(OWNER, terminal.id).state is State.EXITED
        late = Watcher(terminal)
        await late.until(lambda: Ended(Exit(status=3)) in late.items)
        assert late.output == b"bye\r\n"
        for one in (watcher, late):
            terminal.detach(one.attachment.viewer)
        await eventually(lambda: not hub.visible(OWNER))


async def test_the_end_waits_for_nobody_who_holds_the_terminal_open(tmp_path: Path) -> None:
    async with serving(tmp_path) as hub:
        script = "trap '' HUP; (trap '' HUP; exec sleep 1000) & echo started"
        terminal = await hub.open(OWNER, size=SIZE, argv=["sh", "-c", script])
        watcher = Watcher(terminal)
        await watcher.until(lambda: Ended(Exit(status=0)) in watcher.items)
        assert watcher.output == b"started\r\n"
        await hub.close(terminal)
        assert Gone("closed", Exit(status=0)) in watcher.events


async def test_titles_are_followed_until_somebody_gives_a_name(tmp_path: Path) -> None:
    async with serving(tmp_path) as hub:
        terminal = await hub.open(OWNER, size=SIZE, argv=["sh", "-c", r"printf '\033]0;one\007'; exec cat"])
        watcher = Watcher(terminal)
        await watcher.until(lambda: TitleChanged("one") in watcher.events)
        await terminal.rename("mine")
        terminal.type(watcher.attachment.viewer, b"\x1b]2;two\x07\n")
        await watcher.until(lambda: watcher.output.count(b"two") == 2)
        assert terminal.title == "mine"
        await terminal.rename("")
        assert (terminal.title, watcher.events[-1]) == ("two", TitleChanged("two"))


async def test_terminals_come_back_with_all_that_was_known(tmp_path: Path) -> None:
    async with serving(tmp_path, end=False) as hub:
        terminal = await hub.open(OWNER, size=SIZE, argv=["sh", "-c", r"printf 'a\033[?2004hb'; exec cat"])
        ended = await hub.open(OWNER, size=SIZE, argv=["sh", "-c", "exit 4"], title="the end")
        await Watcher(ended).until(lambda: ended.state is State.EXITED)
        await terminal.rename("kept")
        watcher = Watcher(terminal)
        await watcher.until(lambda: watcher.output.endswith(b"b"))
        terminal.resize(Size(100, 30))
    async with serving(tmp_path) as hub:
        again, gone = hub.visible(OWNER)
        assert (again.id, again.title, again.size, again.state) == (terminal.id, "kept", Size(100, 30), State.RUNNING)
        back = Watcher(again)
        await back.until(lambda: back.output.endswith(b"b"))
        assert back.output == watcher.output
        assert any(isinstance(item, SizeChange) and item.size == Size(100, 30) for item in back.items)
        assert Watcher(again, after=again.head).attachment.start.preamble == "\x1b[?2004h"
        late = Watcher(gone)
        await late.until(lambda: Ended(Exit(status=4)) in late.items)
        assert gone.title == "the end"


async def test_a_program_that_reads_nothing_pauses_its_typist_only(tmp_path: Path) -> None:
    async with serving(tmp_path) as hub:
        deaf = await hub.open(OWNER, size=SIZE, argv=["sh", "-c", "stty raw -echo; echo go; exec sleep 1000"])
        other = await hub.open(OWNER, size=SIZE, argv=["cat"])
        typist, neighbour = Watcher(deaf), Watcher(other)
        await typist.until(lambda: b"go" in typist.output)
        for _ in range(10):
            deaf.type(typist.attachment.viewer, b"x" * 65536)
        other.type(neighbour.attachment.viewer, b"through\n")
        await neighbour.until(lambda: neighbour.output.count(b"through") == 2)
        assert [event for event in typist.events if type(event).__name__ == "InputPaused"]


async def test_a_socket_may_break_after_its_terminal_was_closed(tmp_path: Path) -> None:
    async with serving(tmp_path) as hub:
        terminal = await hub.open(OWNER, size=SIZE, argv=["cat"])
        watcher = Watcher(terminal)
        await hub.close(terminal)
        assert any(isinstance(event, Gone) for event in watcher.events)
        terminal.broke(watcher.attachment.viewer)
        assert terminal.audience.live == []


async def test_a_writer_that_catches_up_loses_nothing_beside_a_faster_one(tmp_path: Path) -> None:
    async with serving(tmp_path) as hub:
        script = "stty -opost; read go; seq 1 40000; read go"
        terminal = await hub.open(OWNER, size=SIZE, argv=["sh", "-c", script])
        slow = Watcher(terminal, window=4096)
        fast = Watcher(terminal)
        terminal.type(slow.attachment.viewer, b"\n")
        await slow.until(lambda: len(slow.output) == 4096)
        terminal.broke(slow.attachment.viewer)
        await fast.until(lambda: terminal.head >= 4096 + LIMITS.log_bytes // 2)
        back = Watcher(terminal, window=4096, after=4096)
        whole = slow.output
        expected = b"".join(b"%d\n" % number for number in range(1, 40_001))
        caught_up = terminal.head
        while 4096 + len(back.output) < caught_up:
            await back.until(lambda: terminal.head - back.attachment.viewer.acked > 0 and len(back.output) > 0)
            terminal.ack(back.attachment.viewer, back.attachment.viewer.cursor)
            fast.take_all()
            back.take_all()
        whole += back.output
        start = whole.index(b"1\n2\n")
        assert not any(isinstance(item, Skip) for item in back.items)
        assert whole[start:] == expected[: len(whole) - start]


async def test_an_idle_shell_is_not_closed_under_a_held_place(tmp_path: Path) -> None:
    async with serving(tmp_path, replace(LIMITS, idle_timeout=0.5, resume_grace=2.0)) as hub:
        shell = await hub.open(OWNER, size=SIZE)
        watcher = Watcher(shell)
        shell.broke(watcher.attachment.viewer)
        loop = asyncio.get_running_loop()
        broken = loop.time()
        await eventually(lambda: shell.state is State.REMOVED)
        assert loop.time() - broken > 2.0


async def test_kept_ends_do_not_pile_up(tmp_path: Path) -> None:
    async with serving(tmp_path) as hub:
        for _ in range(5):
            terminal = await hub.open(OWNER, size=SIZE, argv=["true"])
            watcher = Watcher(terminal)
            await watcher.until(lambda: terminal.state >= State.EXITED)  # noqa: B023
        await eventually(lambda: len(hub.visible(OWNER)) == LIMITS.per_actor)


async def test_one_that_cannot_be_brought_back_takes_no_other_along(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path, end=False) as hub:
        good = await hub.open(OWNER, size=SIZE, argv=["cat"])
        driver = hub._drivers["local"]
        for record in (b"{}", b'{"id":5,"owner":null,"argv":"abc","created":0,"cols":"wide","rows":{}}'):
            memory = Log.make_memory(65536)
            await driver.open(Launch(argv=("cat",), memory=memory, record=record), SIZE)
            os.close(memory)
    async with serving(tmp_path) as hub:
        assert [terminal.id for terminal in hub.visible(OWNER)] == [good.id]
    assert caplog.text.count("cannot be brought back") == 2


async def test_a_size_from_outside_stays_until_the_lead_changes(tmp_path: Path) -> None:
    async with serving(tmp_path) as hub:
        terminal = await hub.open(OWNER, size=SIZE, argv=["cat"])
        lead = Watcher(terminal)
        terminal.resize_from(lead.attachment.viewer, Size(100, 30))
        terminal.resize(Size(60, 20))
        reader = Watcher(terminal, Role.READ)
        terminal.detach(reader.attachment.viewer)
        assert terminal.size == Size(60, 20)


async def test_a_long_command_is_kept_short(tmp_path: Path) -> None:
    async with serving(tmp_path) as hub:
        terminal = await hub.open(
            OWNER, size=SIZE, argv=["sh", "-c", "exec cat", "\u00e9" * 40_000], title="\x1b]0;x\x07"
        )
        assert terminal.title == "]0;x"

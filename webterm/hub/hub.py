"""All terminals of a server."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import Counter
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from webterm.access import ITSELF, Actor, Source
from webterm.errors import LimitReached, NoSuchDriver, NoSuchTerminal
from webterm.events import Tell, TerminalClosed, TerminalOpened
from webterm.hub.intake import Intake
from webterm.hub.log import Log
from webterm.hub.record import Record
from webterm.hub.scanner import clean_title
from webterm.hub.terminal import State, Terminal
from webterm.hub.viewer import Parting
from webterm.ids import ProofId, TerminalId, UserId, WorkspaceId, new_terminal_id
from webterm.runtime import Runtime
from webterm.session import Driver, Launch, Session, Size
from webterm.tasks import Tasks

_SWEEP_EVERY, _SWEEP_AT_MOST_EVERY = 30.0, 0.5  # seconds
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class HubLimits:
    """Numbers of the settings. Bytes and seconds; an ``idle_timeout`` of 0 means never."""

    per_actor: int
    total: int
    log_bytes: int
    resume_grace: float
    idle_timeout: float
    keep_exited: float


@dataclass(frozen=True, slots=True)
class _Found:
    """What outlived another server."""

    driver: str
    session: Session
    log: Log
    record: Record


class Hub:
    """Opens terminals, finds them again, and lets them go."""

    def __init__(
        self,
        drivers: Mapping[str, Driver],
        *,
        default_driver: str,
        limits: HubLimits,
        tell: Tell = lambda event: None,
    ) -> None:
        """``drivers`` stay the caller's; close them after the hub. ``tell`` hears who opens and closes what."""
        self.limits = limits
        self._drivers = drivers
        self._default = default_driver
        self._intakes: dict[str, Intake] = {}
        self._terminals: dict[TerminalId, Terminal] = {}
        self._opening: Counter[UserId] = Counter()  # how many each actor is opening right now
        self._opening_in: Counter[WorkspaceId | None] = Counter()
        self._exited_since: dict[TerminalId, float] = {}
        self._dismissed: set[TerminalId] = set()  # those that are being closed and that nobody finds any more
        self._tell = tell
        self._tasks = Tasks("hub")

    async def start(self) -> None:
        """Bring back the terminals that outlived another server, at the very byte."""
        found: dict[str, _Found] = {}
        for name, driver in self._drivers.items():
            found |= await self._kept(name, driver)
        for intake in {id(each): each for each in map(self._intake, self._drivers)}.values():
            intake.recover(lambda key: found[key].log if key in found else None)
        for each in found.values():
            self._bring_back(each)
        self._tasks.run(self._sweep_for_ever())

    async def open(
        self,
        actor: Actor,
        *,
        size: Size,
        driver: str | None = None,
        argv: Sequence[str] = (),
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        title: str | None = None,
        address: str = "",
        runtime: Runtime | None = None,
        most_here: int = 0,
        replaces: TerminalId | None = None,
    ) -> Terminal:
        """Start a program with a terminal. ``address`` is where the actor asks from, ``replaces`` for people to see.

        ``runtime`` is that of the workspace it is in, which has at most ``most_here`` terminals (0: any number).
        Raises `LimitReached`, `NoSuchDriver`, and what `Driver.open` raises. Cancelling leaves no program behind.
        """
        name = driver or self._default
        if name not in self._drivers:
            raise NoSuchDriver(f"driver: there is no {name!r}; there are {', '.join(sorted(self._drivers))}")
        self._check_limits(actor)
        workspace = runtime.workspace if runtime else None
        self._check_room(workspace, most_here)
        self._opening[actor.id] += 1
        self._opening_in[workspace] += 1
        try:
            record = Record(
                id=new_terminal_id(),
                owner=actor.id,
                argv=tuple(argv),
                created=time.time(),
                cols=size.cols,
                rows=size.rows,
                title=clean_title(title or ""),
                workspace=workspace,
                cwd=cwd,
                replaces=replaces,
            )
            launch = Launch(argv=record.argv, cwd=cwd, env=env or {}, record=record.dump(), runtime=runtime)
            terminal = await self._launch(name, launch, record, size)
            source = Source(user=actor.id, name=actor.name, address=address)
            self._tell(TerminalOpened(source=source, terminal=record.id, driver=name, program=_program(record)))
            return terminal
        finally:
            self._opening[actor.id] -= 1
            self._opening_in[workspace] -= 1

    def get(self, actor: Actor, terminal_id: str) -> Terminal:
        """One terminal. Raises `NoSuchTerminal` where there is none, or none that this actor may see."""
        terminal = self._terminals.get(TerminalId(terminal_id))
        if terminal is None or not self._may_see(actor, terminal):
            raise NoSuchTerminal(f"There is no terminal {terminal_id[:64]!r}.")
        return terminal

    def visible(self, actor: Actor) -> list[Terminal]:
        """The actor's terminals, the oldest first."""
        mine = (terminal for terminal in self._terminals.values() if self._may_see(actor, terminal))
        return sorted(mine, key=lambda terminal: terminal.record.created)

    def close(self, terminal: Terminal, source: Source = ITSELF) -> asyncio.Future[None]:
        """End the program and remove the terminal: that is under way now. Wait for it, or do not.

        ``source`` is who wants it; without, the server itself does.
        """
        if terminal.end_soon():
            program = _program(terminal.record)
            self._tell(TerminalClosed(source=source, terminal=terminal.id, driver=terminal.driver, program=program))
        return asyncio.shield(self._tasks.run(self._close(terminal, "closed")))

    def owners(self) -> set[UserId]:
        """Whose terminals there are."""
        return {terminal.owner for terminal in self._terminals.values()}

    def alive_in(self, workspace: WorkspaceId) -> list[Terminal]:
        """The terminals of a workspace whose programs run."""
        terminals = self._terminals.values()
        return [t for t in terminals if t.record.workspace == workspace and t.state < State.EXITED]

    def alive_by_workspace(self) -> dict[WorkspaceId, list[Terminal]]:
        """The terminals whose programs run, of each workspace that has some."""
        found: dict[WorkspaceId, list[Terminal]] = {}
        for terminal in self._terminals.values():
            if terminal.record.workspace is not None and terminal.state < State.EXITED:
                found.setdefault(terminal.record.workspace, []).append(terminal)
        return found

    def is_viewed(self, workspace: WorkspaceId) -> bool:
        """Whether somebody looks at a terminal of a workspace, or is just opening one."""
        return self._opening_in[workspace] > 0 or any(terminal.audience for terminal in self.alive_in(workspace))

    def inhabitants(self) -> set[tuple[WorkspaceId, UserId]]:
        """Who has terminals in which workspaces."""
        placed = ((terminal.record.workspace, terminal.owner) for terminal in self._terminals.values())
        return {(workspace, user) for workspace, user in placed if workspace is not None}

    def close_all_of(self, user: UserId, source: Source = ITSELF) -> asyncio.Future[None]:
        """End a person's programs and remove their terminals, as `close` does each."""
        return self._close_all([t for t in self._terminals.values() if t.owner == user], source)

    def close_all_in(self, workspace: WorkspaceId, source: Source = ITSELF) -> asyncio.Future[None]:
        """End the programs in a workspace, and remove their terminals."""
        return self._close_all([t for t in self._terminals.values() if t.record.workspace == workspace], source)

    def evict(self, workspace: WorkspaceId, user: UserId | None = None) -> None:
        """The right to be in a workspace has ended, for everybody or for one ``user``: see `dismiss`."""
        for terminal in list(self._terminals.values()):
            if terminal.record.workspace == workspace and user in (None, terminal.owner):
                self.dismiss(terminal)

    def dismiss(self, terminal: Terminal) -> None:
        """Close a terminal whose owner has lost the right to it.

        At once nothing goes either way between it and its viewers, and nobody finds it any more, however long its
        program takes to end.
        """
        self._dismissed.add(terminal.id)
        terminal.revoke(terminal.owner, None)
        self.close(terminal)

    def revoke(self, user: UserId, proof: ProofId | None = None) -> None:
        """A proof of identity, or without ``proof`` every one of that person's, is no longer good.

        From now on nothing goes either way between its viewers and any terminal; see `Terminal.revoke`.
        """
        for terminal in self._terminals.values():
            terminal.revoke(user, proof)

    def counts(self) -> dict[str, int]:
        """How many terminals and viewers there are."""
        running = [t for t in self._terminals.values() if t.state < State.EXITED]
        return {
            "terminals": len(running),
            "exited": len(self._terminals) - len(running),
            "viewers": sum(len(terminal.audience.live) for terminal in running),
        }

    async def aclose(self, *, end: bool) -> None:
        """The server stops. ``end`` ends all programs; otherwise those that can outlive the server do."""
        await self._tasks.aclose()
        terminals = list(self._terminals.values())
        ending = [terminal for terminal in terminals if end or not terminal.durable]
        closings = (self._close(terminal, "shutdown") for terminal in ending)
        await _all_of(closings)
        for terminal in terminals:
            terminal.remove("shutdown")
        self._terminals.clear()

    def _may_see(self, actor: Actor, terminal: Terminal) -> bool:
        return terminal.owner == actor.id and terminal.id not in self._dismissed

    def _check_limits(self, actor: Actor) -> None:
        alive = [t for t in self._terminals.values() if t.state < State.EXITED]
        mine = sum(t.owner == actor.id for t in alive) + self._opening[actor.id]
        if mine >= self.limits.per_actor:
            raise LimitReached(f"You have {mine} terminals, and may have {self.limits.per_actor}. Close one first.")
        if len(alive) + sum(self._opening.values()) >= self.limits.total:
            raise LimitReached(f"This server has {len(alive)} terminals, and may have {self.limits.total}.")

    def _check_room(self, workspace: WorkspaceId | None, most: int) -> None:
        here = len(self.alive_in(workspace)) + self._opening_in[workspace] if workspace and most else 0
        if most and here >= most:
            raise LimitReached(f"This workspace has {here} terminals, and may have {most}. Close one first.")

    async def _launch(self, name: str, launch: Launch, record: Record, size: Size) -> Terminal:
        memory = Log.make_memory(self.limits.log_bytes)
        try:
            session = await self._drivers[name].open(replace(launch, memory=memory), size)
            log = Log(memory)
        finally:
            os.close(memory)
        self._make_room_for(record)
        terminal = self._terminal(name, session, log, record, size)
        terminal.start()
        return terminal

    def _make_room_for(self, record: Record) -> None:
        """Ends that are kept count, too: the oldest of them goes."""
        ended = [t for t in self._terminals.values() if t.owner == record.owner and t.state is State.EXITED]
        if len(ended) >= self.limits.per_actor:
            self.close(min(ended, key=lambda terminal: terminal.record.created))

    def _terminal(self, name: str, session: Session, log: Log, record: Record, size: Size) -> Terminal:
        terminal = Terminal(session, log, self._intake(name), record, size, name, self.limits.resume_grace)
        self._terminals[record.id] = terminal
        return terminal

    def _intake(self, name: str) -> Intake:
        """The intake of a driver; another one if what is behind the driver died and was replaced.

        Drivers with the same staging have the same intake: it knows whose bytes were the last.
        """
        staging = self._drivers[name].staging
        intake = self._intakes.get(name)
        if intake is None or intake.staging != staging:
            others = self._intakes.values() if staging is not None else ()
            same = next((other for other in others if other.staging == staging), None)
            intake = self._intakes[name] = same or Intake(staging)
        return intake

    @staticmethod
    async def _kept(name: str, driver: Driver) -> dict[str, _Found]:
        found: dict[str, _Found] = {}
        for token in await driver.kept():
            session = await driver.resume(token)
            if session is None or session.memory is None:
                continue
            try:
                record = Record.load(session.record)
                found[record.id] = _Found(name, session, Log(session.memory), record)
            except ValueError as error:
                _logger.error("a kept program (pid %s) cannot be brought back: %s", session.pid, error)
        return found

    def _bring_back(self, found: _Found) -> None:
        record = found.record
        size = Size(record.cols, record.rows)
        try:
            self._terminal(found.driver, found.session, found.log, record, size).start(again=True)
        except Exception:  # one that cannot be brought back takes no other along
            self._terminals.pop(record.id, None)
            _logger.exception("a kept program (pid %s) cannot be brought back", found.session.pid)

    def _close_all(self, terminals: Iterable[Terminal], source: Source) -> asyncio.Future[None]:
        closings = [self.close(terminal, source) for terminal in terminals]
        return asyncio.shield(self._tasks.run(_all_of(closings)))

    async def _close(self, terminal: Terminal, reason: Parting) -> None:
        await terminal.close()
        terminal.remove(reason)
        self._terminals.pop(terminal.id, None)
        self._exited_since.pop(terminal.id, None)
        self._dismissed.discard(terminal.id)

    async def _sweep_for_ever(self) -> None:
        while True:
            shortest = min(self.limits.idle_timeout or _SWEEP_EVERY, self.limits.keep_exited, _SWEEP_EVERY)
            await asyncio.sleep(max(shortest, _SWEEP_AT_MOST_EVERY))
            now = asyncio.get_running_loop().time()
            for terminal in list(self._terminals.values()):
                if self._is_over(terminal, now):
                    self.close(terminal)

    def _is_over(self, terminal: Terminal, now: float) -> bool:
        """An exit that nobody looks at any more, or a terminal that is idle in every respect."""
        if terminal.audience or terminal.state is State.CLOSING:
            return False
        if terminal.state is State.EXITED:
            return now - self._exited_since.setdefault(terminal.id, now) >= self.limits.keep_exited
        idle = self.limits.idle_timeout
        quiet = bool(idle) and now - terminal.active >= idle
        # Of a program that somebody asked for, nobody knows whether it waits or works; of a shell one does.
        return quiet and not terminal.record.argv and terminal.at_prompt() is True


async def _all_of(closings: Iterable[Awaitable[None]]) -> None:
    for result in await asyncio.gather(*closings, return_exceptions=True):
        if isinstance(result, Exception):
            _logger.error("a terminal could not be closed", exc_info=result)


def _program(record: Record) -> str:
    return record.argv[0] if record.argv else ""

"""What somebody may do with terminals outside of a WebSocket, in plain calls and plain values."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from webterm.access import Actor, Source
from webterm.errors import Conflict, InvalidRequest, RuntimeBusy, ShuttingDown, WebtermError
from webterm.hub.hub import Hub
from webterm.hub.scanner import unfinished_character
from webterm.hub.terminal import State, Terminal
from webterm.ids import ProofId, TerminalId, UserId
from webterm.runtime import Runtime
from webterm.session import Size

OUTPUT_BYTES = 64 * 1024
"""Bytes of output in one answer, unless more or less is asked for."""
MOST_OUTPUT_BYTES = 1024 * 1024
LONGEST_CHARACTER = 4
"""Bytes of UTF-8 (RFC 3629)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A terminal that somebody wants. What is left out is the driver's choice.

    With ``replaces`` it comes in the place of a terminal whose program has ended: what is left out of workspace, title,
    ``argv`` and ``cwd`` is as it was there, and that one is removed.
    """

    size: Size
    workspace: str | None = None
    driver: str | None = None
    argv: Sequence[str] = ()
    cwd: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    title: str | None = None
    replaces: str | None = None

    def after(self, ended: Terminal) -> Order:
        """The same with what is left out as it was in a terminal that has ended."""
        record = ended.record
        before = () if record.shortened else record.argv
        return replace(
            self,
            workspace=self.workspace or record.workspace,
            argv=self.argv or before,
            cwd=record.cwd if self.cwd is None else self.cwd,
            title=record.title if self.title is None else self.title,
        )


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Output from its first byte ``start`` to the byte before ``end``, which is where to go on."""

    start: int
    end: int
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a terminal goes: a driver, and the runtime of a workspace or none. ``terminals``: most there; 0 is any.

    ``cwd`` is where programs begin when nothing else is said. ``check`` raises when the right to be there has ended
    since; it does not wait.
    """

    driver: str | None = None
    runtime: Runtime | None = None
    terminals: int = 0
    cwd: str | None = None
    check: Callable[[], None] = lambda: None


PlaceOf = Callable[[Actor, str | None, str | None], Awaitable[Place]]
"""Gets who asks, a workspace and a driver, each None where it is left to us. Raises where that is not allowed."""


class TerminalRules:
    """Terminals as their owners see them.

    Every method that takes a terminal's id raises `webterm.errors.NoSuchTerminal` when there is none, or none that
    this actor may see: the two are not to be told apart.
    """

    def __init__(self, hub: Hub, place_of: PlaceOf) -> None:
        self.hub = hub
        self._place_of = place_of
        self._opening = True
        self._replacing: set[TerminalId] = set()

    def stop_opening(self) -> None:
        """The server stops: from now on nothing is started."""
        self._opening = False

    def visible(self, actor: Actor) -> list[Terminal]:
        """The actor's terminals, the oldest first."""
        return self.hub.visible(actor)

    async def open(self, actor: Actor, order: Order, *, address: str = "") -> Terminal:
        """Start a program. Raises what `webterm.hub.hub.Hub.open` raises, and `webterm.errors.ShuttingDown`;

        `webterm.errors.NoSuchWorkspace`, and `webterm.errors.Forbidden` where this actor may not start programs. Of an
        order that ``replaces``, `webterm.errors.NoSuchTerminal` (somebody was faster, say), `webterm.errors.Conflict`
        where that program runs, and `webterm.errors.RuntimeBusy` while another is started in its place.
        ``address`` is the client's, here and below, for the audit log.
        """
        self._check_opening()
        if order.replaces is None:
            return await self._open(actor, order, None, address)
        ended = self.hub.get(actor, order.replaces)
        if ended.state is not State.EXITED:
            raise Conflict("the program of that terminal has not ended: nothing can come in its place")
        if ended.id in self._replacing:
            raise RuntimeBusy("another program is just being started in the place of that one")
        self._replacing.add(ended.id)
        try:
            terminal = await self._open(actor, order.after(ended), ended.id, address)
        except BaseException:
            self._replacing.discard(ended.id)
            raise
        gone = self.hub.close(ended, Source(user=actor.id, name=actor.name, address=address))
        gone.add_done_callback(lambda _: self._replacing.discard(ended.id))
        return terminal

    async def _open(self, actor: Actor, order: Order, replaces: TerminalId | None, address: str) -> Terminal:
        place = await self._place_of(actor, order.workspace, order.driver)
        self._check_opening()
        terminal = await self.hub.open(
            actor,
            size=order.size,
            driver=place.driver,
            runtime=place.runtime,
            most_here=place.terminals,
            argv=order.argv,
            cwd=place.cwd if order.cwd is None else order.cwd,
            env=order.env,
            title=order.title,
            address=address,
            replaces=replaces,
        )
        try:
            place.check()  # from now on whoever ends the right finds the terminal
        except WebtermError:
            self.hub.dismiss(terminal)
            raise
        return terminal

    def _check_opening(self) -> None:
        if not self._opening:
            raise ShuttingDown("the server stops")

    def get(self, actor: Actor, terminal_id: TerminalId) -> Terminal:
        """One terminal."""
        return self.hub.get(actor, terminal_id)

    async def close(self, actor: Actor, terminal_id: TerminalId, *, address: str = "") -> None:
        """End the program and remove the terminal."""
        source = Source(user=actor.id, name=actor.name, address=address)
        await self.hub.close(self.hub.get(actor, terminal_id), source)

    def owners(self) -> set[UserId]:
        """Whose terminals there are."""
        return self.hub.owners()

    def close_all_of(self, user: UserId) -> None:
        """End all programs of a person who has no account any more: that is under way now."""
        self.hub.close_all_of(user)

    def revoke(self, user: UserId, proof: ProofId | None = None) -> None:
        """A proof of identity, or everything of that person's, is no longer good; see `webterm.hub.hub.Hub.revoke`."""
        self.hub.revoke(user, proof)

    async def resize(self, actor: Actor, terminal_id: TerminalId, size: Size) -> Terminal:
        """Give the terminal another size, until a viewer gives it its own."""
        terminal = self.hub.get(actor, terminal_id)
        terminal.resize(size)
        return terminal

    async def output(self, actor: Actor, terminal_id: TerminalId, after: int | None, limit: int) -> Excerpt:
        """Output from ``after`` on, or from the oldest that is kept if that is later; at most ``limit`` bytes.

        It never ends inside a UTF-8 character, unless the program has ended inside one. A ``limit`` that is too small
        for a character counts as 4; one that is printed half is left for later.

        Raises `webterm.errors.InvalidRequest` for an offset that the output has not reached.
        """
        terminal = self.hub.get(actor, terminal_id)
        if after is not None and after > terminal.head:
            raise InvalidRequest(f"after: {after} is beyond the end of the output, {terminal.head}")
        start, end, data = terminal.text_from(after, limit)
        if terminal.exit is not None and end == terminal.head:
            return Excerpt(start, end, data)
        rest = unfinished_character(data)
        if rest == len(data) and limit < LONGEST_CHARACTER:
            return await self.output(actor, terminal_id, after, LONGEST_CHARACTER)
        return Excerpt(start, end - rest, data[: len(data) - rest])

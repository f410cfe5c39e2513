"""One client's conversation: messages in, frames out, and calls to the hub between. It never touches a socket."""

from __future__ import annotations

import asyncio
import enum
import logging
import secrets
from collections.abc import Callable, Sequence
from typing import Any, TypeGuard

from webterm.access import Actor, Role, Scope, Source
from webterm.errors import (
    ChannelInUse,
    EditConflict,
    InvalidRequest,
    LimitReached,
    MissingScope,
    NoSuchChannel,
    ReadOnly,
    WebtermError,
)
from webterm.hub.input import INPUT_LIMIT
from webterm.hub.terminal import Attachment, Terminal
from webterm.hub.viewer import ViewerState
from webterm.ids import ProofId
from webterm.protocol import messages
from webterm.protocol.channel import Channel, ChannelState, Received
from webterm.protocol.describe import describe, describe_viewers
from webterm.protocol.frames import Frame, Refused, decode, decode_input, encode
from webterm.protocol.message import ChannelMessage, Message
from webterm.protocol.outgoing import Outgoing
from webterm.protocol.speaker import MakeSpeaker
from webterm.protocol.speaking import Speaking
from webterm.session import MAX_COLS, MAX_ROWS, Size
from webterm.tasks import Tasks
from webterm.terminals.rules import Order, TerminalRules

MESSAGE_LIMIT = 1024 * 1024
FRAME_LIMIT = 64 * 1024
CHANNELS = 1024
"""How many channels one client may have at a time."""
_UNDER_WAY = 64
_logger = logging.getLogger(__name__)


class ConnectionState(enum.IntEnum):
    """A connection's life; it only moves forward."""

    OPEN = 1
    OVER = 2


class Connection:
    """The protocol's side of one socket.

    Feed it with `receive_text` and `receive_binary`; whenever ``wake`` is called, take frames with `next_frame` until
    there is none. Nothing here waits. Once it is over it takes nothing and says nothing any more.
    """

    def __init__(
        self,
        terminals: TerminalRules,
        actor: Actor,
        *,
        binary: bool,
        wake: Callable[[], None],
        proof: ProofId | None = None,
        address: str = "",
        speakers: Sequence[MakeSpeaker] = (),
    ) -> None:
        """``binary``: bulk data travels in binary frames. ``speakers`` take the messages that are not about terminals.

        ``proof`` is what the actor's right to be here rests on, where it is our own to know, and ``address`` the
        client's.
        """
        self.actor = actor
        self._proof = proof
        self._source = Source(user=actor.id, name=actor.name, address=address)
        self._state = ConnectionState.OPEN
        self._terminals = terminals
        self._hub = terminals.hub
        self._binary = binary
        self._wake = wake
        self._channels: dict[int, Channel] = {}
        self._out = Outgoing(wake)
        self._speaking = Speaking(
            speakers,
            actor=actor,
            source=self._source,
            binary=binary,
            out=self._out,
            fail=self._fail,
            claim=self._check_free,
        )
        self._tasks = Tasks(f"connection of {actor.name}")
        self._under_way = 0

    def greet(self, server: str) -> None:
        """Say the first word; ``server`` is our name and version."""
        self._say(self._greeting(server))

    @property
    def congested(self) -> bool:
        """Whether so much waits for the client, or for others on its behalf, that it should not be listened to."""
        if self._state is ConnectionState.OVER:
            return False
        return self._out.congested or self._under_way > _UNDER_WAY

    # In.

    def receive_text(self, text: bytes) -> None:
        """A text frame."""
        if self._state is ConnectionState.OVER:
            return
        message = decode(text)
        if isinstance(message, Refused):
            self._refuse(message.error, message.channel, message.request)
        elif isinstance(message, messages.List | messages.Ping):
            self._answer(message)
        else:
            self._receive(message)

    def receive_binary(self, frame: bytes) -> None:
        """A binary frame."""
        if self._state is ConnectionState.OVER:
            return
        try:
            number, data = decode_input(frame)
        except InvalidRequest as error:
            self._refuse(error, None)
        else:
            self._receive(data, number)

    def broke(self) -> None:
        """The socket broke: writers' places are held for a while."""
        for channel in self._leaving():
            channel.terminal.broke(channel.viewer)

    def leave(self) -> None:
        """The client said goodbye."""
        for channel in self._leaving():
            channel.terminal.detach(channel.viewer)

    def revoke(self) -> None:
        """The right to be here has ended: what was sent and still waits anywhere here reaches no program any more."""
        self._leaving()
        self._hub.revoke(self.actor.id, self._proof)

    async def aclose(self) -> None:
        """Wait for what is under way, after `broke`, `leave` or `revoke`. What was just being opened is given up."""
        await self._tasks.aclose()
        await self._speaking.aclose()

    # Out.

    def next_frame(self) -> Frame | None:
        """The next frame to send: control before data, terminals in turns. None for now if there is none."""
        if self._state is ConnectionState.OVER:
            return None
        return self._out.next_frame(self._forget)

    # Within.

    def _leaving(self) -> list[Channel]:
        self._state = ConnectionState.OVER
        self._tasks.cancel()
        attached = [channel for channel in self._channels.values() if channel.state is ChannelState.ATTACHED]
        self._channels.clear()
        self._speaking.leave()
        self._out.clear()
        self._wake()  # nothing keeps the peer from being listened to any more
        return attached

    def _greeting(self, server: str) -> messages.Ready:
        limits = messages.Limits(
            message_bytes=MESSAGE_LIMIT,
            frame_bytes=FRAME_LIMIT,
            input_bytes=INPUT_LIMIT,
            terminals=self._hub.limits.per_actor,
            cols=MAX_COLS,
            rows=MAX_ROWS,
        )
        user = messages.User(id=self.actor.id, name=self.actor.name)
        return messages.Ready(
            version=1, server=server, user=user, limits=limits, resume_grace=self._hub.limits.resume_grace
        )

    def _say(self, message: messages.FromServer) -> None:
        self._out.add(encode(message))

    def _refuse(self, error: WebtermError, number: int | None, request: int | None = None) -> None:
        tags = (error.expected, error.current) if isinstance(error, EditConflict) else (None, None)
        text = str(error).encode("utf-8", "replace").decode()  # names of files may hold what is no text
        self._say(
            messages.Error(
                code=error.code, message=text, channel=number, request=request, expected=tags[0], current=tags[1]
            )
        )

    def _fail(self, error: BaseException, number: int | None, request: int | None = None) -> None:
        """The one place where errors become answers."""
        if isinstance(error, WebtermError):
            self._refuse(error, number, request)
            return
        incident = secrets.token_hex(4)
        _logger.error("incident %s", incident, exc_info=error)
        text = f"Our fault; log id {incident}."
        self._say(messages.Error(code="internal_error", message=text, channel=number, request=request))

    def _answer(self, message: messages.List | messages.Ping) -> None:
        if isinstance(message, messages.Ping):
            self._say(messages.Pong(nonce=message.nonce))
        else:
            self._say(messages.Terminals(terminals=[describe(t) for t in self._hub.visible(self.actor)]))

    def _receive(self, message: Message | bytes, number: int | None = None) -> None:
        """A message, or bytes for the channel ``number``."""
        if isinstance(message, ChannelMessage):
            number = message.channel
        try:
            if isinstance(message, messages.Open | messages.Attach):
                self._join(message)
            elif number is None or self._speaking.has(number) or not _about_terminals(message):
                self._speaking.receive(message, number)
            else:
                self._deliver(self._channel(number), message)
        except Exception as error:
            self._fail(error, number, getattr(message, "request", None))

    def _forget(self, channel: Channel) -> None:
        self._channels.pop(channel.number, None)

    def _channel(self, number: int) -> Channel:
        channel = self._channels.get(number)
        if channel is None:
            raise NoSuchChannel(f"There is no channel {number}.")
        return channel

    def _deliver(self, channel: Channel, message: Received) -> None:
        if channel.state is ChannelState.OPENING:
            channel.hold_back(message)
            return
        if isinstance(message, bytes) or message.acts:
            self._check_scope()
            if channel.viewer.state is ViewerState.GONE:  # and the client is about to be told
                raise NoSuchChannel(f"There is no channel {channel.number} any more.")
            if not channel.viewer.writes:
                raise ReadOnly("This viewer may only look.")
        if isinstance(message, bytes):
            channel.terminal.type(channel.viewer, message)
        else:
            _HANDLERS[type(message)](self, channel, message)

    def _check_scope(self) -> None:
        if not self.actor.may(Scope.TERMINALS_WRITE):
            raise MissingScope(f"This needs the scope {Scope.TERMINALS_WRITE}.")

    def _join(self, message: messages.Open | messages.Attach) -> None:
        self._check_free(message.channel)
        channel = Channel(message.channel, binary=self._binary, ready=self._out.mark)
        if isinstance(message, messages.Attach):
            terminal = self._hub.get(self.actor, message.terminal)
            writes = message.role == "write" and self.actor.may(Scope.TERMINALS_WRITE)
            role = Role.WRITE if writes else Role.READ
            size = Size(message.cols, message.rows) if message.cols and message.rows else None
            self._attach(channel, terminal, role, message.window, message.after, size)
        else:
            self._check_scope()
            self._channels[channel.number] = channel
            self._watch(channel.number, self._tasks.run(self._open(channel, message)))

    def _check_free(self, number: int) -> None:
        if number in self._channels or self._speaking.has(number):
            raise ChannelInUse(f"Channel {number} is in use.")
        if len(self._channels) + len(self._speaking) >= CHANNELS:
            raise LimitReached(f"One socket has at most {CHANNELS} channels.")

    async def _open(self, channel: Channel, message: messages.Open) -> None:
        size = Size(message.cols, message.rows)
        try:
            order = Order(
                size=size,
                workspace=message.workspace,
                driver=message.driver,
                argv=message.argv,
                cwd=message.cwd,
                env=message.env,
                title=message.title,
                replaces=message.replaces,
            )
            terminal = await self._terminals.open(self.actor, order, address=self._source.address)
            self._attach(channel, terminal, Role.WRITE, message.window, None, size)
        except BaseException:
            self._channels.pop(channel.number, None)
            raise

    def _attach(
        self, channel: Channel, terminal: Terminal, role: Role, window: int, after: int | None, size: Size | None
    ) -> None:
        attachment = terminal.attach(
            self.actor,
            role,
            window,
            after=after,
            size=size if role is Role.WRITE else None,
            ready=channel.mark,
            notify=channel.note,
            proof=self._proof,
        )
        self._channels[channel.number] = channel
        self._say(self._attached(channel.number, terminal, attachment))
        for message in channel.attached(terminal, attachment.viewer):
            self._receive(message, channel.number)
        channel.mark()

    def _attached(self, number: int, terminal: Terminal, attachment: Attachment) -> messages.Attached:
        viewer, start, size = attachment.viewer, attachment.start, attachment.size
        return messages.Attached(
            channel=number,
            terminal=terminal.id,
            offset=start.offset,
            replay_until=viewer.replay_until,
            preamble=start.preamble,
            cols=size.cols,
            rows=size.rows,
            role="write" if viewer.writes else "read",
            title=terminal.title,
            driver=terminal.driver,
            workspace=terminal.record.workspace,
            viewer=viewer.id,
            viewers=describe_viewers(terminal),
        )

    # What clients can say about a channel, and the table of it.

    def _detach(self, channel: Channel, message: messages.Detach) -> None:
        del self._channels[channel.number]
        self._out.forget(channel)
        channel.terminal.detach(channel.viewer)

    def _input(self, channel: Channel, message: messages.Input) -> None:
        channel.terminal.type(channel.viewer, message.data.encode("utf-8", "replace"))

    def _answer_query(self, channel: Channel, message: messages.Answer) -> None:
        channel.terminal.answer(channel.viewer, message.data)

    def _resize(self, channel: Channel, message: messages.Resize) -> None:
        channel.terminal.resize_from(channel.viewer, Size(message.cols, message.rows))

    def _rename(self, channel: Channel, message: messages.Rename) -> None:
        self._watch(channel.number, channel.terminal.rename(message.title))

    def _signal(self, channel: Channel, message: messages.Signal) -> None:
        self._watch(channel.number, channel.terminal.signal(message.name))

    def _ack(self, channel: Channel, message: messages.Ack) -> None:
        channel.terminal.ack(channel.viewer, message.offset)

    def _close(self, channel: Channel, message: messages.Close) -> None:
        self._watch(channel.number, self._hub.close(channel.terminal, self._source))

    def _watch(self, number: int, work: asyncio.Future[None]) -> None:
        """Say it when this fails. It belongs to whoever started it, and goes on when the client leaves."""
        self._under_way += 1
        work.add_done_callback(lambda done: self._done(number, done))

    def _done(self, number: int, work: asyncio.Future[None]) -> None:
        self._under_way -= 1
        if not work.cancelled() and (error := work.exception()) is not None:
            self._fail(error, number)
        self._wake()


_HANDLERS: dict[type[ChannelMessage], Callable[[Connection, Channel, Any], None]] = {
    messages.Detach: Connection._detach,
    messages.Input: Connection._input,
    messages.Answer: Connection._answer_query,
    messages.Resize: Connection._resize,
    messages.Rename: Connection._rename,
    messages.Signal: Connection._signal,
    messages.Ack: Connection._ack,
    messages.Close: Connection._close,
}


def _about_terminals(message: Message | bytes) -> TypeGuard[Received]:
    return type(message) in _HANDLERS or isinstance(message, bytes)

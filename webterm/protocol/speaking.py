"""The speakers of one conversation, and which message is whose."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from webterm.access import Actor, Scope, Source
from webterm.errors import MissingScope, UnknownType
from webterm.protocol.frames import Frame, encode
from webterm.protocol.message import Message, type_of
from webterm.protocol.outgoing import Outgoing
from webterm.protocol.speaker import MakeSpeaker, Speaker, Talk

Fail = Callable[[BaseException, int | None, int | None], None]
Claim = Callable[[int], None]


class Speaking(Talk):
    """Gives each message to its speaker, and is what they speak through.

    ``fail`` tells the client of an error (error, channel, request); ``claim`` raises where a channel is not free.
    """

    def __init__(
        self,
        speakers: Sequence[MakeSpeaker],
        *,
        actor: Actor,
        source: Source,
        binary: bool,
        out: Outgoing,
        fail: Fail,
        claim: Claim,
    ) -> None:
        self.actor = actor
        self.source = source
        self.binary = binary
        self._out = out
        self._fail = fail
        self._claim = claim
        self._over = False
        self._channels: dict[int, Speaker] = {}
        self._speakers = [make(self) for make in speakers]
        self._by_kind: dict[type, Speaker] = {kind: speaker for speaker in self._speakers for kind in speaker.handles}

    # For the connection.

    def __len__(self) -> int:
        """How many channels the speakers have."""
        return len(self._channels)

    def has(self, channel: int) -> bool:
        """Whether a channel is a speaker's."""
        return channel in self._channels

    def receive(self, message: Message | bytes, channel: int | None) -> None:
        """A message, perhaps about a channel of ours, or bytes for one. Raises what the speaker does."""
        speaker = self._by_kind.get(type(message)) or (None if channel is None else self._channels.get(channel))
        if isinstance(message, bytes):
            if speaker is not None and channel is not None:
                speaker.receive_input(channel, message)
        elif speaker is None:
            raise UnknownType(f"Nobody here takes a message of type {type_of(type(message))!r}.")
        else:
            speaker.receive(message)

    def leave(self) -> None:
        """See `Speaker.leave`."""
        self._over = True
        for speaker in self._speakers:
            speaker.leave()
        self._channels.clear()

    async def aclose(self) -> None:
        """See `Speaker.aclose`."""
        for speaker in self._speakers:
            await speaker.aclose()

    # For the speakers.

    def say(self, message: Message) -> None:
        if not self._over:
            self._out.add(encode(message))

    def send(self, frame: Frame) -> None:
        if not self._over:
            self._out.add_bulk(frame)

    async def room(self) -> None:
        await self._out.room()

    def fail(self, error: BaseException, *, channel: int | None = None, request: int | None = None) -> None:
        if not self._over:
            self._fail(error, channel, request)

    def take_channel(self, number: int, speaker: Speaker) -> None:
        self._claim(number)
        self._channels[number] = speaker

    def release_channel(self, number: int) -> None:
        self._channels.pop(number, None)

    def check(self, scope: Scope) -> None:
        if not self.actor.may(scope):
            raise MissingScope(f"This needs the scope {scope}.")

"""Parts of the conversation that are about something else than terminals."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

from webterm.access import Actor, Scope, Source
from webterm.protocol.frames import Frame
from webterm.protocol.message import Message


class Speaker(ABC):
    """One part of a conversation. Nothing here waits: what takes time is a task of its own, ended by `aclose`.

    Whatever `receive` and `receive_input` raise becomes an ``error`` to the client.
    """

    handles: ClassVar[tuple[type[Message], ...]]
    """The messages that go to this speaker. Messages about a channel that it has taken do, too."""

    @abstractmethod
    def receive(self, message: Message) -> None:
        """A message of `handles`, or one about a channel of ours."""

    def receive_input(self, channel: int, data: bytes) -> None:
        """Bytes from a binary frame for a channel of ours."""

    @abstractmethod
    def leave(self) -> None:
        """The client has gone or may not be here any more: stop everything. Nothing is said from now on."""

    @abstractmethod
    async def aclose(self) -> None:
        """After `leave`: wait until everything has stopped."""


class Talk(ABC):
    """What a speaker may use of the conversation."""

    actor: Actor
    source: Source
    binary: bool
    """Whether bulk data travels in binary frames."""

    @abstractmethod
    def say(self, message: Message) -> None:
        """Send a message, before all data."""

    @abstractmethod
    def send(self, frame: Frame) -> None:
        """Send data, in turns with the terminals'. Wait for `room` first."""

    @abstractmethod
    async def room(self) -> None:
        """Wait until the client has taken most of what `send` was given."""

    @abstractmethod
    def fail(self, error: BaseException, *, channel: int | None = None, request: int | None = None) -> None:
        """Tell the client that something failed. Errors that are not ours are logged and told without their text."""

    @abstractmethod
    def take_channel(self, number: int, speaker: Speaker) -> None:
        """Messages about this channel go to ``speaker`` from now on. Raises `ChannelInUse`, `LimitReached`."""

    @abstractmethod
    def release_channel(self, number: int) -> None:
        """There is no such channel any more."""

    @abstractmethod
    def check(self, scope: Scope) -> None:
        """Raises `webterm.errors.MissingScope` where this proof of identity is not good for that."""


MakeSpeaker = Callable[[Talk], Speaker]

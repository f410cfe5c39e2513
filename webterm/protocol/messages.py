"""The wire language: one class and one line for each message (docs/protocol.md is its prose).

Messages about terminals stand here, those of other speakers in modules of their own; the unions at the end have all.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta, Struct

from webterm.protocol.exec_messages import FromClientAboutCommands, FromServerAboutCommands
from webterm.protocol.file_messages import FromClientAboutFiles, FromServerAboutFiles
from webterm.protocol.message import (
    DEFAULT_WINDOW,
    Arguments,
    ByteOffset,
    ChannelMessage,
    Cols,
    Directory,
    Environment,
    Message,
    Name,
    RoleName,
    Rows,
    SignalName,
    Window,
)
from webterm.protocol.runtime_messages import FromClientAboutRuntimes, FromServerAboutRuntimes

# Client to server.


class Open(ChannelMessage, frozen=True, kw_only=True, tag="open"):
    """Start a program with a terminal and attach to it.

    ``replaces``: a terminal whose program has ended, in whose place this one comes. It is removed, and what is left out
    of ``workspace``, ``argv``, ``cwd`` and ``title`` is as it was there.
    """

    cols: Cols
    rows: Rows
    workspace: Name | None = None
    driver: Name | None = None
    argv: Arguments = []
    cwd: Directory | None = None
    env: Environment = {}
    title: Name | None = None
    replaces: Name | None = None
    window: Window = DEFAULT_WINDOW


class Attach(ChannelMessage, frozen=True, kw_only=True, tag="attach"):
    """Join a running terminal; ``after`` is the last offset this client has."""

    terminal: Name
    after: ByteOffset | None = None
    role: RoleName = "write"
    cols: Cols | None = None
    rows: Rows | None = None
    window: Window = DEFAULT_WINDOW


class Detach(ChannelMessage, frozen=True, kw_only=True, tag="detach"):
    """Leave; the program runs on."""


class Input(ChannelMessage, frozen=True, kw_only=True, tag="input"):
    """Bytes for the program: text, encoded as UTF-8."""

    acts: ClassVar[bool] = True
    data: str


class Answer(ChannelMessage, frozen=True, kw_only=True, tag="answer"):
    """What the client's emulator says by itself when a program asks."""

    acts: ClassVar[bool] = True
    data: Annotated[str, Meta(max_length=65_536)]


class Resize(ChannelMessage, frozen=True, kw_only=True, tag="resize"):
    """The size of this client's screen; only the lead writer's counts."""

    acts: ClassVar[bool] = True
    cols: Cols
    rows: Rows


class Rename(ChannelMessage, frozen=True, kw_only=True, tag="rename"):
    """Give the terminal a title of one's own; an empty one returns to what the program says."""

    acts: ClassVar[bool] = True
    title: Name


class Signal(ChannelMessage, frozen=True, kw_only=True, tag="signal"):
    """Send a signal to the foreground process group."""

    acts: ClassVar[bool] = True
    name: SignalName


class Ack(ChannelMessage, frozen=True, kw_only=True, tag="ack"):
    """Everything below ``offset`` has been drawn."""

    offset: ByteOffset


class Close(ChannelMessage, frozen=True, kw_only=True, tag="close"):
    """Hang up, then kill after the grace period."""

    acts: ClassVar[bool] = True


class List(Message, frozen=True, kw_only=True, tag="list"):
    """Ask for the caller's terminals."""


class Ping(Message, frozen=True, kw_only=True, tag="ping"):
    """Answered by ``pong``."""

    nonce: Name | None = None


# Server to client.


class User(Struct, frozen=True, kw_only=True):
    """Who this socket belongs to."""

    id: str
    name: str


class Limits(Struct, frozen=True, kw_only=True):
    """Numbers that a client has to keep within."""

    message_bytes: int
    frame_bytes: int
    input_bytes: int
    terminals: int
    cols: int
    rows: int


class ViewerInfo(Struct, frozen=True, kw_only=True):
    """One viewer of a terminal; ``lead`` marks the writer whose size and answers count."""

    id: int
    name: str
    role: RoleName
    lead: bool


class TerminalInfo(Struct, frozen=True, kw_only=True):
    """One terminal, as lists show it. ``created`` is in seconds since 1970; ``offset`` the end of its output.

    ``argv`` is for people, and shortened where it is long. ``replaces``: the ended terminal in whose place it came.
    """

    id: str
    title: str
    driver: str
    argv: list[str]
    cols: int
    rows: int
    created: float
    offset: int
    viewers: int
    state: Literal["running", "closing", "exited"]
    durable: bool
    workspace: str | None = None
    pid: int | None = None
    status: int | None = None
    signal: str | None = None
    replaces: str | None = None


class Ready(Message, frozen=True, kw_only=True, tag="ready"):
    """The server's first word. ``resume_grace`` is how long a broken writer's place is held, in seconds."""

    version: int
    server: str
    user: User
    limits: Limits
    resume_grace: float


class Attached(ChannelMessage, frozen=True, kw_only=True, tag="attached"):
    """The answer to ``open`` and ``attach``: what follows starts at ``offset``, in the modes of ``preamble``.

    ``viewer`` is this client's own entry among ``viewers``; ``workspace`` the one that the program runs in, if any.
    """

    terminal: str
    offset: int
    replay_until: int
    preamble: str
    cols: int
    rows: int
    role: RoleName
    title: str
    driver: str
    viewer: int
    viewers: list[ViewerInfo]
    workspace: str | None = None


class Output(ChannelMessage, frozen=True, kw_only=True, tag="output"):
    """Output from its first byte ``offset`` to the byte before ``end``."""

    offset: int
    end: int
    data: str


class InputPaused(ChannelMessage, frozen=True, kw_only=True, tag="input_paused"):
    """The program does not read; much input waits for it."""


class InputResumed(ChannelMessage, frozen=True, kw_only=True, tag="input_resumed"):
    """The program reads again."""


class Skipped(ChannelMessage, frozen=True, kw_only=True, tag="skipped"):
    """This viewer was too slow: the bytes from ``from`` to ``to`` are gone for it."""

    from_: int = msgspec.field(name="from")
    to: int
    preamble: str


class Resized(ChannelMessage, frozen=True, kw_only=True, tag="resized"):
    """From ``offset`` on the terminal has this size."""

    offset: int
    cols: int
    rows: int


class Title(ChannelMessage, frozen=True, kw_only=True, tag="title"):
    """The terminal's title is now this."""

    title: str


class Viewers(ChannelMessage, frozen=True, kw_only=True, tag="viewers"):
    """Who looks at the terminal now."""

    viewers: list[ViewerInfo]


class Exited(ChannelMessage, frozen=True, kw_only=True, tag="exited"):
    """The program has ended, and all of its output has been sent; unless it was closed, which waits for nobody.

    ``timed_out``: a command without a terminal was killed because it took too long.
    """

    status: int | None = None
    signal: str | None = None
    timed_out: bool = False


class Detached(ChannelMessage, frozen=True, kw_only=True, tag="detached"):
    """This channel is over; the terminal may live on."""

    reason: Literal["replaced", "revoked", "closed", "shutdown"]


class Terminals(Message, frozen=True, kw_only=True, tag="terminals"):
    """The answer to ``list``."""

    terminals: list[TerminalInfo]


class Notice(Message, frozen=True, kw_only=True, tag="notice"):
    """Something for the person to read."""

    level: Literal["info", "warning", "error"]
    message: str


class Error(Message, frozen=True, kw_only=True, tag="error"):
    """A message was refused; the socket and everything else go on.

    ``expected`` and ``current`` are the tags of an ``edit_conflict``: the one given, and that of the file as it is.
    """

    code: str
    message: str
    channel: int | None = None
    request: int | None = None
    expected: str | None = None
    current: str | None = None


class Pong(Message, frozen=True, kw_only=True, tag="pong"):
    """The answer to ``ping``."""

    nonce: str | None = None


FromClient = (
    Open
    | Attach
    | Detach
    | Input
    | Answer
    | Resize
    | Rename
    | Signal
    | Ack
    | Close
    | List
    | Ping
    | FromClientAboutCommands
    | FromClientAboutFiles
    | FromClientAboutRuntimes
)
FromServer = (
    Ready
    | Attached
    | Output
    | InputPaused
    | InputResumed
    | Skipped
    | Resized
    | Title
    | Viewers
    | Exited
    | Detached
    | Terminals
    | Notice
    | Error
    | Pong
    | FromServerAboutCommands
    | FromServerAboutFiles
    | FromServerAboutRuntimes
)

decoder: msgspec.json.Decoder[FromClient] = msgspec.json.Decoder(FromClient)
encoder = msgspec.json.Encoder()

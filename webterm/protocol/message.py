"""What all messages have in common."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct

from webterm.hub import flow
from webterm.session import MAX_COLS, MAX_ROWS

ChannelNumber = Annotated[int, Meta(ge=1, le=2**31 - 1)]
ByteOffset = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Cols = Annotated[int, Meta(ge=1, le=MAX_COLS)]
Rows = Annotated[int, Meta(ge=1, le=MAX_ROWS)]
Window = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Name = Annotated[str, Meta(max_length=256)]
Argument = Annotated[str, Meta(max_length=131_072)]
Arguments = Annotated[list[Argument], Meta(max_length=1024)]
Directory = Annotated[str, Meta(max_length=4096)]
Environment = dict[Annotated[str, Meta(min_length=1, max_length=256)], Annotated[str, Meta(max_length=32_768)]]
SignalName = Literal["INT", "TERM", "KILL", "HUP", "QUIT", "TSTP", "CONT"]
RoleName = Literal["read", "write"]
DEFAULT_WINDOW: int = flow.DEFAULT_WINDOW


class Message(Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True):
    """One JSON object with a ``type``."""


class ChannelMessage(Message, frozen=True, kw_only=True):
    """A message about one channel of this socket."""

    acts: ClassVar[bool] = False
    """Whether it does something to the terminal, so that a viewer with role ``read`` may not send it."""

    channel: ChannelNumber


def type_of(message: type[Message]) -> str:
    """The ``type`` of a message class."""
    tag: Any = message.__struct_config__.tag
    return str(tag)

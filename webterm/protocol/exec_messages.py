"""Messages about commands without a terminal."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from webterm.protocol.message import Argument, ChannelMessage, Environment, Name


class Exec(ChannelMessage, frozen=True, kw_only=True, tag="exec"):
    """A command without a terminal; stdout and stderr apart."""

    workspace: Name
    argv: Annotated[list[Argument], Meta(min_length=1, max_length=1024)]
    cwd: Annotated[str, Meta(max_length=4096)] | None = None
    env: Environment = {}
    timeout: Annotated[float, Meta(gt=0, le=86_400)] | None = None


class ExecOutput(ChannelMessage, frozen=True, kw_only=True, tag="exec_output"):
    """Output of a command without a terminal."""

    stream: Literal["stdout", "stderr"]
    data: str

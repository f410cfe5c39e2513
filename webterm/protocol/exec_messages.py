"""Messages about commands without a terminal, and about line shells."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from webterm.protocol.message import Argument, Arguments, ChannelMessage, Directory, Environment, Name
from webterm.work.executions import LONGEST

# Client to server.


class Exec(ChannelMessage, frozen=True, kw_only=True, tag="exec"):
    """Run a command without a terminal, stdout and stderr apart: ``argv``, or a ``line`` for the shell.

    ``input`` and ``end_input`` follow on its channel, unless ``stdin`` says all that there is.
    """

    workspace: Name
    argv: Arguments = []
    line: Argument | None = None
    cwd: Directory | None = None
    env: Environment = {}
    stdin: str | None = None
    timeout: Annotated[float, Meta(gt=0, le=LONGEST)] | None = None


class EndInput(ChannelMessage, frozen=True, kw_only=True, tag="end_input"):
    """The command gets no more input."""


class OpenLines(ChannelMessage, frozen=True, kw_only=True, tag="open_lines"):
    """Open a line shell: a line goes in, its text and its status come out."""

    workspace: Name | None = None
    driver: Name | None = None
    cwd: Directory | None = None
    env: Environment = {}


class Line(ChannelMessage, frozen=True, kw_only=True, tag="line"):
    """A command for a line shell, of one line or many; while one runs, a line for its stdin."""

    data: str


# Server to client.


class ExecOutput(ChannelMessage, frozen=True, kw_only=True, tag="exec_output"):
    """Output of a command without a terminal."""

    stream: Literal["stdout", "stderr"]
    data: str


class LinesOpened(ChannelMessage, frozen=True, kw_only=True, tag="lines_opened"):
    """The answer to ``open_lines``: the shell waits for a line."""


class LineOutput(ChannelMessage, frozen=True, kw_only=True, tag="line_output"):
    """What programs of a line shell have printed."""

    data: str


class LineDone(ChannelMessage, frozen=True, kw_only=True, tag="line_done"):
    """The command of a ``line`` has ended: its status as the shell's ``$?``, and the directory the shell is in."""

    status: int
    cwd: str


FromClientAboutCommands = Exec | EndInput | OpenLines | Line
FromServerAboutCommands = ExecOutput | LinesOpened | LineOutput | LineDone

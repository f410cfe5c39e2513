"""REST: commands in workspaces, their output collected, or in lines of JSON as it comes."""

from __future__ import annotations

import asyncio
import base64
import codecs
from collections.abc import Coroutine, Sequence
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from webterm.access import Scope
from webterm.errors import InvalidRequest
from webterm.execution import Stream
from webterm.protocol.message import Argument, Arguments, Directory, Environment
from webterm.web.bodies import json, read_json
from webterm.web.paths import WORKSPACE, workspace_of
from webterm.web.row import Row
from webterm.web.site import actor, source, work
from webterm.web.transfers import Transfer, transferring
from webterm.work.executions import LONGEST, MOST_OUTPUT_BYTES, OUTPUT_BYTES, TIMEOUT, Command, Outcome, Running

T = TypeVar("T")
LOOK = 0.5
"""Seconds between two looks whether the client is still there."""
_NDJSON: Literal["application/x-ndjson"] = "application/x-ndjson"


class NewExecution(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A command: ``argv``, or a ``line`` for the shell. ``cwd`` is relative to the workspace, ``timeout`` in seconds.

    ``stdin`` is a text, ``stdin_base64`` bytes; without either there is nothing to read. ``limit`` bytes of each stream
    are kept. With ``stream`` the answer is lines of JSON as output comes, without a limit: ``{"stream", "data"}``
    with ``base64`` where it is not UTF-8, and one with ``status`` or ``signal`` in the end.
    """

    argv: Arguments = []
    line: Argument | None = None
    cwd: Directory | None = None
    env: Environment = {}
    stdin: str | None = None
    stdin_base64: bytes | None = None
    timeout: Annotated[float, Meta(gt=0, le=LONGEST)] = TIMEOUT
    limit: Annotated[int, Meta(ge=0, le=MOST_OUTPUT_BYTES)] = OUTPUT_BYTES
    stream: bool = False


class ExecutionResult(Struct, frozen=True, kw_only=True):
    """How a command ended, by ``status`` or ``signal``, after ``duration`` seconds, and what it has said.

    Where output is not UTF-8 its text has U+FFFD, and ``…_base64`` has its bytes. ``truncated``: more was said than
    kept. ``timed_out``: it was killed because it took too long.
    """

    stdout: str
    stderr: str
    stdout_base64: str | None
    stderr_base64: str | None
    truncated: bool
    status: int | None
    signal: str | None
    timed_out: bool
    duration: float


class OutputLine(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A piece of output."""

    stream: str
    data: str
    base64: str | None = None


class EndLine(Struct, frozen=True, kw_only=True):
    """The last line: how the command ended."""

    status: int | None
    signal: str | None
    timed_out: bool
    duration: float


async def execute(request: web.Request) -> web.StreamResponse:
    """Run a command. It ends when the client goes, and with the right to run it."""
    wanted = await read_json(request, NewExecution)
    command = _command(wanted)
    async with transferring(request) as transfer:
        if wanted.stream:
            return await _while_there(request, _streamed(request, transfer, command))
        return await _while_there(request, _collected(request, command, wanted.limit))


async def _collected(request: web.Request, command: Command, limit: int) -> web.StreamResponse:
    found = await work(request).executions.collect(
        actor(request),
        workspace_of(request),
        command,
        source=source(request),
        stdout_limit=limit,
        stderr_limit=limit,
    )
    (stdout, raw_stdout), (stderr, raw_stderr) = _shown(found.stdout), _shown(found.stderr)
    return json(
        ExecutionResult(
            stdout=stdout,
            stderr=stderr,
            stdout_base64=raw_stdout,
            stderr_base64=raw_stderr,
            truncated=bool(found.truncated),
            **_ended(found.outcome),
        )
    )


async def _streamed(request: web.Request, transfer: Transfer, command: Command) -> web.StreamResponse:
    executions = work(request).executions
    async with await executions.start(
        actor(request), workspace_of(request), command, source=source(request)
    ) as running:
        response = web.StreamResponse(headers={"Content-Type": _NDJSON})
        await response.prepare(request)
        await _pass_on(running, response, transfer)
        end = EndLine(**_ended(await running.outcome()))
    await response.write(msgspec.json.encode(end) + b"\n")
    await response.write_eof()
    return response


async def _pass_on(running: Running, response: web.StreamResponse, transfer: Transfer) -> None:
    pieces = {stream: _Pieces(stream) for stream in Stream}
    while (found := await running.read()) is not None:
        stream, data = found
        async with transfer.waiting():  # what the client does not read holds the command up
            await response.write(pieces[stream].line(data))
    for piece in pieces.values():
        await response.write(piece.line(b"", last=True))


class _Pieces:
    """One stream in lines of JSON, none of which ends inside a character."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = b""

    def line(self, data: bytes, *, last: bool = False) -> bytes:
        """The line for what is whole; empty where nothing is."""
        text = self._decoder.decode(data, last)
        waiting = self._decoder.getstate()[0]
        raw = self._rest + data
        raw, self._rest = raw[: len(raw) - len(waiting)], waiting
        if not raw:
            return b""
        shown = OutputLine(stream=self._stream.value, data=text, base64=_raw(raw, text))
        return msgspec.json.encode(shown) + b"\n"


def _command(wanted: NewExecution) -> Command:
    if wanted.stdin is not None and wanted.stdin_base64 is not None:
        raise InvalidRequest("give stdin or stdin_base64, not both")
    stdin = (wanted.stdin or "").encode("utf-8", "replace") if wanted.stdin_base64 is None else wanted.stdin_base64
    return Command(
        argv=wanted.argv, line=wanted.line, cwd=wanted.cwd, env=wanted.env, stdin=stdin, timeout=wanted.timeout
    )


def _shown(data: bytes) -> tuple[str, str | None]:
    text = data.decode("utf-8", "replace")
    return text, _raw(data, text)


def _raw(data: bytes, text: str) -> str | None:
    """The bytes in base64, where the text does not say them."""
    return None if text.encode() == data else base64.b64encode(data).decode()


def _ended(outcome: Outcome) -> dict[str, Any]:
    return {
        "status": outcome.exit.status,
        "signal": outcome.exit.signal,
        "timed_out": outcome.timed_out,
        "duration": round(outcome.duration, 3),
    }


async def _while_there(request: web.Request, work: Coroutine[Any, Any, T]) -> T:
    """Do ``work`` as long as the client is there."""
    working = asyncio.create_task(work)
    watching = asyncio.create_task(_gone(request))
    try:
        await asyncio.wait([working, watching], return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ConnectionResetError("the client has gone")
        return working.result()
    finally:
        working.cancel()
        watching.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)


async def _gone(request: web.Request) -> None:
    while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(LOOK)


ROWS: Sequence[Row] = (
    Row(
        method="POST",
        path=WORKSPACE + "/exec",
        handler=execute,
        access=Scope.TERMINALS_WRITE,
        origin="own",
        body=NewExecution,
        answer=ExecutionResult,
        streamed=_NDJSON,
        errors=(404, 409, 422, 429, 503),
        doc="Run a command without a terminal, and collect its output or have it as it comes.",
    ),
)

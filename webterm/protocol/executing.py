"""The part of a conversation that is about commands without a terminal, and line shells: one channel for each."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar, Generic, Protocol, TypeVar, get_args

from webterm.access import Scope
from webterm.errors import InputOverflow, InvalidRequest, NoSuchChannel, TerminalExited
from webterm.execution import Stream
from webterm.exits import Exit
from webterm.protocol import exec_messages, messages
from webterm.protocol.exec_messages import EndInput, Exec, Line, LineDone, LineOutput, LinesOpened, OpenLines
from webterm.protocol.frames import encode, encode_exec_output
from webterm.protocol.message import ChannelMessage, Message
from webterm.protocol.speaker import Speaker, Talk
from webterm.tasks import Tasks
from webterm.work.executions import TIMEOUT, Command, Executions, Running
from webterm.work.line_shells import Done, LineShells, OpenShell, State, Text

INPUT_LIMIT = 1024 * 1024
"""Bytes that may wait for one command."""
_EACH = 64  # what an item that waits costs at least
_STREAMS = {Stream.STDOUT: 1, Stream.STDERR: 2}

Item = bytes | EndInput | messages.Signal


class Decoder:
    """Turns bytes into text as they come: what is not UTF-8 is U+FFFD, a character that is not whole yet waits."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def text(self, data: bytes, *, last: bool = False) -> str:
        """The text so far that has not been given yet; ``last``: nothing follows."""
        return self._decoder.decode(data, last)


class Runs(Protocol):
    """What a command and a line shell have in common."""

    async def end_input(self) -> None: ...

    async def signal(self, name: str) -> None: ...

    async def aclose(self) -> None: ...


R = TypeVar("R", bound=Runs)


class Conversing(ABC, Generic[R]):
    """One channel: something that runs, what waits to go in, and what comes out."""

    def __init__(self, talk: Talk, number: int) -> None:
        self.number = number
        self._talk = talk
        self._started: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting: deque[Item] = deque()
        self._cost = 0
        self._more = asyncio.Event()

    def put(self, item: Item) -> None:
        """Something for what runs; a signal follows the first thing that waits. Raises `InputOverflow`."""
        cost = _EACH + (len(item) if isinstance(item, bytes) else 0)
        if self._cost + cost > INPUT_LIMIT:
            raise InputOverflow(f"More than {INPUT_LIMIT} bytes wait for channel {self.number} already.")
        if isinstance(item, messages.Signal):
            self._waiting.insert(1, item)
        else:
            self._waiting.append(item)
        self._cost += cost
        self._more.set()

    async def next_item(self) -> Item:
        """What goes in next."""
        while not self._waiting:
            self._more.clear()
            await self._more.wait()
        item = self._waiting.popleft()
        self._cost -= _EACH + (len(item) if isinstance(item, bytes) else 0)
        return item

    @property
    def begun(self) -> bool:
        """Whether a signal goes to what runs at once: nothing that waits is what it is meant for."""
        return True

    @abstractmethod
    async def run(self) -> messages.Exited:
        """Start it, say what it says, and how it ended. Cancelling ends it."""

    @abstractmethod
    async def write(self, running: R, data: bytes) -> None:
        """Hand bytes over to what runs."""

    async def give(self, item: Item) -> None:
        """Hand something over to what runs, or wait until it runs."""
        running = await asyncio.shield(self._started)
        if isinstance(item, bytes):
            await self.write(running, item)
        elif isinstance(item, EndInput):
            await running.end_input()
        else:
            await running.signal(item.name)

    async def signal(self, name: str) -> None:
        """Send a signal, past what waits to go in."""
        running = await asyncio.shield(self._started)
        await running.signal(name)

    async def end(self) -> None:
        """End it."""
        running = await asyncio.shield(self._started)
        await running.aclose()

    def over(self) -> None:
        """It has ended, or never began: nobody need wait for it."""
        self._started.cancel()

    def check(self, item: Item | Line) -> Item:
        """What is to be put in for a message. Raises `webterm.errors.InvalidRequest`."""
        if isinstance(item, Line):
            raise InvalidRequest("A command takes `input`; lines are for line shells.")
        return item


class Execing(Conversing[Running]):
    """A command without a terminal."""

    def __init__(self, talk: Talk, message: Exec, executions: Executions) -> None:
        super().__init__(talk, message.channel)
        self._message = message
        self._executions = executions
        self._decoders = {stream: Decoder() for stream in Stream}

    async def run(self) -> messages.Exited:
        said = self._message
        command = Command(
            argv=said.argv,
            line=said.line,
            cwd=said.cwd,
            env=said.env,
            stdin=None if said.stdin is None else said.stdin.encode("utf-8", "replace"),
            timeout=said.timeout or TIMEOUT,
        )
        talk = self._talk
        async with await self._executions.start(talk.actor, said.workspace, command, source=talk.source) as running:
            self._started.set_result(running)
            with contextlib.suppress(TerminalExited):  # closed: what it has not said yet is nobody's
                await self._tell(running)
            outcome = await running.outcome()
        return _exited(self.number, outcome.exit, timed_out=outcome.timed_out)

    async def _tell(self, running: Running) -> None:
        while True:
            await self._talk.room()
            found = await running.read()
            if found is None:
                break
            self._say(*found)
        for stream in Stream:
            self._say(stream, b"", last=True)

    def _say(self, stream: Stream, data: bytes, *, last: bool = False) -> None:
        if self._talk.binary:
            if data:
                self._talk.send(encode_exec_output(self.number, _STREAMS[stream], data))
        elif text := self._decoders[stream].text(data, last=last):
            self._talk.send(encode(exec_messages.ExecOutput(channel=self.number, stream=stream.value, data=text)))

    async def write(self, running: Running, data: bytes) -> None:
        await running.write(data)


class Lining(Conversing[OpenShell]):
    """A line shell."""

    def __init__(self, talk: Talk, message: OpenLines, shells: LineShells) -> None:
        super().__init__(talk, message.channel)
        self._message = message
        self._shells = shells
        self._decoder = Decoder()

    @property
    def begun(self) -> bool:
        running = self._started.done() and self._started.result().state in (State.SENT, State.RUNNING)
        return running or not self._waiting

    async def run(self) -> messages.Exited:
        said, talk = self._message, self._talk
        opening = self._shells.open(
            talk.actor, source=talk.source, workspace=said.workspace, driver=said.driver, cwd=said.cwd, env=said.env
        )
        async with await opening as lines:
            talk.send(encode(LinesOpened(channel=self.number)))
            self._started.set_result(lines)
            await self._tell(lines)
            exit_ = await lines.wait()
        return _exited(self.number, exit_)

    async def _tell(self, lines: OpenShell) -> None:
        while True:
            await self._talk.room()
            found = await lines.read()
            if isinstance(found, Text):
                self._say(found.data)
                continue
            self._say(b"", last=True)
            if found is None:
                return
            self._tell_done(found)

    def _say(self, data: bytes, *, last: bool = False) -> None:
        if text := self._decoder.text(data, last=last):
            self._talk.send(encode(LineOutput(channel=self.number, data=text)))

    def _tell_done(self, done: Done) -> None:
        cwd = done.cwd.decode("utf-8", "replace")
        self._talk.send(encode(LineDone(channel=self.number, status=done.status, cwd=cwd)))

    def check(self, item: Item | Line) -> Item:
        if isinstance(item, bytes):
            raise InvalidRequest("A line shell takes `line`, not `input`.")
        return item.data.encode("utf-8", "replace") if isinstance(item, Line) else item

    async def write(self, running: OpenShell, data: bytes) -> None:
        await running.send(data)


class CommandSpeaker(Speaker):
    """Runs commands and line shells for one client; they end with its socket."""

    handles: ClassVar[tuple[type[Message], ...]] = get_args(exec_messages.FromClientAboutCommands)

    def __init__(self, talk: Talk, executions: Executions, shells: LineShells) -> None:
        self._talk = talk
        self._executions = executions
        self._shells = shells
        self._tasks = Tasks(f"commands of {talk.actor.name}")
        self._channels: dict[int, Conversing[Any]] = {}

    def receive(self, message: Message) -> None:
        """See `Speaker.receive`."""
        if isinstance(message, Exec):
            self._begin(message.channel, lambda: Execing(self._talk, message, self._executions))
        elif isinstance(message, OpenLines):
            self._begin(message.channel, lambda: Lining(self._talk, message, self._shells))
        elif isinstance(message, ChannelMessage):
            self._deliver(self._channel(message.channel), message)
        else:
            raise TypeError(message)

    def receive_input(self, channel: int, data: bytes) -> None:
        """See `Speaker.receive_input`."""
        found = self._channel(channel)
        found.put(found.check(data))

    def leave(self) -> None:
        """See `Speaker.leave`."""
        self._tasks.cancel()
        self._channels.clear()

    async def aclose(self) -> None:
        """See `Speaker.aclose`."""
        await self._tasks.aclose()

    def _channel(self, number: int) -> Conversing[Any]:
        found = self._channels.get(number)
        if found is None:
            raise NoSuchChannel(f"There is no channel {number}.")
        return found

    def _begin(self, number: int, make: Callable[[], Conversing[Any]]) -> None:
        self._talk.check(Scope.TERMINALS_WRITE)
        self._talk.take_channel(number, self)
        channel = self._channels[number] = make()
        self._tasks.run(self._run(channel))

    def _deliver(self, channel: Conversing[Any], message: ChannelMessage) -> None:
        if isinstance(message, messages.Close):
            self._tasks.run(channel.end())
        elif isinstance(message, messages.Signal):
            # Ctrl-C has to reach a program that reads nothing, but not overtake the line that it is meant for.
            if channel.begun:
                self._tasks.run(self._signal(channel, message.name))
            else:
                channel.put(message)
        elif isinstance(message, messages.Input):
            channel.put(channel.check(message.data.encode("utf-8", "replace")))
        elif isinstance(message, Line | EndInput):
            channel.put(channel.check(message))
        else:
            raise InvalidRequest("Only terminals understand this.")

    async def _run(self, channel: Conversing[Any]) -> None:
        giving = self._tasks.run(self._give(channel))
        try:
            exited = await channel.run()
        except asyncio.CancelledError:
            self._forget(channel)
            raise
        except Exception as error:
            self._forget(channel)
            self._talk.fail(error, channel=channel.number)
        else:
            self._forget(channel)
            self._talk.send(encode(exited))  # behind its output
        finally:
            giving.cancel()
            channel.over()

    async def _give(self, channel: Conversing[Any]) -> None:
        while True:
            item = await channel.next_item()
            try:
                await channel.give(item)
            except TerminalExited:
                pass  # which the client is about to be told
            except Exception as error:
                self._talk.fail(error, channel=channel.number)

    async def _signal(self, channel: Conversing[Any], name: str) -> None:
        try:
            await channel.signal(name)
        except TerminalExited:
            pass
        except Exception as error:
            self._talk.fail(error, channel=channel.number)

    def _forget(self, channel: Conversing[Any]) -> None:
        if self._channels.pop(channel.number, None) is not None:
            self._talk.release_channel(channel.number)


def _exited(number: int, exit_: Exit, *, timed_out: bool = False) -> messages.Exited:
    return messages.Exited(channel=number, status=exit_.status, signal=exit_.signal, timed_out=timed_out)

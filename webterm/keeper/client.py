"""A server's end of the keeper: connect to it, or start it, and ask it for things."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from webterm.keeper.starting import EXIT_TAKEN, dial, start_keeper
from webterm.keeper.wire import (
    VERSION,
    Ended,
    KeeperError,
    Link,
    Message,
    Packet,
    close_all,
    ended,
    number,
    text,
    texts,
)

__all__ = ["Ended", "KeeperClient", "KeeperError", "Taken", "is_running", "shut_down"]

_ANSWER_TIMEOUT = 10.0
_TRIES = 20
_PAUSE_BETWEEN_TRIES = 0.05
_PACKETS_AT_ONCE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A program as handed over by the keeper. The descriptors belong to the receiver; ``exit``: it has ended.

    Where only a stream is held, that is the ``master``, ``pid`` is 0, and ``note`` says what it was given with.
    """

    pid: int
    master: int
    memory: int | None = None
    record: bytes = b""
    note: str = ""
    exit: Ended | None = None


class KeeperClient:
    """A connection to the keeper of a directory, which serves one server at a time.

    ``on_exit(token, ended)`` is called for each program that ends, ``on_lost()`` once when the keeper has gone without
    being asked. Every request raises `KeeperError`; with the code ``lost`` when the keeper goes before it answers.
    """

    def __init__(self, link: Link, on_exit: Callable[[str, Ended], None], on_lost: Callable[[], None]) -> None:
        """Use `connect`."""
        self.pid = 0
        self.staging = (-1, -1, -1)
        """Descriptors: the reading end of a pipe, its writing end, a page of memory. Open until `aclose`."""
        self._link = link
        self._on_exit = on_exit
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._last_id = 0
        self._pending: dict[int, asyncio.Future[Packet]] = {}
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(link.fileno(), self._on_readable)

    @classmethod
    async def connect(
        cls,
        directory: Path,
        *,
        on_exit: Callable[[str, Ended], None] = lambda _token, _ended: None,
        on_lost: Callable[[], None] = lambda: None,
        start: bool = True,
        patience: float = 10.0,
    ) -> KeeperClient:
        """Connect to the keeper of ``directory``, started first where there is none (unless ``start`` is false).

        ``patience`` is how many seconds a keeper started here waits for a server while it has no program.
        Raises `KeeperError`: ``busy``, ``version``, ``not_running``, ``no_answer``. Cancelling leaves at most a keeper
        without programs, which ends by itself.
        """
        for _ in range(_TRIES):
            try:
                return await cls._greet(dial(directory), on_exit, on_lost)
            except KeeperError as error:
                if not start or error.code not in ("not_running", "lost"):
                    raise
            if await asyncio.to_thread(start_keeper, directory, patience) == EXIT_TAKEN:
                # One that is just starting, or just ending.
                await asyncio.sleep(_PAUSE_BETWEEN_TRIES)
        raise KeeperError("no_answer", f"the keeper of {directory} cannot be reached")

    @classmethod
    async def _greet(
        cls, link: Link, on_exit: Callable[[str, Ended], None], on_lost: Callable[[], None]
    ) -> KeeperClient:
        client = cls(link, on_exit, lambda: None)
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT):
                packet = await client._request("hello", {"version": VERSION})
            first, second, third = _descriptors(packet, 3)
        except TimeoutError:
            client._disconnect()
            raise KeeperError("no_answer", "the keeper does not answer") from None
        except BaseException:
            client._disconnect()
            raise
        client._on_lost = on_lost
        client.staging = (first, second, third)
        client.pid = number(_ok(packet), "pid", 1, 2**31)
        return client

    @property
    def connected(self) -> bool:
        """Whether the keeper is there."""
        return not self._gone.done()

    async def spawn(
        self,
        token: str,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: str,
        cols: int,
        rows: int,
        record: bytes = b"",
        memory: int | None = None,
        durable: bool = True,
    ) -> Taken:
        """Start a program; ``memory`` stays the caller's. Cancelling leaves no program behind.

        One that is not ``durable`` ends when this server goes.

        Raises `KeeperError`: ``launch_failed``, ``too_big``, ``limit``, ``stopping``, ``descriptors_lost``.
        """
        fields: Message = {"token": token, "argv": list(argv), "env": dict(env), "cwd": cwd, "cols": cols, "rows": rows}
        fields |= {"record": _record_text(record), "durable": durable}
        try:
            packet = await self._request("spawn", fields, () if memory is None else (memory,))
            (master,) = _descriptors(packet, 1)
        except KeeperError as error:
            if error.code == "descriptors_lost":
                self._end_unseen(token)
            raise
        except asyncio.CancelledError:
            self._end_unseen(token)
            raise
        return Taken(pid=number(_ok(packet), "pid", 1, 2**31), master=master, record=record)

    async def run(
        self, token: str, argv: Sequence[str], *, env: Mapping[str, str], cwd: str, fds: tuple[int, int, int]
    ) -> int:
        """Start a program without a terminal, which ends with this server; returns its process id.

        ``fds`` become its stdin, stdout and stderr, and stay the caller's. Cancelling leaves no program behind.
        Raises `KeeperError`: ``launch_failed``, ``too_big``, ``limit``, ``stopping``, ``descriptors_lost``.
        """
        fields: Message = {"token": token, "argv": list(argv), "env": dict(env), "cwd": cwd}
        try:
            packet = await self._request("run", fields, fds)
        except asyncio.CancelledError:
            self._end_unseen(token)
            raise
        return number(_ok(packet), "pid", 1, 2**31)

    async def hold(
        self, token: str, stream: int, *, record: bytes = b"", note: str = "", memory: int | None = None
    ) -> None:
        """Have the keeper hold the stream of a program that runs elsewhere, until `forget` or `hang_up`.

        Both descriptors stay the caller's. ``note`` has at most 4096 characters. Cancelling leaves nothing held.
        Raises `KeeperError`: ``too_big``, ``limit``, ``stopping``, ``descriptors_lost``; ``malformed``: the keeper is
        an older one, which cannot.
        """
        fields: Message = {"token": token, "record": _record_text(record), "note": note}
        try:
            packet = await self._request("hold", fields, (stream,) if memory is None else (stream, memory))
        except asyncio.CancelledError:
            self._end_unseen(token)
            raise
        _ok(packet)

    async def tokens(self) -> list[str]:
        """The tokens of all programs, those included that have ended and are not forgotten yet."""
        return texts(_ok(await self._request("list", {})), "tokens")

    async def take(self, token: str) -> Taken:
        """The program of a token. Raises `KeeperError`: ``no_such_program``, ``descriptors_lost``."""
        packet = await self._request("take", {"token": token})
        fields = _ok(packet)
        fds = _descriptors(packet, 2 if fields.get("memory") else 1)
        exit_ = fields.get("exit")
        return Taken(
            pid=number(fields, "pid", 0, 2**31),
            master=fds[0],
            memory=fds[1] if len(fds) > 1 else None,
            record=text(fields, "record").encode("utf-8", "surrogateescape"),
            note=str(fields.get("note", "")),
            exit=ended(exit_) if isinstance(exit_, dict) else None,
        )

    async def keep(self, token: str, record: bytes) -> None:
        """Replace the record of a program. Raises `KeeperError`: ``no_such_program``, ``too_big``."""
        await self._request("keep", {"token": token, "record": _record_text(record)})

    async def signal(self, token: str, name: str) -> None:
        """Signal the foreground process group of a program, its own where it has no terminal.

        Raises `KeeperError`: ``no_such_program``, ``denied``.
        """
        await self._request("signal", {"token": token, "name": name, "to": "foreground"})

    async def hang_up(self, token: str, *, grace: float, scope: str) -> Ended | None:
        """End a program and everything of it (``scope``: ``tree`` or ``session``), forget it; how it ended.

        Returns when nothing is left, or nothing more can be done. The keeper goes on if this is cancelled.
        """
        packet = await self._request("hangup", {"token": token, "grace_s": grace, "scope": scope})
        exit_ = _ok(packet).get("exit")
        return ended(exit_) if isinstance(exit_, dict) else None

    async def forget(self, token: str) -> None:
        """Let go of a program that has ended."""
        await self._request("forget", {"token": token})

    async def shut_down(self, grace: float) -> int:
        """End all programs and the keeper; returns how many there were, when it has gone."""
        packet = await self._request("shutdown", {"grace_s": grace})
        await asyncio.wait([self._gone])
        return number(_ok(packet), "programs", 0, 2**31)

    async def aclose(self) -> None:
        """Disconnect; the programs run on. Requests under way raise `KeeperError`. Twice is harmless."""
        self._disconnect()
        staging, self.staging = self.staging, (-1, -1, -1)
        close_all([fd for fd in staging if fd >= 0])

    # The link.

    async def _request(self, name: str, fields: Message, fds: Sequence[int] = ()) -> Packet:
        key, future = self._send(name, fields, fds)
        try:
            packet = await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                future.result().close()
            raise
        finally:
            self._pending.pop(key, None)
        error = packet.message.get("error")
        if isinstance(error, dict):
            packet.close()
            raise KeeperError(text(error, "code"), text(error, "text"))
        return packet

    def _send(self, name: str, fields: Message, fds: Sequence[int]) -> tuple[int, asyncio.Future[Packet]]:
        if not self.connected:
            raise KeeperError("lost", "the keeper has gone")
        self._last_id += 1
        key = self._last_id
        try:
            self._link.send({"id": key, "do": name, **fields}, fds)
        except OSError:
            self._lose()
            raise KeeperError("lost", "the keeper has gone") from None
        if self._link.backlog:
            self._loop.add_writer(self._link.fileno(), self._on_writable)
        future: asyncio.Future[Packet] = self._loop.create_future()
        self._pending[key] = future
        return key, future

    def _end_unseen(self, token: str) -> None:
        """End a program that nobody will see. Its reply is for nobody."""
        with contextlib.suppress(KeeperError):  # the keeper has gone too
            key, _ = self._send("hangup", {"token": token, "grace_s": 0, "scope": "tree"}, ())
            del self._pending[key]

    def _on_writable(self) -> None:
        try:
            self._link.flush()
        except OSError:
            self._lose()
            return
        if not self._link.backlog:
            self._loop.remove_writer(self._link.fileno())

    def _on_readable(self) -> None:
        for _ in range(_PACKETS_AT_ONCE):
            if not self.connected:
                return
            try:
                packet = self._link.receive()
            except BlockingIOError:
                return
            except (EOFError, OSError, KeeperError):
                self._lose()
                return
            self._deliver(packet)

    def _deliver(self, packet: Packet) -> None:
        message = packet.message
        if message.get("event") == "exited":
            packet.close()
            self._on_exit(text(message, "token"), ended(message))
            return
        key = message.get("id")
        future = self._pending.get(key) if isinstance(key, int) else None
        if future is None or future.done():
            packet.close()
        else:
            future.set_result(packet)

    def _lose(self) -> None:
        if self.connected:
            self._disconnect()
            self._on_lost()

    def _disconnect(self) -> None:
        if not self.connected:
            return
        self._gone.set_result(None)
        self._loop.remove_reader(self._link.fileno())
        self._loop.remove_writer(self._link.fileno())
        self._link.close()
        for future in self._pending.values():
            if not future.done():
                future.set_exception(KeeperError("lost", "the keeper has gone"))


async def is_running(directory: Path) -> bool:
    """Whether a keeper listens in the directory. Disturbs nobody."""
    try:
        dial(directory).close()
    except KeeperError as error:
        return error.code == "no_answer"
    return True


async def shut_down(directory: Path, grace: float) -> int | None:
    """End the keeper of a directory, whatever its version, and its programs; returns how many, None: no keeper.

    Returns when it has gone. Raises `KeeperError` (``busy``) while a server uses it.
    """
    try:
        link = dial(directory)
    except KeeperError as error:
        if error.code == "not_running":
            return None
        raise
    client = KeeperClient(link, lambda _token, _ended: None, lambda: None)
    try:
        return await client.shut_down(grace)
    finally:
        await client.aclose()


def _ok(packet: Packet) -> Message:
    fields = packet.message.get("ok")
    if not isinstance(fields, dict):
        raise KeeperError("malformed", "the keeper's reply holds nothing")
    return fields


def _descriptors(packet: Packet, count: int) -> list[int]:
    """Take the descriptors of a reply. Raises `KeeperError` (``descriptors_lost``) where not all of them arrived."""
    if len(packet.fds) != count:
        packet.close()
        raise KeeperError("descriptors_lost", "the server has too many open files")
    fds = list(packet.fds)
    packet.fds.clear()
    return fds


def _record_text(record: bytes) -> str:
    return record.decode("utf-8", "surrogateescape")

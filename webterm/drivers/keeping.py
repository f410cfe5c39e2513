"""The way to the keeper, which serves one link: all drivers that keep something there share it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

from webterm.errors import LaunchFailed, ShuttingDown, Unavailable
from webterm.keeper.client import Ended, KeeperClient, KeeperError, Taken
from webterm.session import Exit, Staging

_LAUNCH_FAULTS = ("launch_failed", "too_big", "malformed")


class Keeping:
    """A connection to the keeper of ``directory``, which is started when first needed, and again when it has died.

    ``patience`` is how many seconds a keeper without programs waits for a server. Drivers tell their tokens apart by
    how these begin.
    """

    def __init__(self, directory: Path, *, patience: float = 10.0) -> None:
        self.staging: Staging | None = None
        """Of the keeper last connected to. Its descriptors stay open until `aclose`."""
        self.exits: dict[str, asyncio.Future[Exit]] = {}
        """The ends of the programs that somebody waits for, by token: put in before the program starts.

        They are resolved here, with ``Exit(None, None)`` when the keeper dies.
        """
        self._directory = directory
        self._patience = patience
        self._connecting = asyncio.Lock()
        self._clients: list[KeeperClient] = []
        self._on_lost: list[Callable[[], None]] = []
        self._closed = False

    async def client(self) -> KeeperClient:
        """The keeper, connected. Raises `webterm.errors.Unavailable` and `webterm.errors.ShuttingDown`."""
        async with self._connecting:
            if self._closed:
                raise ShuttingDown("the server is stopping")
            if not (self._clients and self._clients[-1].connected):
                await self._connect()
            return self._clients[-1]

    async def tokens(self) -> list[str]:
        """The tokens of everything that is kept. Raises what `client` does."""
        keeper = await self.client()
        try:
            return await keeper.tokens()
        except KeeperError as error:
            refuse(error)

    async def hold(self, token: str, stream: int, *, record: bytes, note: str, memory: int | None) -> None:
        """Have the keeper hold the stream of a program that runs elsewhere (`KeeperClient.hold`).

        Raises `webterm.errors.Unavailable`. Cancelling leaves nothing held.
        """
        keeper = await self.client()
        with _unavailable():
            await keeper.hold(token, stream, record=record, note=note, memory=memory)

    async def take(self, token: str) -> Taken | None:
        """What is held under a token; None where that is nothing. Raises `webterm.errors.Unavailable`."""
        keeper = await self.client()
        try:
            return await keeper.take(token)
        except KeeperError as error:
            if error.code == "no_such_program":
                return None
            refuse(error)

    async def keep(self, token: str, record: bytes) -> None:
        """Replace the record of what is held, if it still is. Raises `webterm.errors.Unavailable`."""
        keeper = await self.client()
        with _unavailable():
            await keeper.keep(token, record)

    async def forget(self, token: str) -> None:
        """Hold it no longer. Raises `webterm.errors.Unavailable`."""
        keeper = await self.client()
        with _unavailable():
            await keeper.forget(token)

    def on_lost(self, callback: Callable[[], None]) -> None:
        """Call this each time when a keeper has gone without being asked. It may not wait."""
        self._on_lost.append(callback)

    async def aclose(self) -> None:
        """Disconnect; what is kept stays kept. Twice is harmless."""
        self._closed = True
        async with self._connecting:
            clients, self._clients = self._clients, []
        for client in clients:
            await client.aclose()
        self.staging = None

    async def _connect(self) -> None:
        try:
            client = await KeeperClient.connect(
                self._directory, on_exit=self._ended, on_lost=self._lost, patience=self._patience
            )
        except KeeperError as error:
            refuse(error)
        # A client whose keeper has died stays in the list: somebody may still use its staging.
        self._clients.append(client)
        pipe_out, pipe_in, page = client.staging
        self.staging = Staging(pipe_out=pipe_out, pipe_in=pipe_in, page=page)

    def _ended(self, token: str, ended: Ended) -> None:
        exit_ = self.exits.get(token)
        if exit_ is not None and not exit_.done():
            exit_.set_result(exit_of(ended))

    def _lost(self) -> None:
        for token in list(self.exits):
            self._ended(token, Ended())
        for callback in self._on_lost:
            callback()


@contextlib.contextmanager
def _unavailable() -> Iterator[None]:
    """What is not there is passed over: the ``with`` is left."""
    try:
        yield
    except KeeperError as error:
        if error.code != "no_such_program":
            raise Unavailable(str(error)) from error


def exit_of(ended: Ended) -> Exit:
    """What the keeper says of an end, in our words."""
    return Exit(status=ended.status, signal=ended.signal)


def refuse(error: KeeperError) -> NoReturn:
    """Raise what a refusal of the keeper means to the one who asked the driver."""
    kind = LaunchFailed if error.code in _LAUNCH_FAULTS else Unavailable
    raise kind(str(error)) from error

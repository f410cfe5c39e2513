"""Connections to the server of our own: how many there may be, and how long one may be there and ask for nothing.

aiohttp waits an hour for the head of a request and counts nobody, and each connection costs a descriptor, of which
programs and files need theirs. An application that webterm is a part of has a server of its own, and sees to that.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler

from webterm.web.site import VISITOR

BACKLOG = 128
PATIENCE = 30.0
"""Seconds in which the head of a connection's first request has to be there."""
LOOK = 5.0
"""Seconds between two looks at all connections."""
HASTE = 0.1
"""Seconds between two looks while there are too many of them."""
RESTING = 5.0
"""Seconds after an answer in which it has surely been sent, so that nobody loses it."""
MOST = 16_384
"""Connections, where descriptors do not allow less."""
TOLD = 60.0
"""Seconds for which one line in the log is enough."""

log = logging.getLogger("webterm.web")


def room() -> int:
    """How many connections there may be: half of this process' descriptors are for them."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if soft == resource.RLIM_INFINITY else min(MOST, max(soft // 2, 1))


class Callers:
    """All connections. `listening` accepts them; ``asking`` has to be the outermost middleware of the application.

    Those of which no whole head has come within ``patience`` seconds are closed. When there are ``most``, those that
    have asked for nothing yet are closed for others, then those that have asked for nothing for the longest time, then
    those of unknown people whose bodies take long; what else is under way, such as a WebSocket, never is. ``every``:
    seconds between two looks.
    """

    def __init__(
        self,
        most: int,
        *,
        patience: float = PATIENCE,
        every: float = LOOK,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = most
        self._patience = patience
        self._every = every
        self._clock = clock
        self._silent: dict[web.RequestHandler, float] = {}  # no request yet, and since when
        self._asked: dict[web.RequestHandler, _Asked] = {}
        self._room = most
        self._looked = self._told = float("-inf")

    @web.middleware
    async def asking(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """A request has come whole but for its body."""
        asked = self._asked[request.protocol] = _Asked(self._clock(), request)
        try:
            return await handler(request)
        finally:
            asked.since, asked.request = self._clock(), None

    @asynccontextmanager
    async def listening(self, runner: web.AppRunner, sockets: Sequence[socket.socket]) -> AsyncIterator[None]:
        """Have it answered on these sockets while the block runs; who is connected then is the runner's.

        Raises RuntimeError when that has not been set up.
        """
        server, loop = runner.server, asyncio.get_running_loop()
        if server is None:
            raise RuntimeError("the runner has not been set up")
        async with contextlib.AsyncExitStack() as stack:
            for one in sockets:
                listener = await loop.create_server(lambda: self._protocol(server), sock=one, backlog=BACKLOG)
                stack.callback(listener.close)
            looking = loop.create_task(self._look_again(server))
            stack.callback(looking.cancel)
            yield

    async def _look_again(self, server: web.Server) -> None:
        while True:
            self._look(server)
            await asyncio.sleep(self._every)

    def _protocol(self, server: web.Server) -> asyncio.Protocol:
        if self._room <= 0 and self._clock() - self._looked >= HASTE:
            self._look(server)
        if self._room <= 0:
            return _Refused()
        self._room -= 1
        return server()

    def _look(self, server: web.Server) -> None:
        now = self._looked = self._clock()
        connected = server.connections
        self._silent = {one: self._silent.get(one, now) for one in connected if one not in self._asked}
        self._asked = {one: self._asked[one] for one in connected if one in self._asked}
        late = [one for one, since in self._silent.items() if now - since >= self._patience]
        self._room = self._most - len(connected) + len(late)
        if self._room <= 0:
            late += self._idle(now)[: max(self._most // 8, 1)]
            self._room = self._most - len(connected) + len(late)
            self._tell(now)
        for one in late:
            self._silent.pop(one, None)
            if one.transport is not None:
                one.transport.abort()

    def _idle(self, now: float) -> list[web.RequestHandler]:
        """Of whom others may take the place, in this order."""
        silent = [one for one, since in self._silent.items() if now - since < self._patience]
        old = sorted((asked.since, id(one), one) for one, asked in self._asked.items() if now - asked.since >= RESTING)
        resting = [one for *_, one in old if self._asked[one].request is None]
        return silent + resting + [one for *_, one in old if self._asked[one].is_beginning]

    def _tell(self, now: float) -> None:
        if now - self._told >= TOLD:
            self._told = now
            log.warning(
                "there are %d connections, the most that there may be: those that ask for nothing are closed"
                " for others, or else newcomers",
                self._most,
            )


@dataclass(slots=True)
class _Asked:
    """``since`` when there is this request; None: since when there is none any more."""

    since: float
    request: web.Request | None

    @property
    def is_beginning(self) -> bool:
        """Whether its body is still to come, before anybody has looked whose it is."""
        return self.request is not None and VISITOR not in self.request and not self.request.content.is_eof()


class _Refused(asyncio.Protocol):
    """Somebody for whom there is no room."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()

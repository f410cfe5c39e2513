"""Who is at the other end of sockets that somebody else reads: told when nobody is any more."""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable


class HangUps:
    """Watches descriptors for the end of what comes in, however much of it is still unread (epoll(7))."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._epoll = select.epoll()
        self._watched: dict[int, Callable[[], None]] = {}
        self._loop.add_reader(self._epoll.fileno(), self._look)

    def watch(self, fd: int, callback: Callable[[], None]) -> None:
        """Call ``callback`` once when the other end is closed. `forget` it before the descriptor is closed."""
        self._watched[fd] = callback
        self._epoll.register(fd, select.EPOLLRDHUP | select.EPOLLONESHOT)

    def forget(self, fd: int) -> None:
        """Watch it no longer. Harmless where it is not watched."""
        if self._watched.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def close(self) -> None:
        """Forget all. Twice is harmless."""
        self._watched.clear()
        if not self._epoll.closed:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()

    def _look(self) -> None:
        for fd, _ in self._epoll.poll(0):
            callback = self._watched.get(fd)
            if callback is not None:
                callback()

"""The keeper's socket, and whom it speaks with: many may knock, one server at a time is served."""

from __future__ import annotations

import os
import select
import selectors
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

from webterm.keeper.wire import KeeperError, Link, Message, Packet, socket_path

_MOST_LINKS = 16
_BACKLOG = 128


class Links:
    """The open links. ``answer`` is called with each message and the link it came by, ``gone`` when the server went."""

    def __init__(
        self,
        directory: Path,
        selector: selectors.BaseSelector,
        answer: Callable[[Link, Packet], None],
        gone: Callable[[], None],
    ) -> None:
        self._directory = directory
        self._selector = selector
        self._answer = answer
        self._gone = gone
        self._links: dict[int, Link] = {}
        self._server: Link | None = None
        self._listener = _listen(directory)
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    @property
    def serving(self) -> bool:
        """Whether a server is there."""
        return self._server is not None

    def serves(self, link: Link) -> bool:
        """Whether this link is the server's."""
        return self._server is link

    def serve(self, link: Link) -> None:
        """Serve this link from now on. Raises `KeeperError` (``busy``) while another server lives."""
        self.refuse_second(link)
        self._server = link

    def refuse_second(self, link: Link) -> None:
        """Raises `KeeperError` (``busy``) while a server other than this lives."""
        if self._server is None or self._server is link:
            return
        if not _hung_up(self._server):
            raise KeeperError("busy", f"another server (process {self._server.peer()[0]}) uses this keeper")
        self._drop(self._server)

    def tell(self, message: Message) -> None:
        """Send something to the server, if there is one."""
        if self._server is not None:
            self.send(self._server, message)

    def send(self, link: Link, message: Message, fds: Sequence[int] = ()) -> None:
        """Send something to a link, if it is still there."""
        if link.fileno() not in self._links:
            return
        try:
            link.send(message, fds)
        except OSError:
            self._drop(link)
            return
        self._watch(link)

    def close(self) -> None:
        """Stop listening and remove the socket. What is sent already arrives."""
        with socket_path(self._directory) as path:
            Path(path).unlink(missing_ok=True)
        self._listener.close()

    def _accept(self, _events: int) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        link = Link(sock)
        if link.peer()[1] != os.geteuid() or len(self._links) >= _MOST_LINKS:
            link.close()
            return
        self._links[link.fileno()] = link
        self._selector.register(link, selectors.EVENT_READ, lambda events: self._on_ready(link, events))

    def _on_ready(self, link: Link, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                link.flush()
                self._watch(link)
            else:
                self._read(link)
        except (EOFError, OSError):
            self._drop(link)

    def _read(self, link: Link) -> None:
        try:
            packet = link.receive()
        except BlockingIOError:
            return
        except KeeperError as error:
            self.send(link, {"id": None, "error": {"code": error.code, "text": str(error)}})
            return
        try:
            self._answer(link, packet)
        finally:
            packet.close()

    def _watch(self, link: Link) -> None:
        # Whoever does not read replies is not read either.
        wanted = selectors.EVENT_WRITE if link.backlog else selectors.EVENT_READ
        key = self._selector.get_key(link)
        if key.events != wanted:
            self._selector.modify(link, wanted, key.data)

    def _drop(self, link: Link) -> None:
        if self._links.pop(link.fileno(), None) is None:
            return
        self._selector.unregister(link)
        link.close()
        if self._server is link:
            self._server = None
            self._gone()


def _listen(directory: Path) -> socket.socket:
    """Listen in the directory, in place of a keeper that is dead: the caller holds the lock."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with socket_path(directory) as path:
        Path(path).unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            listener.bind(path)
        finally:
            os.umask(before)
    listener.listen(_BACKLOG)
    listener.setblocking(False)
    return listener


def _hung_up(link: Link) -> bool:
    """Whether the other end is closed, though messages of it may still wait to be read."""
    poll = select.poll()
    poll.register(link.fileno(), 0)
    return bool(poll.poll(0))

"""A small process that makes sockets in other network namespaces, for `webterm.drivers.inner_sockets`.

It imports nothing of webterm, starts quickly and ends when nobody holds the other end of its link.
"""

from __future__ import annotations

import ctypes
import os
import socket
import sys

FAMILIES = {b"4": socket.AF_INET, b"6": socket.AF_INET6}
_LONGEST = 256
_LIBC = ctypes.CDLL(None, use_errno=True)


def serve(link: socket.socket) -> None:
    """Answer requests until the link ends.

    A request is one byte, a key of `FAMILIES`, with the descriptors of the namespaces to enter, in this order. The
    answer is ``+`` with the descriptor of a socket, or ``-`` and the reason.
    """
    own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    while True:
        request, namespaces, _, _ = socket.recv_fds(link, 1, 4)
        if not request:
            return
        if len(namespaces) == 1:
            _answer(link, request, namespaces)
            _enter(own)  # who cannot go back ends, and another takes its place
        else:
            _answer_from_child(link, request, namespaces)
        for namespace in namespaces:
            os.close(namespace)


def _answer_from_child(link: socket.socket, request: bytes, namespaces: list[int]) -> None:
    """By a process of its own: who has entered a user namespace cannot leave it again."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            _answer(link, request, namespaces)
            status = 0
        finally:
            os._exit(status)
    if os.waitpid(child, 0)[1] != 0:
        link.send(b"-it ended early")


def _answer(link: socket.socket, request: bytes, namespaces: list[int]) -> None:
    try:
        for namespace in namespaces:
            _enter(namespace)
        made = socket.socket(FAMILIES[request], socket.SOCK_STREAM)
    except OSError as error:
        link.send(b"-" + str(error.strerror).encode()[:_LONGEST])
    else:
        with made:
            socket.send_fds(link, [b"+"], [made.fileno()])


def _enter(namespace: int) -> None:
    if _LIBC.setns(namespace, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))

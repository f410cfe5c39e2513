"""A small process that makes sockets in other network namespaces, for `webterm.drivers.inner_sockets`.

It imports nothing of webterm, starts quickly and ends when nobody holds the other end of its link. Each socket is made
by a child of its own: who has entered a user namespace cannot leave it again.
"""

from __future__ import annotations

import ctypes
import os
import socket
import sys

FAMILIES = {b"4": socket.AF_INET, b"6": socket.AF_INET6}
_LONGEST = 256


def serve(link: socket.socket) -> None:
    """Answer requests until the link ends.

    A request is one byte, a key of `FAMILIES`, with the descriptors of the namespaces to enter, in this order. The
    answer is ``+`` with the descriptor of a socket, or ``-`` and the reason.
    """
    while True:
        request, namespaces, _, _ = socket.recv_fds(link, 1, 4)
        if not request:
            return
        child = os.fork()
        if child == 0:
            _answer(link, request, namespaces)
        for namespace in namespaces:
            os.close(namespace)
        if os.waitpid(child, 0)[1] != 0:
            link.send(b"-it ended early")


def _answer(link: socket.socket, request: bytes, namespaces: list[int]) -> None:
    status = 1
    try:
        try:
            for namespace in namespaces:
                _enter(namespace)
            made = socket.socket(FAMILIES[request], socket.SOCK_STREAM)
        except OSError as error:
            link.send(b"-" + str(error.strerror).encode()[:_LONGEST])
        else:
            socket.send_fds(link, [b"+"], [made.fileno()])
        status = 0
    finally:
        os._exit(status)


def _enter(namespace: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(namespace, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))

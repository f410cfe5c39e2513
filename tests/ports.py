"""Ports for servers that go away and come back."""

from __future__ import annotations

import socket


def held_port() -> socket.socket:
    """A port of one's own: nobody else is given it while a killed server is away. Servers may listen there."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held

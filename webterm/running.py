"""The running server, as another process of the same user sees and stops it."""

from __future__ import annotations

import http.client
import json
import os
import select
import signal
from pathlib import Path
from urllib.parse import urlsplit

from webterm.datadir import RECORD, Holder, holder
from webterm.errors import Unavailable

PATIENCE = 60.0
"""Seconds to wait for a server to go."""


def running(directory: Path) -> Holder:
    """The server that holds the data directory. Raises `webterm.errors.Unavailable` where none does."""
    server = holder(directory)
    if server is None:
        raise Unavailable(f"no server runs on {directory}")
    return server


def terminate(directory: Path, patience: float = PATIENCE) -> None:
    """Send SIGTERM to the server and wait, at most ``patience`` seconds, until its process has gone.

    Raises `webterm.errors.Unavailable` where no server runs or it does not go.
    """
    server = running(directory)
    try:
        process = os.pidfd_open(server.pid)
    except ProcessLookupError:
        return
    try:
        if holder(directory) != server:  # it went, and its process id may be another's by now
            return
        signal.pidfd_send_signal(process, signal.SIGTERM)
        gone = select.poll()
        gone.register(process, select.POLLIN)
        if not gone.poll(patience * 1000):
            raise Unavailable(f"the server with process id {server.pid} has not gone after {patience:g} s")
    except ProcessLookupError:
        return
    finally:
        os.close(process)


def check_health(directory: Path, timeout: float = 5.0) -> None:
    """Ask the server's ``/health``, the way a browser would name it. Raises `webterm.errors.Unavailable`."""
    running(directory)
    try:
        record = json.loads((directory / RECORD).read_bytes())
        url = urlsplit(record["url"])
        connection = http.client.HTTPConnection(record["address"], timeout=timeout)
        try:
            connection.request("GET", f"{url.path}health", headers={"Host": url.netloc})
            answer = connection.getresponse()
            answer.read()
        finally:
            connection.close()
    except (OSError, ValueError, KeyError, http.client.HTTPException) as error:
        raise Unavailable(f"the server on {directory} does not answer: {type(error).__name__}") from error
    if answer.status != http.HTTPStatus.OK:
        raise Unavailable(f"the server on {directory} answers with status {answer.status}")

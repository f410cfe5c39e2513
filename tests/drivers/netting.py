"""Run in a container: tries to reach addresses, ``HOST:PORT`` each, and tells what came of it as JSON."""

from __future__ import annotations

import errno
import json
import socket
import sys

PATIENCE = 5


def outcome(address: str) -> str:
    """``reached``, or the name of the fault: a guard answers at once, so ``timed out`` is none of its answers."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=PATIENCE):
            return "reached"
    except TimeoutError:
        return "timed out"
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, repr(error))


if __name__ == "__main__":
    print(json.dumps({address: outcome(address) for address in sys.argv[1:]}))

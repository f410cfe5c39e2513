"""The server of terminado's own example (a new terminal for each WebSocket), on a free port."""

from __future__ import annotations

import asyncio
import signal
import sys

import tornado.httpserver
import tornado.netutil
import tornado.web
from terminado.management import UniqueTermManager
from terminado.websocket import TermSocket


async def main() -> None:
    """Serve until killed; prints the port."""
    manager = UniqueTermManager(shell_command=sys.argv[1:])
    application = tornado.web.Application([(r"/websocket", TermSocket, {"term_manager": manager})])
    (listener,) = tornado.netutil.bind_sockets(0, "127.0.0.1")
    tornado.httpserver.HTTPServer(application).add_socket(listener)
    print(listener.getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # what runs behind `&` ignores it, and would hand that down
    asyncio.run(main())

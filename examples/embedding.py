"""webterm as a part of another aiohttp application, which has its own users.

Run it and open the address that it prints. The sign-in here is only as good as an example needs.
"""

from __future__ import annotations

import argparse
import secrets
from pathlib import Path

from aiohttp import web

import webterm
from webterm.access import Actor
from webterm.ids import UserId
from webterm.settings import Local, Server, Settings
from webterm.settings_runtimes import Runtimes

KEYS = web.AppKey("keys", dict[str, str])
COOKIE = "example"


async def who(request: web.Request) -> Actor | None:
    """What webterm asks for each request: who is it? Here the application's own cookie says so."""
    name = request.app[KEYS].get(request.cookies.get(COOKIE, ""))
    return Actor(id=UserId(name), name=name.title()) if name else None


async def sign_in(request: web.Request) -> web.Response:
    """Sign somebody in, in whatever way the application does that."""
    key = secrets.token_urlsafe(32)
    request.app[KEYS][key] = request.match_info["name"]
    response = web.Response(status=303, headers={"Location": "/terminal/"})
    response.set_cookie(COOKIE, key, httponly=True, samesite="Strict")
    return response


async def sign_out(request: web.Request) -> web.Response:
    """Sign somebody out; what they have open in webterm ends, too."""
    name = request.app[KEYS].pop(request.cookies.get(COOKIE, ""), None)
    if name is not None:
        await webterm.sign_out(request.app, UserId(name))
    return web.Response(text="bye\n")


async def hello(request: web.Request) -> web.Response:
    """The application's own page."""
    return web.Response(text="The application. The terminals are at /terminal/.\n")


def make_app(data_dir: Path) -> web.Application:
    """The application, with terminals under /terminal."""
    app = web.Application()
    app[KEYS] = {}
    app.router.add_get("/", hello)
    app.router.add_get("/sign-in/{name:[a-z]+}", sign_in)
    app.router.add_get("/sign-out", sign_out)
    # Whoever the application lets in may do here what the server's own user may.
    settings = Settings(
        server=Server(data_dir=str(data_dir), on_stop="end"),
        runtimes=Runtimes(driver="local"),
        local=Local(isolation="none"),
    )
    webterm.setup(app, settings, prefix="/terminal", actor=who)
    return app


def main() -> None:
    """Serve on this machine only."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8081)
    parser.add_argument("--data-dir", type=Path, default=Path("example-data"))
    options = parser.parse_args()
    web.run_app(make_app(options.data_dir), host="127.0.0.1", port=options.port)


if __name__ == "__main__":
    main()

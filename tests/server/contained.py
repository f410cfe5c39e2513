"""Our server in a container of its own, made of our Dockerfile, with the engine's socket in it."""

from __future__ import annotations

import asyncio
import configparser
import functools
import hashlib
import http.server
import os
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from tests import images
from tests.engine import BASE, RealEngine
from tests.server.client import Client

ROOT = Path(__file__).parents[2]
UID = 1000 if os.geteuid() == 0 else os.geteuid()
"""Whose the data are. 1000 is the user of the image."""


class ContainedServer:
    """A server and its owner's browser; the data directory, on this machine, stays the same from start to start.

    ``label`` is what its own container carries; ``settings`` are by names such as ``docker__image``.
    """

    def __init__(self, engine: RealEngine, image: str, label: str, directory: Path, **settings: object) -> None:
        self.directory = directory
        self.container = ""
        self.url = URL()
        self.up = asyncio.Event()
        self._engine = engine
        self._image = image
        self._label = label
        self._environ = {f"WEBTERM_{name}".upper(): str(value) for name, value in settings.items()}
        self._environ |= {"WEBTERM_SERVER__ALLOWED_HOSTS": "127.0.0.1", "HOST_DATA_DIR": str(directory)}
        self._browser = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))

    async def start(self) -> None:
        """Start it in a new container, and sign in."""
        await asyncio.to_thread(self._start)
        link = URL(await asyncio.to_thread(self._follow, "Sign in: "))
        self.url = URL.build(scheme="http", host="127.0.0.1", port=self._port())
        async with self._browser.get(self.url.join(link.relative())) as answer:
            assert answer.status == 200, await answer.text()
        self.up.set()

    async def stop(self) -> None:
        """Stop it, as ``docker stop`` does, and remove the container."""
        self.up.clear()
        await asyncio.to_thread(self._engine.call, "POST", f"/containers/{self.container}/stop", t=60)
        await asyncio.to_thread(self._engine.call, "DELETE", f"/containers/{self.container}")

    async def kill(self) -> None:
        """``docker rm -f``."""
        self.up.clear()
        await asyncio.to_thread(self._engine.call, "DELETE", f"/containers/{self.container}", force="1")

    def client(self, name: str) -> Client:
        """The owner's page; it starts to connect once it is entered."""
        client = Client(self._browser, self.url, self.up, name=name, binary=False, acks=True)
        client.reconnects = False
        return client

    async def request(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """A call of the owner's: status, and JSON or text."""
        headers = {"Origin": str(self.url.origin())}
        async with self._browser.request(method, self.url.join(URL(path)), json=body, headers=headers) as answer:
            json = answer.content_type == "application/json"
            return answer.status, await answer.json() if json else await answer.text()

    async def aclose(self) -> None:
        """Let go of the browser."""
        await self._browser.close()

    def _start(self) -> None:
        place = Path(self._engine.socket)
        mounts = [f"{self.directory}:/data", f"{place}:/var/run/docker.sock"]
        host = {
            "Binds": mounts,
            "GroupAdd": [str(place.stat().st_gid)],
            "PortBindings": {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]},
        }
        environ = [f"{name}={value}" for name, value in self._environ.items()]
        self.container = self._engine.run(self._label, self._image, User=str(UID), Env=environ, HostConfig=host)

    def _follow(self, wanted: str) -> str:
        line = self._engine.follow(self.container, wanted)
        return line[line.index(wanted) + len(wanted) :].split()[0]

    def _port(self) -> int:
        network: Any = self._engine.inspect(self.container)["NetworkSettings"]
        return int(network["Ports"]["8080/tcp"][0]["HostPort"])


@contextmanager
def built(engine: RealEngine, tag: str) -> Iterator[None]:
    """Build our Dockerfile from what a source distribution has: the page is built, the packages are at hand.

    What it leaves in the engine is removed afterwards.
    """
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    names = [name for name in listed if name and not name.startswith("frontend/")]
    page = [str(path.relative_to(ROOT)) for path in (ROOT / "webterm/static").rglob("*") if path.is_file()]
    assert "webterm/static/index.html" in page, "the page is not built; scripts/test builds it"
    files = {name: (ROOT / name).read_bytes() for name in (*names, *page) if (ROOT / name).is_file()}
    with _index(_wheels()) as url:
        arguments = f'{{"NODE": "{BASE}", "PYTHON": "{BASE}", "PIP_INDEX_URL": "{url}"}}'
        said = images.build(Path(engine.socket), files, t=tag, buildargs=arguments, networkmode="host")
    try:
        yield
    finally:
        engine.call("DELETE", f"/images/{tag}", force="1")
        images.forget(Path(engine.socket), said)


def _wheels() -> Path:
    """A directory with all packages that ours needs in the image, as a package index has them; kept between runs."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    extras = config["options.extras_require"]
    listed = [config["options"]["install_requires"], *(extras[name] for name in ("fast", "postgres", "redis"))]
    needed = [line for text in listed for line in text.strip().splitlines()]
    needed += tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    needed.append("async-timeout")  # redis wants it before Python 3.11.3; pip would go by this Python, not the image's
    kept = images.CACHE / f"wheels-{hashlib.sha256(repr(needed).encode()).hexdigest()[:16]}"
    if not kept.exists():
        new = kept.with_suffix(f".{os.getpid()}")
        words = ["--only-binary=:all:", f"--python-version={images.PYTHON}", "--dest", str(new / "all")]
        subprocess.run([sys.executable, "-m", "pip", "-q", "download", *words, *needed], check=True)
        for wheel in list((new / "all").iterdir()):
            name = re.sub(r"[-_.]+", "-", wheel.name.split("-")[0]).lower()
            (new / name).mkdir(exist_ok=True)
            wheel.rename(new / name / wheel.name)
        new.rename(kept)
    return kept


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its name
        pass


@contextmanager
def _index(directory: Path) -> Iterator[str]:
    """The URL of a package index."""
    handler = functools.partial(_Silent, directory=str(directory))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()

"""The container engine of the machine, for tests: what they ask of it themselves, and nothing left behind in it.

Nothing here is taken from webterm: these are the eyes with which tests look at what it did.
"""

from __future__ import annotations

import json
import os
import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests import images
from tests.unix_http import Connection

BUSYBOX = images.BUSYBOX
"""Two megabytes: ``sh``, ``sleep``, ``nc``, ``httpd``, ``stty`` and the like. Starts fastest."""
DEBIAN = images.DEBIAN
"""Debian with ``bash``, ``python3``, ``procps`` and ``nft``."""
BASE = images.BASE
"""The same to build images from: its user is root, as that of images in registries."""
SERVER = "webterm.server"
"""The label by which servers know what is theirs; the value is what `namespace` gives."""
WORKSPACE = "webterm.workspace"
KINDS = ("containers", "networks", "volumes")
"""What a server has in an engine; the later goes once none of the earlier is in it."""
HOST = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
_API = "/v1.41"
_PATIENCE = 60.0
_NAMELESS = re.compile(r"[0-9a-f]{64}")
"""The name of a volume that an engine has made because an image wants one."""


class Refused(AssertionError):
    """The engine said no: ``status`` and ``text``."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status
        self.text = text


@dataclass(frozen=True)
class RealEngine:
    """An engine at a unix socket. Calls wait for their answers, also in a test's loop: milliseconds, as a rule."""

    host: str = HOST

    @property
    def socket(self) -> str:
        """The path of the socket."""
        assert self.host.startswith("unix://"), f"tests need an engine at a unix socket, not at {self.host}"
        return self.host.removeprefix("unix://")

    def answers(self) -> bool:
        """Whether it is there."""
        try:
            return self.raw("GET", "/_ping") == b"OK"
        except (OSError, Refused):
            return False

    def raw(self, method: str, path: str, body: object = None, **params: object) -> bytes:
        """An answer's body. ``body`` is sent as JSON, bytes (a tar) as they are. Raises `Refused`, `OSError`."""
        connection = Connection(self.socket, _PATIENCE)
        try:
            kind = "application/x-tar" if isinstance(body, bytes) else "application/json"
            data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
            query = f"?{urlencode(params)}" if params else ""
            connection.request(method, f"{_API}{quote(path, safe='/:@')}{query}", data, {"Content-Type": kind})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status >= 400:
                raise Refused(answer.status, text.decode("utf-8", "replace"))
            return text
        finally:
            connection.close()

    def call(self, method: str, path: str, body: object = None, **params: object) -> object:
        """An answer read as JSON; None where it is empty."""
        text = self.raw(method, path, body, **params)
        return json.loads(text) if text else None

    def inspect(self, container: str) -> dict[str, object]:
        """What the engine says of a container, by its id or name."""
        found = self.call("GET", f"/containers/{container}/json")
        assert isinstance(found, dict)
        return found

    def mounts(self, container: str) -> list[dict[str, Any]]:
        """What is mounted in a container, but for what is in memory."""
        found: Any = self.inspect(container)["Mounts"]
        return list(found)

    def tags(self) -> list[str]:
        """The names of all images."""
        found: Any = self.call("GET", "/images/json")
        return [tag for image in found for tag in image["RepoTags"] or ()]

    def labelled(self, kind: str, *labels: str) -> list[str]:
        """Ids of ``containers`` (also of stopped ones), ``networks`` or ``volumes`` with all labels, ``name=value``."""
        return [one["Name"] if kind == "volumes" else one["Id"] for one in self.listed(kind, *labels)]

    def listed(self, kind: str, *labels: str) -> list[dict[str, Any]]:
        """The same, with all that the engine says of them."""
        filters = json.dumps({"label": labels})
        found: Any = self.call(
            "GET", "/containers/json" if kind == "containers" else f"/{kind}", filters=filters, all="1"
        )
        return list((found["Volumes"] or ()) if kind == "volumes" else found)

    def of(self, server: str) -> dict[str, list[str]]:
        """All that a server (see `namespace`) has in the engine now: kind to ids, kinds without any left out."""
        found = {kind: self.labelled(kind, f"{SERVER}={server}") for kind in KINDS}
        return {kind: ids for kind, ids in found.items() if ids}

    def remove(self, server: str) -> None:
        """Remove all that a server has in the engine."""
        for kind in KINDS:
            for one in self.labelled(kind, f"{SERVER}={server}"):
                self._removed(kind, one)

    def run(self, server: str, image: str = BUSYBOX, *argv: str, **options: object) -> str:
        """Start a container of the test's own, labelled as ``server``'s; its id. ``options`` as the engine has them.

        `remove` ends it.
        """
        wanted: dict[str, object] = {"Image": image, "Cmd": list(argv) or None, "Labels": {SERVER: server}}
        wanted |= {"HostConfig": {"Init": True}} | options
        made = self.call("POST", "/containers/create", wanted)
        assert isinstance(made, dict)
        self.call("POST", f"/containers/{made['Id']}/start")
        return str(made["Id"])

    def follow(self, container: str, wanted: str) -> str:
        """The first line of a container's log with ``wanted`` in it; waits for it."""
        connection = Connection(self.socket, _PATIENCE)
        try:
            connection.request("GET", f"{_API}/containers/{container}/logs?stdout=1&stderr=1&follow=1")
            answer = connection.getresponse()
            said = []
            while head := answer.read(8):
                said.append(answer.read(int.from_bytes(head[4:])).decode("utf-8", "replace"))
                if wanted in said[-1]:
                    return said[-1]
            raise AssertionError(f"{container} has ended: {''.join(said)}")
        finally:
            connection.close()

    def execute(self, container: str, *argv: str, user: str = "") -> tuple[int, str]:
        """Run a command in a container to its end: its status, and all that it wrote to both streams."""
        wanted = {"Cmd": list(argv), "AttachStdout": True, "AttachStderr": True, "User": user}
        made = self.call("POST", f"/containers/{container}/exec", wanted)
        assert isinstance(made, dict)
        output = _unframed(self.raw("POST", f"/exec/{made['Id']}/start", {"Detach": False, "Tty": False}))
        ended = time.monotonic() + _PATIENCE
        while time.monotonic() < ended:  # the status is there a moment after the end of the output
            seen = self.call("GET", f"/exec/{made['Id']}/json")
            assert isinstance(seen, dict)
            if not seen["Running"]:
                return int(seen["ExitCode"]), output.decode("utf-8", "replace")
        raise AssertionError(f"{argv} did not end")

    def _removed(self, kind: str, one: str) -> None:
        params: dict[str, object] = {"force": "true", "v": "true"} if kind == "containers" else {}
        try:
            self.call("DELETE", f"/{kind}/{one}", **params)
        except Refused as refusal:
            if refusal.status not in (404, 409):  # gone, or just being removed by somebody else
                raise


def _unframed(stream: bytes) -> bytes:
    """The payload of frames of eight bytes' head each."""
    output = b""
    while stream:
        length = int.from_bytes(stream[4:8])
        output += stream[8 : 8 + length]
        stream = stream[8 + length :]
    return output


@pytest.fixture(scope="session")
def engine() -> RealEngine:
    """The machine's engine, with both images."""
    found = RealEngine()
    assert found.answers(), f"no container engine answers at {found.host}; scripts/test starts one"
    images.ensure(Path(found.socket))
    return found


@pytest.fixture
def namespace(engine: RealEngine) -> Iterator[str]:
    """A server id of the test's own; whatever carries it in the engine is removed afterwards."""
    yield from _namespace(engine)


@pytest.fixture(scope="module")
def module_namespace(engine: RealEngine) -> Iterator[str]:
    """The same for all tests of a module, which may share containers."""
    yield from _namespace(engine)


def _namespace(engine: RealEngine) -> Iterator[str]:
    server = f"test-{uuid.uuid4().hex[:12]}"
    try:
        yield server
    finally:
        engine.remove(server)


def _told(engine: RealEngine) -> Iterator[str]:
    """What servers have in an engine now, and volumes of whosever containers, in words."""
    for volume in engine.listed("volumes"):
        if _NAMELESS.fullmatch(volume["Name"]):
            yield f"volumes: {volume['Name']}"
    for kind in KINDS:
        for one in engine.listed(kind, SERVER):
            name = one.get("Name") or one["Names"][0]
            yield f"{kind}: {name} {json.dumps(one['Labels'], sort_keys=True)}"


if __name__ == "__main__":
    print(*sorted(_told(RealEngine())), sep="\n")

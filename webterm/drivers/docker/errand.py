"""Containers of ours that do one thing and end."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Sequence

from webterm.drivers.cancelling import finished
from webterm.drivers.docker.engine import Engine
from webterm.drivers.docker.labels import SERVER
from webterm.errors import EngineUnavailable, WebtermError

_TIMEOUT = 30.0
_MEMORY = 128 * 1024 * 1024


async def run_errand(
    engine: Engine, image: str, argv: Sequence[str], *, server: str, network: str, capabilities: Sequence[str] = ()
) -> tuple[int, str]:
    """Run a program of ``image`` as root without other privileges than ``capabilities``; its status, what it wrote.

    Raises `webterm.drivers.docker.engine.EngineRefusal`, `webterm.errors.EngineUnavailable`. Nothing of it stays.
    """
    name = f"webterm-errand-{secrets.token_hex(8)}"  # known before the engine answers
    try:
        body = _errand(image, argv, server, network, capabilities)
        await finished(engine.call("POST", "containers/create", params={"name": name}, body=body))
        return await asyncio.wait_for(_done(engine, f"containers/{name}"), _TIMEOUT)
    except TimeoutError as error:
        raise EngineUnavailable(f"{argv[0]} did not end in its container") from error
    finally:
        await finished(_removed(engine, f"containers/{name}"))


async def _done(engine: Engine, path: str) -> tuple[int, str]:
    await engine.call("POST", f"{path}/start")
    ended = await engine.call("POST", f"{path}/wait", timeout=_TIMEOUT)
    said = await engine.call("GET", f"{path}/logs", params={"stdout": "1", "stderr": "1", "tail": "200"})
    return int(ended["StatusCode"]), (said if isinstance(said, bytes) else b"").decode(errors="replace")


async def _removed(engine: Engine, path: str) -> None:
    with contextlib.suppress(WebtermError):
        await engine.call("DELETE", path, params={"force": "1", "v": "1"})


def _errand(
    image: str, argv: Sequence[str], server: str, network: str, capabilities: Sequence[str]
) -> dict[str, object]:
    return {
        "Image": image,
        "User": "0:0",
        "Entrypoint": list(argv),
        "Cmd": [],
        "WorkingDir": "/",
        "Tty": True,  # so that what it writes is not framed
        "Labels": {SERVER: server},
        "HostConfig": {
            "NetworkMode": network,
            "UsernsMode": "host",  # else engines that map users refuse the machine's own network
            "CapDrop": ["ALL"],
            "CapAdd": list(capabilities),
            "SecurityOpt": ["no-new-privileges"],
            "ReadonlyRootfs": True,
            "PidsLimit": 16,
            "Memory": _MEMORY,
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "1"}},
        },
    }

"""A container as it stands, read from what the engine says of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from webterm.drivers.docker.engine import EngineRefusal
from webterm.drivers.docker.labels import KEY
from webterm.drivers.docker.network import ISOLATED
from webterm.drivers.docker.shape import FIRST, HOLD
from webterm.ids import WorkspaceId

if TYPE_CHECKING:
    from webterm.drivers.docker.engine import Engine

_NO_SHELL = (126, 127)
_ENDS = {137: "its container was killed", 143: "its container was stopped"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """The container of a workspace, running.

    ``address`` is its IPv4 address in the engine's machine, None where it has no network; ``user`` whom programs run
    as, ``UID:UID``. ``pid`` is its first process in our own process namespace, None where that is not visible (an
    engine elsewhere). ``memory`` (bytes), ``cpu`` (processors) and ``processes`` are its limits, 0 is none. ``key``
    differs where it would be made in another way.
    """

    id: str
    workspace: WorkspaceId
    address: str | None
    user: str
    pid: int | None
    memory: int = 0
    cpu: float = 0.0
    processes: int = 0
    key: str = ""


async def described(workspace: WorkspaceId, found: Mapping[str, Any]) -> Container:
    """One that runs, of its inspection."""
    networks = (found["NetworkSettings"].get("Networks") or {}).items()
    addresses = [network["IPAddress"] for name, network in networks if name != ISOLATED]
    limits, id_, pid = found["HostConfig"], found["Id"], found["State"].get("Pid") or 0
    return Container(
        id=id_,
        workspace=workspace,
        address=next(filter(None, addresses), None),
        user=found["Config"]["User"],
        pid=pid if await asyncio.to_thread(_is_visible, pid, id_) else None,
        memory=limits.get("Memory") or 0,
        cpu=(limits.get("NanoCpus") or 0) / 1e9,
        processes=max(0, (limits.get("PidsLimit") or 0) - FIRST),
        key=found["Config"]["Labels"].get(KEY, ""),
    )


def _is_visible(pid: int, id_: str) -> bool:
    """Whether a process number of the engine's machine means the same process to us. Blocks."""
    try:
        return id_ in Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        return False


async def is_ending(engine: Engine, container: str) -> bool:
    """Whether a container has ended, or is just doing so. Raises `webterm.errors.EngineUnavailable`.

    Until all that its programs have written is read it is said to run. But the kernel ends them only when its first
    process has let go of its memory, and with that of the command line by which it is known here.
    """
    try:
        said = await engine.call("GET", f"containers/{container}/top", timeout=10)
    except EngineRefusal:
        return True
    return not any(HOLD in process[-1] for process in said["Processes"] or ())


def memory_ran_out(memory: int, times: int = 1) -> str:
    """For people: of so many bytes, 0 is as many as the machine has. It may be the machine's that has run out."""
    often = "" if times == 1 else f" {times} times"
    which = f"{memory / 2**20:.4g} MiB for all programs together" if memory else "its machine's: there is no limit"
    return f"memory ran out{often} ({which})"


def why_ended(state: Mapping[str, Any], short: str = "") -> str:
    """For people. ``state`` is the engine's, empty where there is no such container any more.

    ``short``: memory had just run out, in words. (The engine's own ``OOMKilled`` only says that it once has.)
    """
    if not state:
        return "its container was removed"
    if short:
        return short
    if state.get("Error"):
        return str(state["Error"])[:200]
    if state.get("ExitCode") in _NO_SHELL:
        return "there is no /bin/sh in it that runs"
    return _ENDS.get(state.get("ExitCode", 0), f"its container ended (status {state.get('ExitCode')})")

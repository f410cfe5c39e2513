"""What a workspace's container is made of, in the engine's words."""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webterm.drivers.docker.engine import EngineInfo
from webterm.drivers.docker.labels import KEY, SERVER, WORKSPACE
from webterm.drivers.sandbox_layout import HOME, USER
from webterm.errors import IsolationRefused, Unavailable
from webterm.ids import WorkspaceId
from webterm.runtime import Runtime

FIRST = 2
"""Processes of a container in which nothing runs: the engine's own first, and the one that holds it up."""

HOLD = "command -v sleep >/dev/null && exec sleep 2147483647; kill -STOP $$"
"""Needs nothing of an image but a shell. (sleep(1) has ``infinity`` only where it is GNU's.)"""
_OLDEST = (1, 41)
"""The language of Docker 20.10."""
_LEAST_MEMORY = 16 * 1024 * 1024
_SHARED_MEMORY = 512 * 1024 * 1024
_SMALL = 16 * 1024 * 1024
_NOBODY = "192.0.2.1"
"""An address that is nobody's (RFC 5737)."""
_FAVOUR = 500
"""Of the kernel when memory runs out: containers' programs end before the engine and the server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What is the same for all containers of a server. ``address``: where their published ports are."""

    server: str
    read_only: bool
    disk: int
    info: EngineInfo
    address: str


def container_name(workspace: WorkspaceId) -> str:
    return f"webterm-{workspace}"


def user_of(runtime: Runtime) -> int:
    """Whom a runtime's programs run as, and its files belong to. Raises `webterm.errors.IsolationRefused`."""
    if os.geteuid() != 0:
        return os.geteuid()
    if not runtime.account:
        raise IsolationRefused("programs of a server that runs as root run in containers only as a user of their own")
    return runtime.account


def check_engine(info: EngineInfo) -> None:
    """Raises `webterm.errors.Unavailable` for one that is too old, or where users are somebody else outside."""
    if info.api < _OLDEST:
        raise Unavailable(f"the container engine is too old: version {info.version}; Docker 20.10 is the oldest")
    if info.rootless:
        raise Unavailable(
            "the container engine is rootless: its containers' users are others outside, and could not use workspaces'"
            " files; use an engine that runs as root, or the driver local"
        )


def container(
    shape: Shape,
    runtime: Runtime,
    *,
    image: str,
    volumes: Iterable[str],
    network: str,
    closed: bool,
    files: Path,
    etc: Path,
    quota: bool,
) -> dict[str, Any]:
    """The body of the call that makes a container, its key among the labels.

    ``volumes`` are the directories for which the image wants volumes, which nobody would count: they are in memory.
    ``closed``: nothing out there is to be reached, not even somebody who is asked for names: many engines would ask for
    containers of internal networks, too, where the machine's resolver is on its loopback.
    ``files`` and ``etc`` are directories as the engine sees them: the workspace's, and that of `etc_files`. ``quota``:
    the engine is to bound what is written outside of the workspace.
    """
    uid = user_of(runtime)
    made: dict[str, Any] = {
        "Image": image,
        "User": f"{uid}:{uid}",
        "Hostname": "workspace",
        "WorkingDir": HOME,
        "Env": [f"HOME={HOME}", f"USER={USER}", f"LOGNAME={USER}"],
        "Entrypoint": ["/bin/sh", "-c", HOLD],
        "Cmd": [],
        "Healthcheck": {"Test": ["NONE"]},
        "Labels": {WORKSPACE: runtime.workspace, SERVER: shape.server},
        "HostConfig": {
            **_privileges(shape),
            **_limits(shape, runtime),
            **({"StorageOpt": {"size": str(shape.disk)}} if quota else {}),
            "NetworkMode": network,
            **({"Dns": [_NOBODY]} if closed else {}),
            "Init": True,
            "RestartPolicy": {"Name": "no"},
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "1"}},
            "Mounts": [
                _mount(files, HOME),
                _mount(etc / "passwd", "/etc/passwd", read_only=True),
                _mount(etc / "group", "/etc/group", read_only=True),
            ],
        },
    }
    room = made["HostConfig"]["Tmpfs"]
    taken = {*room, *(mount["Target"] for mount in made["HostConfig"]["Mounts"])}
    wanted = {posixpath.normpath(f"/{volume.lstrip('/')}") for volume in volumes} - taken
    room |= dict.fromkeys(sorted(wanted), room["/tmp"])  # noqa: S108 - its own
    if runtime.published:
        made["ExposedPorts"] = {f"{port}/tcp": {} for port in runtime.published}
        made["HostConfig"]["PortBindings"] = {
            f"{port}/tcp": [{"HostIp": shape.address, "HostPort": str(there)}]
            for port, there in runtime.published.items()
        }
    made["Labels"][KEY] = hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()[:32]
    return made


def etc_files(uid: int) -> dict[str, str]:
    """Files for a container's /etc, by name."""
    nobody = "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin"
    own = f"{USER}:x:{uid}:{uid}::{HOME}:/bin/sh\n" if uid else ""
    return {
        "passwd": f"root:x:0:0:root:/root:/bin/sh\n{nobody}\n{own}",
        "group": f"root:x:0:\ntty:x:5:\nnogroup:x:65534:\n{USER}:x:{uid}:\n",
    }


def _privileges(shape: Shape) -> dict[str, Any]:
    return {
        "Privileged": False,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "ReadonlyRootfs": shape.read_only,
        "IpcMode": "private",
        "PidMode": "",
        "CgroupnsMode": "private",
        "UsernsMode": "host",  # an engine that maps users (userns-remap) would make workspaces' files nobody's
        "OomScoreAdj": _FAVOUR,
    }


def _limits(shape: Shape, runtime: Runtime) -> dict[str, Any]:
    limits = runtime.limits
    memory = max(limits.memory, _LEAST_MEMORY) if limits.memory else 0
    sizes = [size for size in (limits.file_size, limits.disk) if size]
    room = {"/tmp": _memory(memory // 2)}  # noqa: S108 - its own
    if shape.read_only:
        room |= {"/var/tmp": _memory(memory // 2), "/run": _memory(_SMALL)}  # noqa: S108
    return {
        "Memory": memory,
        "MemorySwap": memory,
        "NanoCpus": round(limits.cpu * 1e9) if 0 < limits.cpu < shape.info.cpus else 0,
        "PidsLimit": limits.processes + FIRST if limits.processes else None,
        "Ulimits": [{"Name": "fsize", "Soft": min(sizes), "Hard": min(sizes)}] if sizes else [],
        "ShmSize": min(memory // 4 or _SHARED_MEMORY, _SHARED_MEMORY),
        "Tmpfs": room,
    }


def _memory(size: int) -> str:
    """Of a directory in memory; without a size it takes at most half of the machine's."""
    return "rw,exec,nosuid,nodev,mode=1777" + (f",size={size}" if size else "")


def _mount(source: Path, target: str, *, read_only: bool = False) -> dict[str, Any]:
    # What is not there is refused. (As Binds, the engine would make it, and it would be root's.)
    return {"Type": "bind", "Source": str(source), "Target": target, "ReadOnly": read_only}

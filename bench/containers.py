"""Containers beside the engine's own client: prompts, output, many workspaces at once, previews.

This takes an engine at a unix socket, its client ``docker``, and an image with bash, python3 and nft
(``WEBTERM_BENCH_IMAGE``; that of the tests unless said).
"""

from __future__ import annotations

import http.client
import json
import os
import pty
import select
import socket
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import previews
from bench.figures import Row, at_least, at_most, compare, shown
from bench.programs import FILE_BYTES, PROMPT, READY, plain_lines
from bench.servers import Webterm
from bench.terminals import Channels, now
from bench.transfers import Workspace

IMAGE = os.environ.get("WEBTERM_BENCH_IMAGE", "webterm-test:debian")
ENGINE = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
SETTINGS = {
    "WEBTERM_RUNTIMES__DRIVER": "docker",
    "WEBTERM_DOCKER__IMAGE": IMAGE,
    "WEBTERM_DOCKER__GUARD_IMAGE": IMAGE,
}
_SHELL = ("sh", "-c", f"PS1={PROMPT.decode()} exec bash --norc --noprofile -i")
_PATIENCE = 120.0
_API = "/v1.41"
_MB = 1_000_000
_LARGE = 1024 * 1024 * 1024
_ADDRESS = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"


class Direct:
    """The engine's own client in a pseudo-terminal of this process, as people use it."""

    def __init__(self, *argv: str) -> None:
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            os.execvp(argv[0], argv)

    def read_until(self, what: bytes) -> None:
        """Wait for it."""
        seen = b""
        while what not in seen:
            if not select.select([self._fd], [], [], _PATIENCE)[0]:
                raise TimeoutError(f"{what!r} did not come: {seen[-200:]!r}")
            seen += os.read(self._fd, 65536)

    def close(self) -> None:
        """Leave the shell, and wait for the client's end."""
        os.write(self._fd, b"exit\r")
        with open(os.devnull, "wb") as nothing:
            try:
                while data := os.read(self._fd, 65536):
                    nothing.write(data)
            except OSError:
                pass
        os.close(self._fd)
        os.waitpid(self._pid, 0)


class Stream:
    """The raw stream of a program that the engine runs on a terminal in a container."""

    def __init__(self, container: str, user: str, *argv: str) -> None:
        wanted = {"Cmd": argv, "Tty": True, "AttachStdin": True, "AttachStdout": True, "AttachStderr": True}
        made = engine("POST", f"/containers/{container}/exec", {**wanted, "User": user})
        body = json.dumps({"Detach": False, "Tty": True}).encode()
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(_PATIENCE)
        self._socket.connect(ENGINE)
        head = f"POST {_API}/exec/{made['Id']}/start HTTP/1.1\r\nHost: engine\r\nContent-Type: application/json\r\n"
        head += f"Content-Length: {len(body)}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
        self._socket.sendall(head.encode() + body)

    def read_until(self, what: bytes) -> None:
        """Wait for it; nothing may come after."""
        seen = b""
        while what not in seen:
            seen += self._some(65536)

    def count(self, total: int) -> None:
        """Take so many bytes, and look at none of them."""
        buffer = bytearray(256 * 1024)
        while total > 0:
            got = self._socket.recv_into(buffer)
            if not got:
                raise ConnectionError("it ended")
            total -= got

    def write(self, data: bytes) -> None:
        """Input."""
        self._socket.sendall(data)

    def close(self) -> None:
        """Let go."""
        self._socket.close()

    def _some(self, size: int) -> bytes:
        data = self._socket.recv(size)
        if not data:
            raise ConnectionError("it ended")
        return data


def engine(method: str, path: str, body: object = None) -> dict[str, str]:
    """What the engine answers."""
    connection = http.client.HTTPConnection("engine")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(ENGINE)
    connection.request(method, _API + path, json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    if answer.status >= 400:
        raise RuntimeError(f"{method} {path}: {answer.status} {data[:200]!r}")
    found: dict[str, str] = json.loads(data) if data else {}
    return found


def container_of(workspace: Workspace) -> tuple[str, str]:
    """Id of a workspace's container, and whom its programs run as."""
    command = ["docker", "ps", "-q", "--no-trunc", "--filter", f"label=webterm.workspace={workspace.id}"]
    found = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    return found, inspected(found, "{{.Config.User}}")


def inspected(container: str, form: str) -> str:
    """What the engine says of a container."""
    command = ["docker", "inspect", "-f", form, container]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


@contextmanager
def workspaces(webterm: Webterm, count: int) -> Iterator[list[Workspace]]:
    """New ones; their containers end with them."""
    made: list[Workspace] = []
    try:
        for _ in range(count):
            made.append(Workspace(webterm))
        yield made
    finally:
        for workspace in made:
            workspace.here("POST", "/runtime/stop")  # else that would go on after the server has ended
            workspace.close()


def prompts(channels: Channels, *wanted: str) -> float:
    """Milliseconds until shells that are opened at the same time have all written their prompts."""
    began = now()
    waiting = {channels.open(*_SHELL, workspace=workspace): b"" for workspace in wanted}
    opened = list(waiting)
    while waiting:
        for channel, _, frame, at in channels.outputs():
            if channel in waiting:
                waiting[channel] += channels.data(frame, at)
                if PROMPT in waiting[channel]:
                    del waiting[channel]
    took = (now() - began) * 1e3
    for channel in opened:
        channels.end(channel)
    channels.await_message("detached", len(opened))
    return took


def measure_prompts(webterm: Webterm, *, rounds: int, times: int) -> Iterator[Row]:
    """Rows for the first prompt in a workspace, and for a further one.

    The engine sets up names in each container of a network that was made, which takes it a while; not so in its own.
    """
    found: dict[str, list[float]] = {"run": [], "there": [], "cold": [], "further": [], "exec": []}
    run = ("docker", "run", "--rm", "-it", "--label", "webterm.bench=1")
    channels = Channels(webterm, "binary")
    channels.set_timeout(_PATIENCE)
    with workspaces(webterm, 1) as (standing,):  # while it runs nobody can remove its network
        prompts(channels, standing.id)
        network = inspected(container_of(standing)[0], "{{.HostConfig.NetworkMode}}")
        for number in range(rounds + 1):
            took = {
                # Each of the three comes when a container has just been removed.
                "run": _direct(*run, IMAGE, *_SHELL),
                "there": _direct(*run, "--network", network, IMAGE, *_SHELL),
                **_prompts_of_one(webterm, channels, times),
            }
            if number:  # the first round warms up
                for name, milliseconds in took.items():
                    found[name].append(milliseconds)
    channels.close()
    what = "first prompt in a cold workspace"
    yield compare(what, found["cold"], "docker run -it", found["run"], at_most(1.25), unit="ms")
    there = "docker run -it --network, the workspace's"
    yield compare(what, found["cold"], there, found["there"], at_most(1.25), unit="ms")
    yield compare("a further terminal", found["further"], "docker exec -it", found["exec"], at_most(1.3), unit="ms")


def _prompts_of_one(webterm: Webterm, channels: Channels, times: int) -> dict[str, float]:
    """Milliseconds to prompts of a new workspace: the first, further ones, and those of the engine's client."""
    with workspaces(webterm, 1) as (workspace,):
        cold = prompts(channels, workspace.id)
        container, user = container_of(workspace)
        further, direct = [], []
        for _ in range(times):
            further.append(prompts(channels, workspace.id))
            direct.append(_direct("docker", "exec", "-it", "-u", user, container, *_SHELL))
        return {"cold": cold, "further": statistics.median(further), "exec": statistics.median(direct)}


def _direct(*argv: str) -> float:
    began = now()
    client = Direct(*argv)
    client.read_until(PROMPT)
    took = (now() - began) * 1e3
    client.close()
    return took


def measure_bulk(webterm: Webterm, *, rounds: int, copies: int) -> Iterator[Row]:
    """A row for ``cat`` of a file in a workspace, against the engine's own stream."""
    lines = plain_lines()
    data = lines * (FILE_BYTES // len(lines))
    total = len(data) * copies
    script = f"stty raw -echo; printf {READY.decode()}; read -r go; "
    script += "; ".join(["cat /workspace/plain"] * copies) + "; exec sleep 60"
    rates: dict[str, list[float]] = {"ours": [], "direct": []}
    with workspaces(webterm, 1) as (workspace,), tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(data)
        workspace.up(Path(file.name), "plain")
        for number in range(rounds + 1):
            ours = total / _through_webterm(webterm, workspace, script, total) / _MB
            container, user = container_of(workspace)
            stream = Stream(container, user, "sh", "-c", script)
            stream.read_until(READY)
            began = now()
            stream.write(b"\n")
            stream.count(total)
            direct = total / (now() - began) / _MB
            stream.close()
            if number:
                rates["ours"].append(ours)
                rates["direct"].append(direct)
    what = "bulk output of a container, binary"
    yield compare(what, rates["ours"], "the engine's stream", rates["direct"], at_least(0.7), unit="MB/s")


def _through_webterm(webterm: Webterm, workspace: Workspace, script: str, total: int) -> float:
    """Seconds."""
    channels = Channels(webterm, "binary", peek=160)
    channels.set_timeout(_PATIENCE)
    channel = channels.open("sh", "-c", script, workspace=workspace.id)
    end = 0
    while end < len(READY):
        end = max((to for _, to, _, _ in channels.outputs()), default=end)
    began = now()
    channels.write(channel, "\n")
    goal = end + total
    while end < goal:
        end = max((to for _, to, _, _ in channels.outputs()), default=end)
    took = now() - began
    channels.end(channel)
    channels.await_message("detached")
    channels.close()
    return took


def measure_many(webterm: Webterm, *, count: int) -> Iterator[Row]:
    """A row for many workspaces that begin in the same moment."""
    channels = Channels(webterm, "json")
    channels.set_timeout(_PATIENCE)
    with workspaces(webterm, count) as made:
        took = prompts(channels, *(workspace.id for workspace in made)) / 1e3
    channels.close()
    yield Row(what=f"{count} cold workspaces at once, to the last prompt", figure=shown([took], "s"), held=True)


def measure(*, quick: bool) -> Iterator[Row]:
    """All rows about containers and previews, on servers of their own."""
    if not _is_there():
        yield Row(what="containers", figure=f"not measured: no container engine has {IMAGE}")
        return
    size, times = (_LARGE // 16, 200) if quick else (_LARGE, 2000)
    with Webterm(SETTINGS) as webterm:
        yield from measure_prompts(webterm, rounds=2 if quick else 9, times=5)
        yield from measure_bulk(webterm, rounds=2 if quick else 7, copies=2 if quick else 12)
        yield from measure_many(webterm, count=5 if quick else 50)
        yield from measure_preview(webterm, times=times, size=size)
    with Webterm() as webterm, workspaces(webterm, 1) as (workspace,):
        with previews.App(webterm, workspace, previews.free_port()) as app:
            yield from previews.measure(app, "local runtime", "127.0.0.1", times=times, size=size)


def measure_preview(webterm: Webterm, *, times: int, size: int) -> Iterator[Row]:
    """Rows about a preview of an app in a container."""
    with workspaces(webterm, 1) as (workspace,), previews.App(webterm, workspace, 8000) as app:
        address = inspected(container_of(workspace)[0], _ADDRESS)
        yield from previews.measure(app, "container", address, times=times, size=size)


def _is_there() -> bool:
    try:
        engine("GET", f"/images/{IMAGE}/json")
    except (OSError, RuntimeError):
        return False
    return True

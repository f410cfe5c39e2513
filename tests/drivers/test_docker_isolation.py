"""What people in containers can see and do to each other, to the machine and to the server: nothing."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.drivers.containers import parts_in
from tests.drivers.sandboxes import ACCOUNT, fresh_word, runtime_in
from tests.engine import DEBIAN, RealEngine
from webterm.drivers.docker.containers import Container
from webterm.drivers.docker.engine import Engine
from webterm.drivers.docker.layers import LayerGuard
from webterm.drivers.ownership import give_all
from webterm.runtime import Runtime, RuntimeLimits

pytestmark = [pytest.mark.alone, pytest.mark.docker, pytest.mark.blocking_allowed]  # the tests look into containers
EXPLORER = Path(__file__).with_name("explorer.py").read_text()
NETTING = Path(__file__).with_name("netting.py").read_text()
LISTEN = "import socket; s = socket.create_server(('', 8000)); print('up', flush=True)\nwhile True: s.accept()"
FORKS = """
import os
made = []
try:
    while True:
        made.append(os.fork() or os.execlp("sleep", "sleep", "1000"))
except OSError as error:
    for pid in made:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    print(len(made), error.errno)
"""
METADATA = ("169.254.169.254:80", "169.254.169.253:80", "100.100.100.200:80")
MEMORY = 64 << 20
PROCESSES = 40


@dataclass(frozen=True)
class Place:
    """A workspace and its container."""

    runtime: Runtime
    container: Container


@dataclass(frozen=True)
class Town:
    """Two workspaces with the internet, and one without."""

    ann: Place
    bob: Place
    alone: Place
    word: str


@pytest.fixture(scope="module")
def town(engine: RealEngine, module_namespace: str, tmp_path_factory: pytest.TempPathFactory) -> Town:
    top = tmp_path_factory.mktemp("town")
    word = fresh_word()
    limits = RuntimeLimits(processes=PROCESSES, memory=MEMORY, file_size=64 << 20)
    runtimes = [
        runtime_in(
            top / "workspaces",
            network=network,
            account=None if ACCOUNT is None else ACCOUNT + number,
            limits=replace(limits, memory=2 * MEMORY) if number else limits,
        )
        for number, network in enumerate((True, True, False))
    ]
    (top / "data").mkdir()
    (top / "data" / "keys.json").write_text(word)
    (runtimes[1].files / f"{word}.txt").write_text(word)

    async def bring_up() -> list[Container]:
        async with parts_in(top / "data", engine, module_namespace, image=DEBIAN) as parts:
            return [await parts.containers.ensure(runtime) for runtime in runtimes]

    ann, bob, alone = map(Place, runtimes, asyncio.run(bring_up()))
    run(engine, bob, "-c", f"open('/tmp/{word}', 'w').write('{word}')")
    return Town(ann, bob, alone, word)


def run(engine: RealEngine, place: Place, *words: str) -> str:
    """What a Python program prints in a container."""
    status, output = engine.execute(place.container.id, "python3", "-I", *words)
    assert status == 0, output
    return output


@contextmanager
def listening(engine: RealEngine, place: Place) -> Iterator[None]:
    """A program of a workspace listens at port 8000."""
    made = engine.call(
        "POST", f"/containers/{place.container.id}/exec", {"Cmd": ["python3", "-I", "-c", LISTEN], "Tty": True}
    )
    assert isinstance(made, dict)
    engine.call("POST", f"/exec/{made['Id']}/start", {"Detach": True})
    script = "while ! grep -q ':1F40 .* 0A ' /proc/net/tcp; do sleep 0.05; done"
    assert engine.execute(place.container.id, "sh", "-c", script)[0] == 0
    yield
    engine.execute(place.container.id, "pkill", "-f", "create_server")


@contextmanager
def machine() -> Iterator[int]:
    """A service of this machine at all of its addresses, as the server may be one; its port."""
    with socket.create_server(("0.0.0.0", 0)) as server:
        threading.Thread(target=_accept, args=(server,), daemon=True).start()
        yield server.getsockname()[1]


def _accept(server: socket.socket) -> None:
    while True:
        try:
            server.accept()[0].close()
        except OSError:
            return


def addresses() -> set[str]:
    """All addresses of this machine but its loopback."""
    found = set()
    for line in Path("/proc/net/fib_trie").read_text().split("|-- ")[1:]:
        if "/32 host LOCAL" in line:
            found.add(line.split()[0])
    return {address for address in found if not address.startswith("127.")}


def reaches(engine: RealEngine, place: Place, *targets: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(run(engine, place, "-c", NETTING, *targets))
    return found


def test_one_cannot_find_anything_of_another_or_of_the_server(town: Town, engine: RealEngine) -> None:
    with machine() as port:
        hidden = ["/var/run/docker.sock", "/run/docker.sock", str(town.bob.runtime.files), str(town.ann.runtime.files)]
        output = run(engine, town.ann, "-c", EXPLORER, town.word, str(port), "/nothing", *hidden)
    found = json.loads(output.splitlines()[-1])
    assert [path for path in found["found"] if not path.endswith("/cmdline")] == []
    assert found["there"] == found["sockets"] == found["abstract"] == []
    assert found["reached"] is False
    assert (found["mounted"], found["rooted"], found["became"]) == (False, False, False)
    assert found["uid"] == int(town.ann.container.user.partition(":")[0]) != 0
    assert found["groups"] in ([], [found["uid"]])
    assert {line.split()[1] for line in found["status"] if line.startswith("Cap")} == {"0" * 16}
    assert "NoNewPrivs:\t1" in found["status"]
    assert {path for path in found["writable"] if not path.startswith(("/workspace", "/tmp", "/dev"))} <= {
        "/var/tmp",
        "/run/lock",
    }
    assert found["pids"][0] == 1
    assert len(found["pids"]) == 3
    assert found["environment"]["HOME"] == "/workspace"
    assert not [name for name in found["environment"] if "WEBTERM" in name or "DOCKER" in name]
    assert len(found["files"]) <= 4


def test_the_engine_was_asked_for_nothing_that_opens_a_way_out(town: Town, engine: RealEngine) -> None:
    found = engine.inspect(town.ann.container.id)
    host = found["HostConfig"]
    assert isinstance(host, dict)
    assert (host["Privileged"], host["CapAdd"], host["CapDrop"]) == (False, None, ["ALL"])
    assert (host["Devices"], host["Binds"], host["PublishAllPorts"], host["PortBindings"]) == (None, None, False, None)
    assert (host["PidMode"], host["IpcMode"], host["UTSMode"]) == ("", "private", "")
    mounts = found["Mounts"]
    assert isinstance(mounts, list)
    assert {mount["Destination"]: mount["RW"] for mount in mounts} == {
        "/workspace": True,
        "/etc/passwd": False,
        "/etc/group": False,
    }


def test_the_machine_its_neighbours_and_each_other_are_out_of_reach(town: Town, engine: RealEngine) -> None:
    with listening(engine, town.bob), machine() as port:
        own = [f"{address}:{port}" for address in addresses()]
        bob = f"{town.bob.container.address}:8000"
        with socket.create_connection((town.bob.container.address, 8000), timeout=5):
            pass  # the server itself does reach it
        usual = engine.run("control", DEBIAN, "sleep", "1000")
        try:
            control = json.loads(engine.execute(usual, "python3", "-I", "-c", NETTING, *own)[1])
        finally:
            engine.remove("control")
        assert set(control.values()) == {"reached"}  # from a container that nothing guards
        for place in (town.ann, town.alone):
            found = reaches(engine, place, *own, bob, *METADATA, "10.255.255.1:80", "192.168.0.1:443")
            assert set(found.values()) == {"ECONNREFUSED"}, found


def test_the_internet_is_open_or_not_as_it_should_be(town: Town, engine: RealEngine) -> None:
    """As far as that can be seen without it: a way out, and somebody to ask for names."""
    ask = (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(20);"
        "s.connect(('127.0.0.11', 53));"
        "s.send(bytes.fromhex('abcd01000001000000000000') + b'\\x07example\\x03org\\0\\0\\1\\0\\1');"
        "print(s.recv(512)[:2].hex())"
    )
    assert run(engine, town.ann, "-c", ask).strip() == "abcd"
    way_out = "198.51.100.1:80"  # of nobody: routers far away do not know it, and the guard lets it pass
    assert reaches(engine, town.ann, way_out)[way_out] != "ECONNREFUSED"
    assert reaches(engine, town.alone, way_out) == {way_out: "ECONNREFUSED"}
    # The engine would ask a resolver on the machine's loopback for whoever is in an internal network.
    asked = [engine.inspect(place.container.id)["HostConfig"]["Dns"] or [] for place in (town.ann, town.alone)]  # type: ignore[index] # JSON
    assert asked == [[], ["192.0.2.1"]]


def test_hogs_are_contained(town: Town, engine: RealEngine) -> None:
    number, fault = map(int, run(engine, town.ann, "-c", FORKS).split())
    assert number <= PROCESSES
    assert fault == errno.EAGAIN

    status, output = engine.execute(town.ann.container.id, "python3", "-c", f"print(len(bytearray({3 * MEMORY})))")
    assert (status, output) == (137, "")
    fill = "import os\nfor n in range(1 << 20): os.write(1, b'x' * 65536)"
    for path, most in (("/tmp/x", MEMORY // 2), ("/dev/shm/x", MEMORY // 4), ("/workspace/x", 64 << 20)):
        script = f'python3 -c "{fill}" 2>/dev/null >{path}; stat -c %s {path}; rm {path}'
        status, output = engine.execute(town.ann.container.id, "sh", "-c", script)
        assert 0 < int(output) <= most, (path, output)
    assert engine.execute(town.ann.container.id, "sh", "-c", "echo still there")[1] == "still there\n"


async def test_who_fills_the_engines_disk_is_ended(town: Town, engine: RealEngine) -> None:
    real = Engine(engine.host, None)
    ended = asyncio.get_running_loop().create_future()

    async def end(*said: str) -> None:
        guard.forget(town.bob.runtime.workspace)
        ended.set_result(said)

    guard = LayerGuard(real, 1 << 20, end, interval=0.01)
    guard.watch(town.ann.runtime.workspace, town.ann.container.id)
    guard.watch(town.bob.runtime.workspace, town.bob.container.id)
    run(engine, town.bob, "-c", "open('/var/tmp/big', 'wb').write(bytes(3 << 20))")
    workspace, reason = await ended
    assert workspace == town.bob.runtime.workspace
    assert reason == "they have written 3 MiB outside of the workspace, and may write 1 MiB"
    await guard.aclose()
    await real.aclose()


@pytest.mark.skipif(os.geteuid() != 0, reason="nobody else may be somebody else")
def test_files_are_seen_by_both_sides_at_once(town: Town, engine: RealEngine) -> None:
    top = town.ann.runtime.files
    (top / "from outside").write_text("x")
    os.chown(top / "from outside", *[int(town.ann.container.user.partition(":")[0])] * 2)
    run(engine, town.ann, "-c", "open('from outside', 'a').write('y'); open('from inside', 'w').write('z')")
    assert (top / "from outside").read_text() == "xy"
    assert (top / "from inside").read_text() == "z"


@pytest.mark.skipif(os.geteuid() != 0, reason="nobody else may give files away")
def test_what_root_has_made_in_a_workspace_is_given_to_its_programs_and_nothing_is_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    top = tmp_path / "top"
    (top / "a" / "b").mkdir(parents=True)
    (top / "a" / "b" / "file").touch()
    (top / "link").symlink_to(outside)
    (top / "a" / "other").touch()
    os.chown(top / "a" / "other", 5, 5)
    assert give_all(top, 700_000, most=2) <= 2
    os.chown(top / "a", 0, 0)
    os.chown(top / "link", 0, 0, follow_symlinks=False)
    assert give_all(top, 700_000) == 4
    assert (top / "a" / "b" / "file").stat().st_uid == (top / "link").lstat().st_uid == 700_000
    assert ((top / "a" / "other").stat().st_uid, (outside / "file").stat().st_uid, outside.stat().st_uid) == (5, 0, 0)

"""What two people in sandboxes on one machine can see of each other and of the server: nothing."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.drivers.sandboxes import ACCOUNT, PYTHON, SIZE, driver_in, fresh_word, rest, run, runtime_in, until
from webterm.drivers.local import LocalDriver
from webterm.runtime import Runtime, RuntimeLimits
from webterm.session import Exit, Launch

pytestmark = pytest.mark.blocking_allowed  # the tests themselves look at files
EXPLORER = Path(__file__).with_name("explorer.py").read_text()


@pytest.fixture
async def driver(tmp_path: Path) -> AsyncIterator[LocalDriver]:
    async with driver_in(tmp_path / "data", hidden=[tmp_path / "workspaces"]) as driver:
        yield driver


@pytest.fixture
def ann(tmp_path: Path) -> Runtime:
    return runtime_in(tmp_path / "workspaces")


@pytest.fixture
def bob(tmp_path: Path) -> Runtime:
    return runtime_in(tmp_path / "workspaces", account=None if ACCOUNT is None else ACCOUNT + 1)


async def explore(driver: LocalDriver, runtime: Runtime, word: str, port: int, *paths: str) -> dict[str, object]:
    skipped = ":".join(str(path) for path in PYTHON)
    output = await run(driver, runtime, sys.executable, "-I", "-c", EXPLORER, word, str(port), skipped, *paths)
    found: dict[str, object] = json.loads(output.splitlines()[-1])
    return found


async def test_one_cannot_find_anything_of_another_or_of_the_server(
    driver: LocalDriver, ann: Runtime, bob: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    word = fresh_word()
    monkeypatch.setenv("SECRET", word)
    (bob.files / f"{word}.txt").write_text(word)
    (tmp_path / "outside.txt").write_text(word)
    there = await driver.open(
        Launch(argv=("sh", "-c", f"echo {word} >/tmp/{word}; echo up; exec cat"), env={"X": word}, runtime=bob), SIZE
    )
    await until(there, b"up")
    (tmp_path / "data" / "keys.json").write_text(word)
    listening = socket.create_server(("127.0.0.1", 0))
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind(f"\0{word}")
    abstract.listen()
    hidden = [
        str(tmp_path),
        "/etc/shadow",
        "/etc/ssh",
        "/sys",
        "/boot",
        str(bob.files),
        "/.dockerenv",
    ]
    with listening, abstract:
        found = await explore(driver, ann, word, listening.getsockname()[1], *hidden)

    # Its own arguments hold the word: it has to look for it.
    own = [path for path in found["found"] if not path.endswith("/cmdline")]  # type: ignore[attr-defined]
    assert own == []
    assert found["there"] == []
    assert found["reached"] is False
    assert found["sockets"] == found["abstract"] == []
    assert len(found["pids"]) == 2  # type: ignore[arg-type]  # the first, and the explorer
    assert found["traced"] == []
    assert found["terminals"] == ["ptmx"]
    assert found["files"] == ["0", "1", "2", "3"]  # the last is the listing's own
    assert (found["mounted"], found["rooted"], found["became"]) == (False, False, False)
    assert found["uid"] == (ACCOUNT if ACCOUNT is not None else os.geteuid())
    writable = {"/workspace", "/tmp", "/dev/shm"} | (set() if ACCOUNT else {"/run", "/dev/pts"})
    below = {path for path in found["writable"] if path.startswith("/tmp/")}  # type: ignore[attr-defined]  # its own, too
    assert set(found["writable"]) - below == writable  # type: ignore[call-overload]
    assert {"CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "NoNewPrivs:\t1"} <= set(found["status"])  # type: ignore[call-overload]
    assert not {"kmsg", "mem", "sda", "vda", "kvm", "fuse"} & set(found["devices"])  # type: ignore[call-overload]
    await there.aclose()


async def test_the_environment_is_clean(driver: LocalDriver, ann: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBTERM_SERVER__SECRET", "hush")
    runtime = replace(ann, env={"FROM": "workspace", "OVER": "workspace"})
    output = await run(driver, runtime, "env", env={"OVER": "client", "EMPTY": "", "LINES": "two\nlines", "A-B.c": "x"})
    found = dict(line.split("=", 1) for line in output.splitlines() if "=" in line)
    assert found.pop("WEBTERM_TERMINAL").startswith(f"in-{ann.workspace}-")
    expected = {"FROM": "workspace", "OVER": "client", "EMPTY": "", "LINES": "two", "A-B.c": "x", "HOME": "/workspace"}
    assert expected.items() <= found.items()
    allowed = {"PATH", "USER", "LOGNAME", "SHELL", "TERM", "COLORTERM", "TERM_PROGRAM", "LANG", "TZ", *expected}
    assert {name for name in found if not name.startswith("LC_")} <= allowed


async def test_tabs_of_a_workspace_share_their_sandbox(driver: LocalDriver, ann: Runtime, bob: Runtime) -> None:
    script = (
        "import socket,sys; s=socket.create_server(('127.0.0.1', 8000)); open('/tmp/shared','w').write('yes');"
        "print('up', flush=True); c,_=s.accept(); c.sendall(b'hello'); c.close(); input()"
    )
    server = await driver.open(Launch(argv=(sys.executable, "-I", "-c", script), runtime=ann), SIZE)
    await until(server, b"up")
    client = (
        "import socket; s=socket.create_connection(('127.0.0.1', 8000)); print(s.recv(99), open('/tmp/shared').read())"
    )
    with pytest.raises(AssertionError):
        assert "hello" in await run(driver, bob, sys.executable, "-I", "-c", client)
    assert "b'hello' yes" in await run(driver, ann, sys.executable, "-I", "-c", client)
    assert "8000" in await run(driver, ann, "ps", "-efww")
    assert "8000" not in await run(driver, bob, "ps", "-efww")
    await server.aclose()


async def test_the_network_is_on_only_where_it_is_wanted(driver: LocalDriver, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(60)
        script = (
            f"import socket; socket.create_connection(('127.0.0.1', {listening.getsockname()[1]})); print('reached')"
        )
        off, on = (runtime_in(tmp_path / "workspaces", network=network) for network in (False, True))
        assert "refused" in await run(driver, off, sys.executable, "-I", "-c", script)
        assert "reached" in await run(driver, on, sys.executable, "-I", "-c", script)


async def test_what_is_hidden_is_not_seen_in_what_is_readable(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir(mode=0o755)
    (tmp_path / "shared" / "tool").write_text("for all")
    runtime = runtime_in(tmp_path / "shared" / "workspaces")
    directory = tmp_path / "shared" / "data"
    hidden = [tmp_path / "shared" / "workspaces"]
    driver = LocalDriver(directory, patience=1, readable=[tmp_path / "shared"], hidden=hidden)
    try:
        listing = await run(driver, runtime, "ls", "-R", str(tmp_path / "shared"))
        assert "tool" in listing
        assert "keeper" not in listing
        assert runtime.workspace not in listing
    finally:
        await driver.stop(runtime.workspace)
        await driver.aclose()


@pytest.mark.parametrize(
    "argv",
    [
        ("printf", "%s|", "-n", "--", "$(id)", ";", "a b", "'", '"', "\\", "*", "\n", "é", ""),
        ("./-x", "-c", "1"),
        ("./A=B", "2"),
    ],
)
async def test_arguments_are_the_programs_alone(driver: LocalDriver, ann: Runtime, argv: tuple[str, ...]) -> None:
    for name in ("-x", "A=B", "--help"):
        (ann.files / name).write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
        (ann.files / name).chmod(0o755)
    output = await run(driver, ann, *argv)
    given = argv[2:] if argv[0] == "printf" else argv[1:]
    assert output == "".join(f"{argument}|" for argument in given)


async def test_names_that_look_like_options_are_run(driver: LocalDriver, ann: Runtime) -> None:
    for name in ("-x", "A=B", "--help"):
        (ann.files / name).write_text("#!/bin/sh\necho ran $(id -u)\n")
        (ann.files / name).chmod(0o755)
        uid = ACCOUNT if ACCOUNT is not None else os.geteuid()
        assert await run(driver, ann, name, env={"PATH": "/workspace:/usr/bin:/bin"}) == f"ran {uid}\n"


@pytest.mark.parametrize("cwd", ["/proc/self/fd/7", "-", "--help", "../../../boot", "/run/x"])
async def test_a_directory_that_is_not_there_is_said(driver: LocalDriver, ann: Runtime, cwd: str) -> None:
    output = await run(driver, ann, "pwd", cwd=cwd)
    assert "the working directory" in output


@pytest.mark.parametrize(
    ("cwd", "shown"),
    [(None, "/workspace"), ("a b;c", "/workspace/a b;c"), ("/usr", "/usr"), ("..", "/"), ("link", "/usr/bin")],
)
async def test_a_directory_is_one_of_the_sandbox(
    driver: LocalDriver, ann: Runtime, cwd: str | None, shown: str
) -> None:
    (ann.files / "a b;c").mkdir()
    (ann.files / "link").symlink_to("/usr/bin")
    assert await run(driver, ann, "/bin/pwd", cwd=cwd) == f"{shown}\n"


async def test_variables_act_only_on_the_program(driver: LocalDriver, ann: Runtime) -> None:
    (ann.files / "evil.pm").write_text("package evil; open(F, '>', '/workspace/evil'); print F $<; 1;")
    (ann.files / "evil.sh").write_text("id -u >/workspace/evil.sh.ran\n")
    env = {
        "LD_PRELOAD": "/workspace/missing.so",
        "LD_LIBRARY_PATH": "/workspace",
        "PERL5OPT": "-I/workspace -Mevil",
        "PERL5LIB": "/workspace",
        "BASH_ENV": "/workspace/evil.sh",
        "ENV": "/workspace/evil.sh",
        "PATH": "/workspace",
        "IFS": "x",
        "LC_ALL": "nowhere",
        "WEBTERM_0": "A=B",
        "GLIBC_TUNABLES": "x=y",
    }
    output = await run(driver, ann, "/bin/sh", "-c", "export", env=env)
    assert output.count("cannot be preloaded") == 1  # by the program, and by none before it
    assert "WEBTERM_0" in output
    assert not (ann.files / "evil").exists()
    assert not (ann.files / "evil.sh.ran").exists()


async def test_job_control_works(driver: LocalDriver, ann: Runtime) -> None:
    session = await driver.open(Launch(runtime=ann, env={"PS1": "> "}), SIZE)
    await session.write(b"PS1='p''r> '; bind 'set enable-bracketed-paste off'\r")
    await until(session, b"pr> ")
    assert session.at_prompt() is True
    await session.write(b"sh -c 'echo re''ady; exec cat'\r")
    await until(session, b"\nready")
    assert session.at_prompt() is False
    await session.write(b"\x1a")
    assert b"Stopped" in await until(session, b"pr> ")
    assert session.at_prompt() is True
    await session.write(b"jobs; fg\r")
    await until(session, b"cat'\r\n")
    while session.at_prompt():
        pass  # it says so before it does so
    await session.write(b"\x03")
    await until(session, b"pr> ")
    await session.write(b"sleep 1000 & kill %1; wait; tty >/dev/null; sh -c 'kill -9 $$'; exit 3\r")
    await rest(session)
    assert await session.wait() == Exit(status=3)
    await session.aclose()


@pytest.mark.parametrize("shell", ["dash", "bash"])
async def test_shells_end_as_they_say(driver: LocalDriver, ann: Runtime, shell: str) -> None:
    session = await driver.open(Launch(argv=(shell, "-i"), runtime=ann), SIZE)
    await session.write(b"exit 5\r")
    await rest(session)
    assert await session.wait() == Exit(status=5)
    await session.aclose()


async def test_limits_are_those_of_the_workspace(driver: LocalDriver, tmp_path: Path) -> None:
    limits = RuntimeLimits(processes=100, memory=512 * 1024**2, file_size=10 * 1024**2)
    runtime = runtime_in(tmp_path / "workspaces", limits=limits)
    output = await run(
        driver, runtime, "bash", "-c", "ulimit -c; ulimit -f; df -k /tmp | tail -1; head -c 11M /dev/zero > big"
    )
    lines = output.splitlines()
    assert lines[:2] == ["0", str(10 * 1024)]
    assert str(256 * 1024) in lines[2].split()
    assert (runtime.files / "big").stat().st_size == 10 * 1024**2


async def test_what_is_left_of_workspaces_that_are_gone_is_collected(
    driver: LocalDriver, ann: Runtime, bob: Runtime, tmp_path: Path
) -> None:
    for runtime in (ann, bob):
        await until(await driver.open(Launch(argv=("sh", "-c", "echo up; cat"), runtime=runtime), SIZE), b"up")
    await driver.aclose()  # as a server that is started again
    async with driver_in(tmp_path / "data", hidden=[tmp_path / "workspaces"]) as later:
        assert await later.collect(frozenset({bob.workspace})) == [f"sandbox of workspace {ann.workspace}"]
        assert not await later.is_up(ann.workspace)
        assert await later.is_up(bob.workspace)
        assert await later.collect(frozenset({bob.workspace})) == []
        await run(later, bob, "true")
        assert [made.name for made in (tmp_path / "data" / "sandboxes").iterdir()] == [bob.workspace]

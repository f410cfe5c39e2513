"""The command, as people run it: a process of its own, its output and its exit status."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from webterm import datadir

WEBTERM = [sys.executable, "-m", "webterm"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def webterm(*arguments: object, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    words = [*WEBTERM, *map(str, arguments)]
    return subprocess.run(words, env=clean(environ), capture_output=True, text=True, timeout=60, check=False)


def clean(environ: dict[str, str]) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("WEBTERM_")}
    fixed = {"PYTHONPATH": str(Path(__file__).parent.parent), "WEBTERM_RUNTIMES__DRIVER": "local"}
    return ours | fixed | {"PYTHONWARNINGS": "default"} | environ


@dataclass
class Served:
    """A server that listens."""

    process: subprocess.Popen[str]
    url: str
    link: str


@contextmanager
def served(data: Path, *arguments: str, **environ: str) -> Iterator[Served]:
    """A server with what it printed; it and its programs are ended after use."""
    words = [*WEBTERM, "serve", "--data-dir", str(data), "--port", "0", *arguments]
    with subprocess.Popen(words, env=clean(environ), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            first, second = process.stdout.readline(), process.stdout.readline()
            assert first.startswith("webterm is at ")
            assert second.startswith("Sign in: ")
            yield Served(process, first.split()[-1], second.split()[-1])
        finally:
            process.terminate()
            process.wait(30)
            webterm("stop", "--all", "--data-dir", data)


def ask(url: str, host: str | None = None) -> int:
    """The status of an answer, redirects not followed."""
    headers = {} if host is None else {"Host": host}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def run_program(server: Served, started: Path) -> int:
    """Sign in by the link and start a program that stays; its process id."""
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with browser.open(server.link, timeout=10) as answer:
        assert "login" not in answer.url
    os.mkfifo(started)
    program = f"echo $$ > {started}; exec sleep 1000"
    body = json.dumps({"cols": 80, "rows": 24, "argv": ["sh", "-c", program]}).encode()
    headers = {"Content-Type": "application/json", "Origin": server.url.rstrip("/")}
    request = urllib.request.Request(server.url + "api/v1/terminals", body, headers)
    with browser.open(request, timeout=10) as answer:
        assert answer.status == 201
    return int(started.read_text())


def is_gone(pid: int) -> bool:
    """Whether no process has this id any more, or only one that waits to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_the_version_is_the_one_of_the_package() -> None:
    setup = (Path(__file__).parent.parent / "setup.cfg").read_text()
    version = re.search(r"^version = (.+)$", setup, re.MULTILINE)
    assert version is not None
    assert webterm("--version").stdout == f"webterm {version[1]}\n"


def test_help_tells_each_setting_in_its_own_words() -> None:
    told = " ".join(webterm("serve", "--help").stdout.split())
    for words in (
        "Address to listen on. [default: (127.0.0.1)]",
        "Port to listen on; 0 takes any free one. [default: (8080)]",
    ):
        assert words in told


def test_all_faults_are_told_on_stderr_with_status_2(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("[server]\nprot = 1\n")
    done = webterm("serve", "--port", "x", "--config", file, "--data-dir", data, WEBTERM_SERVER__LOOP="y")
    assert done.returncode == 2
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("webterm: ") for line in lines)
    assert "--port: server.port: found 'x', allowed: a whole number from 0 to 65535" in done.stderr
    assert not data.exists()


def test_listening_beyond_loopback_is_refused_without_names(data: Path) -> None:
    done = webterm("serve", "--host", "0.0.0.0", "--port", "0", "--data-dir", data)
    assert done.returncode == 2
    assert "allowed_hosts" in done.stderr


@pytest.mark.parametrize("command", ["login-link", "status", "stop"])
def test_without_a_server_a_command_says_so(command: str, data: Path) -> None:
    done = webterm(command, "--data-dir", data)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"webterm: no server runs on {data}\n"


def test_stop_all_without_anything_to_stop(data: Path) -> None:
    done = webterm("stop", "--all", "--data-dir", data)
    assert (done.returncode, done.stderr) == (0, "")


def test_serve_prints_where_it_is_and_a_link_that_works_once(data: Path) -> None:
    with served(data) as server:
        assert re.fullmatch(r"http://127\.0\.0\.1:[1-9]\d*/", server.url)
        assert re.fullmatch(re.escape(server.url) + r"\?login=[\w-]{43}", server.link)
        assert ask(server.url + "health") == 200
        assert datadir.redeem_link(data, server.link.partition("=")[2])
        fresh = webterm("login-link", "--data-dir", data).stdout.strip()
        assert fresh.startswith(server.url + "?login=")
        assert fresh != server.link
        assert datadir.redeem_link(data, fresh.partition("=")[2])


def test_status_asks_the_server(data: Path) -> None:
    with served(data, WEBTERM_SERVER__HOST="0.0.0.0", WEBTERM_SERVER__ALLOWED_HOSTS="terminal.example") as server:
        assert server.url.startswith("http://terminal.example:")
        done = webterm("status", "--data-dir", data)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"webterm is at {server.url}\n", "")
        server.process.send_signal(signal.SIGSTOP)
        try:
            done = webterm("status", "--data-dir", data)
        finally:
            server.process.send_signal(signal.SIGCONT)
        assert done.returncode == 1
        assert "does not answer" in done.stderr


def test_status_asks_under_the_prefix(data: Path) -> None:
    with served(data, WEBTERM_SERVER__PUBLIC_URL="https://terminal.example/t") as server:
        assert server.link.startswith("https://terminal.example/t/?login=")
        assert webterm("status", "--data-dir", data).returncode == 0


def test_a_second_server_is_told_who_has_the_directory(data: Path) -> None:
    with served(data) as server:
        done = webterm("serve", "--data-dir", data, "--port", "0")
        assert done.returncode == 1
        assert (
            done.stderr
            == f"webterm: {data} is held by the server with process id {server.process.pid} at {server.url}\n"
        )


def test_a_port_in_use_is_told_in_one_line(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = webterm("serve", "--data-dir", data, "--port", port)
    assert done.returncode == 1
    assert done.stderr == f"webterm: cannot listen on 127.0.0.1 port {port}: Address already in use\n"


def test_stop_waits_until_the_server_has_gone(data: Path) -> None:
    with served(data) as server:
        done = webterm("stop", "--data-dir", data)
        assert (done.returncode, done.stderr) == (0, "")
        assert server.process.wait(0) == 0
        assert datadir.holder(data) is None


def test_programs_outlive_stop_and_end_with_stop_all(data: Path, tmp_path: Path) -> None:
    with served(data) as server:
        pid = run_program(server, tmp_path / "started")
        assert webterm("stop", "--data-dir", data).returncode == 0
        assert not is_gone(pid)
        done = webterm("stop", "--all", "--data-dir", data)
        assert (done.returncode, done.stdout, done.stderr) == (0, "Programs ended: 1.\n", "")
        assert is_gone(pid)


def test_programs_end_with_the_server_where_the_settings_say_so(data: Path, tmp_path: Path) -> None:
    with served(data, WEBTERM_SERVER__ON_STOP="end") as server:
        pid = run_program(server, tmp_path / "started")
        assert webterm("stop", "--data-dir", data).returncode == 0
        assert is_gone(pid)


def test_a_killed_server_can_be_followed_by_another_at_once(data: Path, tmp_path: Path) -> None:
    with served(data) as server:
        pid = run_program(server, tmp_path / "started")
        server.process.kill()
        server.process.wait(30)
        assert webterm("status", "--data-dir", data).returncode == 1
        with served(data) as second:
            assert not is_gone(pid)
            assert second.process.pid != server.process.pid
            assert webterm("status", "--data-dir", data).returncode == 0
    assert is_gone(pid)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly(data: Path, number: signal.Signals) -> None:
    with served(data) as server:
        server.process.send_signal(number)
        assert server.process.wait(30) == 0


def test_it_may_open_as_many_files_as_the_system_lets_it(data: Path) -> None:
    with served(data) as server:
        limits = Path(f"/proc/{server.process.pid}/limits").read_text()
    found = re.search(r"^Max open files\s+(\d+)\s+(\d+)", limits, re.MULTILINE)
    assert found is not None
    assert found[1] == found[2]


@pytest.mark.parametrize(("loop", "mapped"), [("uvloop", True), ("auto", True), ("asyncio", False)])
def test_the_loop_is_the_one_that_was_asked_for(data: Path, loop: str, *, mapped: bool) -> None:
    with served(data, WEBTERM_SERVER__LOOP=loop) as server:
        assert ("/uvloop/" in Path(f"/proc/{server.process.pid}/maps").read_text()) is mapped

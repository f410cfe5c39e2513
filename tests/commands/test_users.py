"""``webterm user``: what it does, what it says, and that a running server hears of it."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import select
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest
from click.testing import CliRunner, Result

from tests.pace import within
from tests.web.conftest import Running, browser, started
from webterm.cli import main

PASSWORD = "correct horse battery"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "data"


def run(directory: Path, *words: str, typed: str = "") -> Result:
    runner = CliRunner(catch_exceptions=False)
    return runner.invoke(main, ["user", *words, "--data-dir", str(directory)], input=typed)


def said(directory: Path, *words: str, typed: str = "") -> str:
    """What a command that goes well prints."""
    done = run(directory, *words, typed=typed)
    assert (done.exit_code, done.stderr) == (0, "")
    return done.stdout


def refused(directory: Path, *words: str, typed: str = "") -> str:
    """What a command that fails prints, after the program's name."""
    done = run(directory, *words, typed=typed)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("webterm: ")
    return done.stderr.removeprefix("webterm: ")


def add(directory: Path, name: str, *words: str) -> str:
    return said(directory, "add", name, "--password-stdin", *words, typed=f"{PASSWORD}\n")


def test_from_making_to_removing(directory: Path) -> None:
    assert add(directory, "Ann", "--email", "ann@example.com") == (
        "Ann has an account now: alias 1, role user, tier free.\n"
    )
    assert said(directory, "add", "ben", "--no-password", "--role", "admin", "--tier", "pro") == (
        "ben has an account now: alias 2, role admin, tier pro.\n"
    )
    assert said(directory, "list") == "1  Ann  user   free  -  ann@example.com\n2  ben  admin  pro   -  -\n"
    assert said(directory, "list", "--search", "EXAMPLE") == "1  Ann  user  free  -  ann@example.com\n"
    assert said(directory, "list", "--search", "nobody") == ""
    assert said(directory, "role", "ann@example.com", "admin") == "Ann has the role admin now.\n"
    assert said(directory, "tier", "1", "team") == "Ann has the tier team now.\n"
    assert said(directory, "disable", "ANN") == "Ann is disabled now, and signed out everywhere.\n"
    assert said(directory, "list").splitlines()[0] == "1  Ann  admin  team  disabled  ann@example.com"
    assert said(directory, "enable", "ann") == "Ann is enabled now.\n"
    assert said(directory, "passwd", "ann", "--password-stdin", typed="another good one") == (
        "Ann has another password now, and is signed out everywhere.\n"
    )
    assert said(directory, "delete", "ann", "--yes") == "Ann has no account any more.\n"
    assert said(directory, "list").splitlines() == ["2  ben  admin  pro  -  -"]


def test_removing_asks_first(directory: Path) -> None:
    add(directory, "ann")
    done = run(directory, "delete", "ann", typed="n\n")
    assert done.exit_code == 1
    assert "Remove the account of ann (alias 1)?" in done.output
    assert said(directory, "list")
    assert run(directory, "delete", "ann", typed="y\n").exit_code == 0
    assert said(directory, "list") == ""


def test_what_goes_wrong_is_said_in_a_line(directory: Path) -> None:
    add(directory, "ann")
    assert refused(directory, "add", "ANN", "--no-password") == "somebody else has this user name or e-mail address\n"
    assert refused(directory, "add", "a", "--no-password").startswith("username: 3 to 32 letters")
    assert refused(directory, "add", "ben", "--no-password", "--email", "x").startswith("email: ")
    assert refused(directory, "add", "ben", "--no-password", "--tier", "gold") == (
        "tier: one of free, pro, team, enterprise\n"
    )
    assert refused(directory, "add", "ben", "--password-stdin", typed="short\n").startswith("password: it needs")
    assert refused(directory, "add", "ben", "--password-stdin", typed="x" * 10_000).startswith("password: the first")
    assert refused(directory, "add", "ben", "--password-stdin", "--no-password", typed="x").startswith("--no-password")
    assert refused(directory, "add", "ben") == "there is no terminal to ask for a password at; use --password-stdin\n"
    for words in (["disable"], ["enable"], ["delete", "--yes"], ["passwd", "--password-stdin"]):
        assert refused(directory, words[0], "nobody", *words[1:], typed="x") == "there is no such person\n"
    assert refused(directory, "role", "7", "admin") == "there is no such person\n"
    assert run(directory, "role", "ann", "king").exit_code == 2
    assert said(directory, "list").count("\n") == 1


def test_a_password_is_taken_as_it_is(directory: Path) -> None:
    for number, typed in enumerate(["  ten spaces  \n", "ten spaces\r\n", "tén späces", "ten\tspaces\nmore\n"]):
        said(directory, "add", f"person{number}", "--password-stdin", typed=typed)
    done = CliRunner().invoke(
        main, ["user", "add", "ben", "--password-stdin", "--data-dir", str(directory)], input=b"\xff" * 20
    )
    assert (done.exit_code, done.stderr) == (1, "webterm: password: standard input has to be UTF-8\n")


def test_nobody_else_can_read_what_it_makes(directory: Path) -> None:
    add(directory, "ann")
    assert directory.stat().st_mode & 0o777 == 0o700
    for name in ("secret.key", "webterm.db"):
        assert (directory / name).stat().st_mode & 0o077 == 0, name
    assert not [file for file in directory.rglob("*") if file.is_file() and PASSWORD.encode() in file.read_bytes()]


def test_passwords_are_typed_where_nobody_sees_them(directory: Path) -> None:
    """At a real terminal, twice, without echo."""
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "webterm", "user", "add", "ann", "--data-dir", str(directory)]
    with subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, start_new_session=True) as process:
        os.close(follower)
        shown = b""
        for prompt in (b"New password: ", b"The same again: "):
            shown += until(leader, prompt)
            os.write(leader, f"{PASSWORD}\n".encode())
        shown += until(leader, b"tier free.")
        assert process.wait(30) == 0
    os.close(leader)
    assert PASSWORD.encode() not in shown
    assert said(directory, "list") == "1  ann  user  free  -  -\n"


def until(leader: int, words: bytes) -> bytes:
    """What a terminal shows, up to these words."""
    shown = b""
    while words not in shown:
        assert select.select([leader], [], [], 30)[0], shown
        shown += os.read(leader, 4096)
    return shown


# while a server runs


async def command(running: Running, *words: str) -> str:
    arguments = ["-m", "webterm", "user", *words, "--data-dir", str(running.directory)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await process.communicate(f"{PASSWORD}\n".encode())
    assert process.returncode == 0
    return told.decode()


async def sign_in(running: Running, client: aiohttp.ClientSession) -> int:
    body = {"name": "ann", "password": PASSWORD}
    async with client.post(running.url("/api/v1/auth/login"), json=body) as answer:
        return answer.status


@pytest.mark.parametrize(
    "words", [["disable", "ann"], ["passwd", "ann", "--password-stdin"], ["delete", "ann", "--yes"]]
)
async def test_a_running_server_closes_what_is_open(directory: Path, words: list[str]) -> None:
    async with started(directory) as running, browser(running) as client:
        await command(running, "add", "ann", "--password-stdin")
        assert await sign_in(running, client) == 200
        async with client.ws_connect(running.url("/ws")) as socket:
            assert json.loads(await socket.receive_str())["type"] == "ready"
            await command(running, *words)
            async with within(1):
                assert (await socket.receive()).type == aiohttp.WSMsgType.CLOSE
        async with client.get(running.url("/api/v1/auth/me")) as answer:
            assert answer.status == 401


async def test_a_running_server_knows_the_new_role(directory: Path) -> None:
    async with started(directory) as running, browser(running) as client:
        await command(running, "add", "ann", "--password-stdin")
        assert await sign_in(running, client) == 200
        async with client.get(running.url("/api/v1/users")) as answer:
            assert answer.status == 403
        await command(running, "role", "ann", "admin")
        async with client.get(running.url("/api/v1/users")) as answer:
            assert answer.status == 200


async def test_a_command_may_change_the_owner(directory: Path) -> None:
    async with started(directory) as running, browser(running) as client:
        await running.sign_in(client)
        assert "owner" in await command(running, "list")
        assert "has the tier pro now" in await command(running, "tier", "1", "pro")

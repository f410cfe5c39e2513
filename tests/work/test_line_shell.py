"""Line shells in real terminals, with bash and with sh: what goes in, what comes out, and with which status."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.work.lines import PATIENCE, Subject, driving, shell_in
from webterm.drivers.echo import EchoDriver
from webterm.drivers.local import LocalDriver
from webterm.errors import InvalidRequest, LaunchFailed, TerminalExited
from webterm.session import Exit, Launch
from webterm.work.line_shell import Done, LineShell, State, Text

pytestmark = pytest.mark.asyncio(loop_scope="module")
PYTHON = f"{sys.executable} -I -S"
ESCAPE = b"\x1b"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def driver(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalDriver]:
    """The same one for all: what is tested is in the shells."""
    async with driving(tmp_path_factory.mktemp("driver") / "data") as driver:
        yield driver


@pytest_asyncio.fixture(loop_scope="module", params=["bash", "sh"])
async def subject(request: pytest.FixtureRequest, driver: LocalDriver, tmp_path: Path) -> AsyncIterator[Subject]:
    async with shell_in(driver, tmp_path / "home", plain=request.param == "sh") as subject:
        yield subject


async def test_a_line_goes_in_and_its_text_comes_out(subject: Subject) -> None:
    assert await subject.run("echo hello") == (b"hello\n", 0)
    assert await subject.run("printf 'no new line'") == (b"no new line", 0)
    assert await subject.run("echo out; echo err >&2") == (b"out\nerr\n", 0)
    assert await subject.run("") == (b"", 0)
    assert await subject.run("# nothing") == (b"", 0)
    assert await subject.run("printf '\\377\\000\\033[1m\\r\\n\\036'") == (b"\xff\x00\x1b[1m\r\n\x1e", 0)


async def test_directory_variables_functions_and_status_persist(subject: Subject) -> None:
    (subject.home / "a b").mkdir()
    await subject.shell.send(b"cd 'a b'")
    text, done = await subject.rest()
    assert (text, done) == (b"", Done(0, os.fsencode(subject.home / "a b")))
    assert await subject.say("pwd") == f"{subject.home}/a b\n"
    await subject.say("x='two  words'; export y=3; f() { echo \"f $1\"; return 5; }; alias greet='echo hi'")
    assert await subject.say("echo \"$x\" && sh -c 'echo $y'") == "two  words\n3\n"
    assert await subject.run("f 'it'\"'\"'s'") == (b"f it's\n", 5)
    assert await subject.run("echo $?") == (b"5\n", 0)
    assert await subject.run("false") == (b"", 1)
    assert await subject.say("test $? = 1 && echo kept") == "kept\n"
    assert await subject.run("no-such-command-here 2>/dev/null") == (b"", 127)


async def test_quotes_and_lines_are_safe(subject: Subject) -> None:
    assert await subject.say("printf '%s|' \"a  'b'  \\$HOME\" 'c \"d\" $x' \\\\ 'ü€' '%s %b \\0101'") == (
        "a  'b'  $HOME|c \"d\" $x|\\|ü€|%s %b \\0101|"
    )
    assert await subject.say("echo 'one\ntwo\n\n\tthree  '") == "one\ntwo\n\n\tthree  \n"
    assert await subject.say("cat <<EOF\nhere $((1+1))\n  'quoted\nEOF\necho after") == "here 2\n  'quoted\nafter\n"
    assert await subject.say("cat <<'EOF'\n$HOME `x` \\\nEOF") == "$HOME `x` \\\n"
    assert await subject.say("for i in 1 2\ndo\n  if [ $i = 2 ]\n  then echo two\n  fi\ndone") == "two\n"
    assert await subject.say(f"{PYTHON} - <<'EOF'\nfor i in range(2):\n    print(i)\n\nprint('''end''')\nEOF") == (
        "0\n1\nend\n"
    )


@pytest.mark.parametrize("broken", ["echo 'open", 'echo "open', "if true; then", "(", "cat <<", ")", "echo $(", "done"])
async def test_what_is_broken_harms_nothing(subject: Subject, broken: str) -> None:
    text, status = await subject.run(broken)
    assert text
    assert status != 0
    assert await subject.run("echo fine") == (b"fine\n", 0)


async def test_a_here_document_without_an_end_ends_with_the_line(subject: Subject) -> None:
    await subject.run("cat <<EOF\nhello")
    assert await subject.run("echo fine") == (b"fine\n", 0)


@pytest.mark.parametrize("loose", ["break", "break 99", "continue", "exec 3</dev/null", "shift 99"])
async def test_loose_ends_harm_nothing(subject: Subject, loose: str) -> None:
    await subject.shell.send(loose.encode())
    await subject.rest()
    assert await subject.run("echo fine") == (b"fine\n", 0)


async def test_settings_of_the_shell_harm_nothing(subject: Subject) -> None:
    for setting in ("set -u", "set -f", "set -C", "IFS=,", "PATH=", "unset PS1 PS2 PROMPT_COMMAND", "PS1='$ '"):
        assert await subject.run(f"{setting}; echo fine") == (b"fine\n", 0), setting
        assert await subject.run("echo 'still  fine'") == (b"still  fine\n", 0), setting
    assert (await subject.run("echo $nothing_there; echo no"))[1] != 0
    assert await subject.run("set +u; echo fine") == (b"fine\n", 0)


async def test_tracing_shows_the_commands_and_nothing_of_ours(subject: Subject) -> None:
    await subject.run("set -x")
    text, _ = await subject.run("echo hi")
    assert text.strip(b"+ ").startswith(b"echo hi\n")
    assert b"_wt_" not in text
    await subject.run("set +x")
    assert await subject.run("echo hi") == (b"hi\n", 0)


async def test_where_the_shells_own_output_goes_does_not_matter(subject: Subject) -> None:
    assert await subject.run("exec >log; echo logged") == (b"", 0)
    assert await subject.run("echo more") == (b"", 0)
    assert await subject.say("exec >/dev/tty; cat log") == "logged\nmore\n"
    assert await subject.say("exec </dev/null; cat; echo read; exec </dev/tty") == "read\n"


async def test_nothing_of_ours_is_in_the_environment(subject: Subject) -> None:
    text = await subject.say("env")
    assert "_wt_" not in text
    assert "PROMPT_COMMAND" not in text
    assert "TERM=dumb\n" in text


async def test_the_end_cannot_be_forged(subject: Subject) -> None:
    """Neither by what looks like an end, nor by showing all that the shell and its programs know."""
    fake = b"printf '\\036%032d;D;1;0;/\\036%032d.' 0 0"
    text, status = await subject.run(fake)
    assert (text, status) == (b"\x1e" + b"0" * 32 + b";D;1;0;/\x1e" + b"0" * 32 + b".", 0)
    for command in ("set", "env", "cat /proc/$$/environ", "cat /proc/$$/cmdline", "alias; trap; export -p"):
        _, status = await subject.run(command)
        assert status == 0
        assert await subject.run("echo next") == (b"next\n", 0)


async def test_a_program_reads_the_lines_that_follow(subject: Subject) -> None:
    await subject.shell.send(b'read a; read b; echo "$a-$b"')
    await subject.shell.send(b"one 'two")
    await subject.shell.send(b"three\\\\")
    assert await subject.rest() == (b"one 'two-three\\\n", Done(0, os.fsencode(subject.home)))
    await subject.shell.send(b"cat")
    await subject.shell.send(b"hello")
    assert await subject.until(b"hello\n") == b"hello\n"
    assert subject.shell.state is State.RUNNING
    special = bytes(range(1, 32)).replace(b"\n", b"") + b"\x7f\xff"
    await subject.shell.send(special)
    assert await subject.until(b"\n") == special + b"\n"
    await subject.shell.end_input()
    assert await subject.rest() == (b"", Done(0, os.fsencode(subject.home)))


async def test_what_is_not_read_is_never_executed(subject: Subject) -> None:
    await subject.shell.send(b"echo begun; sleep 0.3")
    await subject.until(b"begun\n")
    for line in (b"touch executed", b'echo "', b"x" * 20_000, b"\x04", b"half"):
        await subject.shell.send(line)
    await subject.shell.end_input()
    assert (await subject.rest())[1].status == 0
    assert await subject.say("ls; echo fine") == "fine\n"


async def test_lines_longer_than_a_terminal_takes(subject: Subject) -> None:
    """4095 bytes are the most that a terminal takes in one line."""
    for length in (4094, 4095, 4096, 4097, 100_000):
        assert await subject.say(f"echo {'x' * length} | wc -c") == f"{length + 1}\n"
    assert await subject.say(f"echo '{'é' * 5000}' | wc -m") == "5001\n"
    many = "\n".join(f"n=$((n + {number}))" for number in range(3000))
    assert await subject.say(f"n=0\n{many}\necho $n") == f"{sum(range(3000))}\n"
    for length in (3999, 4000, 4001, 8000, 50_000):
        await subject.shell.send(f"{PYTHON} -c 'x = input(); y = input(); print(len(x), x[-3:], y)'".encode())
        await subject.shell.send(b"a" * (length - 3) + b"end")
        await subject.shell.send(b"next")
        assert (await subject.rest())[0] == b"%d end next\n" % length


async def test_much_output_comes_whole(subject: Subject) -> None:
    await subject.shell.send(b"seq 1 1400000; exit_status() { return 9; }; exit_status")
    text, done = await subject.rest()
    assert done.status == 9
    assert text == b"".join(b"%d\n" % number for number in range(1, 1_400_001))
    assert len(text) > 10_000_000


async def test_what_is_not_read_holds_the_command_up(subject: Subject) -> None:
    mark = subject.home / "done"
    await subject.shell.send(b"head -c 2000000 /dev/zero; : > done")
    assert isinstance(await subject.shell.read(), Text)
    await asyncio.sleep(0.3)  # which is long for what is left
    assert not mark.exists()
    _, done = await subject.rest()
    assert done.status == 0
    assert mark.exists()


@pytest.mark.parametrize("more", ["", "sleep 1000 & ", "trap 'echo bye' EXIT; "])
async def test_exit_ends_the_shell_with_its_status(subject: Subject, more: str) -> None:
    await subject.shell.send(f"{more}exit 3".encode())
    text, exit_ = await subject.end()
    assert text in (b"", b"bye\n")
    assert (b"bye" in text) == ("bye" in more)
    assert exit_ == Exit(status=3)
    with pytest.raises(TerminalExited):
        await subject.shell.send(b"echo no")


async def test_a_shell_within_the_shell(subject: Subject) -> None:
    await subject.shell.send(b"env PS1= sh")
    await subject.shell.send(b"echo inner")
    await subject.until(b"inner\n")
    await subject.shell.send(b"exit 4")
    assert (await subject.rest())[1].status == 4


async def test_a_program_that_spoils_the_terminal(subject: Subject) -> None:
    await subject.run("stty raw echo onlcr opost")
    assert await subject.run("echo a; echo b") == (b"a\nb\n", 0)
    await subject.shell.send(f"{PYTHON} -c 'import tty; tty.setraw(0); print(1, flush=True); input()'".encode())
    await subject.until(b"1\n")
    await subject.shell.signal("KILL")
    await subject.rest()
    await subject.shell.send(b"cat")
    await subject.shell.send(b"quiet")
    assert await subject.until(b"\n") == b"quiet\n"
    await subject.shell.end_input()
    assert (await subject.rest())[1].status == 0


async def test_programs_for_screens_are_plain_here(subject: Subject) -> None:
    (subject.home / "file").write_text("one\ntwo\n")
    text, _ = await subject.run("ls -l --color=auto; grep --color=auto one file; git --no-pager --version")
    assert ESCAPE not in text
    await subject.shell.send(b"vi -u NONE file")
    for line in (b":%s/two/three/", b":wq"):
        await subject.shell.send(line)
    await subject.rest()
    assert (subject.home / "file").read_text() == "one\nthree\n"
    assert await subject.run("echo fine") == (b"fine\n", 0)


async def test_a_command_cannot_hold_a_nul(subject: Subject) -> None:
    with pytest.raises(InvalidRequest):
        await subject.shell.send(b"echo a\0b")
    assert await subject.run("echo fine") == (b"fine\n", 0)


async def test_cancelling_reads_loses_nothing(subject: Subject) -> None:
    await subject.shell.send(b"seq 1 20000")
    pieces: list[bytes] = []
    while True:
        reading = asyncio.create_task(subject.shell.read())
        await asyncio.sleep(0)
        if len(pieces) % 2:
            reading.cancel()
        await asyncio.wait([reading])
        if reading.cancelled():
            pieces.append(b"")
            continue
        found = reading.result()
        if isinstance(found, Done):
            break
        assert found is not None
        pieces.append(found.data)
    assert b"".join(pieces) == b"".join(b"%d\n" % number for number in range(1, 20_001))


async def test_closing_ends_it_and_what_it_started(subject: Subject) -> None:
    pid = int(await subject.say("sleep 1000 & echo $!"))
    await subject.shell.aclose()
    await subject.shell.aclose()
    assert await subject.shell.read() is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_what_it_left_behind_ends_with_it(subject: Subject) -> None:
    pid = int(await subject.say("sleep 1000 & echo $!"))
    await subject.shell.send(b"exit 0")
    await subject.end()
    await subject.shell.aclose()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_short_command_takes_little_time(subject: Subject) -> None:
    await subject.run("true")
    began = time.monotonic()
    for _ in range(20):
        await subject.run("true")
    assert time.monotonic() - began < 10


async def test_where_no_shell_begins(driver: LocalDriver) -> None:
    with pytest.raises(LaunchFailed, match="no-such-directory"):
        await LineShell.open(driver, Launch(cwd="/no-such-directory"))
    with pytest.raises(LaunchFailed, match="began within"):
        await LineShell.open(EchoDriver(), Launch(), patience=0.2)
    with pytest.raises(LaunchFailed, match="cannot be run"):
        await LineShell.open(driver, Launch(env={"PATH": "/nowhere"}), patience=PATIENCE)


async def test_it_does_not_outlive_the_server(tmp_path: Path) -> None:
    async with driving(tmp_path / "data") as driver:
        shell = await LineShell.open(driver, Launch(), patience=PATIENCE)
        assert await driver.kept() == []
        await shell.send(b"echo $$")
        found = await shell.read()
        assert isinstance(found, Text)
        process = os.pidfd_open(int(found.data))
        await driver.aclose()
        loop = asyncio.get_running_loop()
        gone = loop.create_future()
        loop.add_reader(process, gone.set_result, None)
        async with asyncio.timeout(PATIENCE):
            await gone
        loop.remove_reader(process)
        os.close(process)
        await shell.aclose()

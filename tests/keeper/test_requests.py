from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.keeper.conftest import TOKEN, Peer, error_code
from webterm.keeper.wire import MAX_MESSAGE, VERSION

ORDER = {"token": TOKEN, "argv": ["true"], "env": {}, "cwd": "/", "cols": 80, "rows": 24, "record": ""}


def descriptors(pid: object) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


@pytest.mark.parametrize(
    "data",
    [
        b"x",
        b"\xff",
        b"{}",
        b"[]",
        b"null",
        b"[" * 200_000,
        b'{"id":1}',
        b'{"id":-1,"do":"list"}',
        b'{"id":true,"do":"list"}',
        b'{"id":{},"do":"list"}',
        b'{"id":1,"do":[]}',
        b'{"id":1,"do":"_reply"}',
        b'{"id":1,"do":"spawn"}',
        b'{"id":1,"do":"take","token":{}}',
        b'{"id":1,"do":"forget","token":"nothing-here"}',
        b"9" * 10_000,
        b"{" + b" " * MAX_MESSAGE + b"}",
    ],
)
def test_a_malformed_message_gets_an_error_and_harms_nobody(peer: Peer, data: bytes) -> None:
    peer.send_raw(data)
    assert error_code(peer.reply()) in ("malformed", "too_big", "no_such_program")
    assert "ok" in peer.ask("list").message


@pytest.mark.parametrize(
    "wrong",
    [
        {"token": "short"},
        {"token": "a/../../b"},
        {"argv": []},
        {"argv": "sh"},
        {"argv": [1]},
        {"env": {"A": 1}},
        {"env": []},
        {"cwd": None},
        {"cols": 0},
        {"cols": 501},
        {"rows": 301},
        {"rows": 2.5},
        {"record": 7},
    ],
)
def test_a_wrong_order_starts_nothing(peer: Peer, wrong: dict[str, object]) -> None:
    assert error_code(peer.ask("spawn", **{**ORDER, **wrong})) == "malformed"
    assert peer.ask("list").message["ok"] == {"tokens": []}


@pytest.mark.parametrize(
    ("order", "named"),
    [
        ({"argv": ["no-such-command"]}, "no-such-command"),
        ({"argv": ["/etc/passwd"]}, "/etc/passwd"),
        ({"argv": ["/proc"]}, "/proc"),
        ({"cwd": "/no-such-directory"}, "/no-such-directory"),
        ({"argv": ["y" * 100_000]}, "yyyy"),
        ({"argv": ["nul\0byte"]}, "null"),
        ({"env": {"A=B": "c"}}, "environment"),
        ({"env": {"A": "nul\0byte"}}, "null"),
        ({"argv": ["bad\udcff"]}, "bad"),
    ],
)
def test_what_cannot_be_started_is_named(peer: Peer, order: dict[str, object], named: str) -> None:
    packet = peer.ask("spawn", **{**ORDER, "env": {"PATH": os.environ["PATH"]}, **order})
    assert error_code(packet) == "launch_failed"
    assert named in json.dumps(packet.message)
    assert peer.ask("list").message["ok"] == {"tokens": []}


def test_a_token_is_used_once(peer: Peer) -> None:
    peer.spawn("cat")
    assert error_code(peer.ask("spawn", **ORDER)) == "malformed"


def test_another_version_is_refused(knock: Callable[[], Peer]) -> None:
    peer = knock()
    assert error_code(peer.ask("hello", version=VERSION + 1)) == "version"
    assert error_code(peer.ask("list")) == "not_served"


def test_hello_hands_over_the_staging(knock: Callable[[], Peer]) -> None:
    packet = knock().ask("hello", version=VERSION)
    pipe_out, pipe_in, page = packet.fds
    assert os.write(pipe_in, b"through") == 7
    assert os.read(pipe_out, 10) == b"through"
    with pytest.raises(BlockingIOError):
        os.read(pipe_out, 1)
    assert os.fstat(page).st_size == 4096
    packet.close()


def test_the_staging_outlives_the_server(knock: Callable[[], Peer]) -> None:
    first = knock()
    packet = first.ask("hello", version=VERSION)
    os.write(packet.fds[1], b"left over")
    os.pwrite(packet.fds[2], b"whose", 0)
    packet.close()
    first.close()
    packet = knock().ask("hello", version=VERSION)
    assert os.read(packet.fds[0], 20) == b"left over"
    assert os.pread(packet.fds[2], 5, 0) == b"whose"
    packet.close()


def test_one_server_at_a_time(peer: Peer, knock: Callable[[], Peer]) -> None:
    second = knock()
    assert error_code(second.ask("hello", version=VERSION)) == "busy"
    assert error_code(second.ask("spawn", **ORDER)) == "not_served"
    assert error_code(second.ask("shutdown", grace_s=0)) == "busy"
    assert "ok" in peer.ask("list").message
    peer.close()
    assert "ok" in second.hello()


def test_a_dead_server_is_replaced_though_its_messages_wait(knock: Callable[[], Peer]) -> None:
    first = knock()
    first.hello()
    second = knock()
    for _ in range(20):
        first.send("list")
    second.send("hello", version=VERSION)
    first.close()
    reply = second.reply()
    if "error" in reply.message:  # it was read before the first one was closed
        assert error_code(reply) == "busy"
        second.hello()
    assert "ok" in second.ask("list").message


def test_many_knock_and_the_server_is_served_on(peer: Peer, knock: Callable[[], Peer]) -> None:
    crowd = [knock() for _ in range(100)]
    assert "ok" in peer.ask("list").message
    for one in crowd:
        one.close()
    peer.settle()
    late = knock()
    assert error_code(late.ask("list")) == "not_served"


def test_descriptors_that_nobody_asked_for_are_closed(peer: Peer) -> None:
    pid = peer.hello()["ok"]["pid"]  # type: ignore[index]
    before = descriptors(pid)
    for _ in range(10):
        peer.ask("list", [0, 0, 0, 0])
        peer.ask("spawn", [0, 0, 0, 0], **{**ORDER, "argv": ["no-such-command"]})
        peer.ask("take", [0], token="nothing-here")
    peer.settle()
    assert descriptors(pid) == before


def test_a_server_that_does_not_read_does_not_fill_the_keeper(peer: Peer, knock: Callable[[], Peer]) -> None:
    peer.spawn("cat", record="r" * 30_000)
    taken = 0
    while not peer.link.backlog:
        peer.send("take", token=TOKEN)
        taken += 1
    other = knock()
    assert error_code(other.ask("list")) == "not_served"
    answered = 0
    while answered < taken:
        packet = peer.reply()
        packet.close()
        assert "ok" in packet.message
        answered += 1
        peer.link.flush()


def test_the_record_is_kept_and_replaced(peer: Peer) -> None:
    peer.spawn("cat", record="first\udcff")
    peer.ask("keep", token=TOKEN, record="second\udcfe")
    packet = peer.ask("take", token=TOKEN)
    assert packet.message["ok"]["record"] == "second\udcfe"  # type: ignore[index]
    assert error_code(peer.ask("keep", token=TOKEN, record="x" * 32_769)) == "too_big"
    packet.close()


def test_a_running_program_is_not_forgotten(peer: Peer) -> None:
    peer.spawn("cat")
    assert error_code(peer.ask("forget", token=TOKEN)) == "malformed"


@pytest.mark.parametrize("name", ["", "SEGV", "SIGINT", "int", "9"])
def test_only_known_signals(peer: Peer, name: str) -> None:
    peer.spawn("cat")
    assert error_code(peer.ask("signal", token=TOKEN, name=name, to="foreground")) == "malformed"

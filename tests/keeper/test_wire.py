from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.keeper.conftest import pair
from webterm.keeper.wire import (
    MAX_FDS,
    MAX_MESSAGE,
    KeeperError,
    Message,
    decode,
    encode,
    mapping,
    number,
    seconds,
    socket_path,
    text,
    texts,
)


def test_every_byte_survives_as_text() -> None:
    raw = bytes(range(256)) * 2
    message = decode(encode({"record": raw.decode("utf-8", "surrogateescape")}))
    assert text(message, "record").encode("utf-8", "surrogateescape") == raw


@pytest.mark.parametrize("data", [b"x", b"[]", b"1", b"null", b"{", b'{"a":', b"[" * 100_000, b"\xff\xff", b"{}{}"])
def test_what_is_no_object_is_refused(data: bytes) -> None:
    with pytest.raises(KeeperError) as caught:
        decode(data)
    assert caught.value.code == "malformed"


def test_too_big_is_refused_before_it_is_sent() -> None:
    with pytest.raises(KeeperError) as caught:
        encode({"record": "x" * MAX_MESSAGE})
    assert caught.value.code == "too_big"


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(KeeperError) as caught:
        encode({"record": "\ud800"})
    assert caught.value.code == "malformed"


@pytest.mark.parametrize(
    ("take", "value"),
    [
        (text, 1),
        (text, None),
        (texts, ["a", 1]),
        (texts, "a"),
        (mapping, {"a": 1}),
        (mapping, []),
        (seconds, -1),
        (seconds, float("nan")),
        (seconds, True),
        (lambda m, k: number(m, k, 1, 5), 6),
        (lambda m, k: number(m, k, 1, 5), True),
        (lambda m, k: number(m, k, 1, 5), 1.0),
    ],
)
def test_wrong_types_are_refused(take: object, value: object) -> None:
    assert callable(take)
    with pytest.raises(KeeperError):
        take({"field": value}, "field")


def test_descriptors_arrive_and_are_not_inherited() -> None:
    left, right = pair()
    file = os.memfd_create("test")
    os.write(file, b"inside")
    left.send({"id": 1}, [file])
    os.close(file)
    packet = right.receive()
    assert os.pread(packet.fds[0], 10, 0) == b"inside"
    assert not os.get_inheritable(packet.fds[0])
    packet.close()
    left.close()
    right.close()


def test_too_many_descriptors_are_noticed_and_none_leaks() -> None:
    left, right = pair()
    before = len(list(Path("/proc/self/fd").iterdir()))
    left.send({"id": 1}, [0] * (MAX_FDS + 1))
    packet = right.receive()
    assert packet.message["descriptors_lost"] is True
    packet.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    left.close()
    right.close()


def test_what_cannot_be_sent_waits_with_its_descriptors_and_keeps_its_order() -> None:
    left, right = pair()
    sent = 0
    while not left.backlog:
        left.send({"id": sent, "record": "x" * 50_000})
        sent += 1
    file = os.memfd_create("test")
    left.send({"id": sent}, [file])
    os.close(file)
    received: list[Message] = []
    while len(received) <= sent:
        packet = right.receive()
        received.append(packet.message)
        left.flush()
    assert [message["id"] for message in received] == list(range(sent + 1))
    assert len(packet.fds) == 1
    packet.close()
    left.close()
    right.close()


def test_the_end_is_told() -> None:
    left, right = pair()
    left.send({"id": 1})
    left.close()
    assert right.receive().message == {"id": 1}
    with pytest.raises(EOFError):
        right.receive()
    right.close()


def test_a_long_path_goes_by_a_descriptor(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 200)
    long.mkdir()
    with socket_path(long) as path, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        sock.bind(path)
    assert (long / "keeper.sock").is_socket()

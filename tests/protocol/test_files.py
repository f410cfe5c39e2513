"""Files as messages: requests with numbers, watches, and nothing for those who may not."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import get_args

import pytest

from tests.protocol.conftest import Message, Peer
from tests.terminals.places import anywhere
from tests.work.desk import Desk, desk_in
from webterm.access import Actor, Role, Scope
from webterm.hub.hub import Hub
from webterm.protocol.connection import Connection
from webterm.protocol.file_messages import LARGEST_PIECE, LARGEST_WRITE, FileRequest, FromClientAboutFiles
from webterm.protocol.files import UNDER_WAY, WRITING, FileSpeaker
from webterm.protocol.message import type_of
from webterm.terminals.rules import TerminalRules

MOST_WATCHES = 12


class FilePeer(Peer):
    """The client's side of a conversation that is about files, too."""

    def __init__(self, hub: Hub, desk: Desk, actor: Actor) -> None:
        super().__init__(hub, actor, False, None)
        self.connection = Connection(
            TerminalRules(hub, anywhere),
            actor,
            binary=False,
            wake=self._woken.set,
            speakers=[partial(FileSpeaker, files=desk.files, watches=desk.watches)],
        )
        self._workspace = desk.id
        self._number = 0

    def ask(self, type_: str, **fields: object) -> int:
        """Send a request about the workspace; its number."""
        self._number += 1
        self.send(type_, **{"request": self._number, "workspace": self._workspace, **fields})
        return self._number

    async def told(self, number: int) -> Message:
        """The answer to a request; other answers that come before it are dropped."""
        while True:
            message = await self.next()
            if isinstance(message, dict) and message.get("request") == number:
                return message

    async def has_more(self) -> None:
        """Wait until there is a frame more, and take none."""
        self._woken.clear()
        async with asyncio.timeout(30):
            await self._woken.wait()

    async def asked(self, type_: str, **fields: object) -> Message:
        """A request and its answer."""
        return await self.told(self.ask(type_, **fields))


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk_in(tmp_path, most_watches=MOST_WATCHES) as desk:
        yield desk


class Room:
    """Makes peers, who all leave in the end."""

    def __init__(self, hub: Hub, desk: Desk, stack: AsyncExitStack) -> None:
        self._hub = hub
        self._desk = desk
        self._stack = stack

    def enter(self, actor: Actor) -> FilePeer:
        peer = FilePeer(self._hub, self._desk, actor)
        self._stack.push_async_callback(peer.connection.aclose)
        self._stack.callback(peer.connection.leave)
        return peer


@pytest.fixture
async def room(hub: Hub, desk: Desk) -> AsyncIterator[Room]:
    async with AsyncExitStack() as stack:
        yield Room(hub, desk, stack)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


async def test_a_file_lives_from_write_to_remove(room: Room, desk: Desk) -> None:
    peer = room.enter(desk.ann)
    made = await peer.asked("write_file", path="notes/a.txt", data=b64(b"hello"), parents=True, executable=True)
    assert made["type"] == "file"
    tag = made["entry"]["tag"]
    assert (made["entry"]["path"], made["entry"]["size"], made["entry"]["executable"]) == ("notes/a.txt", 5, True)
    assert (desk.top / "notes" / "a.txt").read_bytes() == b"hello"
    read = await peer.asked("read_file", path="notes/a.txt", offset=1, length=3)
    assert (read["type"], read["offset"], base64.b64decode(read["data"])) == ("file_data", 1, b"ell")
    assert read["entry"]["tag"] == tag
    assert base64.b64decode((await peer.asked("read_file", path="notes/a.txt", offset=99))["data"]) == b""
    assert (await peer.asked("stat_file", path="notes/a.txt"))["entry"] == made["entry"]
    listed = await peer.asked("list_files", depth=2)
    assert [entry["path"] for entry in listed["items"]] == ["notes", "notes/a.txt"]
    assert ("next" in listed, listed["type"]) == (False, "files")
    plain = await peer.asked("set_executable", path="notes/a.txt", executable=False)
    assert plain["entry"]["executable"] is False
    moved = await peer.asked("move_file", source="notes/a.txt", target="b.txt")
    copied = await peer.asked("copy_file", source="b.txt", target="c.txt")
    directory = await peer.asked("make_directory", path="x/y", parents=True)
    assert [each["entry"]["path"] for each in (moved, copied, directory)] == ["b.txt", "c.txt", "x/y"]
    found = await peer.asked("search_files", query="hell", content=True)
    assert found["complete"] is True
    assert sorted((item["path"], item["line"]) for item in found["items"]) == [("b.txt", 1), ("c.txt", 1)]
    assert (await peer.asked("remove_file", path="x"))["code"] == "directory_not_empty"
    assert (await peer.asked("remove_file", path="x", recursive=True))["type"] == "done"
    assert not (desk.top / "x").exists()


async def test_pages_of_a_directory(room: Room, desk: Desk) -> None:
    for number in range(5):
        (desk.top / f"f{number}").touch()
    peer = room.enter(desk.ann)
    first = await peer.asked("list_files", limit=3)
    second = await peer.asked("list_files", limit=3, after=first["next"])
    assert [entry["name"] for page in (first, second) for entry in page["items"]] == [f"f{n}" for n in range(5)]


async def test_nobody_overwrites_what_they_have_not_seen(room: Room, desk: Desk) -> None:
    peer = room.enter(desk.ann)
    first = (await peer.asked("write_file", path="f", data=b64(b"1"), expected=None))["entry"]["tag"]
    taken = await peer.asked("write_file", path="f", data=b64(b"2"), expected=None)
    assert (taken["code"], taken["current"]) == ("edit_conflict", first)
    second = (await peer.asked("write_file", path="f", data=b64(b"2"), expected=first))["entry"]["tag"]
    late = await peer.asked("write_file", path="f", data=b64(b"3"), expected=first)
    assert (late["code"], late["expected"], late["current"]) == ("edit_conflict", first, second)
    assert (await peer.asked("write_file", path="f", data=b64(b"4")))["type"] == "file"
    assert (desk.top / "f").read_bytes() == b"4"


async def test_names_that_are_not_text(room: Room, desk: Desk) -> None:
    (desk.top / os.fsdecode(b"caf\xe9")).write_bytes(b"1")
    peer = room.enter(desk.ann)
    (entry,) = (await peer.asked("list_files"))["items"]
    assert (entry["name"], entry["encoded"]) == ("caf\ufffd", "caf%E9")
    assert (await peer.asked("read_file", path=entry["path"]))["code"] == "no_such_file"
    assert base64.b64decode((await peer.asked("read_file", path=entry["encoded"], encoded=True))["data"]) == b"1"
    moved = await peer.asked("move_file", source="caf%E9", target="caf%C3%A9", encoded=True)
    assert moved["entry"]["path"] == "caf\u00e9"


async def test_paths_that_are_none(room: Room, desk: Desk) -> None:
    peer = room.enter(desk.ann)
    outside = desk.top.parent.parent / "x"
    outside.write_text("not for you")
    for path in ("..", "../x", "a/../../x", "/etc/passwd", ".", "a//b", "a\0b", "x" * 256, "y/" * 2100 + "y"):
        for encoded in (False, True):
            answer = await peer.asked("read_file", path=path, encoded=encoded)
            assert answer["code"] in ("invalid_path", "outside_workspace"), path
            answer = await peer.asked("write_file", path=path, encoded=encoded, data=b64(b"bad"))
            assert answer["code"] in ("invalid_path", "outside_workspace"), path
    for path in ("%2e%2e/x", "..%2fx", "%00", "%zz", "%"):
        answer = await peer.asked("read_file", path=path, encoded=True)
        assert answer["code"] in ("invalid_path", "outside_workspace"), path
    peer.connection.receive_text(
        b'{"type":"stat_file","request":7,"workspace":"%s","path":"\\ud800"}' % desk.id.encode()
    )
    await peer.expect("error", code="invalid_request")  # which is no JSON that could be read to its number
    assert list(desk.top.iterdir()) == []


async def test_what_is_wrong_is_told_with_its_number(room: Room, desk: Desk) -> None:
    peer = room.enter(desk.ann)
    for fields in (
        {"length": LARGEST_PIECE + 1, "path": "f"},
        {"length": -1, "path": "f"},
        {"offset": 2**63, "path": "f"},
        {"path": 1},
        {},
    ):
        assert (await peer.asked("read_file", **fields))["code"] == "invalid_request"
    for data in (b64(bytes(LARGEST_WRITE + 1)), "!", "YQ"):
        assert (await peer.asked("write_file", path="f", data=data))["code"] == "invalid_request"
    for number in (0, -1, 2**31, "1", None):
        peer.send("stat_file", request=number, workspace=desk.id, path="f")
        assert (await peer.expect("error"))["code"] == "invalid_request"
    assert list(desk.top.iterdir()) == []


REQUESTS: dict[str, dict[str, object]] = {
    "list_files": {},
    "stat_file": {"path": "f"},
    "read_file": {"path": "f"},
    "write_file": {"path": "f", "data": b64(b"bad")},
    "make_directory": {"path": "d"},
    "move_file": {"source": "f", "target": "g"},
    "copy_file": {"source": "f", "target": "g"},
    "set_executable": {"path": "f", "executable": True},
    "remove_file": {"path": "f"},
    "search_files": {"query": "f"},
    "watch": {"path": ""},
}


def test_every_request_is_thought_of() -> None:
    kinds = [cls for cls in get_args(FromClientAboutFiles) if issubclass(cls, FileRequest)]
    assert {type_of(kind) for kind in kinds} == set(REQUESTS)


async def test_who_may_what(room: Room, desk: Desk) -> None:
    """By role in the workspace and by the proof's scopes; other people's is as one that there is not."""
    (desk.top / "f").write_text("ours")
    writing = {type_of(kind) for kind in WRITING}
    looking = replace(desk.ann, scopes=frozenset({Scope.TERMINALS_READ, Scope.WORKSPACES_READ}))
    nothing = replace(desk.ann, scopes=frozenset({Scope.TERMINALS_READ, Scope.TERMINALS_WRITE}))
    reader, stranger, looker, other = (room.enter(who) for who in (desk.cal, desk.dan, looking, nothing))
    missing = "00000000-0000-4000-8000-000000000000"
    for kind, fields in REQUESTS.items():
        theirs = await stranger.asked(kind, **fields)
        none = await stranger.asked(kind, **fields, workspace=missing)
        assert (theirs["code"], none["code"]) == ("no_such_workspace",) * 2
        assert theirs["message"].replace(desk.id, "") == none["message"].replace(missing, "")
        assert (await other.asked(kind, **fields))["code"] == "missing_scope"
        if kind in writing:
            assert (await reader.asked(kind, **fields))["code"] == "read_only"
            assert (await looker.asked(kind, **fields))["code"] == "missing_scope"
        else:
            assert (await reader.asked(kind, **fields))["type"] != "error"
            assert (await looker.asked(kind, **fields))["type"] != "error"
    assert [path.name for path in desk.top.iterdir()] == ["f"]
    assert (desk.top / "f").read_text() == "ours"


async def test_requests_under_way_have_a_bound(room: Room, desk: Desk) -> None:
    peer = room.enter(desk.ann)
    numbers = [peer.ask("list_files") for _ in range(UNDER_WAY + 8)]
    answers: dict[int, str] = {}
    while len(answers) < len(numbers):
        message = await peer.next()
        assert isinstance(message, dict)
        answers[message["request"]] = message.get("code", "fine")
    assert [answers[number] for number in numbers] == ["fine"] * UNDER_WAY + ["limit_reached"] * 8
    assert (await peer.asked("list_files"))["type"] == "files"


# Watches.


async def test_what_changes_is_told(room: Room, desk: Desk) -> None:
    (desk.top / "d").mkdir()
    peer = room.enter(desk.ann)
    watching = await peer.asked("watch", path="d")
    assert (watching["type"], watching["entry"]["kind"]) == ("watching", "directory")
    (desk.top / "d" / os.fsdecode(b"new\xff")).write_text("1")
    told = await peer.expect("file_changed", watch=watching["watch"], path="d", workspace=desk.id)
    assert told["changes"][0] == {"name": "new\ufffd", "kind": "created", "encoded": "new%FF"}
    (desk.top / "d" / os.fsdecode(b"new\xff")).rename(desk.top / "d" / "other")
    kinds: dict[str, str] = {}
    while not {"new\ufffd", "other"} <= set(kinds) or kinds["new\ufffd"] == "created":
        told = await peer.expect("file_changed")
        kinds |= {change["name"]: change["kind"] for change in told["changes"]}
    assert kinds["new\ufffd"] in ("moved", "removed")
    assert (await peer.asked("watch", path="d/other"))["code"] == "not_a_directory"
    assert (await peer.asked("watch", path="missing"))["code"] == "no_such_file"


async def test_nothing_is_told_after_unwatch(room: Room, desk: Desk) -> None:
    peer = room.enter(desk.ann)
    first = (await peer.asked("watch"))["watch"]
    second = (await peer.asked("watch"))["watch"]
    peer.send("unwatch", watch=first)
    peer.send("unwatch", watch=first)
    peer.send("unwatch", watch=999_999)
    (desk.top / "f").touch()
    assert (await peer.expect("file_changed"))["watch"] == second


async def test_a_watch_ends_with_the_directory_and_with_the_right(room: Room, desk: Desk) -> None:
    (desk.top / "d").mkdir()
    peer, member = room.enter(desk.ann), room.enter(desk.ben)
    gone = (await peer.asked("watch", path="d"))["watch"]
    theirs = (await member.asked("watch"))["watch"]
    (desk.top / "d").rmdir()
    assert (await peer.expect("file_changed", watch=gone, ended=True))["ended"]
    await desk.member(desk.ben, None)
    assert (await member.expect("file_changed", watch=theirs, ended=True))["ended"]
    await desk.member(desk.ben, Role.WRITE)
    assert (await member.asked("watch"))["type"] == "watching"


async def test_who_is_too_slow_is_told_to_look_anew(room: Room, desk: Desk) -> None:
    slow, quick = room.enter(desk.ann), room.enter(desk.ann)
    (desk.top / "f").write_bytes(bytes(LARGEST_PIECE))
    watch = (await slow.asked("watch"))["watch"]
    await quick.asked("watch")
    numbers = {slow.ask("read_file", path="f") for _ in range(8)}  # more than waits as frames for whoever takes none
    for name in ("a", "b", "c", "d"):
        (desk.top / name).touch()
        told = set()
        while name not in told:
            event = await quick.expect("file_changed")
            told |= {change["name"] for change in event["changes"]}
    events: list[Message] = []
    while numbers or not events:
        message = await slow.next()
        assert isinstance(message, dict)
        numbers.discard(message.get("request", 0))
        events += [message] if message["type"] == "file_changed" else []
    assert [(event["watch"], event["refresh"], event["changes"]) for event in events] == [(watch, True, [])]


async def test_who_is_too_slow_may_give_up_watching(room: Room, desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    slow, quick = room.enter(desk.ann), room.enter(desk.ann)
    (desk.top / "f").write_bytes(bytes(LARGEST_PIECE))
    watch = (await slow.asked("watch"))["watch"]
    await quick.asked("watch")
    slow.ask("read_file", path="f")
    await slow.has_more()  # more than waits as a frame for whoever takes none
    (desk.top / "a").touch()
    await quick.expect("file_changed")
    slow.send("unwatch", watch=watch)
    assert [message["type"] for message in slow.drain() if isinstance(message, dict)] == ["file_data"]
    again = (await slow.asked("watch"))["watch"]
    (desk.top / "b").touch()
    assert (await slow.expect("file_changed"))["watch"] == again
    assert not caplog.records


async def test_a_person_has_a_bounded_number_of_watches(room: Room, desk: Desk) -> None:
    peer = room.enter(desk.ann)
    for _ in range(MOST_WATCHES):
        assert (await peer.asked("watch"))["type"] == "watching"
    assert (await peer.asked("watch"))["code"] == "too_many_watches"


async def test_leaving_ends_everything(room: Room, desk: Desk) -> None:
    peer = room.enter(desk.ann)
    await peer.asked("watch")
    for number in range(UNDER_WAY):
        peer.ask("write_file", path=f"f{number}", data=b64(bytes(1000)))
    peer.connection.leave()
    await peer.connection.aclose()
    assert peer.drain() == []
    assert {path.stat().st_size for path in desk.top.iterdir()} <= {1000}
    again = room.enter(desk.ann)
    for _ in range(MOST_WATCHES):
        assert (await again.asked("watch"))["type"] == "watching"

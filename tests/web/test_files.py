"""Files over HTTP: one call for each thing, exact paths, and nothing for those who may not."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.web.conftest import Running, started
from tests.web.filing import Desk, admit, desk_of, percent
from tests.web.proofs import NOBODYS
from webterm.settings import Local
from webterm.settings_accounts import Limits, Tier


@pytest.fixture
async def running(directory: Path) -> AsyncIterator[Running]:
    async with started(directory, local=Local(isolation="none")) as running:
        yield running


@pytest.fixture
async def desk(running: Running) -> Desk:
    return await desk_of(running, "ann")


async def test_a_file_lives_from_put_to_delete(desk: Desk) -> None:
    new = await desk.ask("PUT", "files/notes/a%20b.txt?parents=1", b"hello\n")
    assert (new.status, new.json["path"], new.json["name"], new.json["size"]) == (201, "notes/a b.txt", "a b.txt", 6)
    assert new.headers["ETag"] == f'"{new.json["tag"]}"'
    assert new.headers["Location"].endswith("/files/notes/a%20b.txt")
    assert (desk.files / "notes/a b.txt").read_bytes() == b"hello\n"
    seen = await desk.ask("GET", "stat/notes/a%20b.txt")
    assert (seen.status, seen.json) == (200, new.json)
    again = await desk.ask("PUT", "files/notes/a%20b.txt?executable=1", b"hello again\n")
    assert (again.status, again.json["executable"], "Location" in again.headers) == (200, True, False)
    assert again.json["tag"] != new.json["tag"]
    plain = await desk.ask("PATCH", "files/notes/a%20b.txt", body={"executable": False})
    assert (plain.status, plain.json["executable"]) == (200, False)
    moved = await desk.ask("POST", "move", body={"source": "notes/a b.txt", "target": "b.txt"})
    assert (moved.status, moved.json["path"]) == (200, "b.txt")
    copied = await desk.ask("POST", "copy", body={"source": "notes", "target": "more"})
    assert (copied.status, copied.json["kind"]) == (200, "directory")
    made = await desk.ask("POST", "directories/x/y/z?parents=1")
    assert (made.status, made.json["path"]) == (201, "x/y/z")
    assert (await desk.ask("DELETE", "files/b.txt")).status == 204
    assert (await desk.ask("DELETE", "files/x")).json["code"] == "directory_not_empty"
    assert (await desk.ask("DELETE", "files/x?recursive=1")).status == 204
    assert sorted(path.name for path in desk.files.iterdir()) == ["more", "notes"]


async def test_what_is_in_a_directory_comes_in_pages(desk: Desk) -> None:
    for number in range(5):
        (desk.files / f"f{number}").write_bytes(b"x" * number)
    (desk.files / ".hidden").touch()
    (desk.files / "sub").mkdir()
    (desk.files / "sub" / "deep").touch()
    names, after, pages = [], "", 0
    while True:
        page = (await desk.ask("GET", f"tree?limit=2&depth=2{after and '&after=' + percent(after.encode())}")).json
        names += [entry["path"] for entry in page["items"]]
        pages += 1
        if page["next"] is None:
            break
        after = page["next"]
    assert names == ["f0", "f1", "f2", "f3", "f4", "sub", "sub/deep"]
    assert pages == 4
    everything = (await desk.ask("GET", "tree?hidden=1")).json
    assert [entry["path"] for entry in everything["items"]] == [".hidden", "f0", "f1", "f2", "f3", "f4", "sub"]
    below = (await desk.ask("GET", "tree/sub")).json
    assert [entry["path"] for entry in below["items"]] == ["sub/deep"]
    assert (await desk.ask("GET", "tree/f1")).code == "not_a_directory"
    for wrong in ("depth=0", "depth=33", "limit=0", "limit=5001", "hidden=yes", "limit=x", "after=%25zz"):
        assert (await desk.ask("GET", f"tree?{wrong}")).status == 400, wrong


async def test_names_that_are_not_text(desk: Desk) -> None:
    name = b"caf\xe9\n<b>\xff"
    made = await desk.ask("PUT", f"files/{percent(name)}", b"1")
    assert (made.status, made.json["name"]) == (201, "caf\ufffd\n<b>\ufffd")
    assert (desk.files / os.fsdecode(name)).read_bytes() == b"1"
    (listed,) = (await desk.ask("GET", "tree")).json["items"]
    assert (await desk.ask("GET", f"files/{listed['encoded']}")).body == b"1"
    way = {"source": listed["encoded"], "target": "d%C3%A9j%C3%A0", "encoded": True}
    moved = (await desk.ask("POST", "move", body=way)).json
    assert (moved["path"], "encoded" in moved) == ("d\u00e9j\u00e0", False)
    (found,) = (await desk.ask("GET", "search?query=J%C3%80")).json["items"]
    assert found == {"path": "d\u00e9j\u00e0"}


# Attack 25: paths that would lead elsewhere.

AWAY = [
    "..",
    "../x",
    "%2e%2e",
    "%2e%2e/x",
    "%2E%2E%2Fx",
    "..%2fx",
    "a/../../x",
    "a/%2e%2e/%2e%2e/x",
    "/etc/passwd",
    "%2Fetc%2Fpasswd",
    "/%2e%2e/x",
    "a/..",
]
NONSENSE = ["a%00b", "%00", ".", "./a", "a/./b", "a//b", "a/", "%", "%4", "%zz", "a%2", "x" * 256, "y/" * 2100 + "y"]


CALLS = (
    ("GET", "files", b""),
    ("GET", "stat", b""),
    ("GET", "tree", b""),
    ("GET", "archive", b""),
    ("PUT", "files", b"mine"),
    ("DELETE", "files", b""),
    ("POST", "directories", b""),
)


async def test_paths_that_are_none(desk: Desk) -> None:
    (desk.files / "a").mkdir()
    for aim in (desk.files.parent / "x", desk.files.parent.parent / "x"):
        aim.write_text("not for you")
    before = desk.left_behind()
    for target, (method, resource, body) in itertools.product([*AWAY, *NONSENSE], CALLS):
        answer = await desk.raw(method, f"{resource}/{target}", body)
        assert answer.status in (400, 403), (method, resource, target, answer)
        assert answer.code in ("invalid_path", "outside_workspace"), (target, answer.body)
        assert b"not for you" not in answer.body
    assert desk.left_behind() == before


ODD = {
    "..%5cx": b"..\\x",
    "..%5C..%5Cx": b"..\\..\\x",
    "C:%5Cx": b"C:\\x",
    "~": b"~",
    "~root": b"~root",
    "...": b"...",
    "%252e%252e": b"%2e%2e",
    "nul": b"nul",
    "a%2Bb+c": b"a+b+c",
    "sp%20ace": b"sp ace",
    "que%3Fry%23frag": b"que?ry#frag",
    "%F0%9F%90%8D": "\U0001f40d".encode(),
    "%ed%a0%80": b"\xed\xa0\x80",
    "%c0%ae%c0%ae": b"\xc0\xae\xc0\xae",
    "%0d%0aX-Evil:1": b"\r\nX-Evil:1",
    "%ff": b"\xff",
    "-rf": b"-rf",
    "con%7C%22%3Cscript%3E": b'con|"<script>',
}


async def test_odd_names_are_names(desk: Desk) -> None:
    """Backslashes, drive letters, tildes and dots are characters; what is sent is what is on the disk."""
    for target in ODD:
        answer = await desk.raw("PUT", f"files/{target}", target.encode())
        assert answer.status == 201, (target, answer)
    assert {os.fsencode(path.name) for path in desk.files.iterdir()} == set(ODD.values())
    for target in ODD:
        read = await desk.raw("GET", f"files/{target}")
        assert (read.status, read.body) == (200, target.encode())


async def test_bytes_that_no_url_has(desk: Desk) -> None:
    for target in ("\xc3\xa9", "\xff", "a\tb", "a\x01b"):
        assert (await desk.raw("PUT", f"files/{target}", b"mine")).status == 400
    assert list(desk.files.iterdir()) == []


async def test_slashes_are_slashes_however_they_are_written(desk: Desk) -> None:
    (desk.files / "a").mkdir()
    (desk.files / "a" / "b").write_text("1")
    for target in ("a/b", "a%2Fb", "a%2fb", "%61/b"):
        assert (await desk.raw("GET", f"files/{target}")).body == b"1", target


async def test_the_workspace_in_the_url_is_no_path(desk: Desk) -> None:
    for workspace in ("..", ".", "%2e%2e", f"{desk.workspace}%2f..", f"{desk.workspace}/..", "*", "%00"):
        other = Desk(desk.running, desk.proof, workspace)
        answer = await other.raw("GET", "files/x")
        assert answer.status in (400, 404), workspace


async def test_a_neighbour_whose_name_begins_the_same(running: Running, desk: Desk) -> None:
    """The prefix sibling: a directory beside the files whose path begins with theirs."""
    sibling = desk.files.with_name("files0")
    sibling.mkdir()
    (sibling / "x").write_text("not for you")
    for target in ("../files0/x", "%2e%2e/files0/x", "..%2ffiles0%2fx"):
        answer = await desk.raw("GET", f"files/{target}")
        assert answer.code in ("outside_workspace", "invalid_path")


async def test_letters_of_other_case_are_others(desk: Desk) -> None:
    (desk.files / "readme").write_text("small")
    assert (await desk.ask("GET", "files/README")).code == "no_such_file"


# Attack 26 over HTTP; the races are tested where the paths are opened.


async def test_links_pipes_and_devices(desk: Desk) -> None:
    outside = desk.running.directory / "outside.txt"
    outside.write_text("not for you")
    (desk.files / "inside").write_text("fine")
    (desk.files / "good").symlink_to("inside")
    (desk.files / "bad").symlink_to(outside)
    (desk.files / "up").symlink_to("../..")
    (desk.files / "proc").symlink_to("/proc/self/root")
    (desk.files / "nowhere").symlink_to("missing")
    os.mkfifo(desk.files / "pipe")
    async with asyncio.timeout(30):
        assert (await desk.ask("GET", "files/good")).body == b"fine"
        for name in ("bad", "up/outside.txt", "proc/etc/passwd", "proc"):
            answer = await desk.ask("GET", f"files/{name}")
            assert answer.code in ("outside_workspace", "no_such_file"), name
        for method, data in (("GET", None), ("PUT", b"x")):
            assert (await desk.ask(method, "files/pipe", data)).code == "not_a_file"
        assert (await desk.ask("PUT", "files/bad", b"mine")).code == "outside_workspace"
        kinds = {
            entry["name"]: (entry["kind"], entry.get("target"))
            for entry in (await desk.ask("GET", "tree")).json["items"]
        }
    assert kinds["good"] == ("link", "file")
    assert kinds["bad"] == kinds["nowhere"] == kinds["proc"] == ("link", None)
    assert kinds["pipe"] == ("other", None)
    assert outside.read_text() == "not for you"


# Who may.

EVERYTHING = [
    ("GET", "tree", None),
    ("GET", "tree/d", None),
    ("GET", "stat/f", None),
    ("GET", "files/f", None),
    ("GET", "archive", None),
    ("GET", "archive/d", None),
    ("GET", "search?query=f", None),
    ("PUT", "files/f", b"mine"),
    ("PATCH", "files/f", {"executable": True}),
    ("DELETE", "files/f", None),
    ("POST", "directories/n", None),
    ("POST", "move", {"source": "f", "target": "g"}),
    ("POST", "copy", {"source": "f", "target": "g"}),
    ("POST", "uploads", {"path": "u", "size": 3}),
    ("GET", f"uploads/{NOBODYS}", None),
    ("PUT", f"uploads/{NOBODYS}?offset=0", b"abc"),
    ("DELETE", f"uploads/{NOBODYS}", None),
    ("POST", "upload", "form"),
    ("POST", "upload/d", "form"),
]
FORM = b'--B\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nmine\r\n--B--\r\n'


async def asked(desk: Desk, method: str, rest: str, what: object) -> tuple[int, str]:
    if what == "form":
        answer = await desk.ask(method, rest, FORM, Content_Type="multipart/form-data; boundary=B")
    elif isinstance(what, bytes):
        answer = await desk.ask(method, rest, what)
    else:
        answer = await desk.ask(method, rest, body=what)
    return answer.status, answer.code if answer.status >= 400 else ""


async def test_other_peoples_workspaces_are_not_there(running: Running, desk: Desk) -> None:
    """Word for word as one that never was, for everybody who is no member, the server's admins included."""
    (desk.files / "f").write_text("not for you")
    (desk.files / "d").mkdir()
    stranger = await desk_of(running, "ben")
    before = desk.left_behind()
    for method, rest, what in EVERYTHING:
        theirs = await asked(Desk(running, stranger.proof, desk.workspace), method, rest, what)
        none = await asked(Desk(running, stranger.proof, "00000000-0000-4000-8000-000000000000"), method, rest, what)
        assert theirs == none == (404, "no_such_workspace"), (method, rest)
    assert desk.left_behind() == before
    assert (desk.files / "f").read_text() == "not for you"


async def test_who_may_only_read_changes_nothing(desk: Desk) -> None:
    (desk.files / "f").write_text("ours")
    (desk.files / "d").mkdir()
    reader = Desk(desk.running, await admit(desk, "cal", "read"), desk.workspace)
    before = desk.left_behind()
    for method, rest, what in EVERYTHING:
        status, code = await asked(reader, method, rest, what)
        if method == "GET":
            assert status == 200 or rest.startswith("uploads/"), rest  # whose maker one can only be by writing
        else:
            assert (status, code) == (403, "read_only"), (method, rest)
    assert desk.left_behind() == before


async def test_writing_members_write(desk: Desk) -> None:
    writer = Desk(desk.running, await admit(desk, "dan", "write"), desk.workspace)
    assert (await writer.ask("PUT", "files/f", b"ours")).status == 201
    assert (await desk.ask("GET", "files/f")).body == b"ours"


# Nobody overwrites what they have not seen.


async def test_writing_only_what_one_has_seen(desk: Desk) -> None:
    first = (await desk.ask("PUT", "files/f", b"1", If_None_Match="*")).json["tag"]
    refused = await desk.ask("PUT", "files/f", b"2", If_None_Match="*")
    assert (refused.status, refused.code, refused.json["current"]) == (412, "edit_conflict", first)
    second = await desk.ask("PUT", "files/f", b"2", If_Match=f'"{first}"')
    assert second.status == 200
    late = await desk.ask("PUT", "files/f", b"3", If_Match=f'"{first}"')
    assert (late.status, late.json["expected"], late.json["current"]) == (412, first, second.json["tag"])
    assert (desk.files / "f").read_bytes() == b"2"
    assert (await desk.ask("PUT", "files/f", b"4", If_Match="*")).status == 200
    gone = await desk.ask("PUT", "files/g", b"4", If_Match="*")
    assert (gone.status, gone.json["current"]) == (412, None)
    gone = await desk.ask("PUT", "files/g", b"4", If_Match=f'"{first}"')
    assert (gone.status, gone.json["current"]) == (412, None)
    wrongs = ({"If_Match": first}, {"If_Match": f'W/"{first}"'}, {"If_Match": '"a", "b"'}, {"If_None_Match": '"a"'})
    for wrong in wrongs:
        assert (await desk.ask("PUT", "files/f", b"5", **wrong)).status == 400, wrong
    assert (await desk.ask("PUT", "files/f", b"5", If_Match="*", If_None_Match="*")).status == 400
    assert sorted(path.name for path in desk.files.iterdir()) == ["f"]


async def test_a_change_in_the_shell_is_seen(desk: Desk) -> None:
    tag = (await desk.ask("PUT", "files/f", b"1")).json["tag"]
    (desk.files / "f").write_bytes(b"2")
    assert (await desk.ask("PUT", "files/f", b"3", If_Match=f'"{tag}"')).status == 412
    assert (await desk.ask("GET", "files/f")).body == b"2"


async def test_looking_for_things(desk: Desk) -> None:
    (desk.files / "src").mkdir()
    (desk.files / "src" / "main.py").write_text("import os\nprint('Needle')\n")
    (desk.files / "needle.txt").write_text("nothing")
    (desk.files / "binary").write_bytes(b"\0\xffneedle\0")
    names = (await desk.ask("GET", "search?query=NEEDLE")).json
    assert ([each["path"] for each in names["items"]], names["complete"]) == (["needle.txt"], True)
    lines = (await desk.ask("GET", "search?query=Needle&content=1&case=1")).json["items"]
    assert lines == [{"path": "src/main.py", "line": 2, "column": 8, "text": "print('Needle')"}]
    assert (await desk.ask("GET", "search?query=needle&path=src")).json["items"] == []
    assert (await desk.ask("GET", "search?query=needle&path=..")).code in ("outside_workspace", "invalid_path")
    for wrong in ("", "query=", "query=x&limit=0", "query=x&limit=1001", "query=x&content=2", "query=" + "x" * 1025):
        assert (await desk.ask("GET", f"search?{wrong}")).status == 400


async def test_calls_about_files_have_a_number_of_their_own(directory: Path) -> None:
    tier = Tier(general=0, auth=0, ai=0, files=3)
    async with started(directory, local=Local(isolation="none"), limits=Limits(tiers={"free": tier})) as running:
        desk = await desk_of(running, "ann")
        for left in ("2", "1", "0"):
            answer = await desk.ask("GET", "tree")
            limits = answer.headers["RateLimit-Limit"], answer.headers["RateLimit-Remaining"]
            assert (answer.status, limits) == (200, ("3", left))
        refused = await desk.ask("PUT", "files/f", b"x")
        assert (refused.status, refused.code) == (429, "rate_limited")
        assert (await desk.ask("GET", "status")).status == 200
        assert list(desk.files.iterdir()) == []

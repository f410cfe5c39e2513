"""Downloads: ranges and tags to the letter, and nothing of them is ever shown as a page of ours."""

from __future__ import annotations

import asyncio
import io
import os
import random
import re
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.web.conftest import Running, started
from tests.web.filing import Desk, admit, connected, desk_of, percent
from tests.web.proofs import call
from webterm.settings import Local

DATA = bytes(range(256)) * 8


@pytest.fixture
async def running(directory: Path) -> AsyncIterator[Running]:
    async with started(directory, local=Local(isolation="none")) as running:
        yield running


@pytest.fixture
async def desk(running: Running) -> Desk:
    desk = await desk_of(running, "ann")
    (desk.files / "f").write_bytes(DATA)
    return desk


async def test_all_of_a_file(desk: Desk) -> None:
    whole = await desk.ask("GET", "files/f")
    assert (whole.status, whole.body, whole.headers["Content-Length"]) == (200, DATA, str(len(DATA)))
    head = await desk.ask("HEAD", "files/f")
    assert (head.status, head.body) == (200, b"")
    same = ("Content-Length", "ETag", "Content-Type", "Content-Disposition", "Accept-Ranges")
    assert [head.headers[name] for name in same] == [whole.headers[name] for name in same]
    (desk.files / "empty").touch()
    for method in ("GET", "HEAD"):
        empty = await desk.ask(method, "files/empty")
        assert (empty.status, empty.body, empty.headers["Content-Length"]) == (200, b"", "0")
    (desk.files / "d").mkdir()
    for name, code in (("d", "not_a_file"), ("missing", "no_such_file"), ("f/x", "not_a_directory")):
        assert (await desk.ask("GET", f"files/{name}")).code == code
        assert (await desk.ask("HEAD", f"files/{name}")).status in (404, 409)


async def test_a_browser_is_to_save_it_and_not_to_show_it(desk: Desk) -> None:
    names = ("x.html", "x.svg", "x.pdf", "x.js", "x.xhtml", "x.mhtml", "index.html")
    for name in names:
        (desk.files / name).write_text("<script>alert(document.domain)</script>")
    for rest in ("archive", "files/x.html?inline=1", *(f"files/{name}" for name in names)):
        answer = await desk.ask("GET", rest, Accept="text/html")
        headers = answer.headers
        assert answer.status == 200
        assert headers["Content-Type"] in ("application/octet-stream", "application/zip")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Disposition"].startswith("attachment;")
        assert headers.getall("Content-Security-Policy") == ["sandbox; default-src 'none'; frame-ancestors 'none'"]
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["Cache-Control"] == "no-store"
        assert "Set-Cookie" not in headers


NAMES = {
    b"plain.txt": "plain.txt",
    b'quo"te\\.txt': 'quo"te_.txt',
    b"x\r\nSet-Cookie: a=b": "x__Set-Cookie: a=b",
    b"x\n\n<script>": "x__<script>",
    "\u65e5\u672c\u8a9e \U0001f40d.txt".encode(): "\u65e5\u672c\u8a9e \U0001f40d.txt",
    "gpj.\u202eexe".encode(): "gpj._exe",
    b"caf\xe9": "caf_",
    b"a;b=c, d%20e'f": "a;b=c, d%20e'f",
    b"n" * 255: "n" * 255,
}
DISPOSITION = re.compile(r"attachment; filename=\"([A-Za-z0-9 ._()+-]+)\"; filename\*=UTF-8''([A-Za-z0-9._~%-]+)")


async def test_names_say_nothing_but_the_name(desk: Desk) -> None:
    for name, saved in NAMES.items():
        (desk.files / os.fsdecode(name)).write_bytes(b"1")
        answer = await desk.raw("GET", f"files/{percent(name)}")
        assert (answer.status, answer.body) == (200, b"1")
        told = DISPOSITION.fullmatch(answer.headers["Content-Disposition"])
        assert told is not None
        assert unquote(told[2]) == saved
        assert "Set-Cookie" not in answer.headers


SIZE = len(DATA)
PARTS = {
    "bytes=0-0": (0, 1),
    "bytes=0-": (0, SIZE),
    "bytes=5-9": (5, 10),
    "bytes=2047-": (2047, 2048),
    "bytes=-1": (2047, 2048),
    "bytes=-99999": (0, SIZE),
    "bytes=100-99999": (100, SIZE),
    "bytes=0-999999999999999999": (0, SIZE),
    "Bytes = 1-2": (1, 3),
    "bytes=-999999999999999999": (0, SIZE),
}
NONE = ["bytes=2048-", "bytes=99999-100000", "bytes=-0"]
ALL = [
    "bytes=",
    "bytes=-",
    "bytes=9-5",
    "bytes=0-1,2-3",
    "bytes=" + ",".join(f"{n}-" for n in range(1000)),
    "bytes=0-,0-,0-,0-,0-",
    "lines=1-2",
    "bytes=a-b",
    "bytes=1-2-3",
    "bytes=--1",
    "bytes=+1-2",
    "bytes=1_0-20",
    "bytes=0x1-2",
    "bytes=\u0661-\u0662",
    "bytes=0-" + "9" * 4000,
    "none",
]


async def test_parts(desk: Desk) -> None:
    for header, (start, end) in PARTS.items():
        answer = await desk.ask("GET", "files/f", Range=header)
        assert (answer.status, answer.body) == (206, DATA[start:end]), header
        assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/{SIZE}"
        assert answer.headers["Content-Length"] == str(end - start)
        assert (await desk.ask("HEAD", "files/f", Range=header)).status == 200
    for header in NONE:
        answer = await desk.ask("GET", "files/f", Range=header)
        assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{SIZE}"), header
        assert answer.code == "range_not_satisfiable"
    for header in ALL:
        answer = await desk.raw("GET", "files/f", Range=header.encode().decode("latin-1"))
        assert (answer.status, answer.body) == (200, DATA), header
    (desk.files / "empty").touch()
    assert (await desk.ask("GET", "files/empty", Range="bytes=0-")).status == 416


async def test_conditions(desk: Desk) -> None:
    tag = (await desk.ask("HEAD", "files/f")).headers["ETag"]
    for had in (tag, f'"x", {tag}', f"W/{tag}", "*", f'"x" ,"y",{tag} '):
        answer = await desk.ask("GET", "files/f", If_None_Match=had)
        assert (answer.status, answer.body, answer.headers["ETag"]) == (304, b"", tag), had
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    for other in ('"x"', tag.strip('"'), "", ","):
        assert (await desk.ask("GET", "files/f", If_None_Match=other)).status == 200, other
    assert (await desk.ask("GET", "files/f", If_Match=tag)).status == 200
    for other in ('"x"', f"W/{tag}"):
        assert (await desk.ask("GET", "files/f", If_Match=other)).status == 412
    assert (await desk.ask("GET", "files/f", Range="bytes=0-3", If_Range=tag)).body == DATA[:4]
    for other in ('"x"', f"W/{tag}", "Wed, 21 Oct 2015 07:28:00 GMT"):
        assert (await desk.ask("GET", "files/f", Range="bytes=0-3", If_Range=other)).body == DATA
    (desk.files / "f").write_bytes(DATA[::-1])
    changed = await desk.ask("GET", "files/f", Range="bytes=0-3", If_Range=tag, If_None_Match=tag)
    assert (changed.status, changed.body) == (200, DATA[::-1])


async def test_a_directory_as_a_zip_file(desk: Desk) -> None:
    (desk.files / "d" / "sub").mkdir(parents=True)
    (desk.files / "d" / "sub" / "g").write_bytes(DATA)
    (desk.files / "d" / "empty").mkdir()
    answer = await desk.ask("GET", "archive/d")
    assert 'filename="d.zip"' in answer.headers["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.body)) as zipped:
        assert zipped.testzip() is None
        assert {name for name in zipped.namelist() if not name.endswith("/")} == {"d/sub/g"}
        assert zipped.read("d/sub/g") == DATA
    whole = await desk.ask("GET", "archive")
    with zipfile.ZipFile(io.BytesIO(whole.body)) as zipped:
        assert zipped.testzip() is None
        assert any(name.endswith("d/sub/g") for name in zipped.namelist())
    head = await desk.ask("HEAD", "archive/d")
    assert (head.status, head.body, head.headers["Content-Type"]) == (200, b"", "application/zip")
    assert (await desk.ask("GET", "archive/f")).code == "not_a_directory"
    assert (await desk.ask("GET", "archive/missing")).code == "no_such_file"


# Long downloads.

LARGE = 32 * 1024 * 1024


@pytest.fixture
def large(desk: Desk) -> Path:
    """A file that fits into no buffer between a server and a client, and that nothing makes smaller."""
    path = desk.files / "large"
    path.write_bytes(random.Random(1).randbytes(LARGE))
    return path


async def begun(desk: Desk, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: str) -> None:
    writer.write(desk.head("GET", target))
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")


async def cut_short(reader: asyncio.StreamReader) -> int:
    """Bytes until the connection broke."""
    seen = 0
    async with asyncio.timeout(60):
        try:
            while chunk := await reader.read(1 << 20):
                seen += len(chunk)
        except ConnectionError:
            pass
    return seen


async def test_signing_out_ends_a_download(desk: Desk, large: Path) -> None:
    async with connected(desk) as (reader, writer):
        await begun(desk, reader, writer, "files/large")
        status, _ = await call(desk.running, "POST", "/api/v1/auth/logout", desk.proof)
        assert status == 204
        assert await cut_short(reader) < LARGE


async def test_losing_the_membership_ends_a_download(desk: Desk, large: Path) -> None:
    member = Desk(desk.running, await admit(desk, "cal", "read"), desk.workspace)
    _, me = await call(desk.running, "GET", "/api/v1/auth/me", member.proof)
    for target in ("files/large", "archive"):
        async with connected(desk) as (reader, writer):
            await begun(member, reader, writer, target)
            assert (await desk.ask("DELETE", f"members/{me['id']}")).status == 204
            assert await cut_short(reader) < LARGE
        assert (await desk.ask("PUT", f"members/{me['id']}", body={"role": "read"})).status == 200


async def test_a_file_that_shrinks_meanwhile_is_not_whole(desk: Desk, large: Path) -> None:
    async with connected(desk) as (reader, writer):
        await begun(desk, reader, writer, "files/large")
        os.truncate(large, 1000)
        assert await cut_short(reader) < LARGE


async def test_what_is_replaced_meanwhile_is_read_to_its_end(desk: Desk, large: Path) -> None:
    data = random.Random(1).randbytes(LARGE)
    async with connected(desk) as (reader, writer):
        await begun(desk, reader, writer, "files/large")
        assert (await desk.ask("PUT", "files/large", b"new")).status == 200
        async with asyncio.timeout(60):
            assert await reader.readexactly(LARGE) == data
    assert (await desk.ask("GET", "files/large")).body == b"new"


async def test_who_leaves_early_leaves_nothing(desk: Desk, large: Path) -> None:
    for target in ("files/large", "archive"):
        async with connected(desk) as (reader, writer):
            await begun(desk, reader, writer, target)
            writer.transport.abort()
    assert (await desk.ask("GET", "files/f")).body == DATA

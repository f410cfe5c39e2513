"""Uploads: whole or not at all, in pieces that may be cut anywhere, and in forms; only by those who may, to the end."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.web.conftest import Running, started
from tests.web.filing import Answer, Desk, admit, connected, desk_of, parsed, until
from tests.web.proofs import call
from webterm.settings import Local
from webterm.settings_accounts import Limits, Tier

QUOTA = 4 * 1024 * 1024
TIERS = {"free": Tier(general=0, auth=0, ai=0, files=0, bytes=QUOTA, entries=40)}


@pytest.fixture
async def running(directory: Path) -> AsyncIterator[Running]:
    limits = Limits(tiers=TIERS)
    async with started(directory, local=Local(isolation="none"), limits=limits) as running:
        yield running


@pytest.fixture
async def desk(running: Running) -> Desk:
    return await desk_of(running, "ann")


def nothing(desk: Desk) -> bool:
    """Whether there is nothing in the workspace, and nothing half-done beside it."""
    return not [path for path in desk.left_behind() if path not in ("files", "uploads")]


async def said(reader: asyncio.StreamReader) -> int:
    """The status of the next answer, or of the invitation to go on."""
    async with asyncio.timeout(30):
        return int((await reader.readuntil(b"\r\n\r\n")).split()[1])


# Raw bodies.


async def test_bodies_of_known_and_unknown_length(desk: Desk) -> None:
    data = random.Random(1).randbytes(1_500_000)
    assert (await desk.ask("PUT", "files/known", data)).status == 201

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(data), 70_001):
            yield data[start : start + 70_001]

    async with (
        aiohttp.ClientSession(headers=desk.proof.headers) as client,
        client.put(desk.url("files/unknown"), data=chunks()) as answer,
    ):
        assert answer.status == 201
    assert (desk.files / "known").read_bytes() == (desk.files / "unknown").read_bytes() == data
    assert (await desk.raw("PUT", "files/empty")).status == 201
    assert (desk.files / "empty").read_bytes() == b""


async def test_a_cut_leaves_nothing(desk: Desk) -> None:
    """Neither of a new file, nor of the one that was to be replaced; by length, in chunks and in a form."""
    (desk.files / "old").write_bytes(b"old")
    chunked = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    form = b'--B\r\nContent-Disposition: form-data; name="f"; filename="old"\r\n\r\n' + bytes(70_000)
    for method, target, body, headers in (
        ("PUT", "files/new", bytes(70_000), {"Content_Length": "100000"}),
        ("PUT", "files/old", bytes(70_000), {"Content_Length": "100000"}),
        ("PUT", "files/old", chunked, {"Transfer_Encoding": "chunked"}),
        ("PUT", "files/old", chunked + b"zz\r\n", {"Transfer_Encoding": "chunked"}),
        ("POST", "upload?overwrite=1", form, {"Content_Length": "100000"}),
    ):
        kind = {"Content_Type": "multipart/form-data; boundary=B"} if method == "POST" else {}
        async with connected(desk) as (reader, writer):
            writer.write(desk.head(method, target, **headers, **kind) + body)
            writer.write_eof()
            answer = await reader.read()
            assert not answer or parsed(answer).status == 400, answer
    await settled(desk, {"files/old"})
    assert (desk.files / "old").read_bytes() == b"old"


async def settled(desk: Desk, expected: set[str]) -> None:
    """Wait until the server is done with what it had begun, and only this is there."""
    async with asyncio.timeout(30):
        while {path for path in desk.left_behind() if path not in ("files", "uploads")} != expected:  # noqa: ASYNC110
            await asyncio.sleep(0.02)  # a file that goes tells nobody


async def test_more_or_less_than_was_announced(desk: Desk) -> None:
    """A length that is no number, or two of them; what comes after the announced bytes is another request."""
    for lengths in ("-1", "1e3", "0x10", " ", "1,2", "+5"):
        answer = await desk.running.raw(
            desk.head("PUT", "files/f", Content_Length=lengths, Connection="close") + b"12345"
        )
        assert parsed(answer).status == 400, lengths
    smuggled = desk.head("PUT", "files/f", Content_Length="5", Transfer_Encoding="chunked", Connection="close")
    assert parsed(await desk.running.raw(smuggled + b"0\r\n\r\n")).status == 400
    assert nothing(desk)
    body = b"12345" + desk.head("GET", "files/f", Connection="close")
    answers = await desk.running.raw(desk.head("PUT", "files/f", Content_Length="5") + body)
    assert answers.startswith(b"HTTP/1.1 201 ")
    assert answers.endswith(b"12345")


async def test_bodies_that_are_not_what_they_are(desk: Desk) -> None:
    for headers in ({"Content_Encoding": "gzip"}, {"Content_Encoding": "deflate, gzip"}, {"Content_Encoding": "x"}):
        answer = await desk.raw("PUT", "files/f", b"\x1f\x8b", **headers)
        assert (answer.status, answer.code) == (415, "unsupported_media_type")
    assert (await desk.raw("PUT", "files/f", b"x", Content_Range="bytes 0-0/10")).status == 400
    assert (await desk.raw("PUT", "files/f", b"x", Expect="something")).status == 417
    assert nothing(desk)


async def test_who_may_not_is_told_before_the_body(desk: Desk) -> None:
    """With `Expect: 100-continue` nobody sends a body for nothing."""
    (desk.files / "d").mkdir()
    (desk.files / "f").write_bytes(b"old")
    reading = Desk(desk.running, await admit(desk, "cal", "read"), desk.workspace)
    stranger = await desk_of(desk.running, "ben")
    other = Desk(desk.running, stranger.proof, desk.workspace)
    form = {"Content_Type": "multipart/form-data; boundary=B"}
    begun: Any = (await desk.ask("POST", "uploads", body={"path": "u", "size": 1000})).json
    for who, method, target, headers, status in (
        (desk, "PUT", "files/n", {}, 100),
        (desk, "POST", "upload", form, 100),
        (desk, "PUT", f"uploads/{begun['upload']}?offset=0", {}, 100),
        (desk, "PUT", "files/n", {"Content_Length": str(QUOTA + 1)}, 507),
        (desk, "PUT", "files/d", {}, 409),
        (desk, "PUT", "files/missing/n", {}, 404),
        (desk, "PUT", "files/../n", {}, 403),
        (desk, "PUT", "files/f", {"If_None_Match": "*"}, 412),
        (desk, "PUT", "files/f", {"If_Match": '"other"'}, 412),
        (desk, "PUT", f"uploads/{begun['upload']}?offset=7", {}, 409),
        (desk, "PUT", f"uploads/{begun['upload']}", {}, 400),
        (reading, "PUT", "files/n", {}, 403),
        (reading, "POST", "upload", form, 403),
        (reading, "PUT", f"uploads/{begun['upload']}?offset=0", {}, 403),
        (other, "PUT", "files/n", {}, 404),
        (other, "POST", "upload", form, 404),
        (other, "PUT", f"uploads/{begun['upload']}?offset=0", {}, 404),
    ):
        async with connected(desk) as (reader, writer):
            fields = {"Content_Length": "1000", "Expect": "100-continue", **headers}
            writer.write(who.head(method, target, **fields))
            assert await said(reader) == status, (method, target)


async def test_the_quota_holds_for_bodies_of_unknown_length(desk: Desk) -> None:
    chunk = b"100000\r\n" + bytes(0x100000) + b"\r\n"
    async with connected(desk) as (reader, writer):
        writer.write(desk.head("PUT", "files/f", Transfer_Encoding="chunked"))
        try:
            for _ in range(8):
                writer.write(chunk)
                await writer.drain()
        except ConnectionError:
            pass
        assert await said(reader) == 507
    await settled(desk, set())


async def test_the_quota_holds_for_many_at_a_time(desk: Desk) -> None:
    """Each fits, and not all of them: what is announced is set aside."""
    data = bytes(QUOTA // 4)
    answers = await asyncio.gather(*(desk.ask("PUT", f"files/f{number}", data) for number in range(12)))
    assert sorted(answer.status for answer in answers) == [201] * 4 + [507] * 8
    assert {answer.code for answer in answers if answer.status == 507} == {"quota_reached"}
    assert sum(path.stat().st_size for path in desk.files.iterdir()) == QUOTA


async def test_the_number_of_files_has_a_bound(desk: Desk) -> None:
    answers = await asyncio.gather(*(desk.ask("PUT", f"files/f{number}", b"x") for number in range(60)))
    assert len(list(desk.files.iterdir())) <= 40
    assert {answer.status for answer in answers} == {201, 507}


# The right to it, to the end.


async def sign_out(desk: Desk) -> None:
    assert (await call(desk.running, "POST", "/api/v1/auth/logout", desk.proof))[0] == 204


async def test_a_body_does_not_outlive_the_login(desk: Desk) -> None:
    async with connected(desk) as (reader, writer):
        writer.write(desk.head("PUT", "files/f", Content_Length="1000", Expect="100-continue"))
        assert await said(reader) == 100
        writer.write(bytes(999))
        await sign_out(desk)
        answer = await until(reader)
        assert (answer.status, answer.code) == (401, "not_signed_in")
    assert nothing(desk)


async def test_a_body_does_not_outlive_the_membership(desk: Desk) -> None:
    member = Desk(desk.running, await admit(desk, "dan", "write"), desk.workspace)
    _, me = await call(desk.running, "GET", "/api/v1/auth/me", member.proof)
    for taken in ("read", None):
        async with connected(desk) as (reader, writer):
            fields = {"Content_Length": "1000", "Expect": "100-continue", "Connection": "close"}
            writer.write(member.head("PUT", "files/f", **fields))
            assert await said(reader) == 100
            writer.write(bytes(999))
            if taken:
                assert (await desk.ask("PUT", f"members/{me['id']}", body={"role": taken})).status == 200
            else:
                assert (await desk.ask("DELETE", f"members/{me['id']}")).status == 204
            writer.write(b"x")
            answer = await until(reader)
            assert answer.code == ("read_only" if taken else "no_such_workspace")
        assert (await desk.ask("PUT", f"members/{me['id']}", body={"role": "write"})).status == 200
    assert nothing(desk)


async def test_an_upload_does_not_outlive_the_workspace(desk: Desk) -> None:
    async with connected(desk) as (reader, writer):
        writer.write(desk.head("PUT", "files/f", Content_Length="1000", Expect="100-continue"))
        assert await said(reader) == 100
        status, _ = await call(desk.running, "DELETE", f"/api/v1/workspaces/{desk.workspace}?purge=1", desk.proof)
        assert status == 204
        writer.write(bytes(1000))
        assert (await until(reader)).code == "no_such_workspace"
    assert not desk.files.exists()


# Uploads that go on after a cut.


async def begin(desk: Desk, path: str, size: int, **fields: object) -> str:
    answer = await desk.ask("POST", "uploads", body={"path": path, "size": size, **fields})
    assert answer.status == 201, answer.body
    assert answer.headers["Location"].endswith(f"/uploads/{answer.json['upload']}")
    return str(answer.json["upload"])


async def test_an_upload_cut_twenty_times_is_the_same_in_the_end(desk: Desk) -> None:
    chance = random.Random(7)
    data = chance.randbytes(3_000_000)
    upload = await begin(desk, "dir/large.bin", len(data), executable=True, modified=1_000_000_000.5)
    cuts = 0
    while True:
        offset = (await desk.ask("GET", f"uploads/{upload}")).json["offset"]
        if cuts == 20:
            break
        async with connected(desk) as (_, writer):
            some = data[offset : offset + chance.randrange(1, 2 * (len(data) - offset) // (21 - cuts))]
            writer.write(desk.head("PUT", f"uploads/{upload}?offset={offset}", Content_Length=str(len(data) - offset)))
            writer.write(some)
            await writer.drain()
            writer.transport.abort() if chance.random() < 0.5 else writer.write_eof()
        cuts += 1
    assert 0 < offset < len(data)
    assert not (desk.files / "dir").exists()
    answer = await retried(desk, upload, data)
    assert answer.json["entry"]["path"] == "dir/large.bin"
    made = desk.files / "dir" / "large.bin"
    assert hashlib.sha256(made.read_bytes()).digest() == hashlib.sha256(data).digest()
    assert (made.stat().st_mode & 0o100, made.stat().st_mtime) == (0o100, 1_000_000_000.5)
    assert (await desk.ask("GET", f"uploads/{upload}")).json == answer.json  # for whoever did not get the answer
    assert (await desk.ask("DELETE", f"uploads/{upload}")).code == "no_such_upload"


async def retried(desk: Desk, upload: str, data: bytes) -> Answer:
    """Put the rest; a call that was cut may still be ending, which is a conflict for a moment."""
    async with asyncio.timeout(30):
        while True:
            offset = (await desk.ask("GET", f"uploads/{upload}")).json["offset"]
            answer = await desk.ask("PUT", f"uploads/{upload}?offset={offset}", data[offset:])
            if answer.status == 200:
                return answer
            assert answer.status == 409, answer.body
            await asyncio.sleep(0.05)


async def test_chunks_that_overlap_or_leave_a_gap(desk: Desk) -> None:
    upload = await begin(desk, "f", 10)
    assert (await desk.ask("PUT", f"uploads/{upload}?offset=0", b"01234")).json["offset"] == 5
    for offset, data in ((0, b"xxxxx"), (4, b"x"), (6, b"x"), (9, b"x"), (10, b""), (2**62, b"")):
        answer = await desk.ask("PUT", f"uploads/{upload}?offset={offset}", data)
        assert (answer.status, answer.code, answer.json["offset"]) == (409, "wrong_offset", 5), offset
    too_much = await desk.ask("PUT", f"uploads/{upload}?offset=5", b"567890")
    assert (too_much.status, too_much.code) == (413, "too_big")
    done = await retried(desk, upload, b"0123456789")
    assert (done.json["offset"], done.json["entry"]["size"]) == (10, 10)
    assert (desk.files / "f").read_bytes() == b"0123456789"
    assert (await desk.ask("PUT", f"uploads/{upload}?offset=10", b"")).code == "no_such_upload"


async def test_uploads_of_others_are_not_there(desk: Desk) -> None:
    """Neither to other members of the workspace nor by the way of another workspace."""
    upload = await begin(desk, "f", 3)
    member = Desk(desk.running, await admit(desk, "dan", "write"), desk.workspace)
    elsewhere = await desk_of(desk.running, "ben")
    own_other = await call(desk.running, "POST", "/api/v1/workspaces", desk.proof, {"name": "Other"})
    other = Desk(desk.running, desk.proof, own_other[1]["id"])
    for who in (member, elsewhere, other):
        for method, rest, data in (
            ("GET", f"uploads/{upload}", None),
            ("PUT", f"uploads/{upload}?offset=0", b"bad"),
            ("DELETE", f"uploads/{upload}", None),
        ):
            assert (await who.ask(method, rest, data)).code == "no_such_upload"
    for name in (f"{upload}x", upload[:-1], "A" * 22, "..", ".", "%2e%2e", f"..%2Fuploads%2F{upload}"):
        assert (await desk.raw("GET", f"uploads/{name}")).status == 404, name
    assert (await desk.ask("PUT", f"uploads/{upload}?offset=0", b"fin")).status == 200
    assert (desk.files / "f").read_bytes() == b"fin"


async def test_giving_up_leaves_nothing(desk: Desk) -> None:
    upload = await begin(desk, "f", QUOTA)
    full = await desk.ask("POST", "uploads", body={"path": "g", "size": 1000})
    assert full.code == "quota_reached"
    assert (await desk.ask("PUT", f"uploads/{upload}?offset=0", b"abc")).status == 200
    assert (await desk.ask("DELETE", f"uploads/{upload}")).status == 204
    assert nothing(desk)
    assert (await desk.ask("POST", "uploads", body={"path": "g", "size": QUOTA})).status == 201


async def test_uploads_do_not_overwrite_what_nobody_has_seen(desk: Desk) -> None:
    tag = (await desk.ask("PUT", "files/f", b"1")).json["tag"]
    taken = await desk.ask("POST", "uploads", body={"path": "f", "size": 1})
    assert (taken.status, taken.json["current"]) == (412, tag)
    assert (await desk.ask("POST", "uploads", body={"path": "f", "size": 1, "if_match": "x"})).status == 412
    late = await begin(desk, "f", 1, if_match=tag)
    other = await begin(desk, "f", 1, overwrite=True)
    assert (await desk.ask("PUT", f"uploads/{other}?offset=0", b"2")).status == 200
    answer = await desk.ask("PUT", f"uploads/{late}?offset=0", b"3")
    assert (answer.status, answer.json["expected"]) == (412, tag)
    assert (desk.files / "f").read_bytes() == b"2"
    wrongs: list[dict[str, object]] = [
        {"path": "f"},
        {"path": "f", "size": -1},
        {"path": "f", "size": 1.5},
        {"path": "f", "size": 2**63},
        {"path": "f", "size": 1, "overwrite": True, "if_match": tag},
        {"path": "f", "size": 1, "modified": "now"},
        {"path": "%zz", "size": 1, "encoded": True},
        {"path": "", "size": 1},
        {"path": "a\0b", "size": 1},
    ]
    for wrong in wrongs:
        assert (await desk.ask("POST", "uploads", body=wrong)).status == 400, wrong

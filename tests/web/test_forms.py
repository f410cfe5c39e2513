"""Many files in one form: names as they are written by whoever writes forms, and each file whole or not at all."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.web.conftest import Running, started
from tests.web.filing import Answer, Desk, desk_of
from tests.web.test_uploads import TIERS, nothing
from webterm.errors import InvalidRequest, TooBig
from webterm.settings import Local
from webterm.settings_accounts import Limits
from webterm.web.multipart import LONGEST_HEAD, MOST_AROUND, Form


@pytest.fixture
async def running(directory: Path) -> AsyncIterator[Running]:
    limits = Limits(tiers=TIERS)
    async with started(directory, local=Local(isolation="none"), limits=limits) as running:
        yield running


@pytest.fixture
async def desk(running: Running) -> Desk:
    return await desk_of(running, "ann")


def form(*files: tuple[str, bytes], boundary: str = "B") -> bytes:
    """A form; each file as its Content-Disposition's parameters, and its bytes."""
    parts = [
        f"--{boundary}\r\nContent-Disposition: form-data; {name}\r\n\r\n".encode() + data + b"\r\n"
        for name, data in files
    ]
    return b"".join(parts) + f"--{boundary}--\r\n".encode()


async def posted(desk: Desk, target: str, body: bytes, kind: str = "multipart/form-data; boundary=B") -> Answer:
    return await desk.raw("POST", target, body, Content_Type=kind)


async def test_a_folder_in_a_form(desk: Desk) -> None:
    data = random.Random(3).randbytes(900_000)
    sent = aiohttp.FormData(quote_fields=False)
    sent.add_field("note", "not a file")
    sent.add_field("file", data, filename="proj/src/main.bin", content_type="application/octet-stream")
    sent.add_field("file", b"", filename="proj/empty", content_type="text/html")
    sent.add_field("file", b"--B\r\n\r\n--B--", filename="proj/\u65e5\u672c.txt", content_type="text/plain")
    answer = await desk.ask("POST", "upload/in/here", sent)
    assert answer.status == 200, answer.body
    names = ["in/here/proj/src/main.bin", "in/here/proj/empty", "in/here/proj/\u65e5\u672c.txt"]
    assert [entry["path"] for entry in answer.json["items"]] == names
    assert [(desk.files / name).read_bytes() for name in names] == [data, b"", b"--B\r\n\r\n--B--"]


async def test_how_names_are_written_in_forms(desk: Desk) -> None:
    written = {
        'name="f"; filename="a b.txt"': b"a b.txt",
        'name="f"; filename="quo%22te"': b'quo"te',
        'name="f"; filename="quo\\"te2"': b'quo"te2',
        'name="f"; filename="li%0D%0Ane"': b"li\r\nne",
        'name="f"; filename="100%25"': b"100%25",
        "name=\"f\"; filename*=UTF-8''caf%E9": b"caf\xe9",
        'name="f"; filename="x"; filename*=utf-8\'en\'b%2Fc': b"b/c",
        'name="f"; filename=bare': b"bare",
        'name="filename=\\"trick"; filename="<img src=x onerror=alert(1)>"': b"<img src=x onerror=alert(1)>",
    }
    for number, (name, path) in enumerate(written.items()):
        answer = await posted(desk, f"upload/{number}", form((name, b"1")))
        assert answer.status == 200, (name, answer.body)
        assert (desk.files / str(number) / os.fsdecode(path)).read_bytes() == b"1"


async def test_names_in_forms_lead_nowhere_else(desk: Desk) -> None:
    for name in ("../x", "/etc/x", "a/../../x", "..", ".", "", "a//b", "a\0b", "x/"):
        answer = await posted(desk, "upload", form((f'name="f"; filename="{name}"', b"bad")))
        assert answer.status in (400, 403), (name, answer)
    assert (await posted(desk, "upload/%2e%2e", form(('name="f"; filename="x"', b"bad")))).status in (400, 403)
    assert nothing(desk)


async def test_a_form_overwrites_only_when_told_to(desk: Desk) -> None:
    (desk.files / ".bashrc").write_text("mine")
    body = form(('name="f"; filename=".bashrc"', b"theirs"))
    assert (await posted(desk, "upload", body)).code == "edit_conflict"
    assert (desk.files / ".bashrc").read_text() == "mine"
    assert (await posted(desk, "upload?overwrite=1", body)).status == 200
    assert (desk.files / ".bashrc").read_text() == "theirs"


async def test_forms_that_are_none(desk: Desk) -> None:
    good = form(('name="f"; filename="f"', b"data"))
    bad = {
        "no end": good[:-9],
        "cut in the bytes": good[:-14],
        "cut in the head": good[:40],
        "another boundary": good.replace(b"--B", b"--C"),
        "no bytes": b"",
        "no colon": good.replace(b"Disposition:", b"Disposition"),
        "a form in a form": form(('name="f"\r\nContent-Type: multipart/mixed; boundary=X', b"--X--")),
    }
    for what, body in bad.items():
        answer = await posted(desk, "upload", body)
        assert answer.status in (200, 400), (what, answer)
        assert answer.status == 400 or answer.json == {"items": []}, (what, answer)
    for kind in ("multipart/form-data", "multipart/mixed; boundary=B", "text/plain", "application/json"):
        assert (await posted(desk, "upload", good, kind)).status in (400, 415), kind
    assert nothing(desk)
    large_field = form(('name="f"', bytes(200_000)))
    assert (await posted(desk, "upload", large_field)).status == 413


async def test_a_form_beyond_the_quota_keeps_what_fitted(desk: Desk) -> None:
    files = [(f'name="f"; filename="f{number}"', bytes(1024 * 1024)) for number in range(6)]
    answer = await posted(desk, "upload", form(*files))
    assert answer.code == "quota_reached"
    assert sorted(path.name for path in desk.files.iterdir()) == ["f0", "f1", "f2", "f3"]
    assert {path.stat().st_size for path in desk.files.iterdir()} == {1024 * 1024}


# The reader alone.


async def fields(body: bytes, size: int) -> list[tuple[bytes, bytes]]:
    """What a form holds that comes in pieces of this size."""

    async def arriving() -> AsyncIterator[bytes]:
        for start in range(0, len(body), size):
            yield body[start : start + size]

    found = []
    async for part in Form(arriving(), b"B").parts():
        found.append((part.disposition, b"".join([piece async for piece in part])))
    return found


TRICKY = [
    b"",
    b"\r\n",
    b"\r\n--",
    b"\r\n--A",
    b"--B",
    b"\r\n-\r\n--",
    b"\r\r\n--C\r\n",
    b"x" * 300,
    b"\r\n\r\n",
    b"\n--B",
]


async def test_wherever_the_pieces_end() -> None:
    body = b"before" + form(*((f"name={number}", data) for number, data in enumerate(TRICKY)))
    expected = [(f"; name={number}".encode(), data) for number, data in enumerate(TRICKY)]
    body = body.replace(b"before--B", b"before\r\n--B", 1) + b"after"
    for size in (*range(1, 40), 200, len(body)):
        assert await fields(body, size) == expected, size
    assert await fields(body.replace(b"--B\r\nContent", b"--B \t\r\nContent"), 7) == expected
    assert await fields(b"--B--", 3) == []


async def test_fields_that_are_passed_over_are_read_to_their_end() -> None:
    async def arriving() -> AsyncIterator[bytes]:
        yield form(("name=a", bytes(100_000)), ("name=b", b"2"))

    seen = [part.disposition async for part in Form(arriving(), b"B").parts()]
    assert seen == [b"; name=a", b"; name=b"]


async def test_everywhere_that_a_form_may_break_off() -> None:
    whole = form(("name=a", b"data"), ("name=b", b"\r\n"))[:-2]
    assert len(await fields(whole, 5)) == 2
    for end in range(len(whole)):
        with pytest.raises(InvalidRequest):
            await fields(whole[:end], 5)


async def test_what_is_too_long() -> None:
    with pytest.raises(InvalidRequest):
        await fields(bytes(2 * MOST_AROUND), 1000)
    with pytest.raises(InvalidRequest):
        await fields(b"--B\r\nX: " + b"x" * 2 * LONGEST_HEAD + b"\r\n\r\n--B--", 1000)
    with pytest.raises(TooBig):
        await fields(b"--B--" + bytes(2 * MOST_AROUND), 1000)
    with pytest.raises(InvalidRequest):
        await fields(b"--Bx\r\n\r\n--B--", 1000)

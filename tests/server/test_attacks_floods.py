"""Whatever a program prints and a client sends, in whatever amount: the server stays small and others quick."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.server.asker import Asker, asking
from tests.server.echoes import Echoes, echoing, usual
from tests.server.process import Server, serving
from tests.server.raw import PING, TEXT, raw_socket

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
MIB = 1024 * 1024
MEMORY = 8 * MIB
CPU_PER_MIB = 4.0  # seconds, on a busy machine; plain text costs a hundredth of it


def many(piece: bytes, size: int = 4 * MIB) -> bytes:
    return piece * (size // len(piece))


def numbered(form: bytes, count: int = 150_000) -> bytes:
    return b"".join(form % number for number in range(count))


OUTPUT = {
    "plain text": many(b"just some text that has nothing to it\r\n"),
    "DECRQSS": many(b"\x1bP$qm\x1b\\"),
    "XTVERSION": many(b"\x1b[>q"),
    "window reports": many(b"\x1b[14t\x1b[18t\x1b[21t"),
    "answerback": many(b"\x05"),
    "a huge sixel": b'\x1bPq"1;1;100000;100000#0;2;0;0;0' + many(b"#0!100000~-") + b"\x1b\\",
    "kitty graphics": b"\x1b_Gf=100,t=f;" + many(b"QUFB") + b"\x1b\\",
    "repeats": many(b"x\x1b[999999999b"),
    "hyperlinks": numbered(b"\x1b]8;;http://x.example/%d\x07x\x1b]8;;\x07"),
    "one hyperlink": b"\x1b]8;;http://x.example/" + many(b"a") + b"\x07",
    "combining characters": b"a" + many("\u0301".encode()),
    "titles": numbered(b"\x1b]0;title %d\x07"),
    "a title without an end": b"\x1b]0;" + many(b"t"),
    "colours": numbered(b"\x1b[38;5;%dm\x1b[48;2;1;2;3m"),
    "modes": many(b"\x1b[?1049h\x1b[?1000h\x1b[?2004h\x1b[?1049l\x1b[?1000l"),
    "resets": many(b"\x1bc"),
    "shifts": many(b"\x0e\x0f"),
    "shifts in text": many(b"\x0ex\x0fy"),
    "escapes": many(b"\x1b"),
    "introducers": many(b"\x1b["),
    "C1 introducers": many(b"\xc2\x9b"),
    "halves of C1": many(b"\xc2"),
    "string introducers": many(b"\x1b]\x1bP\x1b_"),
    "parameters": b"\x1b[" + many(b"1;"),
    "parameters without number": many(b"\x1b[" + b"1;" * 40 + b"m"),
    "clipboard": b"\x1b]52;c;" + many(b"QUFB") + b"\x07",
    "colour queries": many(b"\x1b]4;1;?;2;?;3;?\x07"),
    "bytes that are no text": many(bytes(range(128, 256))),
}


@pytest.fixture
async def server(directory: Path) -> AsyncIterator[Server]:
    """Of the test's own: memory that others have given back would hide what this one takes."""
    async with serving(directory) as server:
        yield server


@pytest.fixture
async def asker(tmp_path: Path) -> AsyncIterator[Asker]:
    async with asking(tmp_path / "asker") as asker:
        yield asker


async def test_output_floods(server: Server, asker: Asker) -> None:
    async with server.client("page", binary=True) as page, server.client("bystander") as bystander:
        other = await echoing(bystander)
        view = await page.open(*asker.command)
        await asker.there.wait()
        before = await usual(bystander, other)
        for name, data in OUTPUT.items():
            goal = view.offset + len(data)
            cpu, memory = server.cpu_seconds(), server.private_bytes()
            printing = asyncio.create_task(asker.print(data))
            echoes = await Echoes.measure(bystander, other, 20)
            await printing
            await page.until(lambda goal=goal: view.offset >= goal)  # type: ignore[misc]
            view.data.clear()
            spent = (server.cpu_seconds() - cpu) / (len(data) / MIB)
            grown = server.private_bytes() - memory
            print(
                f"\n{name:28} {spent:6.3f} s of processor for 1 MiB, memory {grown / 1024:+8.0f} KiB,"
                f" others' echo {echoes.p50:6.2f} ms, worst {echoes.p99:6.2f} ms"
            )
            assert spent < CPU_PER_MIB, name
            assert grown < MEMORY, name
            assert echoes.p50 < before.p50 + 60 + echoes.excused(before), f"{name}: {echoes} after {before}"
        assert not view.faults


async def test_a_ping_flood(server: Server) -> None:
    """From somebody who never reads what comes back."""
    async with server.client("bystander") as bystander:
        view = await echoing(bystander)
        memory = server.private_bytes()
        async with raw_socket(server.url / "ws", server.cookies) as raw:
            flooding = asyncio.create_task(_flood(raw.writer, PING, b"x" * 125))
            await Echoes.measure(bystander, view)
            grown = server.private_bytes() - memory
            flooding.cancel()
        print(f"\npings: memory {grown / 1024:+.0f} KiB")
        assert grown < MEMORY


async def test_a_flood_of_messages_that_want_answers(server: Server) -> None:
    """The same with messages, whose answers nobody reads either."""
    async with server.client("bystander") as bystander:
        view = await echoing(bystander)
        memory = server.private_bytes()
        async with raw_socket(server.url / "ws", server.cookies) as raw:
            flooding = asyncio.create_task(_flood(raw.writer, TEXT, b'{"type":"list"}' + b" " * 100))
            await Echoes.measure(bystander, view)
            grown = server.private_bytes() - memory
            flooding.cancel()
        print(f"\nlists: memory {grown / 1024:+.0f} KiB")
        assert grown < MEMORY


async def _flood(writer: asyncio.StreamWriter, opcode: int, payload: bytes) -> None:
    frame = bytes([0x80 | opcode, 0x80 | len(payload)]) + bytes(4) + payload
    while True:
        writer.write(frame * 100)
        await writer.drain()


async def test_a_hundred_thousand_opens(server: Server) -> None:
    """Most are refused, the rest is bounded by the settings, and nobody else is kept from working."""
    async with server.client("bystander") as bystander, server.client("greedy") as greedy:
        view = await echoing(bystander)
        memory = server.private_bytes()
        for number in range(1, 100_001):
            await greedy.send_text(b'{"type":"open","channel":%d,"driver":"echo","cols":80,"rows":24}' % number)
            if number % 1000 == 0:
                greedy.errors.clear()
        await greedy.settle()
        grown = server.private_bytes() - memory
        print(f"\nopens: memory {grown / 1024:+.0f} KiB")
        assert len(await bystander.list()) <= 100
        assert grown < 100 * 100 * 1024
        await Echoes.measure(bystander, view, 20)


async def test_a_million_keys_for_a_program_that_does_not_read(server: Server) -> None:
    """They wait in one piece."""
    async with server.client("page", binary=True) as page:
        view = await page.open("sh", "-c", "stty raw -echo; printf ready; kill -STOP $$; exec cat >/dev/null")
        await page.until(lambda: view.data == b"ready")
        memory = server.private_bytes()
        async with raw_socket(server.url / "ws", server.cookies) as raw:
            raw.send(TEXT, b'{"type":"attach","channel":1,"terminal":"%s"}' % view.terminal.encode())
            text = b'{"type":"input","channel":1,"data":"k"}'
            key = bytes([0x80 | TEXT, 0x80 | len(text)]) + bytes(4) + text
            for _ in range(300):
                raw.writer.write(key * 1000)
                await raw.writer.drain()
            raw.send(TEXT, b'{"type":"ping"}')
            while b'"pong"' not in await raw.until(TEXT):
                pass
            grown = server.private_bytes() - memory
        print(f"\nkeys: memory {grown / 1024:+.0f} KiB")
        assert view.input_paused
        assert grown < 4 * MIB

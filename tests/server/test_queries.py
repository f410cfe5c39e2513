"""Every question that a program asks its terminal gets exactly one answer, whoever looks on and whatever breaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.server.asker import Asker, asking
from tests.server.client import Client, View
from tests.server.emulator import FIXED, QUERIES, Emulator, answers_in
from tests.server.line import Line, line_to
from tests.server.process import Server, serving
from webterm.protocol.message import RoleName

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120), pytest.mark.asyncio(loop_scope="module")]
ALL = b"".join(QUERIES.values())
MARK = "!"
GRACE = 2.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def standing(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    async with serving(tmp_path_factory.mktemp("standing") / "data", terminals__resume_grace=GRACE) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module")
async def line(server: Server) -> AsyncIterator[Line]:
    async with line_to(server.url) as line:
        yield line


@pytest_asyncio.fixture(loop_scope="module")
async def asker(tmp_path: Path) -> AsyncIterator[Asker]:
    async with asking(tmp_path / "asker") as asker:
        yield asker


def emulate(view: View, number: int) -> View:
    """Answer as a page does: what is live, and nothing of a replay."""
    emulator = Emulator(number)
    view.answer = emulator.parse
    view.replay = emulator.parse
    return view


async def begin(client: Client, asker: Asker, number: int = 1) -> View:
    """Start the program; the client's emulator answers with this number."""
    view = emulate(await client.open(*asker.command), number)
    await asker.there.wait()
    return view


async def join(client: Client, view: View, number: int, after: int | None = None, role: RoleName = "write") -> View:
    """One more viewer of the program."""
    return await client.join(emulate(client.begin(view.terminal), number), after, role=role)


def once(number: int) -> Counter[tuple[str, int]]:
    """One answer to each query, from this emulator."""
    return Counter({(name, 0 if name == "DSR" else number): 1 for name in QUERIES})


async def heard_by(asker: Asker, *viewers: tuple[Client, View]) -> Counter[tuple[str, int]]:
    """What the program heard once every viewer has seen all and has said all it has to say. Forgets it then."""
    for client, view in viewers:
        await client.until(lambda view=view: view.data.endswith(b"."))  # type: ignore[misc]
        await client.settle()
    client, view = viewers[0]
    await client.input(view, MARK)
    await asker.until(lambda heard: heard.endswith(MARK.encode()))
    found, rest = answers_in(bytes(asker.heard))
    assert rest == MARK.encode()
    asker.heard.clear()
    for _, view in viewers:
        view.data.clear()
    return found


async def test_one_viewer_answers_once(server: Server, asker: Asker) -> None:
    async with server.client("page") as client:
        view = await begin(client, asker)
        for _ in range(3):
            await asker.print(ALL + b".")
            assert await heard_by(asker, (client, view)) == once(1)


async def test_of_three_viewers_the_lead_writer_answers(server: Server, asker: Asker) -> None:
    async with server.client("a") as a, server.client("b", binary=True) as b, server.client("c") as c:
        first = await begin(a, asker)
        second = await join(b, first, 2)
        third = await join(c, first, 3, role="read")
        everyone = ((a, first), (b, second), (c, third))
        await asker.print(ALL + b".")
        assert await heard_by(asker, *everyone) == once(2)  # who attached last; typing the mark gives the lead to a
        await asker.print(ALL + b".")
        assert await heard_by(asker, *everyone) == once(1)
        await b.input(second, "x")
        await asker.until(lambda heard: heard == b"x")
        asker.heard.clear()
        await asker.print(ALL + b".")
        assert await heard_by(asker, *everyone) == once(2)


async def test_without_a_writer_the_server_answers_what_is_fixed(server: Server, asker: Asker) -> None:
    fixed = Counter({(name, 0): 1 for name in FIXED})
    async with server.client("a") as a, server.client("b") as b:
        view = await begin(a, asker)
        await a.send_json({"type": "detach", "channel": view.channel})
        await a.settle()
        await asker.print(ALL)
        await asker.until(lambda heard: sum(answers_in(heard)[0].values()) >= len(FIXED))
        reader = await join(b, view, 2, role="read")
        await asker.print(ALL + b".")
        await b.until(lambda: reader.data.endswith(b"."))
        await b.settle()
        writer = await join(a, view, 3)  # its emulator parses all of it again, and is silent
        assert await heard_by(asker, (a, writer), (b, reader)) == fixed + fixed


async def test_a_replay_answers_nothing(server: Server, asker: Asker) -> None:
    async with server.client("a") as a:
        view = await begin(a, asker)
        await asker.print(ALL + b".")
        assert await heard_by(asker, (a, view)) == once(1)
        for number in range(2, 5):
            again = await join(a, view, number, after=0)
            await a.until(lambda again=again: again.data.endswith(b"."))  # type: ignore[misc]
            await a.settle()
            assert not asker.heard
            again.data.clear()
        await asker.print(ALL + b".")
        assert await heard_by(asker, (a, again)) == once(4)


async def test_asked_in_pieces(server: Server, asker: Asker) -> None:
    """Each byte in a frame of its own, also across the end of a replay."""
    async with server.client("a") as a, server.client("b") as b:
        view = await begin(a, asker)
        for byte in b"\x1b[6":
            at = view.offset
            await asker.print(bytes([byte]))
            await a.until(lambda at=at: view.offset == at + 1)  # type: ignore[misc]
        late = await join(b, view, 2, after=0)
        await asker.print(b"n.")
        assert await heard_by(asker, (a, view), (b, late)) == {("CPR", 2): 1}


async def test_asked_while_the_line_is_cut(server: Server, line: Line, asker: Asker) -> None:
    """Nobody else has answered, so the page does when it is back."""
    async with server.client("a", through=line.url) as a, server.client("observer") as observer:
        view = await begin(a, asker)
        await asker.print(b"text")
        await a.until(lambda: view.data == b"text")
        await line.refuse()
        await asker.print(ALL + b".")
        while (await observer.list())[0].offset < view.offset + len(ALL) + 1:
            pass
        assert not asker.heard
        line.admit()
        assert await heard_by(asker, (a, view)) == once(1)


async def test_asked_while_the_line_is_cut_and_nobody_comes_back(server: Server, line: Line, asker: Asker) -> None:
    """The server answers what is fixed once the page's place is given up."""
    async with server.client("a", through=line.url) as a:
        view = await begin(a, asker)
        a.reconnects = False
        await line.refuse()
        await asker.print(ALL)
        await asker.until(lambda heard: len(heard) > 0)
        found, rest = answers_in(bytes(asker.heard))
        assert found == Counter({(name, 0): 1 for name in FIXED})
        assert rest == b""
        assert not view.faults


async def test_asked_of_the_other_writer_while_one_is_cut(server: Server, line: Line, asker: Asker) -> None:
    async with server.client("a", through=line.url) as a, server.client("b") as b:
        view = await begin(a, asker)
        other = await join(b, view, 2)
        await a.input(view, "x")  # leads
        await asker.until(lambda heard: heard == b"x")
        asker.heard.clear()
        await line.refuse()
        await b.until(lambda: other.viewers and all(viewer.lead for viewer in other.viewers))
        await asker.print(ALL + b".")
        await b.until(lambda: other.data.endswith(b"."))
        await b.settle()
        line.admit()
        assert await heard_by(asker, (a, view), (b, other)) == once(2)


async def test_cut_after_the_answer(server: Server, line: Line, asker: Asker) -> None:
    """What was answered already is not answered again, although the page never acked it."""
    async with server.client("a", acks=False, through=line.url) as a:
        view = await begin(a, asker)
        await asker.print(ALL)
        await asker.until(lambda heard: answers_in(heard)[0] == once(1))
        line.cut()
        await a.until(lambda: a.close_codes and a.ready)
        await asker.print(b".")
        assert await heard_by(asker, (a, view)) == once(1)
        await asker.print(ALL + b".")
        assert await heard_by(asker, (a, view)) == once(1)


async def test_asked_while_the_server_is_dead(server: Server, asker: Asker) -> None:
    async with server.client("a") as a:
        view = await begin(a, asker)
        await asker.print(ALL + b".")
        assert await heard_by(asker, (a, view)) == once(1)
        for _ in range(3):
            await server.kill()
            await asker.print(ALL + b".")
            await server.start()
            assert await heard_by(asker, (a, view)) == once(1)


async def test_killed_before_the_page_saw_the_question(server: Server, line: Line, asker: Asker) -> None:
    async with server.client("a", through=line.url) as a, server.client("observer") as observer:
        view = await begin(a, asker)
        line.block()
        await asker.print(ALL + b".")
        while (await observer.list())[0].offset < len(ALL) + 1:
            pass
        await server.kill()
        line.cut()
        await server.start()
        assert await heard_by(asker, (a, view)) == once(1)


async def test_killed_after_the_answer(server: Server, asker: Asker) -> None:
    async with server.client("a", acks=False) as a:
        view = await begin(a, asker)
        await asker.print(ALL)
        await asker.until(lambda heard: answers_in(heard)[0] == once(1))
        await server.kill()
        await server.start()
        await a.until(lambda: a.close_codes and a.ready)
        await asker.print(b".")
        assert await heard_by(asker, (a, view)) == once(1)


async def test_a_flood_of_questions_harms_nobody(server: Server, asker: Asker) -> None:
    """A hundred thousand questions, two pages that answer, a program that reads while it asks."""
    times = 100_000 // len(QUERIES)
    async with server.client("a") as a, server.client("b", binary=True) as b, server.client("c") as c:
        view = await begin(a, asker)
        other = await join(b, view, 2)
        bystander = await c.open("sh", "-c", "stty raw -echo; printf ready; exec cat")
        memory = server.private_bytes()
        for _ in range(0, times, 100):
            await asker.print(ALL * 100)
        await asker.print(b".")
        await c.input(bystander, "k")
        await c.until(lambda: bystander.data.endswith(b"k"))
        found = await heard_by(asker, (b, other), (a, view))
        grown = server.private_bytes() - memory
    print(f"\n{times * len(QUERIES)} questions: {sum(found.values())} answers; server memory {grown / 1024:+.0f} KiB")
    assert all(found[name, 0 if name == "DSR" else 2] <= times for name in QUERIES)
    assert {number for _, number in found} <= {0, 2, 276}
    assert grown < 8 * 1024 * 1024

"""Who attaches in the middle of a full-screen program sees what the first viewer sees."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from tests.e2e.serving import Server, serving
from tests.e2e.viewing import Client, Viewer, client

pytestmark = pytest.mark.asyncio(loop_scope="module")
RING = 65_536
"""Bytes of output that the server keeps: the least that can be set."""
WRAPPED = 5 * RING
LONG = "".join(f'line {number} of a "long" story: {"x" * (number % 40)}\n' for number in range(1, 20_001))


@dataclass(frozen=True)
class Program:
    """A full-screen program, what it shows at first, and keys that make it draw for long, up to showing ``last``."""

    argv: tuple[str, ...]
    first: str
    much: tuple[str, ...]
    last: str


SCROLL = r':for i in range(4000) | exe "normal! \<C-e>" | redraw | endfor' + "\r"
PROGRAMS = {
    "vim": Program(("vim", "story"), "line 1 of", (":set number\r", SCROLL), "4001,1 "),
    "less": Program(("less", "story"), "line 1 of", (" " * 400, "5000g"), "line 5000 of"),
    "htop": Program(("htop", "-d", "100"), "F10Quit", ("\x1b[B\x1b[A" * 1500, "\x1b[B"), "F10Quit"),
    "tmux": Program(
        ("tmux", "-L", "screens", "-f", "/dev/null", "new"),
        "[0] 0:",
        ("for n in $(seq 300); do head -n $((n * 40)) story | tail -40; sleep 0.01; done\r", "tmux split-window -h\r"),
        "│",
    ),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """Shared by the tests, which leave no terminal behind."""
    async with serving(tmp_path_factory.mktemp("server"), WEBTERM_TERMINALS__LOG_BYTES=str(RING)) as running:
        (running.home / "story").write_text(LONG)
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def somebody(server: Server) -> AsyncIterator[Client]:
    async with client(server) as signed_in:
        yield signed_in


async def draw_much(viewer: Viewer, program: Program) -> None:
    """Let the program draw until the ring has wrapped many times."""
    for keys in program.much:
        await viewer.type(keys)
    await viewer.reaches(WRAPPED)
    await viewer.sees(program.last)


async def agree(one: Viewer, other: Viewer) -> None:
    """Wait until both have the same screen at the same offset: attributes, cursor, modes and all."""
    while True:
        seen = one.end, other.end
        first, second = await one.screen.dump(), await other.screen.dump()
        if seen != (one.end, other.end):
            continue
        if seen[0] == seen[1] and first == second:
            return
        latest = max(seen) if seen[0] != seen[1] else seen[0] + 1  # they differ: the program has more to draw
        complaint = "\n".join(["they differ:", *first["lines"], "", *second["lines"], str(first), str(second)])
        await one.reaches(latest, complaint)
        await other.reaches(latest, complaint)


@pytest.mark.parametrize("name", PROGRAMS)
async def test_the_same_screen_as_long_as_everything_is_kept(somebody: Client, name: str) -> None:
    program = PROGRAMS[name]
    async with somebody.opened(*program.argv) as first:
        await first.sees(program.first)
        async with somebody.attached(first.terminal) as second:
            assert second.start == 0
            await agree(first, second)


@pytest.mark.parametrize("name", PROGRAMS)
async def test_the_same_screen_after_the_ring_has_wrapped_many_times(somebody: Client, name: str) -> None:
    program = PROGRAMS[name]
    async with somebody.opened(*program.argv) as first:
        await first.sees(program.first)
        await draw_much(first, program)
        for role in ("write", "read"):
            async with somebody.attached(first.terminal, role=role) as other:
                assert other.start > WRAPPED - RING
                await agree(first, other)
                await first.type("\x1b[B")  # and what comes next is drawn alike
                await agree(first, other)


async def test_the_same_screen_for_who_comes_while_much_is_drawn(somebody: Client) -> None:
    program = PROGRAMS["vim"]
    async with somebody.opened(*program.argv) as first:
        await first.sees(program.first)
        for keys in program.much:
            await first.type(keys)
        await first.reaches(2 * RING)
        async with somebody.attached(first.terminal) as second, somebody.attached(first.terminal) as third:
            await first.sees(program.last)
            await agree(first, second)
            await agree(first, third)


async def test_the_same_screen_after_a_change_of_size(somebody: Client) -> None:
    program = PROGRAMS["vim"]
    async with somebody.opened(*program.argv) as first:
        await first.sees(program.first)
        await draw_much(first, program)
        await first.resize(100, 30)
        await first.sees("4029 line 4029")
        async with somebody.attached(first.terminal) as second:
            await agree(first, second)
            assert (await second.screen.dump())["size"] == [100, 30]


@pytest.mark.parametrize("name", ["vim", "less"])
async def test_the_same_screen_from_a_server_that_was_killed(somebody: Client, server: Server, name: str) -> None:
    program = PROGRAMS[name]
    async with somebody.opened(*program.argv) as first:
        await first.sees(program.first)
        await draw_much(first, program)
        await server.kill()
        await server.start()
        async with somebody.returned(first) as returned, somebody.attached(first.terminal) as second:
            assert second.start > WRAPPED - RING
            await agree(returned, second)
            assert not returned.skips

"""Full-screen programs draw, and react to keys, the mouse and a new size."""

from __future__ import annotations

import re

import pytest

from tests.e2e.browsing import Person
from tests.e2e.serving import PROMPT, Server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

NARROW = (640, 420)


@pytest.fixture
def story(server: Server) -> str:
    """A file with numbered lines, in the home directory."""
    (server.home / "story").write_text("".join(f"line {number} of the story\n" for number in range(1, 501)))
    return "story"


async def test_vim(person: Person, story: str, server: Server) -> None:
    await person.run(f"vim {story}")
    await person.sees("line 1 of the story")
    await person.type("G")
    await person.sees("line 500 of the story")
    await person.type("ggOhello from vim")
    await person.press("Escape")
    await person.matches(r"^hello from vim\nline 1 of the story$")
    await person.type("/line 300 \n")
    await person.matches(r"^line 300 of the story$")
    _, rows = await person.resize_window(*NARROW)
    await person.until("rows => webterm.screen().split('\\n').length === rows", rows)
    await person.matches(r"^line 300 of the story$")
    await person.type(":wq\n")
    await person.at_prompt()
    assert "line 500" not in await person.screen()  # the alternate screen has gone
    assert (server.home / story).read_text().startswith("hello from vim\nline 1 ")


async def test_less(person: Person, story: str) -> None:
    await person.run(f"less {story}")
    await person.matches(r"^line 1 of the story$")
    await person.type(" ")
    await person.gone("line 1 of")
    await person.type("G")
    await person.sees("line 500 of the story")
    await person.type("/story\n")
    await person.type("300g")
    await person.matches(r"^line 300 of the story$")
    await person.press("ArrowDown")
    await person.gone("line 300 of")
    await person.turn_wheel(-300)  # on the alternate screen the wheel is cursor keys
    await person.sees("line 300 of")
    await person.type("q")
    await person.at_prompt()


async def test_htop(person: Person) -> None:
    await person.run("htop")
    await person.sees("F10Quit")
    await person.matches(r"PID.*USER")
    await person.press("F1")
    await person.sees("Press any key to return")
    await person.type("x")
    await person.gone("Press any key to return")
    await person.resize_window(*NARROW)
    await person.matches(r"^F1Help[^\n]*$")
    await person.until("() => webterm.screen().split('\\n').at(-1).startsWith('F1Help')")
    await person.click_at("Setup")  # htop takes the mouse
    await person.sees("Display options")
    await person.press("Escape")
    await person.gone("Display options")
    await person.type("q")
    await person.at_prompt()


async def test_tmux(person: Person) -> None:
    await person.run("tmux -L e2e -f /dev/null new")
    await person.matches(r"^\[0\] 0:")
    await person.press("Control+B")
    await person.type("%")
    await person.until("() => webterm.screen().includes('│')")
    await person.run("echo right $((6 * 7))")
    await person.sees("│right 42")
    await person.press("Control+B", "ArrowLeft")
    await person.run("stty size")
    found = await person.matches(r"^(\d+) (\d+) ")
    cols = int(found[2])
    await person.resize_window(*NARROW)
    await person.run(f"while [ \"$(stty size)\" = '{found[1]} {cols}' ]; do :; done; clear; stty size")
    found = await person.matches(rf"^\d+ (?!{cols})(\d+) ")
    assert int(found[1]) < cols
    await person.run("tmux -L e2e kill-server")
    await person.sees("[server exited]")
    await person.at_prompt()


async def test_the_screen_behind_comes_back_after_a_full_screen_program(person: Person, story: str) -> None:
    await person.run("echo before")
    await person.matches("^before$")
    await person.at_prompt()  # what is typed earlier may be echoed before the prompt
    await person.run(f"less {story}")
    await person.sees("line 1 of the story")
    await person.type("q")
    assert re.search(rf"^before\n{PROMPT}less {story}\n{PROMPT}", await _settled(person), re.MULTILINE)


async def _settled(person: Person) -> str:
    await person.at_prompt()
    return await person.screen() + "\n"

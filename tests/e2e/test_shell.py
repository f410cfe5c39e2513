"""Typing at a shell: text, colours, wide characters, sizes, Ctrl-C."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.browsing import ROWS, Person
from tests.e2e.serving import PROMPT, Server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

CTRL_C_MS = 300


async def test_what_is_typed_runs_and_its_output_appears(person: Person) -> None:
    await person.run("echo $((6 * 7)) 'ü € 漢'")
    await person.matches(r"^42 ü € 漢$")
    await person.type("abcX")
    await person.sees(f"{PROMPT}abcX")
    await person.press("Backspace", "ArrowLeft", "Control+A", "Control+K")
    await person.gone("abc")


async def cell(person: Person, text: str) -> dict[str, Any]:
    """How the drawn cells that hold ``text`` look, and where they are, in cells."""
    script = """([rows, text]) => {
        const screen = document.querySelector('.pane:not([hidden]) .xterm-screen').getBoundingClientRect();
        const walker = document.createTreeWalker(document.querySelector(rows), NodeFilter.SHOW_TEXT);
        let found = null;
        for (let node = walker.nextNode(); node; node = walker.nextNode()) {
            const at = node.data.indexOf(text);
            if (at < 0) continue;
            const range = document.createRange();
            range.setStart(node, at);
            range.setEnd(node, at + text.length);
            const box = range.getBoundingClientRect(), style = getComputedStyle(node.parentElement);
            const width = screen.width / Number(document.querySelector('.geometry .long').textContent.split('×')[0]);
            found = {left: (box.left - screen.left) / width, width: box.width / width, color: style.color,
                     background: style.backgroundColor, weight: style.fontWeight};
        }
        return found;
    }"""
    await person.until(f"arguments => ({script})(arguments) !== null", [ROWS, text])
    found: dict[str, Any] = await person.page.evaluate(script, [ROWS, text])
    return found


async def test_24_bit_colour(person: Person) -> None:
    await person.run(r"printf '\033[38;2;10;200;30;48;2;90;0;120m%s\033[0m\n' COL''OURED")
    found = await cell(person, "COLOURED")
    assert found["color"] == "rgb(10, 200, 30)"
    assert found["background"] == "rgb(90, 0, 120)"


WIDTHS = {
    "漢字": 4,
    "한": 2,
    "e\u0301": 1,  # one letter and a combining accent
    "👍🏽": 2,  # with a skin tone
    "👩‍👩‍👧‍👦": 2,  # four people, joined
    "🇳🇴": 2,  # a flag of two letters
    "❤️": 2,  # made an emoji by a variation selector
    "ｱ": 1,  # half width
}
WHERE_AM_I = """
import os, sys, termios, tty
before = termios.tcgetattr(0)
tty.setraw(0)
for number, text in enumerate(sys.argv[1:]):
    os.write(1, f"\\r{text}\\x1b[6n|after {number}".encode())
    said = b""
    while not said.endswith(b"R"):
        said += os.read(0, 1)
    os.write(1, b" column " + said[2:-1].split(b";")[1] + b".\\r\\n")
termios.tcsetattr(0, termios.TCSADRAIN, before)
"""


async def test_characters_take_as_many_cells_as_they_should(person: Person, server: Server) -> None:
    """What follows stands in the right cell: asked of the emulator (CPR), and looked up among what is drawn."""
    (server.home / "where.py").write_text(WHERE_AM_I)
    await person.run(f"clear; {sys.executable} where.py {' '.join(WIDTHS)}")
    for number, width in enumerate(WIDTHS.values()):
        await person.sees(f"|after {number} column {width + 1}.")
        assert (await cell(person, f"|after {number}"))["left"] == pytest.approx(width, abs=0.1)


async def test_the_window_s_size_reaches_the_program(person: Person) -> None:
    at_first = await person.size()
    await person.run("trap 'echo changed to $(stty size)' WINCH; stty size")
    await person.matches(rf"^{at_first[1]} {at_first[0]}$")
    smaller = await person.resize_window(700, 400)
    await person.sees(f"changed to {smaller[1]} {smaller[0]}")
    assert smaller < at_first
    await person.clear()
    assert await person.resize_window(1280, 800) == at_first
    await person.sees(f"changed to {at_first[1]} {at_first[0]}")


async def test_ctrl_c_stops_a_flood_and_the_prompt_is_back_soon(
    person: Person, record_property: Callable[[str, object], None]
) -> None:
    """From the key in the page to the prompt in the rows that are drawn."""
    await person.page.evaluate(
        """([rows, prompt]) => {
            window.stopped = new Promise(resolve => addEventListener('keydown', event => {
                if (!event.ctrlKey || event.code !== 'KeyC') return;
                const look = () => {
                    const lines = [...document.querySelector(rows).children].map(row => row.textContent.trim());
                    if (lines.findLast(line => line).startsWith(prompt)) resolve(performance.now() - event.timeStamp);
                    else requestAnimationFrame(look);
                };
                look();
            }, true));
        }""",
        [ROWS, PROMPT.strip()],
    )
    await person.run("yes")
    before = (await person.tabs())[0]["offset"]
    await person.until("before => webterm.tabs()[0].offset > before + 5_000_000", before)
    await person.press("Control+C")
    spent = float(await person.page.evaluate("window.stopped"))
    record_property("ctrl_c_ms", round(spent))
    print(f"Ctrl-C under yes to the prompt: {spent:.0f} ms")
    assert spent < CTRL_C_MS

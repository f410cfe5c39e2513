"""What programs print is shown, and nothing more: it opens, copies, asks and frames nothing."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, expect

from tests.e2e.browsing import Person
from tests.e2e.serving import Server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

ASK = r"""
import os, sys, termios, tty
before = termios.tcgetattr(0)
tty.setraw(0)
said = b""
os.write(1, bytes.fromhex(sys.argv[1]) + b"\x1b[5n")  # the last question has an answer, so there is an end
while not said.endswith(b"\x1b[0n"):
    said += os.read(0, 65536)
termios.tcsetattr(0, termios.TCSADRAIN, before)
print("\r\nanswered", sys.argv[2], said.hex() + ".")
"""

UNANSWERED = {
    "the clipboard (OSC 52)": b"\x1b]52;c;?\x07",
    "the primary selection (OSC 52)": b"\x1b]52;p;?\x1b\\",
    "the window's title (XTWINOPS 21)": b"\x1b]2;\rrm -rf x\r\x07\x1b[21t",
    "the icon's title (XTWINOPS 20)": b"\x1b[20t",
    "the window's place (XTWINOPS 13)": b"\x1b[13t",
    "the window's size (XTWINOPS 14)": b"\x1b[14t",
    "the answerback (ENQ)": b"\x05",
    "a file, as a picture (kitty graphics)": b"\x1b_Gi=1,t=f,a=q,f=24;L2V0Yy9wYXNzd2Q=\x1b\\",
    "a checksum of the screen (DECRQCRA)": b"\x1b[1;1;1;1;1;1*y",
    "a macro's text (DECCKSR)": b"\x1b[?63;1n",
}


async def test_no_program_gets_what_it_may_not_ask_for(person: Person, server: Server) -> None:
    (server.home / "ask.py").write_text(ASK)
    await person.copy_into_clipboard("a secret of another program")
    for number, (what, question) in enumerate(UNANSWERED.items()):
        await person.run(f"clear; {sys.executable} ask.py {question.hex()} {number}")
        answer = bytes.fromhex((await person.matches(rf"^answered {number} (\w+)\.$"))[1])
        assert answer == b"\x1b[0n", f"{what} was answered"


async def test_a_settings_report_holds_nothing_of_the_question(person: Person, server: Server) -> None:
    """DECRQSS: an answer that repeats the question types it into the shell."""
    (server.home / "ask.py").write_text(ASK)
    question = b"\x1bP$q\nrm -rf x\n\x1b\\"
    await person.run(f"{sys.executable} ask.py {question.hex()} 0")
    answer = bytes.fromhex((await person.matches(r"^answered 0 (\w+)\.$"))[1])
    assert answer in (b"\x1b[0n", b"\x1bP0$r\x1b\\\x1b[0n")


async def test_no_program_writes_the_clipboard(person: Person) -> None:
    await person.copy_into_clipboard("what was copied")
    await person.run(r"printf '\033]52;c;%s\007' $(printf hacked | base64); echo $((6 * 7))")
    await person.matches("^42$")
    assert await person.page.evaluate("navigator.clipboard.readText()") == "what was copied"


@pytest.mark.parametrize(
    "target",
    [
        "javascript:alert(document.domain)",
        "JaVaScRiPt:alert(1)",
        "java%0ascript:alert(1)",
        "file:///etc/passwd",
        "data:text/html,<script>alert(1)</script>",
        "blob:http://127.0.0.1/x",
        "vbscript:msgbox(1)",
        "view-source:http://127.0.0.1/",
        "//example.com/",
        "/api/v1/terminals",
        "https://example.com/$(printf x%.0s {1..5000})",
    ],
)
async def test_a_hyperlink_to_nowhere_good_is_inert(person: Person, target: str) -> None:
    """OSC 8."""
    url = person.page.url
    await person.run(f"clear; printf '\\033]8;;%s\\033\\\\CLICK''ME\\033]8;;\\033\\\\\\n' \"{target}\"")
    await person.sees("CLICKME")
    await person.until(
        "() => [...document.querySelectorAll('.xterm-rows span')].some(e => e.textContent.includes('CLICKME'))"
    )
    await person.point_at("CLICKME")
    await expect(person.page.locator(".message")).to_have_text("This link may not be opened")
    for modifier in (None, "Control", "Shift"):
        if modifier:
            await person.keys.down(modifier)
        await person.click_at("CLICKME")
        if modifier:
            await person.keys.up(modifier)
    await person.run("echo $((6 * 7))")
    await person.matches("^42$")
    assert person.context.pages == [person.page]
    assert person.page.url == url


HTML = "<img src=x onerror=document.body.remove()><b>bold</b>&lt;"


async def test_titles_are_text(person: Person) -> None:
    await person.run(f"printf '\\033]0;%s\\007' '{HTML}'")
    tab = person.page.get_by_role("tab")
    await expect(tab.locator(".title")).to_have_text(HTML)
    await expect(person.page).to_have_title(f"{HTML} – webterm")
    assert await person.page.locator("img, .title b").count() == 0
    await person.page.get_by_label("Close").click()
    await expect(person.page.get_by_role("dialog")).to_contain_text(HTML)


async def test_titles_lose_what_cannot_be_seen(person: Person) -> None:
    await person.run(r"printf '\033]2;a\342\200\256b\342\200\213cd\tе\033\\'")
    await expect(person.page.get_by_role("tab").locator(".title")).to_have_text("abcdе")


async def test_markup_in_the_output_is_text(person: Person) -> None:
    await person.run(f"echo '{HTML}' | tee /dev/null")
    await person.until("html => webterm.screen().split('\\n').includes(html)", HTML)
    assert await person.page.locator("#stage img, #stage b").count() == 0


async def test_floods_of_titles_and_links_do_no_harm(person: Person) -> None:
    flood = r"printf '\033]2;title %d\007\033]8;;https://x.org/%d\007x\033]8;;\007' $n $n"
    await person.run(f"for n in $(seq 1 20000); do {flood}; done; clear; echo $((6 * 7))")
    await person.matches("^42$")
    await expect(person.page.get_by_role("tab").locator(".title")).to_have_text("title 20000")


async def test_huge_counts_do_not_keep_the_page_busy(person: Person) -> None:
    """Whatever xterm.js would do a thousand million times."""
    for final in "@ABCDEFGHIJKLMPSTXZ`abdef":
        await person.run(
            rf"clear; printf 'x\033[999999999;999999999{final}\033[999999999 {final}'; clear; echo '{final}'$((6 * 7))"
        )
        await person.sees(f"{final}42\n")


@pytest_asyncio.fixture(loop_scope="session")
async def stranger(server: Server) -> AsyncIterator[str]:
    """The URL of another origin's page, which shows webterm in a frame."""

    async def page(request: web.Request) -> web.Response:
        return web.Response(text=f"<iframe src={server.url} width=800 height=600></iframe>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    async with TestServer(app) as running:
        yield str(running.make_url("/"))


async def test_no_other_page_shows_webterm_in_a_frame(person: Person, browser: Browser, stranger: str) -> None:
    """Also for somebody who is signed in."""
    context = await browser.new_context(storage_state=await person.context.storage_state())
    outside = await context.new_page()
    complaints: list[str] = []
    outside.on("console", lambda message: complaints.append(message.text))
    await outside.goto(stranger)
    _, frame = outside.frames
    assert await frame.evaluate("document.querySelector('#app')") is None
    assert any("frame-ancestors" in text for text in complaints)
    await context.close()

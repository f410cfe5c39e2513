"""Pasting: much, many lines, and what tries to hide."""

from __future__ import annotations

import hashlib
import random
import string
import sys

import pytest
from playwright.async_api import expect

from tests.e2e.browsing import Person
from tests.e2e.serving import Server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

MEGABYTE = 1024 * 1024


def text_of(length: int, *, line: int = 0) -> str:
    """Printable ASCII that does not repeat; with ``line`` it ends a line after that many characters."""
    letters = random.Random(length).choices(string.ascii_letters + string.digits + " +-*/", k=length)
    if line:
        letters[line - 1 :: line] = "\n" * len(letters[line - 1 :: line])
        letters[-1] = "\n"
    return "".join(letters)


def checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


async def test_a_megabyte_arrives_intact_at_a_program_that_takes_every_byte(person: Person) -> None:
    text = text_of(MEGABYTE)
    await person.run(f"stty raw -echo; printf go''on; head -c {MEGABYTE} | sha256sum; stty sane")
    await person.sees("goon")
    await person.paste(text)
    await person.sees(checksum(text))


async def test_a_megabyte_of_lines_arrives_intact_in_a_file(person: Person, server: Server) -> None:
    """Through the terminal's own line discipline, echo included."""
    text = text_of(MEGABYTE, line=80)
    await person.run("printf go''on; cat > pasted; sha256sum pasted")
    await person.sees("goon")
    await person.paste(text)
    await person.page.get_by_role("dialog").get_by_role("button", name="Paste", exact=True).click()
    await person.page.locator(".progress").wait_for(state="detached")
    await person.press("Control+D")
    await person.sees(checksum(text))
    assert (server.home / "pasted").read_text() == text


async def test_several_lines_ask_first_and_cancel_sends_nothing(person: Person) -> None:
    await person.paste("echo one\necho two\n")
    dialog = person.page.get_by_role("dialog")
    await expect(dialog).to_contain_text("2 lines")
    await expect(dialog.locator("pre")).to_have_text("echo one↵\necho two↵\n")
    await dialog.get_by_role("button", name="Cancel").click()
    await expect(dialog).to_have_count(0)
    await person.run("# the next thing that is typed")
    await person.sees("# the next thing")
    assert "echo" not in await person.screen()


async def test_several_lines_go_in_when_told_so(person: Person) -> None:
    await person.paste("echo $((20 + 3))\necho $((40 + 5))")
    await person.page.get_by_role("dialog").wait_for()
    await person.press("Enter")
    await person.sees("echo $((40 + 5))")
    assert "\n23\n" not in await person.screen()  # the shell's own guard: it is in bracketed paste mode
    await person.press("Enter")
    await person.matches(r"^23\n45$")


async def test_escape_is_cancel(person: Person) -> None:
    await person.paste("echo one\n")
    await person.page.get_by_role("dialog").wait_for()
    await person.press("Escape")
    await expect(person.page.get_by_role("dialog")).to_have_count(0)
    await person.run("printf '%s' still-''here")
    await person.sees("still-here")
    assert "echo one" not in await person.screen()


async def test_one_plain_line_is_pasted_at_once(person: Person) -> None:
    await person.paste("echo $((20 + 3))")
    await person.sees("echo $((20 + 3))")
    await person.press("Enter")
    await person.matches(r"^23$")


BRACKETED = r"""
import os, sys, termios, tty
before = termios.tcgetattr(0)
tty.setraw(0)
os.write(1, b"\x1b[?2004hlistening\r\n")
got = b""
while not got.endswith(b"."):
    got += os.read(0, 65536)
os.write(1, b"\x1b[?2004l")
termios.tcsetattr(0, termios.TCSADRAIN, before)
print("got", got.hex())
"""
HOSTILE = "\nls\x1b[201~\nrm -rf x\x9b201~\x85 \u202eesrever\u200b\u2069\x03"


async def test_a_hostile_paste_is_shown_as_it_is_and_cannot_leave_its_brackets(person: Person, server: Server) -> None:
    (server.home / "bracketed.py").write_text(BRACKETED)
    await person.run(f"{sys.executable} bracketed.py")
    await person.sees("listening")
    await person.paste(HOSTILE)
    dialog = person.page.get_by_role("dialog")
    for reason in ("more than one line", "end the paste early", "control characters", "direction", "cannot be seen"):
        await expect(dialog).to_contain_text(reason)
    await expect(dialog.locator("pre")).to_have_text("↵\nls↵\nrm -rf x\\x85 \\u202eesrever\\u200b\\u2069␃")
    await dialog.get_by_role("button", name="Paste", exact=True).click()
    await person.type(".")
    got = bytes.fromhex((await person.matches(r"^got (\w+)$"))[1])
    assert got == b"\x1b[200~\rls\rrm -rf x\xc2\x85 \xe2\x80\xaeesrever\xe2\x80\x8b\xe2\x81\xa9\x03\x1b[201~."

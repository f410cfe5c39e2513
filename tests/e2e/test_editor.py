"""The editor, the shell and the disk see the same bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Dialog, expect

from tests.e2e.browsing import CUT_OFF, Person
from tests.e2e.conftest import Arrive
from tests.e2e.desk import GENEROUS, Desk
from tests.e2e.serving import Server, serving

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

AT_ONCE = 300
"""Milliseconds in which a change by the shell is in the open editor."""
ROUNDS = 8

SEEN = """marker => new Promise(seen => {
    const lines = document.querySelector('.desk:not([inert]) .cm-content');
    const look = () => lines.textContent.includes(marker) && (watching.disconnect(), seen(Date.now()));
    const watching = new MutationObserver(look);
    watching.observe(lines, {subtree: true, childList: true, characterData: true});
    look();
})"""
"""Resolves to the time at which the editor has shown a text."""


BEHIND = """() => {
    const stage = document.querySelector('.stage');
    stage.inert = false;
    stage.style.visibility = 'visible';
    stage.querySelector('.pane:not([hidden]) textarea').focus();
}"""
"""Lets the terminal behind the file have the keys."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    async with serving(tmp_path_factory.mktemp("server"), **GENEROUS) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def desk(arrive: Arrive, server: Server, request: pytest.FixtureRequest) -> Desk:
    return await Desk.made(await arrive(server), server, request.node.name[:60])


async def test_a_saved_file_is_what_cat_shows(desk: Desk) -> None:
    desk.write("poem.txt", "roses are red\n")
    await desk.edit("poem.txt")
    await desk.shows("roses are red\n")
    await desk.person.press("Control+End")
    await desk.person.type("violets are blue\n")
    await expect(desk.tab("poem.txt")).to_contain_text("not saved")
    assert (await desk.page.title()).startswith("• poem.txt")
    await desk.saved()
    await expect(desk.tab("poem.txt")).not_to_contain_text("not saved")
    await desk.terminal()
    await desk.person.run("cat poem.txt; stat -c '%a %n' *")
    await desk.person.matches(r"^roses are red$")
    await desk.person.matches(r"^violets are blue$")
    await desk.person.matches(r"^644 poem.txt$")


def changed(path: Path) -> float:
    """When a file was changed, in milliseconds since 1970."""
    return path.stat().st_mtime_ns / 1e6


async def delay(desk: Desk, path: Path, number: int) -> float:
    """Milliseconds from a change by the shell until the editor shows it; the file's own time says when it was."""
    marker = f"line {number} of the shell"
    seen = asyncio.create_task(desk.page.evaluate(SEEN, marker))
    await desk.person.run(f"echo '{marker}' >> {path.name}")
    return float(await seen) - changed(path)


async def test_a_file_changed_in_the_shell_is_in_the_open_editor(desk: Desk) -> None:
    path = desk.write("log.txt", "begin\n")
    await desk.terminal()
    await desk.edit("log.txt")
    await desk.shows("begin\n")
    # Keys go to the terminal, and the file stays in front.
    await desk.page.evaluate(BEHIND)
    delays = [await delay(desk, path, number) for number in range(ROUNDS)]
    assert min(delays) < AT_ONCE, delays
    print("until the editor shows it, in ms:", [round(one) for one in sorted(delays)])
    await desk.person.run("mv log.txt old.txt; echo new > log.txt")  # as programs save
    await desk.shows("new\n")
    await desk.person.run("sed -i s/new/newer/ log.txt")
    await desk.shows("newer\n")
    await desk.person.run("rm log.txt")
    await expect(desk.page.get_by_text("This file is no longer on the disk.")).to_be_visible()
    assert await desk.text() == "newer\n"


async def test_what_others_change_moves_neither_cursor_nor_view(desk: Desk) -> None:
    path = desk.write("long.txt", "".join(f"line {number}\n" for number in range(2000)))
    await desk.edit("long.txt")
    await desk.person.press("Control+End", "PageUp", "PageUp")
    await desk.person.frame()  # the editor scrolls with the next one
    top = "document.querySelector('.desk:not([inert]) .cm-scroller').scrollTop"
    line = "document.querySelector('.desk:not([inert]) .cm-activeLine').textContent"
    here = await desk.page.evaluate(line)
    assert here.startswith("line 19")
    box = await desk.page.locator(".cm-activeLine").bounding_box()
    assert box is not None
    before = await desk.page.evaluate(top)
    path.write_text("a new head\n" + path.read_text().replace(f"{here}\n", f"{here}\na new neighbour\n"))
    await expect(desk.editor).to_contain_text("a new neighbour")
    await desk.person.frame()
    assert await desk.page.evaluate(line) == here
    after = await desk.page.locator(".cm-activeLine").bounding_box()
    assert after is not None
    assert abs(after["y"] - box["y"]) < 3
    assert await desk.page.evaluate(top) > before
    await desk.person.press("Home")
    await desk.person.type("!")  # one key: several, typed slowly, would be undone one by one
    assert await desk.page.evaluate(line) == f"!{here}"
    await desk.person.press("Control+z")
    assert await desk.page.evaluate(line) == here  # what others did is not undone
    await expect(desk.tab("long.txt")).not_to_contain_text("not saved")


async def conflict(desk: Desk, name: str) -> Path:
    """A file that has changed on the disk and in the editor, and is being saved."""
    path = desk.write(name, "one\ntwo\nthree\n")
    await desk.edit(name)
    await desk.shows("one\ntwo\nthree\n")
    await desk.person.press("Control+Home")
    await desk.person.type("mine ")
    path.write_text("one\ntwo\nthree, theirs\n")
    await expect(desk.page.get_by_text("This file has changed on the disk.")).to_be_visible()
    assert await desk.text() == "mine one\ntwo\nthree\n"
    await desk.person.press("Control+s")
    await expect(desk.dialog).to_contain_text("has changed on the disk")
    assert path.read_text() == "one\ntwo\nthree, theirs\n"
    return path


async def test_a_save_over_somebody_elses_work_asks(desk: Desk) -> None:
    path = await conflict(desk, "a.txt")
    await desk.answer("Cancel")
    assert path.read_text() == "one\ntwo\nthree, theirs\n"
    await expect(desk.tab("a.txt")).to_contain_text("not saved")
    await desk.person.press("Control+s")
    await desk.answer("Save mine")
    assert path.read_text() == "mine one\ntwo\nthree\n"
    await expect(desk.tab("a.txt")).not_to_contain_text("not saved")

    path = await conflict(desk, "b.txt")
    await desk.answer("Take theirs")
    await desk.shows("one\ntwo\nthree, theirs\n")
    await expect(desk.editor).to_be_focused()
    await expect(desk.page.locator(".news")).to_have_count(0)

    path = await conflict(desk, "c.txt")
    await desk.dialog.get_by_role("button", name="Compare").click()
    await expect(desk.dialog.get_by_label("On the disk")).to_contain_text("three, theirs")
    await expect(desk.dialog.get_by_label("Yours")).to_contain_text("mine one")
    await desk.dialog.get_by_label("Revert this chunk").last.click()  # theirs into mine
    await desk.answer("Save the right side")
    assert path.read_text() == "mine one\ntwo\nthree, theirs\n"
    await desk.shows("mine one\ntwo\nthree, theirs\n")


async def test_a_file_that_was_deleted_can_be_saved_again(desk: Desk) -> None:
    path = desk.write("a.txt", "text\n")
    await desk.edit("a.txt")
    await desk.person.type("more ")
    path.unlink()
    await expect(desk.page.get_by_text("This file is no longer on the disk.")).to_be_visible()
    await desk.person.press("Control+s")
    await expect(desk.dialog).to_contain_text("is no longer on the disk")
    await desk.answer("Save it again")
    assert path.read_text() == "more text\n"
    await expect(desk.page.locator(".news")).to_have_count(0)


async def test_unsaved_work_is_asked_about(desk: Desk) -> None:
    path = desk.write("a.py", "def f(x):\n    return 'a' + x  # why\n")
    await desk.edit("a.py")
    await expect(desk.editor.locator("span").first).to_have_text("def")  # it is known to be Python
    await desk.person.press("Control+End")
    await desk.person.type("f('b')\n")
    asked: list[str] = []

    async def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        await dialog.dismiss()

    desk.page.once("dialog", stay)
    await desk.page.evaluate("setTimeout(() => location.reload())")
    while not asked:
        await desk.person.frame()
    assert asked == ["beforeunload"]
    assert (await desk.text()).endswith("f('b')\n")

    await desk.page.get_by_label("Close a.py").click()
    await desk.answer("Cancel")
    await desk.person.press("Delete")  # the key is for the text, which has the focus again
    await desk.page.get_by_label("Close a.py").click()
    await desk.answer("Save")
    assert path.read_text().endswith("# why\nf('b')\n")
    await expect(desk.tab("a.py")).to_have_count(0)

    await desk.edit("a.py")
    await desk.person.type("junk")
    await desk.page.get_by_label("Close a.py").click()
    await desk.answer("Do not save")
    assert "junk" not in path.read_text()


async def test_bytes_that_were_not_changed_stay_as_they_were(desk: Desk) -> None:
    dos = "\ufeffone\r\ntwo ü\r\n".encode()
    mixed = b"one\r\ntwo\nthree\r"
    desk.write("dos.txt", dos)
    desk.write("mixed.txt", mixed)
    for name, before in (("dos.txt", dos), ("mixed.txt", mixed)):
        await desk.edit(name)
        await desk.person.press("Control+Home")
        await desk.person.type("!")
        await desk.saved()
        mark = b"\xef\xbb\xbf" if before.startswith(b"\xef\xbb\xbf") else b""
        assert (desk.files / name).read_bytes() == mark + b"!" + before.removeprefix(mark)
    await desk.page.get_by_role("tab", name="dos.txt").click()
    await desk.person.press("Control+End")
    await desk.person.type("three\n")
    await desk.saved()
    assert (desk.files / "dos.txt").read_bytes().endswith(b"\r\ntwo \xc3\xbc\r\nthree\r\n")


async def test_what_is_no_text_or_too_large_is_not_edited(desk: Desk) -> None:
    (desk.files / "program").write_bytes(b"\x7fELF\x00\x01")
    (desk.files / "latin").write_bytes("Käse\n".encode("latin-1"))
    (desk.files / "large").write_text("all the same line\n" * 150_000)
    with (desk.files / "huge").open("wb") as huge:
        huge.write(b"x" * 17 * 1024 * 1024)
    for name in ("program", "latin"):
        await desk.open(name)
        await expect(desk.page.locator(".desk:not([inert])")).to_contain_text("This is no text")
    await desk.open("huge")
    shown = desk.page.locator(".desk:not([inert])")
    await expect(shown).to_contain_text("The editor takes files of up to 16 MiB")
    async with desk.page.expect_download() as downloading:
        await shown.get_by_role("link", name="Download").click()
    assert (await (await downloading.value).path()).stat().st_size == 17 * 1024 * 1024
    await desk.open("large")
    await expect(shown).to_contain_text("This file has 2.6 MiB")
    await shown.get_by_role("button", name="Open it anyway").click()
    await expect(desk.editor).to_contain_text("all the same line")
    await desk.editor.click()
    await desk.person.press("Control+Home")
    await desk.person.type("the first ")
    await desk.saved()
    assert (desk.files / "large").read_text().startswith("the first all the same line\n")
    assert (desk.files / "large").stat().st_size == 150_000 * 18 + 10


async def test_saving_goes_on_after_the_server_was_away(own_server: Server, arrive: Arrive) -> None:
    person: Person = await arrive(own_server)
    desk = await Desk.made(person, own_server, "away")
    path = desk.write("a.txt", "before\n")
    await desk.edit("a.txt")
    await desk.person.type("typed ")
    person.watch.allowed = CUT_OFF
    await own_server.kill()
    await desk.person.press("Control+s")
    await expect(desk.page.locator(".message")).to_contain_text("is not saved")
    path.write_text("before\nand after\n")
    await own_server.start()
    await desk.page.evaluate("dispatchEvent(new Event('online'))")  # it need not wait for its next try
    await expect(desk.page.get_by_text("This file has changed on the disk.")).to_be_visible()
    assert await desk.text() == "typed before\n"
    await desk.person.press("Control+s")
    await desk.answer("Save mine")
    assert path.read_text() == "typed before\n"

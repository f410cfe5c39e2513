"""The files of a workspace beside the terminals: the tree, and what one does in it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.e2e.browsing import PHONE, SCREEN
from tests.e2e.conftest import Arrive
from tests.e2e.desk import GENEROUS, Desk
from tests.e2e.serving import Server, serving

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    async with serving(tmp_path_factory.mktemp("server"), **GENEROUS) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def desk(arrive: Arrive, server: Server, request: pytest.FixtureRequest) -> Desk:
    return await Desk.made(await arrive(server), server, request.node.name[:60])


ROWS = """() => [...document.querySelectorAll('[role=treeitem]')]
    .sort((one, other) => one.offsetTop - other.offsetTop)
    .map(row => '  '.repeat(row.ariaLevel - 1) + row.ariaLabel)"""


async def grown(desk: Desk, *rows: str) -> None:
    """Wait until the tree shows exactly these rows, indented."""
    try:
        await desk.person.until(f"rows => JSON.stringify(({ROWS})()) === JSON.stringify(rows)", rows)
    except Exception as error:
        raise AssertionError(f"not {rows} but {await desk.page.evaluate(ROWS)}") from error


async def current(desk: Desk) -> str:
    """The row that the tree names as its current one."""
    named = "document.getElementById(document.activeElement.getAttribute('aria-activedescendant')).ariaLabel"
    return str(await desk.page.evaluate(named))


async def test_the_tree_is_used_by_keys(desk: Desk) -> None:
    for name in ("src/deep/er/x.py", "src/main.py", "docs/a.md", "z10", "z9", ".hidden"):
        desk.write(name, name)
    await grown(desk, "docs", "src", "z9", "z10")
    tree = desk.page.get_by_role("tree", name="Files")
    await tree.focus()
    await desk.person.press("Home", "ArrowDown", "ArrowRight")
    assert await current(desk) == "src"
    await expect(desk.item("src")).to_have_attribute("aria-expanded", "true")
    await expect(desk.item("deep")).to_have_attribute("aria-level", "2")
    await expect(desk.item("deep")).to_have_attribute("aria-setsize", "2")
    await desk.person.press("ArrowRight", "ArrowRight")
    await expect(desk.item("er")).to_be_visible()
    await grown(desk, "docs", "src", "  deep", "    er", "  main.py", "z9", "z10")
    await desk.person.press("z", "z", "Home", "m")
    assert await current(desk) == "main.py"
    await desk.person.press("ArrowLeft", "ArrowLeft")
    await grown(desk, "docs", "src", "z9", "z10")
    await desk.person.press("End", "Enter")
    await expect(desk.tab("z10")).to_have_attribute("aria-selected", "true")
    await expect(desk.editor).to_be_focused()
    await tree.focus()
    await desk.person.press("F2")
    await expect(desk.dialog.get_by_label("New name")).to_be_focused()
    await desk.person.type("z11")
    await desk.person.press("Enter")
    await expect(desk.item("z11")).to_be_visible()
    await expect(tree).to_be_focused()
    assert (desk.files / "z11").read_text() == "z10"
    await expect(desk.tab("z11")).to_have_attribute("aria-selected", "true")  # the open file has followed
    await desk.person.press("Delete")
    await expect(desk.dialog.get_by_role("button", name="Cancel")).to_be_focused()
    await desk.answer("Delete")
    await expect(desk.item("z11")).to_have_count(0)
    await expect(tree).to_be_focused()
    assert await current(desk) == "z9"
    await desk.person.press("Shift+F10")
    await expect(desk.page.get_by_role("menuitem", name="Open")).to_be_focused()
    await desk.person.press("End", "Escape")
    await expect(tree).to_be_focused()
    await desk.page.get_by_label("Show hidden files").click()
    await expect(desk.item(".hidden")).to_be_visible()


async def test_the_shell_and_the_tree_agree(desk: Desk) -> None:
    await desk.terminal()
    await desk.person.run("mkdir -p a/b && echo 1 > a/b/one && ln -s a/b short && echo 2 > two")
    await expect(desk.item("two")).to_be_visible()
    await desk.item("short").click()
    await expect(desk.item("one")).to_be_visible()
    await desk.page.locator(SCREEN).click()
    await desk.person.run("mv two three && rm short && chmod +x three")
    await expect(desk.item("three")).to_be_visible()
    await expect(desk.item("one")).to_have_count(0)
    await grown(desk, "a", "three")
    await desk.act("three", "Make it no program")
    await desk.page.locator(SCREEN).click()
    await desk.person.run("while test -x three; do :; done; stat -c '%a is it' three")
    await desk.person.matches("^644 is it$")
    await desk.item("a").click()
    await desk.act("b", "New terminal here")
    await desk.person.attached(3)
    await desk.person.run("ls; basename $PWD")
    await desk.person.matches(r"^one$")
    await desk.person.matches(r"^b$")


async def test_files_are_made_copied_and_moved(desk: Desk) -> None:
    await desk.page.get_by_label("New folder").click()
    await desk.dialog.get_by_label("Name, in the workspace").fill("a/b")
    await desk.dialog.get_by_role("button", name="Make it").click()
    await expect(desk.dialog).to_contain_text("A name has no slash in it.")
    await desk.dialog.get_by_label("Name, in the workspace").fill("sub")
    await desk.answer("Make it")
    await desk.act("sub", "New file…")
    await desk.dialog.get_by_label("Name, in sub").fill("näme & co.txt")
    await desk.answer("Make it")
    await expect(desk.editor).to_be_focused()
    await desk.person.type("text")
    await desk.saved()
    await desk.act("näme & co.txt", "Duplicate")
    await expect(desk.item("näme & co copy.txt")).to_be_visible()
    assert (desk.files / "sub" / "näme & co copy.txt").read_text() == "text"
    (desk.files / "sub" / "taken").write_text("old")
    await expect(desk.item("taken")).to_be_visible()
    await desk.item("taken").drag_to(desk.page.locator("#files-tree"), target_position={"x": 100, "y": 400})
    await expect(desk.item("taken")).to_have_attribute("aria-level", "1")
    (desk.files / "sub" / "taken").write_text("new")
    await expect(desk.item("taken")).to_have_count(2)
    await desk.item("taken").first.drag_to(desk.page.locator("#files-tree"), target_position={"x": 100, "y": 400})
    await expect(desk.dialog).to_contain_text("taken is there already")
    await desk.answer("Replace")
    await expect(desk.item("taken")).to_have_count(1)
    assert (desk.files / "taken").read_text() == "new"
    await desk.act("taken", "Move…")
    await desk.dialog.get_by_label("New path").fill("sub/no/such")
    await desk.dialog.get_by_role("button", name="Move").click()
    await expect(desk.dialog.get_by_role("alert")).not_to_be_empty()
    await desk.dialog.get_by_label("New path").fill("sub/moved")
    await desk.answer("Move")
    assert (desk.files / "sub" / "moved").read_text() == "new"


async def test_a_long_directory_stays_usable(desk: Desk) -> None:
    (desk.files / "many").mkdir()
    for number in range(2600):
        (desk.files / "many" / f"file {number:04}").touch()
    await desk.item("many").click()
    await expect(desk.item("file 0000")).to_be_visible()
    assert await desk.page.locator("[role=treeitem]").count() < 100
    await desk.person.press("End")
    assert await current(desk) == "file 0999"
    for last in ("file 1999", "file 2599"):
        await desk.page.get_by_role("button", name="Show more").click()
        await desk.person.until(f"() => document.querySelector('.rows').offsetHeight > {int(last[5:])} * 26")
        await desk.person.press("End")
        assert await current(desk) == last
    await expect(desk.item("file 2599")).to_be_in_viewport()


async def test_searching_by_name_and_by_content(desk: Desk) -> None:
    desk.write("src/one.py", "import os\n\n\ndef needle():\n    pass\n")
    desk.write("src/needle.txt", "nothing\n")
    desk.write("data.bin", b"\0needle\0")
    await desk.page.get_by_role("button", name="Search in files").click()
    await desk.page.get_by_label("Search for names").fill("needle")
    found = desk.page.get_by_role("search").get_by_role("listitem")
    await expect(found).to_have_text(["src/needle.txt"])
    await desk.page.get_by_role("search").get_by_text("Text").click()
    await expect(found).to_contain_text(["src/one.py"])
    await found.get_by_text("def needle").click()
    await expect(desk.tab("one.py")).to_have_attribute("aria-selected", "true")
    await expect(desk.page.locator(".cm-activeLine")).to_have_text("def needle():")
    await desk.page.get_by_label("Search for text in the files").press("Escape")
    await expect(desk.page.get_by_role("tree")).to_be_focused()
    await grown(desk, "src", "  needle.txt", "  one.py", "data.bin")


async def test_files_on_a_phone(arrive: Arrive, server: Server, desk: Desk) -> None:
    desk.write("folder/a.txt", "on a phone\n")
    phone = await arrive(server, device=PHONE)
    page = phone.page
    size = await phone.size()
    await page.get_by_label("Files and workspaces").tap()
    await page.get_by_label("Workspace", exact=True).select_option(desk.workspace)
    small = Desk(phone, server, desk.workspace)
    await small.item("folder").tap()
    await expect(small.item("a.txt")).to_be_visible()
    box = await small.item("a.txt").bounding_box()
    assert box is not None
    assert box["height"] >= 40  # large enough for a finger
    assert await page.evaluate("document.documentElement.scrollWidth") == PHONE["viewport"]["width"]
    await small.item("a.txt").tap()
    await expect(page.get_by_role("tree")).to_have_count(0)  # the drawer has made room
    await small.shows("on a phone\n")
    await small.editor.tap()
    await phone.type("typed ")
    await page.get_by_role("button", name="Save", exact=True).tap()
    await expect(page.get_by_role("button", name="Saved", exact=True)).to_be_visible()
    assert (desk.files / "folder/a.txt").read_text().count("typed ") == 1
    await page.get_by_label("Files of").tap()
    await page.get_by_label("Actions for folder").tap()
    await page.get_by_role("menuitem", name="New terminal here").tap()
    await phone.attached(2)
    await phone.run("basename $PWD; cat a.txt")
    await phone.matches("^folder$")
    assert await phone.size() == size
    await page.get_by_label("Files of").tap()
    await page.get_by_label("New file", exact=True).tap()
    await page.get_by_label("Name, in").fill("new.txt")
    await page.get_by_role("button", name="Make it").tap()
    await expect(page.get_by_role("tree")).to_have_count(0)  # it is to be seen, not typed into blindly
    await expect(small.editor).to_be_focused()
    await page.get_by_label("Files of").tap()
    await page.mouse.click(380, 400)  # beside the drawer
    await expect(page.get_by_role("tree")).to_have_count(0)


async def test_another_socket_tells_nothing_that_is_not_shown(desk: Desk) -> None:
    """Directories are watched while they are in sight, and no longer."""
    sent: list[dict[str, object]] = []
    for name in ("a/b/x", "c/y"):
        desk.write(name, "")
    await expect(desk.item("c")).to_be_visible()

    def note(data: bytes | str) -> None:
        if isinstance(data, str):
            sent.append(json.loads(data))

    desk.person.watch.sockets[-1].on("framesent", note)
    await desk.item("a").click()
    await desk.item("b").click()
    await expect(desk.item("x")).to_be_visible()
    await desk.item("a").click()
    await expect(desk.item("b")).to_have_count(0)
    await desk.page.keyboard.press("Control+Shift+E")
    await expect(desk.page.get_by_role("tree")).to_have_count(0)
    await desk.person.frame()
    watched = [message["path"] for message in sent if message["type"] == "watch"]
    assert watched == ["a", "a/b"]
    assert len([message for message in sent if message["type"] == "unwatch"]) == 3

"""Workspaces on the page: making, choosing, sharing and ending them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Locator, expect

from tests.e2e.accounts import house, invited, register
from tests.e2e.browsing import CUT_OFF, PHONE, SCREEN, Person
from tests.e2e.conftest import Arrive
from tests.e2e.desk import GENEROUS, Desk
from tests.e2e.serving import PROMPT, Server, serving

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

TEMPLATE = """
title = "A small site"
description = "One page, ready to be shown."
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    directory = tmp_path_factory.mktemp("server")
    async with house(directory) as running:
        template = running.data / "templates" / "site"
        (template / "files").mkdir(parents=True)
        (template / "template.toml").write_text(TEMPLATE)
        (template / "files" / "index.html").write_text("<p>Hello</p>\n")
        yield running


async def dashboard(person: Person) -> Locator:
    """All workspaces."""
    await person.page.get_by_label("Menu").click()
    await person.page.get_by_role("button", name="Workspaces…").click()
    return person.page.locator("dialog.panel")


async def settings(person: Person, name: str) -> Locator:
    """One workspace's settings."""
    panel = await dashboard(person)
    await panel.get_by_label(f"Settings of {name}").click()
    await expect(panel.get_by_role("heading", name=name, exact=True)).to_be_visible()
    return panel


async def test_a_workspace_from_its_making_to_its_end(arrive: Arrive, server: Server) -> None:
    person = await arrive(server)
    page = person.page
    panel = await dashboard(person)
    form = panel.get_by_role("form", name="New workspace")
    await form.get_by_label("Name of a new workspace").fill("Site")
    await form.get_by_label("Description").fill("What people see")
    await form.get_by_label("Begin with").select_option("A small site")
    await expect(form).to_contain_text("One page, ready to be shown.")
    await form.get_by_role("button", name="Make it").click()
    await expect(page.get_by_role("treeitem", name="index.html")).to_be_visible()

    panel = await settings(person, "Site")
    await expect(panel.get_by_text("not running")).to_be_visible()
    await expect(panel.locator("dd", has_text="1 file or folder")).to_be_visible()
    names = panel.get_by_role("form", name="Name and description")
    await expect(names.get_by_label("Description")).to_have_value("What people see")
    await names.get_by_label("Name", exact=True).fill("Our site")
    await names.get_by_role("button", name="Save").click()
    await expect(names.get_by_role("status")).to_have_text("Saved.")
    await panel.get_by_role("button", name="Start", exact=True).click()
    await expect(panel.get_by_text("ready", exact=True)).to_be_visible()
    await person.press("Escape")
    await expect(page.get_by_label("Files of Our site")).to_be_visible()

    await page.get_by_label("New terminal", exact=True).click()
    await person.attached(2)
    await person.run("cat index.html")
    await person.matches("^<p>Hello</p>$")
    panel = await settings(person, "Our site")
    await expect(panel.locator("dd", has_text="1 terminal")).to_be_visible()
    await panel.get_by_role("button", name="Stop…").click()
    asked = page.get_by_role("dialog", name="Stop everything in Our site?")
    await asked.get_by_role("button", name="Stop", exact=True).click()
    await expect(panel.get_by_text("not running")).to_be_visible()
    await expect(panel.locator("dd", has_text="0 terminals")).to_be_visible()

    await panel.get_by_role("button", name="Delete this workspace…").click()
    await page.get_by_role("dialog", name="Delete Our site?").get_by_role("button", name="Delete", exact=True).click()
    await expect(panel.get_by_label("Restore Our site")).to_be_visible()
    await expect(page.get_by_label("Files and workspaces")).to_have_count(1)  # it is no longer the one that is shown
    await panel.get_by_label("Restore Our site").click()
    await panel.get_by_label("Open Our site").click()
    await expect(page.get_by_role("treeitem", name="index.html")).to_be_visible()

    panel = await settings(person, "Our site")
    await panel.get_by_role("button", name="Delete this workspace…").click()
    await page.get_by_role("dialog", name="Delete Our site?").get_by_role("button", name="Delete", exact=True).click()
    await panel.get_by_label("Delete Our site for good").click()
    await page.get_by_role("dialog", name="for good?").get_by_role("button", name="Delete", exact=True).click()
    await expect(panel.get_by_text("Trash", exact=True)).to_have_count(0)


async def test_each_workspace_has_its_own_terminals_and_files(arrive: Arrive, server: Server) -> None:
    person = await arrive(server)
    page = person.page
    one = await Desk.made(person, server, "One")
    one.write("of one", "1\n")
    await one.edit("of one")
    await one.terminal()
    await person.run("echo in $((1 + 0))")
    await person.matches("^in 1$")
    two = await Desk.made(person, server, "Two")
    await expect(page.get_by_role("tab")).to_have_count(0)
    await expect(page.get_by_text("No terminals are open in Two.")).to_be_visible()
    await page.get_by_role("button", name="Open a terminal").click()
    await person.attached(3)
    await person.sees(PROMPT)
    await expect(page.get_by_role("tab")).to_have_count(1)
    await person.run("echo in $((1 + 1)) > file; cat file")
    await person.matches("^in 2$")
    await expect(two.item("file")).to_be_visible()
    await page.get_by_label("Workspace", exact=True).select_option(label="One")
    await expect(page.get_by_role("tab")).to_have_count(2)
    await person.sees("in 1")
    await person.press("Control+Shift+PageDown")
    await expect(one.tab("of one")).to_have_attribute("aria-selected", "true")
    await expect(one.editor).to_be_focused()
    await person.press("Control+Shift+Digit1")
    await person.run("echo back")  # the keys go to the terminal again
    await person.matches("^back$")
    await page.reload()
    await person.attached(3)
    await expect(page.get_by_role("tab")).to_have_count(1)
    await expect(one.item("of one")).to_be_visible()  # the same workspace, with its files in sight
    await page.get_by_label("Workspace", exact=True).select_option(label="No workspace")
    await expect(page.get_by_role("tab")).to_have_count(1)
    await page.get_by_role("tab").click()
    await person.sees(PROMPT)
    await person.run("basename $PWD")
    await person.matches("^home$")


async def test_a_shared_workspace(arrive: Arrive, server: Server) -> None:
    owner = await arrive(server)
    desk = await Desk.made(owner, server, "Ours")
    desk.write("plan.txt", "first\n")
    link = await invited(owner)
    guest = await arrive(server, sign_in=False)
    guest.watch.allowed = CUT_OFF  # what is refused, the browser says too
    await register(guest, link, "mia")

    panel = await settings(owner, "Ours")
    form = panel.get_by_role("form", name="Add somebody")
    await form.get_by_label("User name of somebody else").fill("nobody-of-that-name")
    owner.watch.allowed = CUT_OFF
    await form.get_by_role("button", name="Add").click()
    await expect(form.get_by_role("alert")).not_to_be_empty()
    await form.get_by_label("User name of somebody else").fill("mia")
    await form.get_by_label("They").select_option("read")
    await form.get_by_role("button", name="Add").click()
    role = panel.get_by_label("What mia may do")
    await expect(role).to_have_value("read")

    theirs = await dashboard(guest)
    await expect(theirs.get_by_text("to look at")).to_be_visible()
    await theirs.get_by_label("Open Ours").click()
    small = Desk(guest, server, desk.workspace)
    await small.edit("plan.txt")
    await expect(guest.page.locator(".status")).to_contain_text("read only")
    await guest.type("no")
    assert await small.text() == "first\n"
    await expect(guest.page.get_by_role("button", name="New file")).to_have_count(0)
    await small.item("plan.txt").click(button="right")
    await expect(guest.page.get_by_role("menuitem", name="Delete…")).to_have_count(0)
    await guest.press("Escape")

    await role.select_option("write")
    await expect(role).to_be_enabled()
    panel = await dashboard(guest)  # it asks anew
    await expect(panel.get_by_text("shared with you")).to_be_visible()
    await panel.get_by_label("Open Ours").click()
    await small.edit("plan.txt")
    await guest.press("Control+End")
    await guest.type("second\n")
    await small.saved()
    assert (desk.files / "plan.txt").read_text() == "first\nsecond\n"
    await desk.page.keyboard.press("Escape")
    await desk.edit("plan.txt")
    await desk.shows("first\nsecond\n")
    await guest.type("third\n")
    await small.saved()
    await desk.shows("first\nsecond\nthird\n")

    panel = await settings(owner, "Ours")
    await panel.get_by_label("Remove mia").click()
    await expect(panel.get_by_text("Nobody else is in here.")).to_be_visible()
    await expect(guest.page.locator(".message")).to_have_text("This workspace is no longer there")
    await expect(guest.page.get_by_role("tab", name="plan.txt")).to_have_count(0)
    await expect(guest.page.get_by_role("treeitem")).to_have_count(0)
    panel = await dashboard(guest)
    await expect(panel.get_by_text("You have none yet.")).to_be_visible()


@pytest_asyncio.fixture(loop_scope="session")
async def apart(tmp_path: Path) -> AsyncIterator[Server]:
    """A server that keeps people apart, as it does unless it is told otherwise."""
    async with serving(tmp_path, **GENEROUS, WEBTERM_ACCOUNTS__REGISTRATION="invite") as running:
        yield running


async def test_who_is_kept_apart_works_in_a_workspace_from_the_start(apart: Server, arrive: Arrive) -> None:
    owner = await arrive(apart)
    guest = await arrive(apart, sign_in=False)
    guest.watch.allowed = CUT_OFF
    link = await invited(owner)
    await register(guest, link, "mia", prompt="$ ")
    await guest.page.get_by_label("Files of Home").click()
    await expect(guest.page.get_by_role("tree")).to_be_visible()
    await guest.page.locator(SCREEN).click()
    await guest.run("echo 'from inside' > note.txt")
    await guest.page.get_by_role("treeitem", name="note.txt").click()
    await Desk(guest, apart, "").shows("from inside\n")


async def test_workspaces_on_a_phone(arrive: Arrive, server: Server, tmp_path: Path) -> None:
    phone = await arrive(server, device=PHONE)
    panel = await dashboard(phone)
    await panel.get_by_label("Name of a new workspace").fill("A workspace of which the name has no end at all, nearly")
    await panel.get_by_role("button", name="Make it").tap()
    await expect(phone.page.get_by_text("Nothing is in here yet.")).to_be_visible()
    async with phone.page.expect_file_chooser() as choosing:
        await phone.page.get_by_role("button", name="Upload files").tap()
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0" * 1000)
    await (await choosing.value).set_files(tmp_path / "photo.jpg")
    await expect(phone.page.get_by_role("treeitem", name="photo.jpg")).to_be_visible()
    await phone.page.get_by_label("All workspaces").tap()
    await panel.get_by_label("Settings of A workspace").tap()
    await expect(panel.get_by_role("button", name="Delete this workspace…")).to_be_attached()
    width = PHONE["viewport"]["width"]
    inside = "document.querySelector('dialog.panel .content').scrollWidth"
    assert await phone.page.evaluate(inside) <= width
    await panel.get_by_label("Back to the terminals").tap()
    await phone.page.get_by_role("treeitem", name="photo.jpg").tap()
    await expect(phone.page.locator(".desk")).to_contain_text("This is no text")

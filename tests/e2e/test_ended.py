"""Programs that have ended, on the page: others in their place, by a key, by a button, and by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Locator, expect

from tests.e2e.browsing import PHONE, SCREEN, Person
from tests.e2e.conftest import Arrive
from tests.e2e.desk import GENEROUS, Desk
from tests.e2e.serving import Server, serving
from tests.engine import BUSYBOX
from tests.own_engine import OwnEngine

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

BACK = 60_000.0
"""Milliseconds within which a shell has come back after its engine."""


def bar(person: Person) -> Locator:
    """What the page says below the terminal."""
    return person.page.get_by_role("group", name="Ended program")


async def test_enter_starts_a_shell_in_the_place_of_one_that_has_ended(arrive: Arrive, server: Server) -> None:
    person = await arrive(server)
    page = person.page
    (before,) = await person.tabs()
    geometry = page.locator(".geometry .long")
    size = await geometry.inner_text()
    await person.run("stty -echo; printf '\\033[?1049h\\033[?25l'; exit 3")
    await expect(bar(person)).to_contain_text("This program has ended (exited 3).")
    await expect(geometry).not_to_have_text(size)  # what was printed last stays in sight
    await person.type("lost")
    await expect(page.locator(".status")).to_contain_text("Enter starts it again")
    await person.press("Enter")
    await person.at_prompt()
    await expect(bar(person)).to_have_count(0)
    await expect(geometry).to_have_text(size)
    await person.run("echo $((6 * 7))")
    await person.matches("^42$")
    (after,) = await person.tabs()
    assert after["id"] != before["id"]
    await page.reload()
    await person.attached(1)
    await person.matches("^42$")


async def test_a_button_does_so_on_a_phone(arrive: Arrive, server: Server) -> None:
    phone = await arrive(server, device=PHONE)
    await phone.page.locator(SCREEN).tap()
    await phone.run("echo here; exit")
    await expect(bar(phone).get_by_role("status")).to_have_text("This program has ended (exited 0).")
    box = await bar(phone).bounding_box()
    assert box is not None
    assert (box["x"], box["width"]) == (0, PHONE["viewport"]["width"])
    await bar(phone).get_by_role("button", name="Start again").tap()
    await expect(bar(phone)).to_have_count(0)
    await phone.matches("^here\n(?:.*\n)*ready> *$")  # what was printed before stays above


@pytest_asyncio.fixture(loop_scope="session")
async def with_engine(tmp_path: Path, own_engine: OwnEngine) -> AsyncIterator[Server]:
    """A server that runs workspaces in containers of an engine that a test may stop."""
    settings = {
        "WEBTERM_RUNTIMES__DRIVER": "docker",
        "WEBTERM_DOCKER__HOST": own_engine.host,
        "WEBTERM_DOCKER__IMAGE": BUSYBOX,
    }
    async with serving(tmp_path, **GENEROUS, **settings) as running:
        yield running


@pytest.mark.docker
async def test_shells_come_back_after_their_engine(with_engine: Server, own_engine: OwnEngine, arrive: Arrive) -> None:
    """Once, also where two pages are in sight."""
    person = await arrive(with_engine)
    page = person.page
    desk = await Desk.made(person, with_engine, "Boxed")
    await page.get_by_label("New terminal", exact=True).click()
    await person.sees("$ ")
    await person.run("echo be''fore")
    await person.matches("^before$")
    other = Person(await person.context.new_page(), person.watch)
    await other.page.goto(with_engine.url)
    await other.attached(2)
    await other.page.get_by_label("Workspace", exact=True).select_option(desk.workspace)
    await other.matches("^before$")
    lost = await person.tabs()
    await asyncio.to_thread(own_engine.stop)
    await expect(bar(person)).to_contain_text("A new shell starts here as soon as it can.")
    await expect(bar(person).get_by_role("button", name="Start now")).to_be_visible()
    await asyncio.to_thread(own_engine.start)
    await expect(bar(person)).to_have_count(0, timeout=BACK)
    await person.run("echo af''ter")
    await person.matches(r"^before$[\s\S]*^after$")
    tabs = await person.tabs()
    assert [tab["id"] == before["id"] for tab, before in zip(tabs, lost, strict=True)] == [True, False]
    await other.matches("^after$")
    assert [tab["id"] for tab in await other.tabs()] == [tab["id"] for tab in tabs]
    await other.page.close()

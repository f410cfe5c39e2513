"""Several people at one server: how they get in, and the panels over their terminals."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Locator, expect

from tests.e2e.browsing import Person
from tests.e2e.serving import PROMPT, Server, serving

PASSWORD = "seven pale horses"
SOON = 1_000
"""Milliseconds in which a right that has ended is felt on every open page."""


@asynccontextmanager
async def house(directory: Path) -> AsyncIterator[Server]:
    """A server for several people, all of whom may start programs on this machine and call as often as tests do."""
    settings = {
        "WEBTERM_ACCOUNTS__REGISTRATION": "invite",
        "WEBTERM_ACCOUNTS__DEFAULT_TIER": "enterprise",
        "WEBTERM_LIMITS__ANONYMOUS_TIER": "enterprise",
        "WEBTERM_LOCAL__ISOLATION": "none",
    }
    async with serving(directory, **settings) as running:
        yield running


async def menu(person: Person, entry: str) -> None:
    """Choose from the menu."""
    await person.page.get_by_label("Menu").click()
    await person.page.get_by_role("button", name=entry, exact=True).click()


async def panel(person: Person, entry: str) -> Locator:
    """Open the account or the administration from the menu."""
    await menu(person, entry)
    return person.page.locator("dialog.panel")


async def invited(owner: Person) -> str:
    """Make an invitation on the page; its link."""
    shown = await panel(owner, "Administration…")
    await shown.get_by_role("tab", name="Invitations").click()
    await shown.get_by_role("button", name="Make an invitation").click()
    link = await shown.get_by_label("The link").input_value()
    await owner.press("Escape")
    await expect(shown).to_have_count(0)
    return link


async def register(person: Person, link: str, name: str, prompt: str = PROMPT) -> None:
    """Follow an invitation's link, fill in the form, and wait for the first prompt."""
    await person.page.goto(link)
    await person.page.get_by_label("User name").fill(name)
    await person.page.get_by_label("Password", exact=True).fill(PASSWORD)
    await person.page.get_by_role("button", name="Create account").click()
    await person.attached()
    await person.sees(prompt)


async def fill_in(person: Person, name: str, password: str = PASSWORD) -> None:
    """Send the sign-in form."""
    await person.page.get_by_label("User name or e-mail").fill(name)
    await person.page.get_by_label("Password", exact=True).fill(password)
    await person.page.get_by_role("button", name="Sign in", exact=True).click()


async def sign_in(person: Person, server: Server, name: str, password: str = PASSWORD) -> None:
    """By name and password, up to a prompt."""
    await person.page.goto(server.url)
    await fill_in(person, name, password)
    await person.attached()
    await person.sees(PROMPT)


async def nothing_left(person: Person, secret: str) -> None:
    """The page shows the sign-in form, and holds nothing of what was on the screens."""
    await expect(person.page.locator(".sign-in form").first).to_be_visible()
    assert await person.tabs() == []
    assert await person.page.locator(".pane").count() == 0
    assert secret not in await person.page.content()
    assert await person.page.title() == "webterm"

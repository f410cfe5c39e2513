"""Signing in by the link, staying signed in, and signing out."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Route, expect

from tests.e2e.browsing import CUT_OFF, Person
from tests.e2e.conftest import Arrive
from tests.e2e.serving import PROMPT, Server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

EARLY = """() => new MutationObserver(() => {
    if (document.querySelector('.sign-in')) sessionStorage.setItem('early', '');
}).observe(document.body, {subtree: true, childList: true})"""
"""Notes whether the page shows a form that will be gone in a moment, with what is typed into it."""


async def test_the_link_signs_in_and_leaves_no_token_behind(arrive: Arrive, server: Server) -> None:
    person = await arrive(server, sign_in=False)
    link = await server.link()
    await person.page.goto(link)
    await person.sees(PROMPT)
    assert person.page.url == server.url
    token = link.partition("login=")[2]
    script = "JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}, document.referrer])"
    assert token not in str(await person.page.evaluate(script))
    assert await person.page.evaluate("document.cookie") == ""


async def test_the_cookie_stays_and_scripts_cannot_read_it(person: Person, server: Server) -> None:
    (cookie,) = await person.context.cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Lax"
    assert cookie["expires"] > 0  # a session cookie would go with the browser
    second = Person(await person.context.new_page(), person.watch)
    await second.page.goto(server.url)
    await second.sees(PROMPT)


async def test_a_used_link_shows_how_to_sign_in_and_why(own_server: Server, arrive: Arrive) -> None:
    link = await own_server.link()
    first = await arrive(own_server, sign_in=False)
    await first.page.goto(link)
    await first.sees(PROMPT)
    second = await arrive(own_server, sign_in=False)
    second.watch.allowed = CUT_OFF
    await second.page.goto(link)
    form = second.page.locator(".sign-in")
    await expect(form).to_be_visible()
    await expect(form.get_by_role("alert")).to_have_text(re.compile(r"link.*(used|old|expired)"))
    assert "login=" not in second.page.url
    assert await second.context.cookies() == []


async def test_a_token_can_be_pasted_into_the_form(own_server: Server, arrive: Arrive) -> None:
    person = await arrive(own_server, sign_in=False)
    person.watch.allowed = CUT_OFF
    await person.page.goto(own_server.url)
    await person.page.get_by_text("I have a sign-in link").click()
    form = person.page.get_by_role("form", name="Sign in with a link")
    field = form.get_by_label("Link or token")
    await expect(field).to_be_focused()
    await field.fill("not-a-token")
    await field.press("Enter")
    await expect(form.get_by_role("alert")).to_have_text(re.compile("wrong"))
    await field.fill(await own_server.link())
    await form.get_by_role("button", name="Use it").click()
    await person.sees(PROMPT)


async def test_signing_out_ends_every_page_of_this_browser(own_server: Server, arrive: Arrive) -> None:
    person, server = await arrive(own_server), own_server
    person.watch.allowed = CUT_OFF
    second = Person(await person.context.new_page(), person.watch)
    await second.page.goto(server.url)
    await second.sees(PROMPT)

    async def late(route: Route) -> None:
        """The server's other word, on the socket, comes first."""
        answer = await route.fetch()
        await expect(second.page.locator(".sign-in")).to_be_visible()
        await route.fulfill(response=answer)

    await person.page.route("**/auth/logout", late)
    await person.page.evaluate(EARLY)
    await person.page.get_by_label("Menu").click()
    await person.page.get_by_role("button", name="Sign out").click()
    for page in (person.page, second.page):
        await expect(page.locator(".sign-in")).to_be_visible()
    assert not await person.page.evaluate("'early' in sessionStorage")
    assert await person.context.cookies() == []
    await person.page.reload()
    await expect(person.page.locator(".sign-in")).to_be_visible()
    assert (await person.context.request.get(server.url + "api/v1/terminals")).status == 401

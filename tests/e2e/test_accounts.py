"""Passwords, invitations, devices and tokens, as people use them on the page."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.e2e.accounts import (
    PASSWORD,
    SOON,
    fill_in,
    house,
    invited,
    menu,
    nothing_left,
    panel,
    register,
    sign_in,
)
from tests.e2e.browsing import CUT_OFF, DESKTOP, PHONE, Device, Person
from tests.e2e.conftest import Arrive
from tests.e2e.serving import PROMPT, Server, serving

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """Shared by the tests of this module, each of which has people of its own."""
    async with house(tmp_path_factory.mktemp("house")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def own_house(tmp_path: Path) -> AsyncIterator[Server]:
    """For a test that changes the owner's account."""
    async with house(tmp_path) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def strict_house(tmp_path: Path) -> AsyncIterator[Server]:
    """Where only the owner may start programs."""
    settings = {"WEBTERM_ACCOUNTS__REGISTRATION": "invite", "WEBTERM_LOCAL__ISOLATION": "refuse"}
    async with serving(tmp_path, **settings) as running:
        yield running


async def newcomer(arrive: Arrive, server: Server, name: str, device: Device = DESKTOP) -> Person:
    """Somebody with an account, signed in, at a prompt."""
    owner = await arrive(server)
    somebody = await arrive(server, sign_in=False, device=device)
    somebody.watch.allowed = CUT_OFF
    await register(somebody, await invited(owner), name)
    return somebody


async def test_the_owner_sets_a_password_and_signs_in_with_it(own_house: Server, arrive: Arrive) -> None:
    owner = await arrive(own_house)
    page = owner.page
    owner.watch.allowed = CUT_OFF
    account = await panel(owner, "Account…")
    name = await account.locator("dd").first.inner_text()
    field = account.get_by_label("New password", exact=True)
    await field.fill("short")
    await expect(account.get_by_text("5 more characters")).to_be_visible()
    await field.fill(PASSWORD)
    await account.get_by_role("button", name="Set a password").click()
    await expect(account.get_by_text("The password is set.")).to_be_visible()
    await expect(account.get_by_label("Current password", exact=True)).to_be_visible()
    await owner.press("Escape")
    await owner.run("echo still $((6 * 7))")  # the terminal was there all the time, and has the focus again
    await owner.sees("still 42")
    await menu(owner, "Sign out")
    await nothing_left(owner, "still 42")
    for wrong in ((name, "something else"), ("nobody.here", PASSWORD)):
        await fill_in(owner, *wrong)
        await expect(page.get_by_role("alert")).to_have_text("The name or the password is wrong.")
    await expect(page.get_by_label("Password", exact=True)).to_be_focused()
    await fill_in(owner, name.upper())
    await owner.sees("still 42")


async def test_a_wrong_current_password_changes_nothing(arrive: Arrive, server: Server) -> None:
    person = await newcomer(arrive, server, "gail")
    account = await panel(person, "Account…")
    await account.get_by_label("Current password", exact=True).fill("not this one")
    await account.get_by_label("New password", exact=True).fill("eleven green bottles")
    await account.get_by_role("button", name="Change password").click()
    await expect(account.get_by_role("alert").filter(has_text="current password")).to_be_visible()
    await expect(person.page.locator(".sign-in")).to_have_count(0)


async def test_somebody_invited_has_terminals_of_their_own(arrive: Arrive, server: Server) -> None:
    owner = await arrive(server)
    await owner.run("echo the owner was here")
    link = await invited(owner)
    ben = await arrive(server, sign_in=False)
    ben.watch.allowed = CUT_OFF
    await register(ben, link, "ben")
    assert ben.page.url == server.url
    await ben.page.get_by_label("Menu").click()
    await expect(ben.page.locator(".who")).to_have_text("Signed in as ben")
    await expect(ben.page.get_by_role("button", name="Administration…")).to_have_count(0)
    await ben.press("Escape")
    await ben.run("echo ben was here")
    await ben.sees("\nben was here")
    (of_owner,), (of_ben,) = await owner.tabs(), await ben.tabs()
    assert of_owner["id"] != of_ben["id"]
    seen = await ben.context.request.get(server.url + "api/v1/terminals")
    assert [terminal["id"] for terminal in await seen.json()] == [of_ben["id"]]
    other = await ben.context.request.get(f"{server.url}api/v1/terminals/{of_owner['id']}")
    assert other.status == 404
    await ben.page.reload()
    await ben.sees("\nben was here")
    assert len(await ben.tabs()) == 1

    late = await arrive(server, sign_in=False)
    late.watch.allowed = CUT_OFF
    await late.page.goto(link)
    await late.page.get_by_label("User name").fill("late")
    await late.page.get_by_label("Password", exact=True).fill(PASSWORD)
    await late.page.get_by_role("button", name="Create account").click()
    await expect(late.page.get_by_role("alert")).to_have_text(re.compile("wrong, used or too old"))


async def test_an_invitation_is_not_for_who_is_signed_in(arrive: Arrive, server: Server) -> None:
    owner = await arrive(server)
    owner.watch.allowed = CUT_OFF
    link = await invited(owner)
    await owner.page.goto(link)
    dialog = owner.page.get_by_role("dialog")
    await expect(dialog).to_contain_text("signed in already")
    await dialog.get_by_role("button", name="Cancel").click()
    assert owner.page.url == server.url
    await owner.page.goto(link)
    await dialog.get_by_role("button", name="Sign out and use it").click()
    await expect(owner.page.get_by_role("button", name="Create account")).to_be_visible()


async def test_a_token_is_shown_once_and_good_until_it_is_revoked(arrive: Arrive, server: Server) -> None:
    carl = await newcomer(arrive, server, "carl")
    account = await panel(carl, "Account…")
    await account.get_by_label("Name of a new token").fill("<b>nightly</b>")
    await account.get_by_label("Use terminals").uncheck()
    await account.get_by_role("button", name="Create token").click()
    token = await account.get_by_label("The token “<b>nightly</b>”").input_value()
    await carl.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=server.url.rstrip("/"))
    await account.get_by_role("button", name="Copy", exact=True).click()
    await expect(account.get_by_text("Copied")).to_be_visible()
    assert await carl.page.evaluate("navigator.clipboard.readText()") == token
    await account.get_by_role("button", name="Done").click()
    assert token not in await carl.page.content()
    async with aiohttp.ClientSession(server.url, headers={"Authorization": f"Bearer {token}"}) as program:
        async with program.get("api/v1/terminals") as answer:
            assert [terminal["id"] for terminal in await answer.json()] == [tab["id"] for tab in await carl.tabs()]
        async with program.post("api/v1/terminals", json={}) as answer:
            assert answer.status == 403
        await carl.page.reload()
        await carl.attached()  # and the panel is open again
        await expect(account.get_by_text("terminals:read", exact=True).first).to_be_visible()
        assert token not in await carl.page.content()
        await account.get_by_role("button", name="Revoke <b>nightly</b>").click()
        await carl.page.get_by_role("button", name="Revoke it").click()
        await expect(account.get_by_text("None yet.")).to_be_visible()
        async with program.get("api/v1/terminals") as answer:
            assert answer.status == 401


async def test_signing_out_everywhere_is_felt_within_a_second(arrive: Arrive, server: Server) -> None:
    here = await newcomer(arrive, server, "dana")
    there = await arrive(server, sign_in=False)
    there.watch.allowed = CUT_OFF
    await sign_in(there, server, "dana")
    await there.run("echo dana wrote $((6 * 7))")
    await there.sees("dana wrote 42")
    account = await panel(here, "Account…")
    await expect(account.get_by_text("this one")).to_have_count(1)
    await expect(account.get_by_text("Chrome on Linux")).to_have_count(2)
    await account.get_by_role("button", name="Sign out everywhere…").click()
    confirm = here.page.get_by_role("button", name="Sign out everywhere", exact=True)
    async with here.page.expect_response("**/auth/devices"):
        await confirm.click()
    await expect(there.page.locator(".sign-in")).to_be_visible(timeout=SOON)
    await nothing_left(there, "dana wrote")
    await expect(there.page.get_by_role("status").filter(has_text="You were signed out")).to_be_visible()
    await nothing_left(here, "dana wrote")
    await fill_in(there, "dana")
    await there.sees("dana wrote 42")


async def test_one_device_is_signed_out_from_another(arrive: Arrive, server: Server) -> None:
    here = await newcomer(arrive, server, "emil")
    there = await arrive(server, sign_in=False, device=PHONE)
    there.watch.allowed = CUT_OFF
    await sign_in(there, server, "emil")
    account = await panel(here, "Account…")
    await account.get_by_role("button", name=re.compile("^Sign out Chrome")).click()
    await expect(there.page.locator(".sign-in")).to_be_visible(timeout=SOON)
    await expect(account.get_by_text("Chrome on")).to_have_count(1)
    await here.press("Escape")
    await here.run("echo $((6 * 7))")
    await here.matches("^42$")


async def test_somebody_else_in_the_same_browser_sees_nothing_of_before(arrive: Arrive, server: Server) -> None:
    first = await newcomer(arrive, server, "fay")
    await newcomer(arrive, server, "finn")
    await first.run("echo fay wrote $((6 * 7))")
    await first.sees("fay wrote 42")
    second = Person(await first.context.new_page(), first.watch)
    await second.page.goto(server.url)
    await second.sees("fay wrote 42")
    await menu(second, "Sign out")
    await fill_in(second, "finn")
    await second.attached()
    await nothing_left(first, "fay wrote")
    await first.page.reload()
    await first.attached()
    assert [tab["id"] for tab in await first.tabs()] == [tab["id"] for tab in await second.tabs()]
    assert "fay" not in await first.screen()


async def test_too_many_tries_say_how_long_to_wait(arrive: Arrive, server: Server) -> None:
    person = await arrive(server, sign_in=False)
    person.watch.allowed = CUT_OFF
    await person.page.goto(server.url)
    alert, button = person.page.get_by_role("alert"), person.page.get_by_role("button", name="Sign in", exact=True)
    for _ in range(20):
        async with person.page.expect_response("**/auth/login") as answering:
            await fill_in(person, "nobody.at.all", "x")
        if (await answering.value).status == 429:
            break
    await expect(alert).to_have_text(re.compile(r"Too many tries\. Wait \d+ s\."))
    await expect(button).to_be_disabled()


async def test_panels_keep_the_focus_and_give_it_back(arrive: Arrive, server: Server) -> None:
    owner = await arrive(server)
    await owner.page.goto(server.url + "#account")
    await owner.page.reload()
    account = owner.page.locator("dialog.panel")
    await expect(account.get_by_text("this one")).to_be_visible()
    for _ in range(40):
        await owner.press("Tab")
        inside = "document.activeElement === document.body || document.activeElement.closest('dialog.panel') !== null"
        assert await owner.page.evaluate(inside)
    await owner.page.get_by_role("button", name="Sign out everywhere…").click()
    await expect(owner.page.get_by_role("button", name="Cancel")).to_be_focused()  # not the one that destroys
    await owner.press("Escape")
    await expect(owner.page.get_by_role("button", name="Sign out everywhere…")).to_be_focused()
    await owner.press("Escape")
    await expect(account).to_have_count(0)
    assert owner.page.url == server.url
    await owner.run("echo $((6 * 7))")
    await owner.matches("^42$")


@pytest.mark.parametrize("scheme", ["dark", "light"])
async def test_a_phone_shows_all_of_it_without_scrolling_sideways(arrive: Arrive, server: Server, scheme: str) -> None:
    device: Device = {**PHONE, "color_scheme": "dark" if scheme == "dark" else "light"}
    owner = await arrive(server, device=device)
    link = await invited(owner)
    await owner.page.goto(server.url + "#account")
    await expect(owner.page.get_by_text("this one")).to_be_visible()
    await fits(owner)
    for name in ("People", "Invitations", "Audit log", "Tiers"):
        await owner.page.goto(f"{server.url}#admin/{name.split()[0].lower()}")
        await expect(owner.page.get_by_role("tab", name=name)).to_have_attribute("aria-selected", "true")
        await expect(owner.page.locator(".panel :is(tbody tr, .cards li)").first).to_be_visible()
        await fits(owner)
    stranger = await arrive(server, sign_in=False, device=device)
    stranger.watch.allowed = CUT_OFF
    for url in (server.url, link):
        await stranger.page.goto(url)
        await expect(stranger.page.locator(".sign-in form").first).to_be_visible()
        await fits(stranger)


async def fits(person: Person) -> None:
    """Nothing that can be seen is wider than the screen."""
    too_wide = """() => [...document.querySelectorAll('html, .sign-in *, dialog *')]
        .filter(element => !element.closest('thead, .unseen') && element.getBoundingClientRect().right > innerWidth + 1)
        .map(element => element.outerHTML.slice(0, 80))"""
    assert await person.page.evaluate(too_wide) == []
    width = PHONE["viewport"]["width"]
    assert await person.page.evaluate("document.documentElement.scrollWidth") == width
    content = person.page.locator(".panel .content")
    if await content.count():
        assert await content.evaluate("element => element.scrollWidth <= element.clientWidth")


async def test_a_restart_of_the_server_is_no_signing_out(own_house: Server, arrive: Arrive) -> None:
    owner = await arrive(own_house)
    owner.watch.allowed = CUT_OFF
    await owner.run("echo before $((6 * 7))")
    await owner.sees("before 42")
    own_house.process.terminate()
    await own_house.process.wait()
    await expect(owner.page.get_by_text(re.compile("Reconnecting"))).to_be_visible()
    await owner.sees("before 42")
    await own_house.start()
    await owner.attached()
    await owner.run("echo after $((6 * 7))")
    await owner.sees("after 42")
    await asyncio.wait_for(owner.visible(".connection.good"), 30)
    await owner.sees(PROMPT)


async def test_who_may_start_no_programs_here_is_told_why(strict_house: Server, arrive: Arrive) -> None:
    owner, ben = await arrive(strict_house), await arrive(strict_house, sign_in=False, device=PHONE)
    ben.watch.allowed = CUT_OFF
    await ben.page.goto(await invited(owner))
    await ben.page.get_by_label("User name").fill("ben")
    await ben.page.get_by_label("Password", exact=True).fill(PASSWORD)
    await ben.page.get_by_role("button", name="Create account").click()
    await expect(ben.page.locator(".refused")).to_have_text(re.compile(r"^Only the owner .* may start programs"))
    await fits(ben)
    assert await ben.tabs() == []

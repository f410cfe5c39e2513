"""Theme, text size, finding text, and the page on a phone."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.e2e.browsing import PHONE, ROWS, Person
from tests.e2e.conftest import Arrive
from tests.e2e.serving import Server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

BRIGHTNESS = """() => {
    const colours = [document.body, document.querySelector('.pane:not([hidden]) .xterm-scrollable-element')]
        .map(element => getComputedStyle(element).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number));
    return colours.map(([red, green, blue]) => (red + green + blue) / 3);
}"""


async def is_dark(person: Person) -> bool:
    """Whether the page and the terminal are; they must agree."""
    page, terminal = await person.page.evaluate(BRIGHTNESS)
    assert (page < 128) is (terminal < 128)
    return bool(page < 128)


async def test_theme_and_text_size_are_kept(person: Person) -> None:
    await person.run("echo $((6 * 7))")
    size = await person.size()
    for theme in ("Dark", "Light", "Dark"):
        await person.page.get_by_label("Menu").click()
        await person.page.locator(".segments").get_by_text(theme).click()
        await person.press("Escape")
        assert await is_dark(person) is (theme == "Dark")
    await person.page.get_by_label("Menu").click()
    for _ in range(4):
        await person.page.get_by_label("Larger text").click()
    await person.press("Escape")
    await person.page.reload()
    await person.attached()
    assert await is_dark(person)
    await person.page.get_by_label("Menu").click()
    await expect(person.page.locator("output")).to_have_text("18")
    await person.press("Escape")
    assert await person.size() < size
    await person.press("Control+Shift+Digit0")
    await expect(person.page.locator(".geometry .long")).to_have_text("×".join(map(str, size)))


@pytest.mark.parametrize("scheme", ["dark", "light"])
async def test_the_page_follows_the_system(arrive: Arrive, server: Server, scheme: str) -> None:
    person = await arrive(server, device={"viewport": {"width": 1000, "height": 600}})
    await person.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    await expect(person.page.locator("html")).to_have_attribute("data-theme", scheme)
    assert await is_dark(person) is (scheme == "dark")


async def test_find_in_the_scrollback(person: Person) -> None:
    await person.run("for n in $(seq 1 300); do echo row $n of many; done")
    await person.sees("row 300 of many")
    await person.press("Control+Shift+F")
    field = person.page.get_by_label("Find in the scrollback")
    await field.fill("row 17 of")
    await person.page.locator(".xterm-rows", has_text="row 17 of many").first.wait_for()
    await expect(field).to_have_attribute("aria-invalid", "false")
    await field.fill("no such text")
    await expect(field).to_have_attribute("aria-invalid", "true")
    await person.page.get_by_label("Regular expression").click()
    await field.fill("row 4[0-3] of")
    await expect(field).to_have_attribute("aria-invalid", "false")
    await field.press("Escape")
    await expect(field).to_have_count(0)
    await person.run("echo $((6 * 7))")  # the keys go to the program again
    await person.matches("^42$")


async def test_a_link_in_the_output_opens_in_a_tab_of_its_own(person: Person, server: Server) -> None:
    link = f"{server.url}?from=link"
    await person.run(f"clear; echo 'see {link}'")
    await person.matches(r"^see http")
    await person.point_at(link)
    await expect(person.page.locator(".message")).to_have_text(link)
    async with person.context.expect_page() as opening:
        await person.click_at(link)
    opened = await opening.value
    await opened.wait_for_load_state()
    assert opened.url == link
    assert await opened.evaluate("window.opener") is None


async def test_a_phone_has_tabs_and_the_keys_that_its_keyboard_lacks(arrive: Arrive, server: Server) -> None:
    person = await arrive(server, device=PHONE)
    width = PHONE["viewport"]["width"]
    assert await person.page.evaluate("document.documentElement.scrollWidth") == width
    await expect(person.page.get_by_role("toolbar", name="Keys")).to_be_visible()
    cols, rows = await person.size()
    assert cols > 30
    assert rows > 20
    await person.page.locator(".xterm-screen").tap()
    await person.run("echo $((8 * 8)); cat")
    await person.matches("^64$")  # it runs: an earlier Ctrl-C would take the typed line along
    await person.page.get_by_role("button", name="Control C").tap()
    await person.at_prompt()
    await person.run("echo $((7 * 7)); sleep 1000")
    await person.matches("^49$")
    await person.page.get_by_role("button", name="Ctrl", exact=True).tap()
    await person.type("c")
    await person.at_prompt()
    await person.run("echo $((6 * 7))")
    await person.matches("^42$")
    for name in ("Up", "Up", "Up"):
        await person.page.get_by_role("button", name=name, exact=True).tap()
    await person.until("() => webterm.screen().trimEnd().endsWith('; cat')")
    await person.page.get_by_role("button", name="Control C").tap()
    await person.page.get_by_label("New terminal").tap()
    await person.attached(2)
    await person.page.get_by_role("tab").first.tap()
    await person.sees("42")


async def test_a_finger_scrolls_on_a_phone(arrive: Arrive, server: Server) -> None:
    person = await arrive(server, device=PHONE)
    await person.page.locator(".xterm-screen").tap()
    await person.run("for n in $(seq 1 300); do echo row $n of many; done")
    await person.sees("row 300 of many")
    finger = await person.context.new_cdp_session(person.page)
    for y in range(200, 500, 20):
        kind = "touchStart" if y == 200 else "touchMove"
        await finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": 200, "y": y}]})
    await finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    await person.until(f"() => !document.querySelector('{ROWS}').textContent.includes('row 300')")
    assert "row 280" in (await person.drawn()).replace("\xa0", " ")

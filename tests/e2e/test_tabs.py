"""Many terminals over one WebSocket: opening, naming, ending, and sharing them."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import expect

from tests.e2e.browsing import Person
from tests.e2e.conftest import Arrive
from tests.e2e.serving import PROMPT, Server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

MANY = 20


async def test_twenty_terminals_share_one_websocket(person: Person) -> None:
    for _ in range(MANY - 1):
        await person.page.get_by_label("New terminal").click()
    await person.attached(MANY)
    for number in range(MANY):
        await person.press("Control+Shift+PageDown")  # from the last to the first, and on
        await person.sees(PROMPT)
        await person.run(f"echo terminal $(({number} * 7)); (sleep 0.1; echo later) &")
        await person.sees(f"terminal {number * 7}\n")
    for number in range(MANY):
        await person.until("number => webterm.screen(number).includes('later')", number)
        assert f"terminal {number * 7}\n" in str(await person.page.evaluate("n => webterm.screen(n)", number))
    assert len(person.watch.sockets) == 1
    await person.page.reload()
    await person.attached(MANY)
    assert len(person.watch.sockets) == 2


async def test_output_in_another_tab_is_marked_until_it_is_looked_at(person: Person) -> None:
    await person.run("tty; sleep 1000")
    device = (await person.matches(r"^/dev/pts/\d+$"))[0]
    await person.press("Control+Shift+Enter")
    await person.attached(2)
    await person.sees(PROMPT)
    first = person.page.get_by_role("tab").first
    await expect(first).not_to_contain_text("new output")
    await person.run(f"echo from the second > {device}")
    await expect(first).to_contain_text("new output")
    await first.click()
    await expect(first).not_to_contain_text("new output")
    await person.sees("from the second")


async def test_an_exit_shows_its_status_and_the_tab_can_go(person: Person) -> None:
    await person.run("exit 3")
    tab = person.page.get_by_role("tab")
    await expect(tab).to_contain_text("exited 3")
    await person.sees("exit 3")
    await person.type("x")
    await expect(person.page.locator(".message")).to_have_text("This program has ended: Enter starts it again")
    await person.page.reload()
    await expect(tab).to_contain_text("exited 3")
    await person.sees("exit 3")
    await person.page.get_by_label("Close").click()  # nothing runs, so nothing is asked
    await expect(tab).to_have_count(0)
    await person.page.get_by_role("button", name="Open a terminal").click()
    await person.sees(PROMPT)


async def test_a_killed_program_shows_its_signal(person: Person) -> None:
    await person.run("kill -9 $$")
    await expect(person.page.get_by_role("tab")).to_contain_text("killed by")
    assert await person.page.get_by_role("tab").get_by_text("KILL").count() == 1


async def test_closing_a_running_program_asks_first(person: Person) -> None:
    await person.page.get_by_label("Close").click()
    dialog = person.page.get_by_role("dialog")
    await dialog.get_by_role("button", name="Cancel").click()
    await person.run("echo $((6 * 7))")
    await person.matches("^42$")
    await person.page.get_by_label("Close").click()
    await dialog.get_by_role("button", name="Close it").click()
    await expect(person.page.get_by_role("tab")).to_have_count(0)


async def test_a_new_name_shows_in_a_second_browser(arrive: Arrive, server: Server) -> None:
    one, two = await arrive(server), await arrive(server)
    await one.run(r"printf '\033]2;what the program says\007'")
    for person in (one, two):
        await expect(person.page.get_by_role("tab")).to_have_text("what the program says")
    await one.page.get_by_role("tab").dblclick()
    await one.type("mine <b>&amp;</b>")
    await one.press("Enter")
    for person in (one, two):
        await expect(person.page.get_by_role("tab")).to_have_text("mine <b>&amp;</b>")
    await one.run(r"printf '\033]2;again\007'; echo $((6 * 7))")
    await one.matches("^42$")
    await expect(two.page).to_have_title("mine <b>&amp;</b> – webterm")
    await two.page.get_by_role("tab").dblclick()
    await two.press("Control+A", "Delete", "Enter")
    for person in (one, two):
        await expect(person.page.get_by_role("tab")).to_have_text("again")


async def test_two_browsers_on_one_terminal_both_type_and_see(arrive: Arrive, server: Server) -> None:
    one, two = await arrive(server), await arrive(server, device={"viewport": {"width": 800, "height": 500}})
    assert (await one.tabs())[0]["id"] == (await two.tabs())[0]["id"]
    await expect(one.page.locator(".geometry")).to_contain_text("2 viewers")
    await one.run("echo one $((6 * 7))")
    await asyncio.gather(one.matches("^one 42$"), two.matches("^one 42$"))
    await two.run("echo two $((50 + 1))")
    await asyncio.gather(one.matches("^two 51$"), two.matches("^two 51$"))
    await asyncio.gather(one.at_prompt(), two.at_prompt())
    assert (await one.screen()).split("\n")[:6] == (await two.screen()).split("\n")[:6]
    await two.page.close()
    await expect(one.page.locator(".geometry")).not_to_contain_text("viewers")


async def test_the_one_who_types_gives_the_terminal_its_size(arrive: Arrive, server: Server) -> None:
    one, two = await arrive(server), await arrive(server, device={"viewport": {"width": 800, "height": 500}})
    await one.run("stty size")
    cols, rows = await one.size()
    await two.sees(f"{rows} {cols}")
    assert await two.size() == (cols, rows)
    await two.page.get_by_role("button", name="fit to me").click()
    await expect(two.page.locator(".geometry .long")).not_to_have_text(f"{cols}×{rows}")
    smaller = await two.size()
    assert smaller < (cols, rows)
    await expect(one.page.locator(".geometry .long")).to_have_text("×".join(map(str, smaller)))


async def test_a_terminal_opened_or_closed_in_one_browser_is_told_to_the_other(arrive: Arrive, server: Server) -> None:
    one, two = await arrive(server), await arrive(server)
    await one.page.get_by_label("Close").click()
    await one.page.get_by_role("dialog").get_by_role("button", name="Close it").click()
    await expect(two.page.get_by_role("tab")).to_have_count(0)

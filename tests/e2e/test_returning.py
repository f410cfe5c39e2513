"""What a reload, a broken network and a killed server leave behind: nothing is lost, nothing comes twice."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.e2e.browsing import CUT_OFF, Person
from tests.e2e.conftest import Arrive
from tests.e2e.network import Network, network
from tests.e2e.serving import PROMPT, Server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

# In a shell of its own: an interactive one goes on with its loop when a Ctrl-C meets the very end of a `sleep`.
COUNT = """sh -c 'n=0; while :; do n=$((n+1)); echo "count $n."; sleep 0.01; done'"""
COLOURS = r"for n in 1 2 3 4 5 6; do printf '\033[3%dm%s ' $n colour$n; done; printf '\033[0m\n'"


@pytest_asyncio.fixture(loop_scope="session")
async def net(own_server: Server) -> AsyncIterator[Network]:
    """A network of the test's own, in front of its own server."""
    async with network(own_server.port) as made:
        yield made


async def counted(person: Person) -> list[int]:
    """The numbers on the screen."""
    return [int(number) for number in re.findall(r"^count (\d+)\.$", await person.screen(), re.MULTILINE)]


async def counts_on(person: Person, after: int) -> list[int]:
    """Wait for a number beyond ``after``; the numbers on the screen then, each one more than the one before."""
    script = r"after => [...webterm.screen().matchAll(/^count (\d+)\.$/gm)].some(found => Number(found[1]) > after)"
    await person.until(script, after)
    numbers = await counted(person)
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    return numbers


async def markup(person: Person) -> str:
    """The rows as they are drawn, colours included. The cursor is left out: it may blink, or be without focus."""
    await person.frame()
    rows = await person.page.locator(".pane:not([hidden]) .xterm-rows").inner_html()
    return re.sub(r'\bxterm-cursor[\w-]*\b| class=" *"|id="[^"]*"', "", rows)


async def test_a_reload_shows_the_same_screen_and_scrollback(person: Person) -> None:
    await person.run("for n in $(seq 1 300); do echo row $n of many; done")
    await person.sees("row 300 of many")
    await person.resize_window(900, 500)
    await person.run(COLOURS + "; echo 漢字 👍🏽 e\u0301")
    await person.sees("colour6")
    await person.at_prompt()
    screen = await person.screen()
    await person.scroll_back_to("seq 1 300")
    top = await person.drawn()
    await person.page.reload()
    await person.attached()
    await person.until("screen => webterm.screen() === screen", screen)
    await person.scroll_back_to("seq 1 300")
    assert await person.drawn() == top
    await person.run("echo $((6 * 7))")
    await person.matches("^42$")


async def test_a_reload_in_a_full_screen_program_shows_the_same(person: Person, server: Server) -> None:
    (server.home / "story").write_text("".join(f"line {number} of the story\n" for number in range(1, 501)))
    await person.run("vim '+syntax off' +250 story")
    await person.matches(r"^line 250 of the story$")
    await person.type(":set number\n")
    await person.until(r"() => webterm.screen().split('\n').slice(0, -1).every(row => /^ *\d+ line \d+ of/.test(row))")
    screen = await person.screen()
    await person.page.reload()
    await person.attached()
    await person.until("screen => webterm.screen() === screen", screen)
    await person.type("3dd:q!\n")
    await person.at_prompt()


async def test_a_reload_shows_the_tab_that_was_shown_and_its_names(person: Person) -> None:
    for number in range(2):
        await person.press("Control+Shift+Enter")
        await person.attached(number + 2)
    await person.press("Control+Shift+Digit2")
    await person.run(r"printf '\033]2;second of three\007'")
    tab = person.page.get_by_role("tab", name="second of three")
    await expect(tab).to_have_attribute("aria-selected", "true")
    ids = [tab["id"] for tab in await person.tabs()]
    await person.page.reload()
    await person.attached(3)
    await expect(tab).to_have_attribute("aria-selected", "true")
    assert [tab["id"] for tab in await person.tabs()] == ids


async def test_a_killed_server_comes_back_with_the_same_screen(own_server: Server, arrive: Arrive) -> None:
    person = await arrive(own_server)
    person.watch.allowed = CUT_OFF
    await person.run(COLOURS)
    await person.sees("colour6")
    await person.run("X=kept")
    await person.sees("X=kept")
    await person.at_prompt()
    before, drawn = await person.screen(), await markup(person)
    await own_server.kill()
    await expect(person.page.locator(".connection")).to_contain_text("Reconnecting")
    assert await person.screen() == before
    await own_server.start()
    await person.attached()
    assert await person.screen() == before
    assert await markup(person) == drawn
    await person.run("echo $X")
    await person.matches("^kept$")


async def test_a_program_counts_on_while_the_server_is_killed(own_server: Server, arrive: Arrive) -> None:
    person = await arrive(own_server)
    person.watch.allowed = CUT_OFF
    await person.run(COUNT)
    last = (await counts_on(person, 20))[-1]
    for _ in range(3):
        await own_server.kill()
        await expect(person.page.locator(".connection")).to_contain_text("Reconnecting")
        await own_server.start()
        last = (await counts_on(person, last + 50))[-1]
    await person.press("Control+C")
    await person.at_prompt()
    last = (await counted(person))[-1]
    await person.scroll_back_to("while :")
    assert re.findall(r"count (\d+)\.", await person.drawn())[:3] == ["1", "2", "3"]


async def test_a_cut_network_loses_nothing(own_server: Server, net: Network, arrive: Arrive) -> None:
    person = await arrive(own_server, sign_in=False, origin=net.url)
    person.watch.allowed = CUT_OFF
    await person.page.goto((await own_server.link()).replace(own_server.url, net.url))
    await person.sees(PROMPT)
    await person.run(COUNT)
    last = (await counts_on(person, 10))[-1]
    for _ in range(3):
        await net.cut()
        await expect(person.page.locator(".connection")).to_contain_text("Reconnecting")
        await person.type("x")
        await expect(person.page.get_by_role("status").filter(has_text="Not connected")).to_be_visible()
        await net.connect()
        last = (await counts_on(person, last + 50))[-1]
    assert "x" not in "".join(re.findall(r"^(?!count).*$", await person.screen(), re.MULTILINE)).partition("done")[2]


async def test_a_dead_network_is_noticed_when_the_browser_is_online_again(
    own_server: Server, net: Network, arrive: Arrive
) -> None:
    person = await arrive(own_server, sign_in=False, origin=net.url)
    person.watch.allowed = CUT_OFF
    await person.page.goto((await own_server.link()).replace(own_server.url, net.url))
    await person.sees(PROMPT)
    await person.run(COUNT)
    last = (await counts_on(person, 10))[-1]
    net.go_dead()
    await person.context.set_offline(True)
    net.revive()
    await person.context.set_offline(False)
    await counts_on(person, last + 20)
    assert len(person.watch.sockets) == 2


async def test_a_stopped_server_is_waited_for(own_server: Server, arrive: Arrive) -> None:
    """SIGTERM: the page says so, and goes on when the server is back."""
    person = await arrive(own_server)
    person.watch.allowed = CUT_OFF
    await person.run("echo $((6 * 7))")
    await person.matches("^42$")
    own_server.process.terminate()
    await own_server.process.wait()
    await expect(person.page.locator(".connection")).to_contain_text("Reconnecting")
    await own_server.start()
    await person.attached()
    await person.matches("^42$")
    await person.run("echo $((50 + 1))")
    await person.matches("^51$")

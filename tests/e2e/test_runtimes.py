"""What runs in a workspace, on the page: its environment, what it uses, its ports and their previews."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import FrameLocator, Locator, expect

from tests.e2e.browsing import CUT_OFF, PATIENCE, PHONE, Person
from tests.e2e.conftest import Arrive
from tests.e2e.desk import GENEROUS, Desk
from tests.e2e.serving import PROMPT, Server, serving
from tests.engine import DEBIAN, RealEngine
from tests.registry import Registry
from webterm import datadir

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

APP = """
import socket, sys

page = b'''<!doctype html><title>App</title><link rel="stylesheet" href="style.css">
<h1>Round %d</h1><p id="said">nothing</p>
<script type="module">
  const answer = await fetch("data")
  document.getElementById("said").textContent = await answer.text()
</script>''' % int(sys.argv[1])
asked = 0
others = {"/style.css": ("text/css", b"h1 { color: rgb(1, 2, 3) }"), "/data": ("text/plain", b"it works")}
here = socket.create_server(("127.0.0.1", int(sys.argv[2]) if len(sys.argv) > 2 else 0))
print("listens at", here.getsockname()[1], flush=True)
while True:
    peer, _ = here.accept()
    if sys.argv[1] == "0":
        peer.sendall(b"SSH-2.0-none\\r\\n")
        peer.close()
        continue
    with peer, peer.makefile("rb") as lines:
        target = lines.readline().split(b" ")[1:2]
        while lines.readline().strip():
            pass
        path = target[0].decode() if target else "/"
        kind, body = others.get("/" + path.rpartition("/")[2], ("text/html", page))
        if kind == "text/html":
            asked += 1
            body += f'<p>{path} the {asked}.</p><a href="one/more?a=%2F">On</a>'.encode()
        lengths = f"Content-Length: {len(body)}\\r\\nConnection: close"
        peer.sendall(f"HTTP/1.1 200 OK\\r\\nContent-Type: {kind}\\r\\n{lengths}\\r\\n\\r\\n".encode() + body)
"""
"""A web server that needs nothing but sockets: its pages ask for more of their own."""


NOWHERE = "127.0.0.1:1/none:1"
"""An image that nobody has."""
LOW = "buttons => buttons.map(button => button.getBoundingClientRect().height).filter(height => height && height < 40)"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    async with serving(tmp_path_factory.mktemp("server"), **GENEROUS) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def with_domain(tmp_path: Path) -> AsyncIterator[Server]:
    """Each app has an origin of its own there."""
    settings = {**GENEROUS, "WEBTERM_PREVIEWS__DOMAIN": "preview.localhost"}
    async with serving(tmp_path / "server", **settings) as running:
        yield running


def programs(person: Person) -> Locator:
    """What the page says below the files about what runs."""
    return person.page.get_by_role("region", name="Programs")


async def listens(desk: Desk, round_: int, port: int | None = None, python: str = sys.executable) -> int:
    """Start the app in the visible terminal; its port."""
    await desk.person.run(f"{python} app.py {round_}{f' {port}' if port else ''}")
    said = await desk.person.matches(r"listens at (\d+)$")
    return int(said[1])


def framed(person: Person, port: int) -> FrameLocator:
    """The page in the preview."""
    return person.page.frame_locator(f"iframe[title='Port {port}']")


async def test_an_environment_is_set_by_keys(arrive: Arrive, server: Server) -> None:
    person = await arrive(server)
    desk = await Desk.made(person, server, "Set")
    opener = programs(person).get_by_role("button", name="Environment…")
    await opener.focus()
    await person.press("Enter")
    dialog = person.page.get_by_role("dialog", name="Environment of Set")
    await expect(dialog.get_by_label("Programs run in").locator("option")).to_contain_text(
        ["usual", "the server's machine"]
    )
    await dialog.get_by_label("Memory").fill("lots")
    await dialog.get_by_role("button", name="Add a variable").click()
    await expect(dialog.get_by_label("Name of variable 1")).to_be_focused()
    await person.copy_into_clipboard("# copied\nGREETING='good morning'\nOTHER=2\n")
    await person.press("Control+v")
    await expect(dialog.get_by_label("Value of GREETING")).to_have_value("good morning")
    await person.press("Enter")
    await expect(dialog.get_by_role("alert")).to_have_text("Memory is a size, such as 512 MiB or 2 GiB.")
    person.watch.allowed = CUT_OFF  # the browser says of refusals that something failed
    await dialog.get_by_label("Memory").fill("1 TiB")
    await person.press("Enter")
    await expect(dialog.get_by_role("alert")).to_have_text(
        "Memory: 1 TiB asked for, and the server's settings allow at most 2 GiB."
    )
    await dialog.get_by_label("Memory").fill("256 MiB")
    await dialog.get_by_role("button", name="Remove OTHER").click()
    await expect(dialog.get_by_label("Name of variable 1")).to_be_focused()
    await person.press("Enter")
    await expect(dialog).to_have_count(0)
    await expect(opener).to_be_focused()
    await desk.terminal()
    await person.run("echo $GREETING, $OTHER.")
    await person.matches("^good morning, .$")
    await person.press("Control+Shift+E")
    await person.press("Control+Shift+E")
    files = person.page.get_by_role("complementary", name="Files")
    await expect(files.locator(":focus")).to_have_count(1)  # in a terminal Tab is the program's
    await opener.focus()
    await person.press("Enter")
    await expect(dialog.get_by_label("Memory")).to_have_value("256 MiB")
    await expect(dialog.get_by_label(r"Value of GREETING")).to_have_value("good morning")
    await dialog.get_by_role("button", name="Save and restart").click()
    await expect(dialog).to_have_count(0)
    await expect(programs(person).get_by_text("ready", exact=True)).to_be_visible()
    await expect(person.page.get_by_text("No terminals are open in Set.")).to_be_visible()
    await programs(person).get_by_role("button", name="Stop…").click()
    await expect(person.page.get_by_role("button", name="Cancel")).to_be_focused()
    await desk.answer("Stop")
    await expect(programs(person).get_by_text("not running")).to_be_visible()
    await programs(person).get_by_role("button", name="Start", exact=True).click()
    await expect(programs(person).get_by_text("ready", exact=True)).to_be_visible()


async def test_a_web_server_is_one_click_away(arrive: Arrive, server: Server) -> None:
    person = await arrive(server)
    page = person.page
    desk = await Desk.made(person, server, "Web")
    desk.write("app.py", APP)
    await desk.terminal()
    port = await listens(desk, 1)
    await page.locator(".status").get_by_role("button", name=f"Preview port {port}").click()
    shown = framed(person, port)
    await expect(shown.get_by_text("Round 1")).to_be_visible()
    await expect(shown.get_by_text("it works")).to_be_visible()  # scripts run, and reach their own server
    await expect(shown.get_by_role("heading")).to_have_css("color", "rgb(1, 2, 3)")
    await expect(page.get_by_label("Load the preview again")).to_be_focused()
    await page.get_by_role("button", name="Empty?").click()
    await expect(page.get_by_role("complementary", name=f"Preview of port {port}")).to_contain_text("--base ./")

    await person.press("Escape")  # back to the terminal, which has the room that is left
    await person.press("Control+c")
    await expect(page.get_by_text(f"Nothing listens on port {port} now.")).to_be_visible()
    await listens(desk, 2, port)
    await expect(shown.get_by_text("Round 2")).to_be_visible()
    await expect(page.get_by_text(f"Nothing listens on port {port} now.")).to_be_hidden()

    divider = page.get_by_role("separator", name="Width of the preview")
    before = await page.locator(".preview").bounding_box()
    await divider.focus()
    await person.press("ArrowRight", "ArrowRight")
    after = await page.locator(".preview").bounding_box()
    assert before is not None
    assert after is not None
    assert after["width"] < before["width"] - 50

    head = page.get_by_role("toolbar", name="Preview")
    person.watch.allowed = CUT_OFF  # the browser asks for our icon there, and does not get it
    async with person.context.expect_page() as opening:
        await head.get_by_label(f"Open port {port} in a tab").click()
    alone = await opening.value
    await expect(alone.get_by_text("it works")).to_be_visible()
    assert await alone.evaluate("window.opener") is None
    await alone.close()
    await head.get_by_label("Close the preview").click()
    await expect(page.locator("iframe")).to_have_count(0)
    await person.run("")  # the keys go to the terminal again

    await expect(programs(person).get_by_text("Memory")).to_be_visible()
    await expect(programs(person).get_by_role("list", name="Ports")).to_contain_text(str(port))
    await person.press("Control+c")
    await expect(programs(person).get_by_role("list", name="Ports")).to_have_count(0)

    await person.clear()
    port = await listens(desk, 0)  # this one does not speak HTTP
    await programs(person).get_by_role("button", name=f"Preview port {port}").click()
    await expect(framed(person, port).locator("body")).to_contain_text("HTTP")


async def test_a_preview_stays_where_scripts_have_led_it(with_domain: Server, arrive: Arrive) -> None:
    """Where it has an origin of its own."""
    person = await arrive(with_domain)
    desk = await Desk.made(person, with_domain, "Own")
    desk.write("app.py", APP)
    await desk.terminal()
    port = await listens(desk, 1)
    person.watch.also = (f"http://{port}--",)
    async with person.page.expect_response(re.compile(r"/previews/\d+$")) as told:
        await programs(person).get_by_role("button", name=f"Preview port {port}").click()
    assert (await (await told.value).json())["isolated"]
    shown = framed(person, port)
    await expect(shown.get_by_text("/ the 1.")).to_be_visible()
    (frame,) = person.page.frames[1:]
    await frame.evaluate("history.pushState({}, '', '/a/route?b=1')")
    for times in (2, 3):
        await person.page.get_by_label("Load the preview again").click()
        await expect(shown.get_by_text(f"/a/route?b=1 the {times}.")).to_be_visible()
        await expect(shown.get_by_text("it works")).to_be_visible()
    tab = person.page.get_by_role("toolbar", name="Preview").get_by_label(f"Open port {port} in a tab")
    await expect(tab).to_have_attribute("href", re.compile(r"/a/route\?b=1$"))
    person.watch.allowed = CUT_OFF
    with_domain.process.terminate()
    await with_domain.process.wait()
    await with_domain.start()
    await expect(shown.get_by_text(re.compile(r"/a/route\?b=1 the [4-9]\."))).to_be_visible(timeout=60_000)


async def test_a_preview_stays_where_one_is(arrive: Arrive, server: Server) -> None:
    """When it is loaded again, opened in a tab, and when the server is another one."""
    person = await arrive(server)
    page = person.page
    desk = await Desk.made(person, server, "Stay")
    desk.write("app.py", APP)
    await desk.terminal()
    port = await listens(desk, 1)
    await programs(person).get_by_role("button", name=f"Preview port {port}").click()
    shown = framed(person, port)
    await shown.get_by_role("link", name="On").click()
    await expect(shown.get_by_text("/one/more?a=%2F the 2.")).to_be_visible()
    head = page.get_by_role("toolbar", name="Preview")
    tab = head.get_by_label(f"Open port {port} in a tab")
    await expect(tab).to_have_attribute("href", re.compile(r"/one/more\?a=%2F$"))
    await head.get_by_label("Load the preview again").click()
    await expect(shown.get_by_text("/one/more?a=%2F the 3.")).to_be_visible()
    person.watch.allowed = CUT_OFF
    async with person.context.expect_page() as opening:
        await tab.click()
    alone = await opening.value
    await expect(alone.get_by_text("/one/more?a=%2F the 4.")).to_be_visible()
    await alone.close()
    server.process.terminate()
    await server.process.wait()
    await server.start()
    await expect(shown.get_by_text(re.compile("/one/more.* the [5-9]\\."))).to_be_visible(timeout=60_000)
    await expect(shown.get_by_text("it works")).to_be_visible()
    await programs(person).get_by_role("button", name=f"Preview port {port}").click()
    await expect(shown.get_by_text(re.compile(r"^/ the [6-9]\."))).to_be_visible()


async def test_a_preview_is_shared(arrive: Arrive, server: Server) -> None:
    person = await arrive(server)
    desk = await Desk.made(person, server, "Shared")
    desk.write("app.py", APP)
    await desk.terminal()
    port = await listens(desk, 1)
    await programs(person).get_by_role("button", name=f"Share port {port}").click()
    dialog = person.page.get_by_role("dialog", name=f"Share port {port} of Shared")
    await dialog.get_by_label("The link is good").select_option("for an hour")
    await dialog.get_by_role("button", name="Make a link").click()
    link = await dialog.get_by_label("Link, told only now").input_value()
    stranger = await arrive(server, sign_in=False)
    stranger.watch.allowed = CUT_OFF
    await stranger.page.goto(link)
    await expect(stranger.page.get_by_text("it works")).to_be_visible()
    await dialog.get_by_role("button", name="Take back").click()
    await expect(dialog.get_by_role("listitem")).to_have_count(0)
    async with asyncio.timeout(PATIENCE / 1000):  # a link is believed in for a moment
        while (await stranger.context.request.get(link, max_redirects=0)).status == 200:
            pass
    await stranger.page.goto(link)
    await expect(stranger.page.locator("body")).to_have_text("this link to a preview is wrong, or no longer good")
    await stranger.page.goto(f"{server.url}preview/{desk.workspace}/{port}/one%2Ftwo?a=%2F")
    await stranger.page.get_by_text("I have a sign-in link").click()
    await stranger.page.get_by_label("Link or token").fill(await server.link())
    await stranger.page.get_by_role("button", name="Use it").click()
    await expect(stranger.page.get_by_text("/one%2Ftwo?a=%2F the ")).to_be_visible()
    aside = f"preview%2F{desk.workspace}%2F{port}%2Fthree"
    await stranger.page.goto(f"{server.url}?next={aside}")  # as from a provider
    await expect(stranger.page.get_by_text("/three the ")).to_be_visible()
    await stranger.page.goto(f"{server.url}?next=%2F%2Fevil.example")
    await stranger.sees(PROMPT)


async def test_a_preview_on_a_phone(arrive: Arrive, server: Server) -> None:
    phone = await arrive(server, device=PHONE)
    desk = await Desk.made(phone, server, "Small")
    desk.write("app.py", APP)
    await phone.page.get_by_label("Hide the files").tap()
    await desk.terminal()
    await phone.run(f"{sys.executable} app.py 2 &")
    other = await phone.matches(r"listens at (\d+)$")
    await phone.clear()
    port = min(await listens(desk, 1), int(other[1]))
    assert await phone.page.locator(".status button").evaluate_all(LOW) == []
    await phone.page.locator(".status").get_by_role("button", name=f"Preview port {port}").tap()
    await expect(framed(phone, port).get_by_text("it works")).to_be_visible()
    box = await phone.page.locator(".preview").bounding_box()
    assert box is not None
    assert (box["x"], box["y"], box["width"]) == (0, 0, PHONE["viewport"]["width"])
    assert await phone.page.evaluate("document.documentElement.scrollWidth") <= PHONE["viewport"]["width"]
    await phone.page.get_by_label("Close the preview").tap()
    await phone.page.get_by_label("All ports").tap()  # there is room for the first only
    await expect(programs(phone).get_by_role("list", name="Ports").get_by_role("listitem")).to_have_count(2)
    assert await programs(phone).locator("h2 button, .runs-acts button").evaluate_all(LOW) == []
    await programs(phone).get_by_role("button", name="Environment…").tap()
    dialog = phone.page.get_by_role("dialog", name="Environment of Small")
    await expect(dialog.get_by_role("button", name="Add a variable")).to_be_visible()
    assert await dialog.evaluate("dialog => dialog.scrollWidth <= dialog.clientWidth")
    await dialog.get_by_role("button", name="Cancel").tap()


@pytest_asyncio.fixture(loop_scope="session")
async def registry(engine: RealEngine) -> AsyncIterator[Registry]:
    """A registry that keeps back the second half of what is pulled."""
    registry = Registry()
    registry.rest.clear()
    with registry.serving():
        yield registry


@pytest_asyncio.fixture(loop_scope="session")
async def contained(tmp_path: Path, engine: RealEngine, registry: Registry) -> AsyncIterator[Server]:
    """A server that runs workspaces in containers, and stops those of which nobody makes use for 15 seconds."""
    settings = {
        "WEBTERM_RUNTIMES__DRIVER": "auto",
        "WEBTERM_RUNTIMES__IDLE_MINUTES": "0.25",
        "WEBTERM_DOCKER__HOST": engine.host,
        "WEBTERM_DOCKER__IMAGE": DEBIAN,
        "WEBTERM_DOCKER__IMAGES": f"{registry.image},{NOWHERE}",
    }
    async with serving(tmp_path, **GENEROUS, **settings) as running:
        yield running
    await asyncio.to_thread(lambda: engine.remove(datadir.identity(running.data)))


@pytest.mark.docker
async def test_a_workspace_in_a_container(contained: Server, registry: Registry, arrive: Arrive) -> None:
    person = await arrive(contained)
    page = person.page
    desk = await Desk.made(person, contained, "Boxed")
    desk.write("app.py", APP)
    dialog = page.get_by_role("dialog", name="Environment of Boxed")

    async def image(name: str) -> None:
        await programs(person).get_by_role("button", name="Environment…").click()
        await expect(dialog.get_by_label("Programs run in")).to_contain_text("usual: a container")
        await dialog.get_by_label("Image of the container").fill(name)
        await desk.answer("Save")

    await image(registry.image)
    await page.get_by_label("New terminal", exact=True).click()
    assert await asyncio.to_thread(registry.half_sent.wait, 60)
    await expect(page.get_by_text("Starting Boxed…")).to_be_visible()
    await expect(page.locator(".start-of-workspace").get_by_role("status")).to_contain_text(registry.image)
    await programs(person).get_by_role("button", name="Stop…").click()
    await desk.answer("Stop")
    await expect(programs(person).get_by_text("not running")).to_be_visible()
    await expect(page.locator(".start-of-workspace")).to_have_count(0)

    await image(NOWHERE)
    await page.get_by_label("New terminal", exact=True).click()
    why = await programs(person).locator(".problem").text_content()
    assert why
    await expect(page.get_by_text(why.rstrip("."))).to_have_count(2)  # there, and in the terminal's place
    await expect(page.locator(".empty").get_by_role("alert")).to_have_text(why)

    await image("")
    await page.get_by_label("New terminal", exact=True).click()
    await person.attached(2)
    await person.sees("$ ")
    port = await listens(desk, 1, python="python3")
    await page.locator(".status").get_by_role("button", name=f"Preview port {port}").click()
    await expect(framed(person, port).get_by_text("it works")).to_be_visible()
    await expect(programs(person).get_by_label("Processes: ")).to_be_visible()
    await page.get_by_label("Close the preview").click()
    await person.press("Control+c")
    await person.run("exit")
    await expect(page.get_by_role("tab")).to_contain_text("exited")
    await page.get_by_role("tab").press("Delete")

    await expect(programs(person)).to_contain_text("stops in")
    await page.locator(".status").get_by_role("button", name="Keep").click()
    await expect(programs(person)).not_to_contain_text("stops in")
    await expect(programs(person).get_by_text("ready", exact=True)).to_be_visible()

"""Apps in previews, in a real browser: they work as they would at home, and get at nothing of ours."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.previews.app import CORPUS
from tests.previews.conftest import App, driver_of, previewing, resident

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

GIBIBYTE = 1024 * 1024 * 1024
INDEX = """<!doctype html>
<title>dev</title>
<link rel="stylesheet" href="{root}look.css">
<script type="module" src="{root}main.js"></script>
<p id="shown"></p><p id="socket"></p><p id="event"></p><p id="sum"></p><input type="file">
"""
MAIN = """
const show = (id, text) => { document.getElementById(id).textContent = text }
const reload = async () => show("shown", (await import(`./module.js?t=${Date.now()}`)).text)
const here = new URL("./", import.meta.url)
const socket = new WebSocket(new URL("ws?watch", here).href.replace("http", "ws"), "vite-hmr")
socket.onmessage = ({ data }) => { JSON.parse(data).type === "update" ? reload() : show("socket", "open") }
new EventSource(new URL("events", here)).onmessage = ({ data }) => show("event", data)
await reload()
const body = "x".repeat(100000)
const posted = await fetch(new URL("echo", here), { method: "PUT", body, headers: { "X-Own": "1" } })
show("sum", (await posted.json()).length)
"""
ATTACK = """<!doctype html><title>attack</title><p id="done"></p>
<script type="module">
const found = {}
const attempt = async (name, act) => {
  try { found[name] = String(await act()) } catch (error) { found[name] = `${error.name}` }
}
await attempt("cookie", () => document.cookie)
await attempt("origin", () => window.origin)
await attempt("storage", () => { localStorage.setItem("a", "1"); return localStorage.length })
await attempt("opener", () => window.opener)
await attempt("parent", () => window === window.parent ? "top" : window.parent.document.title)
await attempt("top", () => { if (window !== window.top) window.top.location = "about:blank"; return "tried" })
await attempt("worker", async () => {
  await navigator.serviceWorker.register(new URL("sw.js", location.href), { scope: "/" }); return "registered"
})
const main = new URLSearchParams(location.search).get("main")
for (const [name, path] of Object.entries({ api: "/api/v1/auth/me", page: "/", health: "/health" })) {
  await attempt(name, async () => (await fetch(main + path, { credentials: "include" })).status)
}
await attempt("ticket", async () => (await fetch(main + "/api/v1/auth/tickets", {
  method: "POST", credentials: "include", headers: { "Content-Type": "application/json" }, body: "{}",
})).status)
await attempt("socket", () => new Promise((resolve) => {
  const socket = new WebSocket(main.replace("http", "ws") + "/ws")
  socket.onopen = () => resolve("open")
  socket.onerror = () => resolve("closed")
}))
await attempt("frame", () => new Promise((resolve) => {
  const frame = document.createElement("iframe")
  frame.onload = () => {
    try { resolve(frame.contentDocument ? "readable" : "hidden") } catch (error) { resolve(error.name) }
  }
  frame.src = main + "/"
  document.body.append(frame)
}))
await attempt("message", () => {
  for (const other of [window.opener, window.top]) {
    if (!other || other === window) continue
    for (const data of [{ type: "open", argv: ["sh"] }, "reload", 1]) other.postMessage(data, "*")
  }
})
await attempt("tossing", () => {
  for (const domain of ["localhost", "preview.localhost"]) document.cookie = `tossed=1; domain=${domain}; path=/`
})
document.getElementById("done").textContent = JSON.stringify(found)
</script>
"""


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="session",
    params=["local", pytest.param("docker", marks=pytest.mark.docker)],
    ids=["path-local", "host-docker"],
)
async def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[App]:
    """Below a path of ours, on this machine; and at an origin of its own, in a container.

    Where an app is seen and where it runs do not know of each other: two pairs show what four would.
    """
    driver = driver_of(request)
    isolated = driver == "docker"
    directory: Path = tmp_path_factory.mktemp("server") / "data"
    async with previewing(directory, driver=driver, domain=isolated) as app:
        root = "/" if isolated else "./"
        pages = {"index.html": INDEX.format(root=root), "main.js": MAIN, "attack.html": ATTACK, "sw.js": "1"}
        for name, text in {
            **pages,
            "module.js": 'export const text = "one"',
            "look.css": "p { color: #123456 }",
        }.items():
            await put(app, name, text)
        yield app


async def put(app: App, name: str, text: str) -> None:
    async with app.owner.put(app.running.url(f"{app.api}/files/{name}"), data=text.encode()) as answer:
        assert answer.status in (200, 201), await answer.text()


@asynccontextmanager
async def person(browser: Browser, app: App) -> AsyncIterator[BrowserContext]:
    """The owner's own browser, signed in."""
    context = await browser.new_context()
    try:
        page = await context.new_page()
        await page.goto(f"{app.running.origin}/?login={await app.running.link()}")
        yield context
    finally:
        await context.close()


async def opened(context: BrowserContext, app: App, path: str = "/") -> Page:
    page = await context.new_page()
    await page.goto(f"{app.running.origin}{app.base}{path}")
    return page


async def test_a_dev_server_works_as_at_home(browser: Browser, app: App) -> None:
    """Modules, styles, hot reload over a WebSocket, events, requests of its own; and a reload with the same address."""
    async with person(browser, app) as context:
        page = await opened(context, app)
        await expect(page.locator("#shown")).to_have_text("one")
        await expect(page.locator("#shown")).to_have_css("color", "rgb(18, 52, 86)")
        await expect(page.locator("#event")).to_have_text("hello")
        await expect(page.locator("#sum")).to_have_text("100000")
        await expect(page.locator("#socket")).to_have_text("open")
        await page.evaluate("window.same = true")
        await put(app, "module.js", 'export const text = "two"')
        await expect(page.locator("#shown")).to_have_text("two")
        assert await page.evaluate("window.same")  # without having been loaded again
        await page.reload()
        await expect(page.locator("#shown")).to_have_text("two")
        await expect(page.locator("#socket")).to_have_text("open")
        await put(app, "module.js", 'export const text = "one"')
        await expect(page.locator("#shown")).to_have_text("one")


TRAFFIC = """
async size => {
  const here = new URL("./", location.href)
  const found = {}
  const down = async () => {
    const reader = (await fetch(new URL(`big?${size}`, here))).body.getReader()
    found.down = 0
    for (let piece; !(piece = await reader.read()).done;) found.down += piece.value.length
  }
  const up = async () => {
    const body = document.querySelector("input").files[0]
    found.up = (await (await fetch(new URL("echo", here), { method: "POST", body })).json()).length
  }
  await Promise.all([down(), up()])
  const packed = await fetch(new URL("gzip", here))
  found.packed = packed.headers.get("Content-Encoding")
  found.unpacked = (await packed.text()).length
  found.target = (await (await fetch(new URL("echo/a%2Fb?c=%2F&d=%20+", here))).json()).target
  return found
}
"""


async def test_a_browser_s_traffic_goes_through_as_it_is(browser: Browser, app: App, tmp_path: Path) -> None:
    """A gibibyte each way takes the server no memory: it is this very process."""
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(GIBIBYTE)
    async with person(browser, app) as context:
        page = await opened(context, app)
        await expect(page.locator("#socket")).to_have_text("open")
        await page.locator("input").set_input_files(large)
        async with watched() as most:
            found = await page.evaluate(TRAFFIC, GIBIBYTE)
        assert (found["down"], found["up"]) == (GIBIBYTE, GIBIBYTE)
        assert (found["packed"], found["unpacked"]) == ("gzip", len(CORPUS))
        assert found["target"].endswith("echo/a%2Fb?c=%2F&d=%20+")
        assert most() < 48 * 1024 * 1024


@asynccontextmanager
async def watched() -> AsyncIterator[Callable[[], int]]:
    """By how many bytes this process is larger than before, at most, while the block runs."""
    before, most = resident(), 0

    async def look() -> None:
        nonlocal most
        while True:
            most = max(most, resident() - before)
            await asyncio.sleep(0.02)

    looking = asyncio.create_task(look())
    try:
        yield lambda: most
    finally:
        looking.cancel()


async def found_by(page: Page) -> dict[str, Any]:
    done = page.locator("#done")
    await expect(done).not_to_be_empty()
    return dict(json.loads(await done.text_content() or "{}"))


async def test_an_app_gets_at_nothing_of_ours(browser: Browser, app: App) -> None:
    async with person(browser, app) as context:
        ours = {cookie["name"]: cookie["value"] for cookie in await context.cookies(app.running.origin)}
        page = await opened(context, app, f"/attack.html?main={app.running.origin}")
        found = await found_by(page)
        isolated = "localhost" in page.url
        assert found["cookie"] == ("app=1" if isolated else "SecurityError")
        assert found["storage"] == ("1" if isolated else "SecurityError")
        assert found["opener"] == "null"
        assert {found[name] for name in ("api", "page", "health", "ticket")} == {"TypeError"}
        assert found["socket"] == "closed"
        assert found["frame"] != "readable"
        assert all(not frame.url.startswith(app.running.origin) for frame in page.frames[1:])  # our page in theirs
        assert (found["worker"] == "registered") == isolated  # for its own origin
        assert found["origin"] == (f"http://{app.host}" if isolated else "null")
        after = {cookie["name"]: cookie["value"] for cookie in await context.cookies(app.running.origin)}
        assert after == ours
        assert "tossed" not in after
        page = await opened(context, app)  # still signed in
        await expect(page.locator("#shown")).to_have_text("one")


async def test_a_frame_is_led_back_to_where_it_was(browser: Browser, app: App) -> None:
    """Also where only the app's scripts have led it. Below a path nobody can know that."""
    info = await app.asked("GET", f"/previews/{app.port}")
    if not info["isolated"]:
        return
    async with person(browser, app) as context:
        page = context.pages[0]
        append = "const frame = document.createElement('iframe'); frame.src = url; document.body.append(frame)"
        await page.evaluate(f"url => {{ {append} }}", info["url"])
        await expect(page.frame_locator("iframe").last.locator("#socket")).to_have_text("open")
        frame = page.frames[-1]
        await frame.evaluate("history.pushState({}, '', '/index.html?route=1#here')")
        for number, to in enumerate(("/", "//evil.example/")):
            again = f"{info['url']}.webterm/again?to={to}&round={number}"
            await page.evaluate("url => { document.querySelector('iframe:last-of-type').src = url }", again)
            await frame.wait_for_url(f"{info['url']}index.html?route=1#here")
            await expect(page.frame_locator("iframe").last.locator("#socket")).to_have_text("open")
        alone = await context.new_page()
        await alone.goto(f"{info['url']}.webterm/again?to=//evil.example/")
        await expect(alone.locator("#socket")).to_have_text("open")
        assert alone.url == info["url"]


async def test_our_page_shows_it_in_a_frame_that_cannot_touch_it(browser: Browser, app: App) -> None:
    async with person(browser, app) as context:
        page = context.pages[0]
        info = await app.asked("GET", f"/previews/{app.port}")
        before = page.url
        await page.evaluate("window.heard = []; addEventListener('message', ({ data }) => heard.push(data))")
        attack = f"{info['url']}attack.html?main={app.running.origin}"
        append = "const frame = document.createElement('iframe'); frame.src = url; document.body.append(frame)"
        await page.evaluate(f"url => {{ {append} }}", attack)
        frame = page.frame_locator("iframe").last
        done = frame.locator("#done")
        await expect(done).not_to_be_empty()
        found = json.loads(await done.text_content() or "{}")
        assert found["parent"] == "SecurityError"
        assert found["frame"] != "readable"
        assert not [each.url for each in page.frames[2:] if each.url.startswith(f"{app.running.origin}/")]
        assert page.url == before
        assert await page.evaluate("window.heard") == [{"type": "open", "argv": ["sh"]}, "reload", 1]
        async with context.expect_page() as popped:
            await page.evaluate("url => { window.open(url) }", attack)
        assert (await found_by(await popped.value))["opener"] == "null"

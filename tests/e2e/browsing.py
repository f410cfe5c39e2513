"""A person at the page: what is typed, clicked and seen, in a real browser."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request, ViewportSize, WebSocket, expect

from tests.e2e.serving import PROMPT, Server


class Device(TypedDict, total=False):
    """What a browser context pretends to run on; the names are playwright's."""

    viewport: ViewportSize
    has_touch: bool
    is_mobile: bool
    device_scale_factor: float
    color_scheme: Literal["dark", "light"]


DESKTOP: Device = {"viewport": {"width": 1280, "height": 800}}
PHONE: Device = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
    "device_scale_factor": 2,
}
PATIENCE = 20_000
"""Milliseconds that anything may take on a busy machine."""

SCREEN = ".pane:not([hidden]) .xterm-screen"
ROWS = ".pane:not([hidden]) .xterm-rows"
"""The rows that are drawn, of the visible terminal."""

CUT_OFF = re.compile(r"WebSocket connection to .* failed|net::ERR_|Failed to load resource")
"""What a browser itself says when the server is not there, or refuses somebody who has signed out."""

SLOW = re.compile(r"^task queue exceeded allotted deadline")
"""What the terminal emulator says of a machine that is busy with other things."""


@dataclass
class Watch:
    """What no page may do, noted while it happens."""

    origin: str
    complaints: list[str] = field(default_factory=list)
    sockets: list[WebSocket] = field(default_factory=list)
    allowed: re.Pattern[str] | None = None
    also: tuple[str, ...] = ()

    def console(self, message: ConsoleMessage) -> None:
        allowed = SLOW.search(message.text) or (self.allowed and self.allowed.search(message.text))
        if message.type in ("error", "warning") and not allowed:
            self.complaints.append(f"console {message.type}: {message.text}")

    def request(self, request: Request) -> None:
        if not request.url.startswith((self.origin, "data:", "blob:", *self.also)):
            self.complaints.append(f"request to another origin: {request.url}")

    def socket(self, socket: WebSocket) -> None:
        self.sockets.append(socket)
        if not socket.url.startswith(self.origin.replace("http", "ws", 1)):
            self.complaints.append(f"WebSocket to another origin: {socket.url}")


class Person:
    """One browser context with one page."""

    def __init__(self, page: Page, watch: Watch) -> None:
        self.page = page
        self.watch = watch
        self.keys = page.keyboard

    @classmethod
    async def arrive(cls, browser: Browser, origin: str, device: Device = DESKTOP) -> Person:
        """A fresh context with an empty page, watched."""
        context = await browser.new_context(**device)
        context.set_default_timeout(PATIENCE)
        watch = Watch(origin)
        context.on("console", watch.console)
        context.on("request", watch.request)
        context.on("weberror", lambda error: watch.complaints.append(f"uncaught: {error.error}"))
        page = await context.new_page()
        page.on("websocket", watch.socket)
        return cls(page, watch)

    @property
    def context(self) -> BrowserContext:
        return self.page.context

    async def sign_in(self, server: Server) -> None:
        """By a fresh link, up to the first prompt."""
        await self.page.goto(await server.link())
        await self.attached()
        await self.sees(PROMPT)

    async def attached(self, count: int = 1) -> None:
        """Wait until all ``count`` tabs are attached."""
        await self.until("n => webterm.tabs().length === n && webterm.tabs().every(t => t.phase === 'attached')", count)

    async def until(self, condition: str, argument: object = None) -> None:
        """Wait until a function in the page returns something true; a page that is still loading is waited for."""
        loaded = f"argument => 'webterm' in window && ({condition})(argument)"
        await self.page.wait_for_function(loaded, arg=argument, timeout=PATIENCE)

    async def sees(self, text: str) -> None:
        """Wait until the visible terminal shows ``text``."""
        try:
            await self.until("text => webterm.screen().includes(text)", text)
        except Exception as error:
            raise AssertionError(f"{text!r} is not on the screen:\n{await self.screen()}") from error

    async def matches(self, pattern: str) -> re.Match[str]:
        """Wait until the visible terminal matches ``pattern``, written so that both JavaScript and Python take it."""
        try:
            await self.until("pattern => new RegExp(pattern, 'm').test(webterm.screen())", pattern)
        except Exception as error:
            raise AssertionError(f"{pattern!r} does not match the screen:\n{await self.screen()}") from error
        found = re.search(pattern, await self.screen(), re.MULTILINE)
        assert found is not None
        return found

    async def gone(self, text: str) -> None:
        """Wait until the visible terminal does not show ``text`` any more."""
        await self.until("text => !webterm.screen().includes(text)", text)

    async def screen(self) -> str:
        """The text of the visible terminal's screen."""
        return str(await self.page.evaluate("webterm.screen()"))

    async def frame(self) -> None:
        """Wait until the page has drawn what it knows."""
        await self.page.evaluate("new Promise(requestAnimationFrame)")

    async def drawn(self) -> str:
        """The text of the rows as they are drawn, which may be scrolled back; one line per row."""
        await self.frame()
        script = "rows => [...rows.children].map(row => row.textContent.trimEnd()).join('\\n').replaceAll('\\xa0', ' ')"
        return str(await self.page.locator(ROWS).evaluate(script))

    async def tabs(self) -> list[dict[str, Any]]:
        """The page's tabs; see `Handle` of the page."""
        found: list[dict[str, Any]] = await self.page.evaluate("webterm.tabs()")
        return found

    async def type(self, text: str) -> None:
        """Press keys; a line feed is Enter."""
        await self.keys.type(text)

    async def run(self, command: str) -> None:
        """Type a command and Enter."""
        await self.type(command + "\n")

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.keys.press(key)

    async def copy_into_clipboard(self, text: str) -> None:
        """As another program would have put it there."""
        await self.context.grant_permissions(
            ["clipboard-read", "clipboard-write"], origin=self.watch.origin.rstrip("/")
        )
        await self.page.evaluate("text => navigator.clipboard.writeText(text)", text)

    async def paste(self, text: str) -> None:
        """Copy it elsewhere, and press the paste key here."""
        await self.copy_into_clipboard(text)
        await self.press("Control+Shift+V")

    async def clear(self) -> None:
        """An empty screen with a prompt, nothing scrolled back."""
        await self.run(r"clear; printf '\033[3J'")
        await self.until(r"prompt => webterm.screen().trim() === prompt.trim()", PROMPT)

    async def at_prompt(self) -> None:
        """Wait until the last line is an empty prompt."""
        await self.until("prompt => webterm.screen().trimEnd().endsWith('\\n' + prompt)", PROMPT.strip())

    async def visible(self, selector: str) -> None:
        await expect(self.page.locator(selector).first).to_be_visible(timeout=PATIENCE)

    async def turn_wheel(self, pixels: int) -> None:
        """Over the middle of the terminal; down is positive."""
        await self.page.locator(SCREEN).hover()
        await self.page.mouse.wheel(0, pixels)

    async def point_at(self, text: str) -> None:
        """Move the mouse to the middle of the cell where ``text`` begins."""
        lines = (await self.screen()).split("\n")
        row, line = next((row, line) for row, line in enumerate(lines) if text in line)
        box = await self.page.locator(SCREEN).bounding_box()
        assert box is not None
        cols, rows = await self.size()
        x, y = (line.index(text) + 0.5) * box["width"] / cols, (row + 0.5) * box["height"] / rows
        await self.page.mouse.move(box["x"] + x, box["y"] + y)

    async def click_at(self, text: str) -> None:
        """Click where ``text`` begins."""
        await self.point_at(text)
        await self.page.mouse.down()
        await self.page.mouse.up()

    async def scroll_back_to(self, text: str) -> None:
        """Scroll up page by page until the first row that is drawn holds ``text``."""
        first = f"document.querySelector('{ROWS}').firstElementChild.textContent.replaceAll('\\xa0', ' ')"
        while text not in (seen := str(await self.page.evaluate(first))):
            await self.press("Shift+PageUp")
            await self.until(f"seen => {first} !== seen", seen)

    async def size(self) -> tuple[int, int]:
        """Columns and rows of the visible terminal, as the page tells."""
        shown = await self.page.locator(".geometry .long").text_content()
        assert shown is not None
        cols, rows = map(int, shown.split("×"))
        return cols, rows

    async def resize_window(self, width: int, height: int) -> tuple[int, int]:
        """Give the browser's window this size; the terminal's new size, in columns and rows."""
        before = "×".join(map(str, await self.size()))
        await self.page.set_viewport_size({"width": width, "height": height})
        await expect(self.page.locator(".geometry .long")).not_to_have_text(before)
        return await self.size()

    async def close_terminals(self, server: Server) -> None:
        """End all of this person's programs; nothing to do for somebody who has signed out."""
        api = server.url + "api/v1/terminals"
        answer = await self.context.request.get(api)
        for terminal in await answer.json() if answer.status == 200 else ():
            headers = {"Origin": server.url.rstrip("/")}
            closed = await self.context.request.delete(f"{api}/{terminal['id']}", headers=headers)
            assert closed.ok or closed.status == 404, closed.status  # it may have ended by itself meanwhile

    async def leave(self) -> list[str]:
        """Close the context. What the page should not have done comes back."""
        await self.context.close()
        return self.watch.complaints

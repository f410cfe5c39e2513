"""Workspaces, files and the editor, as a person handles them."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import Locator, expect

from tests.e2e.browsing import PATIENCE, Person
from tests.e2e.serving import PROMPT, Server

GENEROUS = {
    "WEBTERM_ACCOUNTS__DEFAULT_TIER": "enterprise",
    "WEBTERM_LIMITS__ANONYMOUS_TIER": "enterprise",
}
"""Settings of a server that is called as often as tests do."""


class Desk:
    """One person in one workspace, with the files in sight. ``files`` is its directory on the server's disk."""

    def __init__(self, person: Person, server: Server, workspace: str) -> None:
        self.person = person
        self.page = person.page
        self.workspace = workspace
        self.files = server.data / "workspaces" / workspace / "files"

    @classmethod
    async def made(cls, person: Person, server: Server, name: str) -> Desk:
        """A new workspace, made on the page."""
        page = person.page
        await page.get_by_label("Menu").click()
        await page.get_by_role("button", name="Workspaces…").click()
        form = page.get_by_role("form", name="New workspace")
        await form.get_by_label("Name of a new workspace").fill(name)
        await form.get_by_role("button", name="Make it").click()
        await expect(page.locator("dialog.panel")).to_have_count(0)
        shown = page.get_by_label("Workspace", exact=True)
        await expect(shown.locator("option:checked")).to_have_text(name)
        desk = cls(person, server, await shown.input_value())
        await expect(page.get_by_text("Nothing is in here yet.")).to_be_visible()
        return desk

    def write(self, name: str, content: str | bytes) -> Path:
        """Put a file into the workspace behind everybody's back, as its programs would."""
        path = self.files / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def item(self, name: str) -> Locator:
        """A file's row in the tree."""
        return self.page.get_by_role("treeitem", name=name, exact=True)

    async def terminal(self) -> None:
        """A new terminal in this workspace, at its prompt."""
        count = len(await self.person.tabs())
        await self.page.get_by_label("New terminal", exact=True).click()
        await self.person.attached(count + 1)
        await self.person.sees(PROMPT)

    async def open(self, name: str) -> None:
        """Open a file in the editor, by its row."""
        await self.item(name).click()
        await expect(self.tab(name)).to_have_attribute("aria-selected", "true")

    async def edit(self, name: str) -> Locator:
        """Open a file that is a text; the editor's lines."""
        await self.open(name)
        await expect(self.editor).to_be_focused()
        return self.editor

    def tab(self, name: str) -> Locator:
        return self.page.get_by_role("tab", name=name)

    @property
    def editor(self) -> Locator:
        """The lines of the file in front."""
        return self.page.locator(".desk:not([inert]) .cm-content")

    async def text(self) -> str:
        """What the editor shows; for files that fit into it."""
        return "\n".join(await self.editor.locator(".cm-line").all_text_contents())

    async def shows(self, text: str) -> None:
        """Wait until the editor shows exactly this."""
        script = "text => [...document.querySelectorAll('.desk:not([inert]) .cm-line')].map(line => line.textContent)"
        await self.person.until(f"text => ({script})().join('\\n') === text", text)

    async def saved(self) -> None:
        """Press the key for it, and wait until it is done."""
        await self.person.press("Control+s")
        await expect(self.page.get_by_role("button", name="Saved", exact=True)).to_be_visible(timeout=PATIENCE)

    async def act(self, name: str, action: str) -> None:
        """Choose what to do with a file."""
        await self.item(name).click(button="right")
        await self.page.get_by_role("menuitem", name=action, exact=True).click()

    @property
    def dialog(self) -> Locator:
        return self.page.get_by_role("dialog")

    async def answer(self, button: str) -> None:
        """Press a button of the dialog, and wait until it has gone."""
        await self.dialog.get_by_role("button", name=button, exact=True).click()
        await expect(self.dialog).to_have_count(0)

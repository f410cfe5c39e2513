"""The page's buttons for OpenID providers: signing in, linking, unlinking, and why it did not work."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from tests.e2e.accounts import PASSWORD
from tests.e2e.test_providers import told, trusting

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

BUTTON = "Sign in with test"


async def account(page: Page) -> None:
    """Open the account from the menu."""
    await page.get_by_label("Menu").click()
    await page.get_by_role("button", name="Account…").click()


async def test_the_button_signs_in_and_comes_back_to_the_same_place(browser: Browser, tmp_path: Path) -> None:
    async with trusting(tmp_path) as (server, _), await browser.new_context() as context:
        page = await context.new_page()
        await page.goto(server.url + "#account")
        await page.get_by_role("link", name=BUTTON).click()
        panel = page.locator("dialog.panel")
        await expect(panel.locator("dd").nth(1)).to_have_text("ada@example.org")
        assert page.url == server.url + "#account"
        await panel.get_by_role("button", name="Unlink test").click()
        await expect(panel.get_by_role("alert").filter(has_text="only way in which you can sign in")).to_be_visible()
        await panel.get_by_label("New password", exact=True).fill(PASSWORD)
        await panel.get_by_role("button", name="Set a password").click()
        await expect(panel.get_by_text("The password is set.")).to_be_visible()
        await panel.get_by_role("button", name="Unlink test").click()
        link = panel.get_by_role("button", name="Link test", exact=True)  # and not "Unlink test"
        await expect(link).to_be_visible()
        assert await told(context, server, "identities") == []


async def test_linking_leads_back_to_the_account(browser: Browser, tmp_path: Path) -> None:
    async with trusting(tmp_path) as (server, _), await browser.new_context() as context:
        page = await context.new_page()
        await page.goto(await server.link())
        await account(page)
        await page.get_by_role("button", name="Link test", exact=True).click()
        await expect(page.get_by_role("button", name="Unlink test")).to_be_visible()
        await expect(page.get_by_text("ada@example.org")).to_be_visible()
        assert page.url == server.url + "#account"


async def test_the_page_says_why_a_provider_did_not_let_somebody_in(browser: Browser, tmp_path: Path) -> None:
    async with trusting(tmp_path) as (server, provider), await browser.new_context() as context:
        page = await context.new_page()
        provider.denies = "access_denied"
        await page.goto(server.url)
        await page.get_by_role("link", name=BUTTON).click()
        await expect(page.get_by_role("alert").first).to_have_text("You did not let the provider tell who you are.")
        await page.goto(await server.link())
        await account(page)
        await page.get_by_role("button", name="Link test", exact=True).click()
        dialog = page.get_by_role("dialog", name="That did not work")
        await expect(dialog).to_contain_text("You did not let the provider tell who you are.")
        await dialog.get_by_role("button", name="Close").click()
        assert page.url == server.url

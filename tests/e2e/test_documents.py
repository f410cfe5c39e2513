"""The two views of the OpenAPI document: under any prefix, from our own origin, within the content security policy.

A request to another origin, and anything that the browser complains about, fails each of these tests.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from tests.e2e.browsing import PATIENCE, Person
from tests.e2e.conftest import Arrive
from tests.e2e.serving import Server
from tests.web.conftest import started

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest.mark.parametrize("view", ["docs", "redoc"])
async def test_a_view_shows_every_operation_under_a_prefix(browser: Browser, tmp_path: Path, view: str) -> None:
    async with started(tmp_path / "data", "/a/b") as running:
        person = await Person.arrive(browser, str(running.url("/")))
        await person.page.goto(str(running.url(f"/{view}")))
        if view == "redoc":
            # Rendered bit by bit as one scrolls; the headings of all operations are there from the start.
            await expect(person.page.get_by_role("heading", name="Start a program with a terminal")).to_be_visible()
        await expect(person.page.get_by_text("/api/v1/terminals/{terminal}/resize").first).to_be_attached()
        document = await (await person.page.request.get(str(running.url("/openapi.json")))).json()
        summaries = [found["summary"] for path in document["paths"].values() for found in path.values()]
        for summary in summaries:
            await expect(person.page.get_by_text(summary.split("`")[0].strip()).first).to_be_attached(timeout=PATIENCE)
        assert not await person.leave()


async def test_somebody_signed_in_tries_it_out(arrive: Arrive, server: Server) -> None:
    person = await arrive(server)
    page = person.page
    await page.goto(f"{server.url}docs")
    assert '"running"' in await tried_out(page, "terminals_show_all", 200)
    # The cookie alone would not do for this one: the browser says which page asks, and it is one of ours.
    assert '"ticket"' in await tried_out(page, "tickets_issue", 201)


async def test_a_stranger_is_told_why_not(arrive: Arrive, server: Server) -> None:
    person = await arrive(server, sign_in=False)
    person.watch.allowed = re.compile("status of 401")
    await person.page.goto(f"{server.url}docs")
    assert "not_signed_in" in await tried_out(person.page, "terminals_show_all", 401)


async def tried_out(page: Page, operation: str, status: int) -> str:
    """Run an operation without parameters in Swagger UI; returns the body of the answer."""
    block = page.locator(f"[id$=-{operation}]")
    await block.locator(".opblock-summary-control").click()
    await block.get_by_role("button", name="Try it out").click()
    await block.get_by_role("button", name="Execute").click()
    answer = block.locator(".live-responses-table")
    await expect(answer.locator(".response-col_status").nth(1)).to_contain_text(str(status), timeout=PATIENCE)
    return await answer.locator(".response-col_description pre").first.inner_text()

"""Signing in with a provider on another site, in a real browser: what cookies do on the way there and back."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext

from tests.e2e.serving import Server, serving
from tests.web.provider import CLIENT, DISCOVERY, SECRET, OpenIdProvider, open_id_provider

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

BEGIN = "api/v1/auth/oidc/test?next=./%23account"
LINK = """async () => {
    const answer = await fetch("api/v1/auth/oidc/test/link", { method: "POST" });
    location.assign((await answer.json()).location);
}"""


@asynccontextmanager
async def trusting(directory: Path) -> AsyncIterator[tuple[Server, OpenIdProvider]]:
    """A server at 127.0.0.1 and a provider at localhost, which is another site for a browser."""
    async with open_id_provider() as provider:
        provider.issuer = provider.issuer.replace("127.0.0.1", "localhost")
        settings = {"issuer": provider.issuer, "client_id": CLIENT, "client_secret": SECRET, "register": True}
        async with serving(directory, WEBTERM_OIDC__PROVIDERS=json.dumps({"test": settings})) as server:
            yield server, provider


async def told(context: BrowserContext, server: Server, path: str) -> Any:  # noqa: ANN401 - JSON
    """What the API answers to this browser."""
    answer = await context.request.get(f"{server.url}api/v1/auth/{path}")
    return await answer.json() if answer.status == 200 else None


async def test_there_and_back(browser: Browser, tmp_path: Path) -> None:
    async with trusting(tmp_path) as (server, _), await browser.new_context() as context:
        page = await context.new_page()
        await page.goto(server.url + BEGIN, wait_until="commit")
        assert page.url == server.url + "#account"
        assert (await told(context, server, "me"))["email"] == "ada@example.org"
        (cookie,) = await context.cookies(server.url)  # the one of the way there is gone
        assert (cookie["httpOnly"], cookie["sameSite"], cookie["name"].endswith("-oidc")) == (True, "Lax", False)


async def test_a_link_is_made_by_whoever_is_signed_in(browser: Browser, tmp_path: Path) -> None:
    """The login's cookie comes along from the other site, and nobody becomes somebody else."""
    async with trusting(tmp_path) as (server, _), await browser.new_context() as context:
        page = await context.new_page()
        await page.goto(await server.link())
        owner = await told(context, server, "me")
        async with page.expect_navigation(url=server.url, wait_until="commit"):
            await page.evaluate(LINK)
        [identity] = await told(context, server, "identities")
        assert identity["email"] == "ada@example.org"
        assert await told(context, server, "me") == owner
        assert owner["owner"]


async def test_a_page_elsewhere_cannot_finish_its_own_sign_in_here(browser: Browser, tmp_path: Path) -> None:
    """Nobody is signed in by what somebody else has begun."""
    async with trusting(tmp_path) as (server, provider), await browser.new_context() as context:
        url = server.url + BEGIN
        async with await browser.new_context() as mallory:
            for _ in range(2):
                url = (await mallory.request.get(url, max_redirects=0)).headers["location"]
        page = await context.new_page()
        await page.goto(provider.issuer + DISCOVERY)
        await page.evaluate("url => { location.href = url }", url)
        await page.wait_for_url(server.url + "?signin=stale", wait_until="commit")
        assert await told(context, server, "me") is None

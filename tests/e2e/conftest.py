"""A real browser for the whole run, a server for each module, a fresh context for each test."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Protocol

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from tests.e2e.browsing import DESKTOP, PATIENCE, Device, Person
from tests.e2e.desk import GENEROUS, Desk
from tests.e2e.serving import ROOT, Server, serving

QUIET = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class Arrive(Protocol):
    """Opens a browser context at a server; with ``sign_in`` it gets up to the first prompt.

    ``origin`` is the only one that the page may speak to, if it is not the server's own.
    """

    def __call__(
        self, server: Server, *, sign_in: bool = True, origin: str | None = None, device: Device = DESKTOP
    ) -> Awaitable[Person]: ...


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    assert (ROOT / "webterm/static/index.html").is_file(), "build the page first: npm --prefix frontend run build"
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert path, "install chromium"
    expect.set_options(timeout=PATIENCE)
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(
            executable_path=path,
            args=["--headless=new", *QUIET],
            chromium_sandbox=False,
            env={"HOME": str(tmp_path_factory.mktemp("browser")), "LANG": "C.UTF-8"},
        )
        yield launched
        await launched.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """Shared by the tests of a module, which leave no terminal behind."""
    async with serving(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def own_server(tmp_path: Path) -> AsyncIterator[Server]:
    """For a test that kills it, or needs it untouched. Ask for it before ``arrive``: pages are left first."""
    async with serving(tmp_path) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def arrive(browser: Browser) -> AsyncIterator[Arrive]:
    """Makes people; afterwards their terminals are closed, and what their pages should not have done fails the test."""
    here: list[tuple[Person, Server]] = []

    async def arriving(
        server: Server, *, sign_in: bool = True, origin: str | None = None, device: Device = DESKTOP
    ) -> Person:
        person = await Person.arrive(browser, origin or server.url, device)
        here.append((person, server))
        if sign_in:
            await person.sign_in(server)
        return person

    yield arriving
    complaints = []
    for person, server in here:
        await person.close_terminals(server)
        complaints += await person.leave()
    assert not complaints, "\n".join(complaints)


@pytest_asyncio.fixture(loop_scope="session")
async def person(arrive: Arrive, server: Server) -> Person:
    """Somebody at the module's server, signed in, with one terminal at its prompt."""
    return await arrive(server)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def roomy(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """Shared by the tests of a module, each of which makes a workspace."""
    async with serving(tmp_path_factory.mktemp("server"), **GENEROUS) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def desk(arrive: Arrive, roomy: Server, request: pytest.FixtureRequest) -> Desk:
    """Somebody in a new workspace that is called like the test."""
    return await Desk.made(await arrive(roomy), roomy, request.node.name[:60])

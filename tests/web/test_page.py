"""The page and its files. The page is built here by hand, from the smallest files that will do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.web.conftest import Running, started


@pytest.fixture
def static(tmp_path: Path) -> Path:
    """A built page."""
    static = tmp_path / "static"
    (static / "assets" / "deeper").mkdir(parents=True)
    (static / "index.html").write_text("<!doctype html><title>webterm</title>")
    (static / "assets" / "index-AbC_1-2.js").write_text("export {}")
    (static / "assets" / "index-AbC_1-2.css").write_text("body {}")
    (static / "assets" / "index-AbC_1-2.js.map").write_text("{}")
    (static / "assets" / ".secret").write_text("secret")
    (static / "assets" / "link.js").symlink_to("/etc/passwd")
    (tmp_path / "outside.js").write_text("outside")
    return static


@pytest.fixture
async def running(directory: Path, static: Path) -> AsyncIterator[Running]:
    """A server with that page."""
    async with started(directory, page=static) as running:
        yield running


async def test_the_page(running: Running, stranger: aiohttp.ClientSession) -> None:
    async with stranger.get(running.url("/")) as answer:
        assert (answer.status, answer.content_type) == (200, "text/html")
        assert answer.headers["Cache-Control"] == "no-cache"
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    async with stranger.head(running.url("/")) as answer:
        assert (answer.status, answer.headers["X-Content-Type-Options"]) == (200, "nosniff")


async def test_assets_are_kept_for_ever(running: Running, stranger: aiohttp.ClientSession) -> None:
    scripts = {"text/javascript", "application/javascript"}  # what Python says depends on its version
    for name, kinds in (("index-AbC_1-2.js", scripts), ("index-AbC_1-2.css", {"text/css"})):
        async with stranger.get(running.url(f"/assets/{name}")) as answer:
            assert answer.status == 200
            assert answer.content_type in kinds
            assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
            assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize(
    "path",
    [
        "/assets",
        "/assets/",
        "/assets/deeper",
        "/assets/deeper/",
        "/assets/.secret",
        "/assets/%2esecret",
        "/assets/link.js",
        "/assets/index-AbC_1-2.js.map",
        "/assets/nothing.js",
        "/assets/../index.html",
        "/assets/..%2findex.html",
        "/assets/..%5cindex.html",
        "/assets/%2e%2e/%2e%2e/outside.js",
        "/assets/..%2f..%2foutside.js",
        "/assets/%00",
        "/assets/index-AbC_1-2.js%00",
        "/assets//etc/passwd",
        "/assets/" + "a" * 5000,
        "/index.html",
        "//evil.example/%2e%2e",
    ],
)
async def test_nothing_else_is_served(running: Running, path: str) -> None:
    answer = await running.raw(f"GET {path} HTTP/1.1\r\nHost: {running.netloc}\r\nConnection: close\r\n\r\n".encode())
    assert answer.split(b" ", 2)[1] == b"404"
    assert b"secret" not in answer
    assert b"Location" not in answer


async def test_a_page_that_was_not_built_says_so(
    running: Running, stranger: aiohttp.ClientSession, static: Path
) -> None:
    (static / "index.html").unlink()
    async with stranger.get(running.url("/")) as answer:
        assert answer.status == 503
        assert "npm run build" in await answer.text()

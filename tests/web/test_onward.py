"""Where people go after signing in: to a page of ours, whatever a link says."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from tests.web.conftest import browser, started
from webterm.errors import InvalidRequest
from webterm.settings_accounts import Oidc, Provider
from webterm.web.oidc import own_path

NOBODY = Oidc(providers={"test": Provider(issuer="http://127.0.0.1:1", client_id="c")})
"""A provider that nobody asks, or in vain."""
BAD_NEXT = [
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/%2f%2fevil.example",
    "%2f%2fevil.example",
    "/%2Fevil.example",
    "%5cevil.example",
    "/%252f%252fevil.example",
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    "java\tscript:alert(1)",
    "data:text/html,x",
    "https://evil.example/",
    "https:evil.example",
    "http:///evil.example",
    "./\\evil.example",
    ".//evil.example",
    "./https://evil.example",
    "../",
    "../../admin",
    "x/../../admin",
    "/..",
    "/../x",
    "./..",
    "%2e%2e/",
    "/x\r\nSet-Cookie: a=b",
    "/x\0",
    " //evil.example",
    "\t//evil.example",
    "/x y",
    "/ü",
    "/\u2028",
    "@evil.example\\",
    "/" + "x" * 600,
]


async def asked(client: aiohttp.ClientSession, url: URL) -> tuple[int, str]:
    async with client.get(url, allow_redirects=False) as answer:
        return answer.status, answer.headers.get("Location", "") + await answer.text()


@pytest.mark.parametrize("prefix", ["", "/terminal"])
async def test_open_redirects(directory: Path, prefix: str) -> None:
    async with started(directory, prefix, oidc=NOBODY) as running, browser(running) as client:
        start = running.url("/api/v1/auth/oidc/test")
        for next_ in [*BAD_NEXT, *(prefix + text for text in BAD_NEXT if text.startswith("//"))]:
            status, text = await asked(client, start.with_query(next=next_))
            assert (status, "evil" in text) == (400, False), next_
        for next_ in ("", "./", f"{prefix}/", "?terminal=1"):
            status, text = await asked(client, start.with_query(next=next_))
            assert (status, text) == (302, "../../../../?signin=unavailable"), next_


@pytest.mark.parametrize(
    ("text", "prefix", "path"),
    [
        ("", "", ""),
        ("/", "", ""),
        ("./", "/terminal", ""),
        ("/terminal/", "/terminal", ""),
        ("/terminal/docs", "/terminal", "docs"),
        ("?a=b%20c", "", "?a=b%20c"),
        ("./#https://x//y", "", "#https://x//y"),
        ("docs/x.html", "/t", "docs/x.html"),
    ],
)
def test_paths_of_our_own(text: str, prefix: str, path: str) -> None:
    assert own_path(text, prefix) == path


@pytest.mark.parametrize("text", ["/", "/terminal", "/terminals/x", "/other/x", "/terminal//evil.example"])
def test_paths_beside_the_prefix(text: str) -> None:
    with pytest.raises(InvalidRequest):
        own_path(text, "/terminal")

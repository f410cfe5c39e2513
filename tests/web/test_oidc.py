"""Signing in with a provider in a browser: there, back, and nowhere else."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.cookies import Morsel, SimpleCookie
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from tests.web.conftest import Running, browser, started
from tests.web.provider import (
    CLIENT,
    DISCOVERY,
    SECRET,
    TOKEN,
    OpenIdProvider,
    confused,
    failing,
    open_id_provider,
    rsa_key,
    unsigned,
)
from webterm.access import EVERYDAY
from webterm.settings_accounts import Oidc, Provider

START = "/api/v1/auth/oidc/test"
CALLBACK = START + "/callback"
CALLBACK_ROW = "/callback 303"


@dataclass(frozen=True)
class Door:
    """A server, and the provider that it trusts."""

    running: Running
    provider: OpenIdProvider

    async def come_back(self, client: aiohttp.ClientSession, next_: str | None = None) -> tuple[URL, URL]:
        """To the provider and back, up to our own door: the callback's URL, and where the browser came from."""
        query = {} if next_ is None else {"next": next_}
        async with client.get(self.running.url(START).with_query(query), allow_redirects=False) as answer:
            assert answer.status == 302, await answer.text()
            departed = URL(answer.headers["Location"], encoded=True)
        async with client.get(departed, allow_redirects=False) as answer:
            return URL(answer.headers["Location"], encoded=True), departed

    async def signed_in(self, client: aiohttp.ClientSession, next_: str | None = None) -> str:
        """All the way; where the browser ends up."""
        callback, _ = await self.come_back(client, next_)
        return await landed(client, callback)


async def landed(client: aiohttp.ClientSession, callback: URL) -> str:
    """Where the callback leads, as the browser resolves it."""
    async with client.get(callback, allow_redirects=False) as answer:
        assert answer.status == 303, await answer.text()
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
        return str(callback.join(URL(answer.headers["Location"], encoded=True)))


async def me(running: Running, client: aiohttp.ClientSession) -> Any:  # noqa: ANN401 - JSON
    """Who is signed in in this browser, if anybody is."""
    async with client.get(running.url("/api/v1/auth/me")) as answer:
        return await answer.json() if answer.status == 200 else None


def state_cookie(answer: aiohttp.ClientResponse) -> Morsel[str]:
    [morsel] = [
        morsel
        for header in answer.headers.getall("Set-Cookie")
        for morsel in SimpleCookie(header).values()
        if morsel.key.endswith("-oidc")
    ]
    return morsel


def settings_for(provider: OpenIdProvider, **fields: Any) -> Oidc:  # noqa: ANN401 - fields of every type
    one = Provider(issuer=provider.issuer, client_id=CLIENT, client_secret=SECRET, **({"register": True} | fields))
    return Oidc(providers={"test": one})


@asynccontextmanager
async def opened(
    directory: Path, prefix: str = "", *, server: Mapping[str, object] | None = None
) -> AsyncIterator[Door]:
    async with open_id_provider() as provider:
        async with started(directory, prefix, server=server, oidc=settings_for(provider)) as running:
            yield Door(running, provider)


@pytest.fixture
async def door(directory: Path) -> AsyncIterator[Door]:
    async with opened(directory) as door:
        yield door


@pytest.fixture
async def client(door: Door) -> AsyncIterator[aiohttp.ClientSession]:
    """A browser that nobody has signed in with."""
    async with browser(door.running) as client:
        yield client


async def link_location(door: Door, client: aiohttp.ClientSession) -> URL:
    async with client.post(door.running.url(START + "/link")) as answer:
        assert answer.status == 200, await answer.text()
        return URL((await answer.json())["location"], encoded=True)


async def linked(door: Door, client: aiohttp.ClientSession) -> str:
    """Link an identity in this browser; where it ends up."""
    async with client.get(await link_location(door, client), allow_redirects=False) as answer:
        return await landed(client, URL(answer.headers["Location"], encoded=True))


@pytest.mark.parametrize("prefix", ["", "/terminal", "/a/b"])
async def test_signing_in_for_the_first_and_the_second_time(directory: Path, prefix: str) -> None:
    async with opened(directory, prefix) as door, browser(door.running) as client, browser(door.running) as second:
        page = f"{door.running.origin}{prefix}/"
        assert await door.signed_in(client) == page
        ada = await me(door.running, client)
        assert (ada["username"], ada["has_password"], ada["scopes"]) == (
            "ada",
            False,
            sorted(EVERYDAY),
        )
        assert await door.signed_in(second, "./?terminal=1#x") == page + "?terminal=1#x"
        assert (await me(door.running, second))["id"] == ada["id"]
        assert (await door.signed_in(second, f"{prefix}/docs?a=b")) == page + "docs?a=b"


async def test_the_options_name_the_provider(door: Door, client: aiohttp.ClientSession) -> None:
    async with client.get(door.running.url("/api/v1/auth/options")) as answer:
        assert (await answer.json())["providers"] == [{"id": "test", "name": "test"}]


async def test_linking_and_unlinking(door: Door, client: aiohttp.ClientSession) -> None:
    await door.running.sign_in(client)
    owner = await me(door.running, client)
    before = [cookie.value for cookie in client.cookie_jar]
    assert await linked(door, client) == door.running.origin + "/"
    assert await me(door.running, client) == owner
    assert [cookie.value for cookie in client.cookie_jar] == before  # nobody has been signed in
    async with client.get(door.running.url("/api/v1/auth/identities")) as answer:
        [identity] = await answer.json()
        assert (identity["provider"], identity["name"], identity["email"]) == ("test", "test", "ada@example.org")
    async with browser(door.running) as elsewhere:
        await door.signed_in(elsewhere)
        assert (await me(door.running, elsewhere))["id"] == owner["id"]
    for status in (204, 404):
        async with client.delete(door.running.url("/api/v1/auth/identities/test")) as answer:
            assert answer.status == status
    async with browser(door.running) as elsewhere:
        await door.signed_in(elsewhere)
        assert (await me(door.running, elsewhere))["id"] != owner["id"]


async def test_the_only_way_in_is_not_unlinked(door: Door, client: aiohttp.ClientSession) -> None:
    await door.signed_in(client)
    async with client.delete(door.running.url("/api/v1/auth/identities/test")) as answer:
        assert (answer.status, (await answer.json())["code"]) == (409, "conflict")


async def test_a_link_is_not_finished_in_another_browser(door: Door, client: aiohttp.ClientSession) -> None:
    """Somebody who is led to another's callback must not end up with the other's identity, nor give theirs away."""
    await door.running.sign_in(client)
    async with client.get(await link_location(door, client), allow_redirects=False) as answer:
        callback = URL(answer.headers["Location"], encoded=True)
    async with browser(door.running) as victim:
        await door.running.sign_in(victim)
        assert (await landed(victim, callback)).endswith("/?signin=stale")
        async with victim.get(door.running.url("/api/v1/auth/identities")) as answer:
            assert await answer.json() == []


async def test_a_link_ends_with_the_login_that_began_it(door: Door, client: aiohttp.ClientSession) -> None:
    await door.running.sign_in(client)
    location = await link_location(door, client)
    await door.running.sign_in(client)  # the same person, the same browser, another login
    async with client.get(location, allow_redirects=False) as answer:
        callback = URL(answer.headers["Location"], encoded=True)
    assert (await landed(client, callback)).endswith("/?signin=other_login")


async def test_a_link_is_not_begun_by_other_pages_and_programs(door: Door, client: aiohttp.ClientSession) -> None:
    link = door.running.url(START + "/link")
    async with client.post(link) as answer:
        assert answer.status == 401
    await door.running.sign_in(client)
    async with client.post(link, headers={"Origin": "https://evil.example"}) as answer:
        assert answer.status == 403
    async with client.put(door.running.url("/api/v1/auth/password"), json={"new": "correct horse battery"}) as answer:
        assert answer.status == 204
    owner = await me(door.running, client)
    body = {"name": owner["username"], "password": "correct horse battery"}
    async with client.post(door.running.url("/api/v1/auth/token"), json=body) as answer:
        token = (await answer.json())["access_token"]
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as program:
        async with program.post(link) as answer:
            assert (answer.status, (await answer.json())["code"]) == (403, "forbidden")


async def test_the_cookie_of_a_sign_in(door: Door, client: aiohttp.ClientSession) -> None:
    async with client.get(door.running.url(START), allow_redirects=False) as answer:
        morsel = state_cookie(answer)
    assert morsel.key.startswith("webterm-")
    assert (morsel["httponly"], morsel["samesite"], morsel["path"], morsel["max-age"]) == (True, "Lax", "/", "600")
    assert not morsel["domain"]
    callback, _ = await door.come_back(client)
    async with client.get(callback, allow_redirects=False) as answer:
        gone = state_cookie(answer)
    assert (gone.value, gone["max-age"], gone["path"]) == ("", "0", "/")


async def test_behind_https(directory: Path) -> None:
    server = {"public_url": "https://web.example/terminal"}
    async with opened(directory, "/terminal", server=server) as door:
        async with aiohttp.ClientSession(headers={"Host": "web.example"}) as client:
            async with client.get(door.running.url(START), allow_redirects=False) as answer:
                morsel, location = state_cookie(answer), URL(answer.headers["Location"])
    assert morsel.key.startswith("__Host-webterm-")
    assert (morsel["secure"], morsel["httponly"], morsel["path"], morsel["samesite"]) == (True, True, "/", "Lax")
    assert location.query["redirect_uri"] == "https://web.example/terminal/api/v1/auth/oidc/test/callback"


async def test_where_the_provider_sends_people_back(door: Door, client: aiohttp.ClientSession) -> None:
    callback, departed = await door.come_back(client)
    assert departed.query["redirect_uri"] == str(door.running.url(CALLBACK))
    assert callback.with_query(None) == door.running.url(CALLBACK)
    async with client.get(door.running.url(START), headers={"Host": "evil.example"}, allow_redirects=False) as answer:
        assert answer.status == 421
    headers = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "Forwarded": "host=evil.example"}
    async with client.get(door.running.url(START), headers=headers, allow_redirects=False) as answer:
        assert URL(answer.headers["Location"]).query["redirect_uri"] == str(door.running.url(CALLBACK))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"state": "x"}, "stale"),
        ({"state": None}, "stale"),
        ({"code": "x"}, "token"),
        ({"code": None}, "provider"),
        ({"code": None, "error": "access_denied"}, "denied"),
        ({"error": "<script>alert(1)</script>"}, "provider"),
        ({"iss": "https://evil.example"}, "token"),
    ],
)
async def test_callbacks_that_are_refused(
    door: Door, client: aiohttp.ClientSession, change: dict[str, str | None], reason: str
) -> None:
    callback, _ = await door.come_back(client)
    query = {name: text for name, text in (dict(callback.query) | change).items() if text is not None}
    page = await landed(client, callback.with_query(query))
    assert page == f"{door.running.origin}/?signin={reason}"
    assert await me(door.running, client) is None


async def test_a_callback_is_good_once_and_in_one_browser(door: Door, client: aiohttp.ClientSession) -> None:
    callback, _ = await door.come_back(client)
    cookies = {cookie.key: cookie.value for cookie in client.cookie_jar}
    async with browser(door.running) as other:
        await door.come_back(other)
        assert (await landed(other, callback)).endswith("?signin=stale")
        assert await me(door.running, other) is None
    assert await landed(client, callback) == door.running.origin + "/"
    async with browser(door.running) as thief:
        thief.cookie_jar.update_cookies(cookies, door.running.root)
        assert (await landed(thief, callback)).endswith("?signin=stale")
        assert await me(door.running, thief) is None


@pytest.mark.parametrize("sign", [unsigned, confused(rsa_key()), rsa_key("rsa-9").sign])
async def test_forged_tokens(door: Door, client: aiohttp.ClientSession, sign: Any) -> None:  # noqa: ANN401
    door.provider.sign = sign
    assert (await door.signed_in(client)).endswith("?signin=token")
    assert await me(door.running, client) is None


@pytest.mark.parametrize(
    ("person", "reason"),
    [({"email_verified": False}, "unverified"), ({"nonce": "x"}, None), ({"sub": ""}, "token")],
)
async def test_people_who_are_refused(
    door: Door, client: aiohttp.ClientSession, person: dict[str, object], reason: str | None
) -> None:
    door.provider.person |= person
    assert (await door.signed_in(client)).endswith(f"?signin={reason}" if reason else "/")


async def test_a_provider_that_is_away(door: Door, client: aiohttp.ClientSession) -> None:
    callback, _ = await door.come_back(client)
    door.provider.instead |= {TOKEN: failing}
    assert (await landed(client, callback)).endswith("?signin=unavailable")


async def test_a_provider_that_was_never_there(door: Door, client: aiohttp.ClientSession) -> None:
    door.provider.instead |= {DISCOVERY: failing}
    async with client.get(door.running.url(START), allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (302, "../../../../?signin=unavailable")
        assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("path", [START, CALLBACK])
async def test_a_guess_of_the_browser_uses_nothing_up(door: Door, client: aiohttp.ClientSession, path: str) -> None:
    headers = {"Sec-Purpose": "prefetch;prerender"}
    async with client.get(door.running.url(path), headers=headers, allow_redirects=False) as answer:
        assert answer.status == 503
        assert "Set-Cookie" not in answer.headers


async def test_unknown_providers(door: Door, client: aiohttp.ClientSession) -> None:
    for path in ("/api/v1/auth/oidc/evil", "/api/v1/auth/oidc/%2e%2e"):
        async with client.get(door.running.url(path), allow_redirects=False) as answer:
            assert answer.status == 404
    callback = door.running.url("/api/v1/auth/oidc/evil/callback").with_query(state="x", code="y")
    assert (await landed(client, callback)).endswith("?signin=no_such_provider")


async def test_nothing_secret_is_logged(
    door: Door, client: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    callback, departed = await door.come_back(client)
    await landed(client, callback)
    secrets = [*callback.query.values(), *(departed.query[name] for name in ("state", "nonce")), SECRET]
    ours = [record.getMessage() for record in caplog.records if record.name != "aiohttp.access"]
    assert any(CALLBACK_ROW in line for line in ours)
    assert not [secret for secret in secrets for line in ours if secret in line]

"""A client of providers, and a browser that goes to one and comes back."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import aiohttp

from tests.web.provider import CLIENT, SECRET, OpenIdProvider
from webterm.clients.id_tokens import Claims
from webterm.clients.oidc import OidcClient, ProviderClient
from webterm.settings_accounts import Provider

BACK = "http://127.0.0.1:1/back"
VERIFIER = "v" * 43
CHALLENGE = "7w_YNF9DSfIdPf_pRjSq646_kPr-2-o9NAl16JGghdM"


@dataclass
class Clock:
    """A clock that the test moves."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


async def started(
    provider: OpenIdProvider, clock: Clock, *, seconds: float = 10.0, client_secret: str = SECRET
) -> OidcClient:
    """A client with this provider under the name ``test``."""
    settings = Provider(issuer=provider.issuer, client_id=CLIENT, client_secret=client_secret)
    client = OidcClient({"test": settings}, clock=clock, seconds=seconds)
    await client.start()
    return client


async def code_from(location: str) -> str:
    """What a browser brings back from the provider."""
    async with aiohttp.ClientSession() as browser, browser.get(location, allow_redirects=False) as answer:
        [code] = parse_qs(urlsplit(answer.headers["Location"]).query)["code"]
        return code


async def signed_in(client: ProviderClient, *, nonce: str = "n-1", verifier: str = VERIFIER) -> Claims:
    """Who signs in, from the first step to the last."""
    location = await client.location(redirect_uri=BACK, state="s-1", nonce="n-1", verifier=VERIFIER)
    code = await code_from(location)
    return await client.redeem(code=code, redirect_uri=BACK, nonce=nonce, verifier=verifier)

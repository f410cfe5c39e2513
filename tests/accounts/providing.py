"""The rules about providers on a store of the test's own, and people who go to one and come back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from tests.accounts.conftest import Town
from tests.web.provider import CLIENT, SECRET, OpenIdProvider
from webterm.accounts.oidc import Answer, Arrival, Linking, Oidc
from webterm.errors import OidcRefused
from webterm.ids import LoginId
from webterm.settings import Settings
from webterm.settings_accounts import Oidc as OidcSettings
from webterm.settings_accounts import Provider
from webterm.store.users import User

CALLBACK = "http://127.0.0.1:1/api/v1/auth/oidc/test/callback"
HERE = "203.0.113.9"


@dataclass
class House:
    """The rules, one provider under two short names, and what people do."""

    oidc: Oidc
    provider: OpenIdProvider
    town: Town

    async def arrive(
        self, name: str = "test", *, linking: Linking | None = None, asking: Linking | None = None
    ) -> Arrival:
        """Somebody goes to the provider and comes back."""
        sealed, answer = await self.visit(name, linking=linking)
        return await self.oidc.arrive(name, sealed, answer, asking=asking, address=HERE)

    async def visit(self, name: str = "test", *, linking: Linking | None = None) -> tuple[str, Answer]:
        departure = await self.oidc.depart(name, redirect_uri=CALLBACK, linking=linking)
        async with aiohttp.ClientSession() as browser:
            async with browser.get(departure.location, allow_redirects=False) as answer:
                query = parse_qs(urlsplit(answer.headers["Location"]).query)
        told = {key: query.get(key, [None])[0] for key in ("state", "code", "error", "iss")}
        issuer = told.pop("iss")
        return departure.sealed, Answer(**told, issuer=issuer)

    async def link(self, user: User, name: str = "test") -> Arrival:
        who = Linking(user=user.id, proof=LoginId("a login"))
        return await self.arrive(name, linking=who, asking=who)

    async def refusal(self, name: str = "test") -> str:
        """Why nobody signs in."""
        with pytest.raises(OidcRefused) as caught:
            await self.arrive(name)
        return caught.value.reason

    async def actions(self) -> list[str]:
        return [entry.action for entry in await self.town.trail()]


def settings_for(provider: OpenIdProvider, **fields: Any) -> Settings:  # noqa: ANN401 - fields of every type
    """The provider under the names ``test``, with these fields, and ``other``."""
    one = Provider(issuer=provider.issuer, client_id=CLIENT, client_secret=SECRET, **({"register": True} | fields))
    other = Provider(issuer=provider.issuer, client_id=CLIENT, client_secret=SECRET, name="Another")
    return Settings(oidc=OidcSettings(providers={"test": one, "other": other}))

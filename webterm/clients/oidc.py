"""Speaking to OpenID providers: discovery, keys, and the code that becomes a token.

Authorization code flow with PKCE (OpenID Connect Core 1.0, section 3.1; RFC 7636). What comes back is bounded in size
and time, redirects are not followed, and nothing of it is logged.
"""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote_plus, urlencode, urlsplit

import aiohttp
import msgspec

from webterm.clients.fetched import Fetched
from webterm.clients.id_tokens import Claims, Key, check, email_of, key_for, read_keys
from webterm.errors import NoSuchProvider, OidcRefused, Unavailable
from webterm.settings_accounts import Provider
from webterm.settings_checks import is_loopback

LARGEST = 256 * 1024
"""Bytes of an answer that are read."""
SECONDS = 10.0
"""How long a provider has for an answer, from the first byte out to the last byte in."""
MOST_CONNECTIONS = 20
"""To one provider at the same time; who comes later waits, and no longer than for an answer."""
SCOPE = "openid email"
DISCOVERY = "/.well-known/openid-configuration"
ERROR_CODE = re.compile(r"[a-z_]{1,40}")
"""Error codes as in RFC 6749, section 5.2; anything else that stands there is not passed on."""

T = TypeVar("T")


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider says about itself (OpenID Connect Discovery 1.0, section 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of a token endpoint (OpenID Connect Core 1.0, section 3.1.3.3)."""

    id_token: str
    access_token: str = ""


class ProviderClient:
    """One provider. Every call raises `webterm.errors.Unavailable` when the provider does not answer as it should."""

    def __init__(
        self, name: str, provider: Provider, session: aiohttp.ClientSession, clock: Callable[[], float]
    ) -> None:
        self.name = name
        self.provider = provider
        self._session = session
        self._metadata = Fetched(self._discover, clock=clock)
        self._keys = Fetched(self._fetch_keys, clock=clock)

    async def location(self, *, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """Where a browser goes to sign in at the provider."""
        digest = hashlib.sha256(verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self.provider.client_id,
            "redirect_uri": redirect_uri,
            "scope": SCOPE,
            "state": state,
            "nonce": nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        endpoint = (await self._metadata.get()).authorization_endpoint
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"

    async def check_issuer(self, issuer: str | None) -> None:
        """Whether the ``iss`` that came with a code names this provider (RFC 9207, section 2.4).

        Raises `webterm.errors.OidcRefused`.
        """
        told = (await self._metadata.get()).authorization_response_iss_parameter_supported
        if (issuer is not None or told) and issuer != self.provider.issuer:
            raise OidcRefused("token", "the answer comes from another sign-in provider")

    async def redeem(self, *, code: str, redirect_uri: str, nonce: str, verifier: str) -> Claims:
        """Who it is that comes back from the provider with ``code``. Raises `webterm.errors.OidcRefused`."""
        tokens = await self._exchange(code, redirect_uri, verifier)
        key = await self._key(tokens.id_token)
        ours = self.provider
        claims = check(tokens.id_token, key, issuer=ours.issuer, client_id=ours.client_id, nonce=nonce)
        if claims.email is None and tokens.access_token:
            return await self._with_email(claims, tokens.access_token)
        return claims

    async def _key(self, token: str) -> Key:
        """The key that signed a token. One that we have not seen is asked for once: providers change their keys."""
        key = key_for(token, await self._keys.get()) or key_for(token, await self._keys.get(fresh=True))
        if key is None:
            raise OidcRefused("token", "the sign-in provider's token is signed with a key that it does not publish")
        return key

    async def _with_email(self, claims: Claims, access_token: str) -> Claims:
        """Some providers tell the e-mail address only here (OpenID Connect Core 1.0, sections 5.3 and 5.4)."""
        endpoint = (await self._metadata.get()).userinfo_endpoint
        if endpoint is None:
            return claims
        told = await self._document(endpoint, {"Authorization": f"Bearer {access_token}"})
        if told.get("sub") != claims.subject:
            raise OidcRefused("token", "the sign-in provider speaks of two people")
        return Claims(issuer=claims.issuer, subject=claims.subject, **email_of(told))

    async def _discover(self) -> Metadata:
        issuer = self.provider.issuer
        self._check_url(issuer)
        document = await self._document(issuer.rstrip("/") + DISCOVERY)
        metadata = self._converted(document, Metadata)
        if metadata.issuer != issuer:
            raise self._failure("says that it is another issuer than the one in the settings")
        for url in (metadata.authorization_endpoint, metadata.token_endpoint, metadata.jwks_uri):
            self._check_url(url)
        if metadata.userinfo_endpoint is not None:
            self._check_url(metadata.userinfo_endpoint)
        return metadata

    async def _fetch_keys(self) -> Sequence[Key]:
        return read_keys(await self._document((await self._metadata.get()).jwks_uri))

    async def _exchange(self, code: str, redirect_uri: str, verifier: str) -> Tokens:
        metadata = await self._metadata.get()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        headers, more = self._proof(metadata.token_endpoint_auth_methods_supported)
        status, body = await self._ask("POST", metadata.token_endpoint, headers, form | more)
        if status == 400:
            raise OidcRefused("token", f"the sign-in provider does not take its code: {_error_code(body)}")
        if status == 401:
            raise self._failure("does not know this server by its client id and secret")
        if status != 200:
            raise self._failure(f"answers with status {status}")
        return self._converted(self._decoded(body), Tokens)

    def _proof(self, methods: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
        """How we prove to be the client, as headers and fields (RFC 6749, section 2.3.1)."""
        ours = self.provider
        if not ours.client_secret:
            return {}, {"client_id": ours.client_id}
        if "client_secret_basic" in methods:
            pair = f"{quote_plus(ours.client_id)}:{quote_plus(ours.client_secret)}"
            return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}, {}
        if "client_secret_post" in methods:
            return {}, {"client_id": ours.client_id, "client_secret": ours.client_secret}
        raise self._failure("takes neither client_secret_basic nor client_secret_post")

    async def _document(self, url: str, headers: Mapping[str, str] = {}) -> dict[str, Any]:
        status, body = await self._ask("GET", url, headers)
        if status != 200:
            raise self._failure(f"answers with status {status}")
        return self._decoded(body)

    async def _ask(
        self, method: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        # Without compression nothing grows while it is read.
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", **headers}
        try:
            async with self._session.request(method, url, data=form, headers=headers, allow_redirects=False) as answer:
                return answer.status, await self._read(answer)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Unavailable(f"the sign-in provider {self.name!r} does not answer") from error

    async def _read(self, answer: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for chunk in answer.content.iter_any():
            body += chunk
            if len(body) > LARGEST:
                raise self._failure(f"answers with more than {LARGEST} bytes")
        return bytes(body)

    def _decoded(self, body: bytes) -> dict[str, Any]:
        try:
            return msgspec.json.decode(body, type=dict[str, Any])
        except (ValueError, RecursionError):
            raise self._failure("answers with something else than a JSON object") from None

    def _converted(self, document: dict[str, Any], shape: type[T]) -> T:
        try:
            return msgspec.convert(document, shape)
        except msgspec.ValidationError as error:
            raise self._failure(f"answers with something else than it should: {error}") from None

    def _check_url(self, url: str) -> None:
        if not is_allowed(url, self.provider.issuer):
            raise self._failure("names a URL that is not https")

    def _failure(self, what: str) -> Unavailable:
        return Unavailable(f"the sign-in provider {self.name!r} {what}")


class OidcClient:
    """All providers of the settings. To be started inside the loop, and closed."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        *,
        clock: Callable[[], float] = time.monotonic,
        seconds: float = SECONDS,
    ) -> None:
        self._providers = providers
        self._clock = clock
        self._seconds = seconds
        self._clients: dict[str, ProviderClient] = {}
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Be ready for questions. No provider is asked yet."""
        # A kept connection that the provider closes just now would fail a code, which cannot be tried again.
        connector = aiohttp.TCPConnector(limit_per_host=MOST_CONNECTIONS, force_close=True)
        self._session = session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self._seconds),
            auto_decompress=False,
        )
        self._clients = {
            name: ProviderClient(name, provider, session, self._clock) for name, provider in self._providers.items()
        }

    def provider(self, name: str) -> ProviderClient:
        """Raises `webterm.errors.NoSuchProvider`."""
        try:
            return self._clients[name]
        except KeyError:
            raise NoSuchProvider("there is no such sign-in provider") from None

    async def aclose(self) -> None:
        """Close what is open. Twice is harmless."""
        if self._session is not None:
            await self._session.close()


def is_allowed(url: str, issuer: str) -> bool:
    """Whether a URL of the provider ``issuer`` may be asked: only by HTTPS, save where both are on this very machine.

    A provider elsewhere cannot lead us to what listens here only.
    """
    try:
        parts = urlsplit(url)
        local = is_loopback(parts.hostname or "") and is_loopback(urlsplit(issuer).hostname or "")
        safe = parts.scheme == "https" or (parts.scheme == "http" and local)
        return safe and bool(parts.hostname) and parts.port != 0 and parts.username is None and not parts.fragment
    except ValueError:
        return False


def _error_code(body: bytes) -> str:
    try:
        code = msgspec.json.decode(body, type=dict[str, Any]).get("error")
    except (ValueError, RecursionError):
        code = None
    return code if isinstance(code, str) and ERROR_CODE.fullmatch(code) else "no reason given"

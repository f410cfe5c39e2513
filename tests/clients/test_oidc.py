"""A provider's discovery, keys and tokens, over real HTTP: what is believed and what is not."""

from __future__ import annotations

import logging
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web

from tests.clients.browsing import BACK, CHALLENGE, VERIFIER, Clock, code_from, signed_in, started
from tests.web import provider as misbehaviour
from tests.web.provider import (
    AUTHORIZE,
    DISCOVERY,
    KEYS,
    SECRET,
    TOKEN,
    USERINFO,
    OpenIdProvider,
    SigningKey,
    ec_key,
    ed_key,
    rsa_key,
)
from webterm.clients.fetched import LIFETIME, PAUSE
from webterm.clients.id_tokens import Claims
from webterm.clients.oidc import ProviderClient, is_allowed
from webterm.errors import NoSuchProvider, OidcRefused, Unavailable


@pytest.mark.parametrize("key", [rsa_key(), ec_key(), ed_key()], ids=lambda key: key.algorithm)
async def test_somebody_signs_in(client: ProviderClient, provider: OpenIdProvider, key: SigningKey) -> None:
    provider.key = key
    provider.published = [rsa_key().public, ec_key().public, ed_key().public]
    expected = Claims(issuer=provider.issuer, subject="1001", email="ada@example.org", email_verified=True)
    assert await signed_in(client) == expected


async def test_discovery_and_keys_are_kept(client: ProviderClient, provider: OpenIdProvider, clock: Clock) -> None:
    for _ in range(3):
        await signed_in(client)
    assert (provider.asked[DISCOVERY], provider.asked[KEYS]) == (1, 1)
    clock.now += LIFETIME
    await signed_in(client)
    assert (provider.asked[DISCOVERY], provider.asked[KEYS]) == (2, 2)


async def test_a_question_of_its_own(client: ProviderClient, provider: OpenIdProvider) -> None:
    provider.metadata["authorization_endpoint"] = provider.issuer + AUTHORIZE + "?tenant=1"
    location = await client.location(redirect_uri=BACK, state="s", nonce="n", verifier=VERIFIER)
    query = parse_qs(urlsplit(location).query)
    assert query["tenant"] == ["1"]
    assert query["code_challenge_method"] == ["S256"]
    assert query["code_challenge"] == [CHALLENGE]
    assert VERIFIER not in location


@pytest.mark.parametrize(
    ("methods", "secret"),
    [
        (None, SECRET),
        (["client_secret_post", "client_secret_basic"], SECRET),
        (["client_secret_post"], SECRET),
        (["none"], ""),
        (None, ""),
    ],
)
async def test_how_the_client_proves_itself(
    provider: OpenIdProvider, clock: Clock, methods: list[str] | None, secret: str
) -> None:
    provider.secret = secret
    if methods is not None:
        provider.metadata["token_endpoint_auth_methods_supported"] = methods
    client = await started(provider, clock, client_secret=secret)
    await signed_in(client.provider("test"))
    [request] = provider.token_requests
    basic = request.headers.get("Authorization", "").startswith("Basic ")
    assert basic is (bool(secret) and methods != ["client_secret_post"])
    await client.aclose()


async def test_a_provider_that_wants_another_proof(client: ProviderClient, provider: OpenIdProvider) -> None:
    provider.metadata["token_endpoint_auth_methods_supported"] = ["private_key_jwt"]
    with pytest.raises(Unavailable, match="client_secret_post"):
        await signed_in(client)


async def test_a_wrong_secret_is_told_without_the_secret(
    provider: OpenIdProvider, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = await started(provider, clock, client_secret="another-secret")
    with pytest.raises(Unavailable, match="client id and secret") as caught:
        await signed_in(client.provider("test"))
    assert "another-secret" not in str(caught.value) + caplog.text
    await client.aclose()


async def test_new_keys_are_learned(client: ProviderClient, provider: OpenIdProvider, clock: Clock) -> None:
    await signed_in(client)
    provider.key = rsa_key("rsa-2")
    provider.published = [rsa_key("rsa-2").public]
    clock.now += PAUSE
    await signed_in(client)
    assert provider.asked[KEYS] == 2
    provider.key = rsa_key()  # the old one is good no more
    clock.now += PAUSE
    with pytest.raises(OidcRefused):
        await signed_in(client)


async def test_unknown_keys_do_not_hammer_the_provider(
    client: ProviderClient, provider: OpenIdProvider, clock: Clock
) -> None:
    provider.key = rsa_key("rsa-3")
    for _ in range(10):
        with pytest.raises(OidcRefused):
            await signed_in(client)
    assert provider.asked[KEYS] == 1
    clock.now += PAUSE
    for _ in range(10):
        with pytest.raises(OidcRefused):
            await signed_in(client)
    assert provider.asked[KEYS] == 2


async def test_signatures_that_are_never_believed_cost_no_question(
    client: ProviderClient, provider: OpenIdProvider, clock: Clock
) -> None:
    await signed_in(client)
    clock.now += PAUSE
    for sign in (misbehaviour.unsigned, misbehaviour.confused(rsa_key())):
        provider.sign = sign
        with pytest.raises(OidcRefused, match="not accepted"):
            await signed_in(client)
    assert provider.asked[KEYS] == 1


async def test_a_code_is_good_once(client: ProviderClient, provider: OpenIdProvider) -> None:
    location = await client.location(redirect_uri=BACK, state="s", nonce="n", verifier=VERIFIER)
    code = await code_from(location)
    await client.redeem(code=code, redirect_uri=BACK, nonce="n", verifier=VERIFIER)
    with pytest.raises(OidcRefused, match="invalid_grant"):
        await client.redeem(code=code, redirect_uri=BACK, nonce="n", verifier=VERIFIER)


async def test_the_code_is_bound_to_the_verifier(client: ProviderClient) -> None:
    with pytest.raises(OidcRefused, match="invalid_grant"):
        await signed_in(client, verifier="w" * 43)


async def test_the_reason_of_a_refusal_is_no_text_of_the_provider(
    client: ProviderClient, provider: OpenIdProvider
) -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        return web.json_response({"error": "<script>\r\n"}, status=400)

    provider.instead[TOKEN] = refuse
    with pytest.raises(OidcRefused, match="no reason given"):
        await signed_in(client)


@pytest.mark.parametrize("endpoint", [DISCOVERY, KEYS, TOKEN])
@pytest.mark.parametrize("handler", ["garbage", "not_an_object", "failing", "redirecting", "vanishing"])
async def test_providers_that_misbehave(
    client: ProviderClient, provider: OpenIdProvider, endpoint: str, handler: str
) -> None:
    whole = misbehaviour.redirecting(provider.issuer + "/elsewhere" + endpoint)
    provider.instead[endpoint] = whole if handler == "redirecting" else getattr(misbehaviour, handler)
    with pytest.raises(Unavailable):
        await signed_in(client)
    assert not provider.asked["/elsewhere" + endpoint]


@pytest.mark.parametrize("endpoint", [DISCOVERY, KEYS, TOKEN])
async def test_an_answer_that_is_too_long(client: ProviderClient, provider: OpenIdProvider, endpoint: str) -> None:
    """What stands first in it would be fine."""
    provider.padded.add(endpoint)
    with pytest.raises(Unavailable, match="more than"):
        await signed_in(client)


@pytest.mark.parametrize("endpoint", [DISCOVERY, KEYS, TOKEN])
async def test_a_provider_that_hangs(provider: OpenIdProvider, clock: Clock, endpoint: str) -> None:
    client = await started(provider, clock, seconds=0.3)
    provider.instead[endpoint] = provider.hang
    with pytest.raises(Unavailable, match="does not answer"):
        await signed_in(client.provider("test"))
    await client.aclose()


async def test_a_provider_that_is_not_there(clock: Clock) -> None:
    client = await started(OpenIdProvider(issuer="http://127.0.0.1:1"), clock)
    with pytest.raises(Unavailable):
        await signed_in(client.provider("test"))
    await client.aclose()


async def test_a_failed_provider_is_left_alone_for_a_while(
    client: ProviderClient, provider: OpenIdProvider, clock: Clock
) -> None:
    provider.instead[DISCOVERY] = misbehaviour.failing
    for _ in range(5):
        with pytest.raises(Unavailable):
            await signed_in(client)
    assert provider.asked[DISCOVERY] == 1
    provider.instead.clear()
    clock.now += PAUSE
    await signed_in(client)


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"issuer": 7},
        {"token_endpoint": "http://evil.example/token"},
        {"token_endpoint": "file:///etc/passwd"},
        {"token_endpoint": "https://user@evil.example/"},
        {"token_endpoint": "https://"},
        {"token_endpoint": "https://evil.example:99999/"},
        {"jwks_uri": "http://169.254.169.254/keys"},
        {"jwks_uri": None},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"userinfo_endpoint": "http://evil.example/"},
    ],
)
async def test_descriptions_that_are_refused(
    client: ProviderClient, provider: OpenIdProvider, metadata: dict[str, object]
) -> None:
    provider.metadata = metadata
    with pytest.raises(Unavailable):
        await client.location(redirect_uri=BACK, state="s", nonce="n", verifier=VERIFIER)


@pytest.mark.parametrize(
    ("url", "issuer", "allowed"),
    [
        ("https://id.example/token", "https://id.example", True),
        ("https://other.example:8443/token?a=b", "https://id.example", True),
        ("http://id.example/token", "https://id.example", False),
        ("http://127.0.0.1/token", "https://id.example", False),
        ("http://localhost:2375/", "https://id.example", False),
        ("http://127.0.0.1/token", "https://127.0.0.1.evil.example", False),
        ("http://[::1]:8000/token", "http://localhost:8000", True),
        ("http://localhost:1/token", "http://127.0.0.1:1", True),
        ("http://localhost@evil.example/", "http://127.0.0.1:1", False),
        ("https://id.example/#x", "https://id.example", False),
        ("https://[::1", "https://id.example", False),
        ("HTTPS://id.example/", "https://id.example", True),
        ("//id.example/", "https://id.example", False),
        ("", "https://id.example", False),
    ],
)
def test_urls_that_may_be_asked(url: str, issuer: str, allowed: bool) -> None:
    assert is_allowed(url, issuer) is allowed


async def test_https_is_demanded_of_providers_elsewhere(clock: Clock) -> None:
    client = await started(OpenIdProvider(issuer="http://provider.example"), clock)
    with pytest.raises(Unavailable, match="not https"):
        await signed_in(client.provider("test"))
    await client.aclose()


async def test_the_issuer_that_comes_with_a_code(client: ProviderClient, provider: OpenIdProvider) -> None:
    await client.check_issuer(None)
    await client.check_issuer(provider.issuer)
    with pytest.raises(OidcRefused):
        await client.check_issuer("https://evil.example")


async def test_an_issuer_that_was_announced_must_come(client: ProviderClient, provider: OpenIdProvider) -> None:
    provider.metadata["authorization_response_iss_parameter_supported"] = True
    with pytest.raises(OidcRefused):
        await client.check_issuer(None)


async def test_an_address_that_only_userinfo_tells(client: ProviderClient, provider: OpenIdProvider) -> None:
    provider.person = {"sub": "1001"}
    assert (await signed_in(client)).email is None
    assert not provider.asked[USERINFO]


@pytest.mark.parametrize(("verified", "believed"), [(True, True), ("true", False), (None, False)])
async def test_userinfo(client: ProviderClient, provider: OpenIdProvider, verified: object, believed: bool) -> None:
    provider.person = {"sub": "1001"}
    provider.metadata["userinfo_endpoint"] = provider.issuer + USERINFO
    provider.userinfo = {"sub": "1001", "email": "ada@example.org", "email_verified": verified}
    claims = await signed_in(client)
    assert (claims.email, claims.email_verified) == ("ada@example.org", believed)


async def test_userinfo_about_somebody_else(client: ProviderClient, provider: OpenIdProvider) -> None:
    provider.person = {"sub": "1001"}
    provider.metadata["userinfo_endpoint"] = provider.issuer + USERINFO
    provider.userinfo = {"sub": "1002", "email": "ada@example.org", "email_verified": True}
    with pytest.raises(OidcRefused):
        await signed_in(client)


async def test_nothing_secret_is_logged(
    client: ProviderClient, provider: OpenIdProvider, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await signed_in(client)
    for secret in (SECRET, VERIFIER, "an-access-token", "1001", "ada@"):
        assert secret not in caplog.text


async def test_an_unknown_provider(provider: OpenIdProvider, clock: Clock) -> None:
    client = await started(provider, clock)
    with pytest.raises(NoSuchProvider):
        client.provider("evil")
    await client.aclose()

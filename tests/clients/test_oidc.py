"""A provider's discovery, keys and tokens, over real HTTP: what is believed and what is not."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from tests.web import provider as misbehaviour
from tests.web.provider import (
    AUTHORIZE,
    CLIENT,
    DISCOVERY,
    KEYS,
    SECRET,
    TOKEN,
    USERINFO,
    OpenIdProvider,
    SigningKey,
    ec_key,
    ed_key,
    open_id_provider,
    rsa_key,
)
from webterm.clients.fetched import LIFETIME, PAUSE
from webterm.clients.id_tokens import Claims
from webterm.clients.oidc import OidcClient, ProviderClient
from webterm.errors import NoSuchProvider, OidcRefused, Unavailable
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


@pytest.fixture
async def provider() -> AsyncIterator[OpenIdProvider]:
    async with open_id_provider() as provider:
        yield provider


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def started(provider: OpenIdProvider, clock: Clock, *, seconds: float = 10.0, **fields: str) -> OidcClient:
    settings = {"issuer": provider.issuer, "client_id": CLIENT, "client_secret": SECRET} | fields
    client = OidcClient({"test": Provider(**settings)}, clock=clock, seconds=seconds)
    await client.start()
    return client


@pytest.fixture
async def client(provider: OpenIdProvider, clock: Clock) -> AsyncIterator[ProviderClient]:
    client = await started(provider, clock)
    yield client.provider("test")
    await client.aclose()
    await client.aclose()


async def code_from(location: str) -> str:
    """What a browser brings back from the provider."""
    async with aiohttp.ClientSession() as browser, browser.get(location, allow_redirects=False) as answer:
        [code] = parse_qs(urlsplit(answer.headers["Location"]).query)["code"]
        return code


async def signed_in(client: ProviderClient, *, nonce: str = "n-1", verifier: str = VERIFIER) -> Claims:
    location = await client.location(redirect_uri=BACK, state="s-1", nonce="n-1", verifier=VERIFIER)
    code = await code_from(location)
    return await client.redeem(code=code, redirect_uri=BACK, nonce=nonce, verifier=verifier)


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


def without(name: str) -> Callable[[dict[str, Any]], None]:
    def edit(claims: dict[str, Any]) -> None:
        del claims[name]

    return edit


def with_(**values: object) -> Callable[[dict[str, Any]], None]:
    def edit(claims: dict[str, Any]) -> None:
        claims.update(values)

    return edit


def shifted(seconds: float, *names: str) -> Callable[[dict[str, Any]], None]:
    def edit(claims: dict[str, Any]) -> None:
        claims.update({name: int(time.time() + seconds) for name in names})

    return edit


BAD_CLAIMS: dict[str, Callable[[dict[str, Any]], None]] = {
    "wrong aud": with_(aud="somebody-else"),
    "aud without us": with_(aud=["a", "b"], azp=CLIENT),
    "several aud without azp": with_(aud=[CLIENT, "other"]),
    "several aud for another": with_(aud=[CLIENT, "other"], azp="other"),
    "azp of another": with_(azp="other"),
    "empty aud": with_(aud=[]),
    "aud is a number": with_(aud=1),
    "wrong iss": with_(iss="https://evil.example"),
    "iss with a slash": lambda claims: claims.update(iss=claims["iss"] + "/"),
    "iss is a list": lambda claims: claims.update(iss=[claims["iss"]]),
    "wrong nonce": with_(nonce="n-2"),
    "nonce is a number": with_(nonce=1),
    "nonce is half a character": with_(nonce="\ud800"),
    "expired": shifted(-61, "exp"),
    "exp is a text": with_(exp="soon"),
    "exp has no end": with_(exp=float("inf")),
    "issued in the future": shifted(90, "iat"),
    "not yet valid": shifted(90, "nbf"),
    "sub is a number": with_(sub=1001),
    "sub is empty": with_(sub=""),
    "sub is too long": with_(sub="x" * 256),
    "sub has a NUL": with_(sub="1001\0"),
    **{f"no {name}": without(name) for name in ("exp", "iat", "aud", "iss", "sub", "nonce")},
}


@pytest.mark.parametrize("name", BAD_CLAIMS)
async def test_claims_that_are_refused(client: ProviderClient, provider: OpenIdProvider, name: str) -> None:
    provider.edit = BAD_CLAIMS[name]
    with pytest.raises(OidcRefused) as caught:
        await signed_in(client)
    assert caught.value.reason == "token"


@pytest.mark.parametrize(
    "edit",
    [
        with_(aud=[CLIENT]),
        with_(aud=[CLIENT, "other"], azp=CLIENT),
        with_(azp=CLIENT),
        shifted(-50, "exp"),
        shifted(50, "iat"),
        shifted(50, "nbf"),
    ],
)
async def test_claims_that_are_good(
    client: ProviderClient, provider: OpenIdProvider, edit: Callable[[dict[str, Any]], None]
) -> None:
    provider.edit = edit
    assert (await signed_in(client)).subject == "1001"


def tampered(claims: dict[str, Any]) -> str:
    head, _, signature = rsa_key().sign(claims).split(".")
    _, body, _ = rsa_key().sign(claims | {"sub": "1"}).split(".")
    return f"{head}.{body}.{signature}"


BAD_SIGNATURES: dict[str, Callable[[dict[str, Any]], str]] = {
    "none": misbehaviour.unsigned,
    "HS256 with the public key": misbehaviour.confused(rsa_key()),
    "HMAC that says RS256": misbehaviour.confused(rsa_key(), "RS256"),
    "unknown kid": rsa_key("rsa-2").sign,
    "known kid, other key": lambda claims: rsa_key("rsa-2").sign(claims, kid="rsa-1"),
    "kid of a key of another kind": lambda claims: rsa_key().sign(claims, kid="ec-1"),
    "kid is a path": lambda claims: rsa_key().sign(claims, kid="../../dev/null"),
    "key within the token": lambda claims: rsa_key("rsa-2").sign(claims, jwk=rsa_key("rsa-2").public),
    "tampered": tampered,
    "no signature": lambda claims: rsa_key().sign(claims).rpartition(".")[0] + ".",
    "RS512": lambda claims: SigningKey("rsa-1", "RS512", rsa_key().private).sign(claims),
    "critical extension": lambda claims: rsa_key().sign(claims, crit=["exp"]),
    "no token": lambda claims: "no token",
    "empty": lambda claims: "",
    "not ASCII": lambda claims: "ü.ü.ü",
    "deeply nested": lambda claims: misbehaviour.in_three_parts(b"[" * 50_000),
}


@pytest.mark.parametrize("name", BAD_SIGNATURES)
async def test_signatures_that_are_refused(client: ProviderClient, provider: OpenIdProvider, name: str) -> None:
    provider.sign = BAD_SIGNATURES[name]
    with pytest.raises(OidcRefused) as caught:
        await signed_in(client)
    assert caught.value.reason == "token"


async def test_an_hmac_key_in_the_key_set_is_passed_over(client: ProviderClient, provider: OpenIdProvider) -> None:
    secret = {"kty": "oct", "kid": "rsa-1", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"}
    provider.published = [
        secret,
        {"kty": "RSA"},
        7,
        {"kty": "EC", "crv": "P-256", "x": "!", "y": "!"},
        rsa_key().public,
    ]
    await signed_in(client)
    provider.sign = misbehaviour.confused(rsa_key())
    with pytest.raises(OidcRefused):
        await signed_in(client)


async def test_a_key_for_encryption_signs_nothing(client: ProviderClient, provider: OpenIdProvider) -> None:
    provider.published = [rsa_key().public | {"use": "enc"}, ec_key().public]
    with pytest.raises(OidcRefused, match="does not publish"):
        await signed_in(client)


async def test_a_token_without_kid_where_there_is_one_key(client: ProviderClient, provider: OpenIdProvider) -> None:
    provider.sign = lambda claims: misbehaviour.nameless(rsa_key(), claims)
    await signed_in(client)


async def test_a_token_without_kid_where_there_are_several(client: ProviderClient, provider: OpenIdProvider) -> None:
    provider.published = [rsa_key().public, rsa_key("rsa-2").public]
    provider.sign = lambda claims: misbehaviour.nameless(rsa_key(), claims)
    with pytest.raises(OidcRefused):
        await signed_in(client)


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
    async def refuse(request: object) -> misbehaviour.web.Response:
        return misbehaviour.web.json_response({"error": "<script>\r\n"}, status=400)

    provider.instead[TOKEN] = refuse
    with pytest.raises(OidcRefused, match="no reason given"):
        await signed_in(client)


@pytest.mark.parametrize("endpoint", [DISCOVERY, KEYS, TOKEN])
@pytest.mark.parametrize("handler", ["garbage", "not_an_object", "failing", "huge", "redirecting", "vanishing"])
async def test_providers_that_misbehave(
    client: ProviderClient, provider: OpenIdProvider, endpoint: str, handler: str
) -> None:
    whole = misbehaviour.redirecting(provider.issuer + "/elsewhere" + endpoint)
    provider.instead[endpoint] = whole if handler == "redirecting" else getattr(misbehaviour, handler)
    with pytest.raises(Unavailable):
        await signed_in(client)
    assert not provider.asked["/elsewhere" + endpoint]


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

"""Which tokens of a provider are believed, and which are not."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.clients.browsing import signed_in
from tests.web import provider as misbehaviour
from tests.web.provider import CLIENT, OpenIdProvider, SigningKey, ec_key, rsa_key
from webterm.clients.oidc import ProviderClient
from webterm.errors import OidcRefused


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

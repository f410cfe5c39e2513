"""ID tokens: whether one is what the provider says to us, now, about somebody.

OpenID Connect Core 1.0, section 3.1.3.7, has the list of what is to be checked.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jwt

from webterm.errors import OidcRefused, Unavailable

ALGORITHMS = ("RS256", "ES256", "EdDSA")
"""Signatures that we believe: with public keys only, so that nobody who can read a key can sign."""
LEEWAY = 60.0
"""Seconds by which the provider's clock may differ from ours."""
REQUIRED = ("exp", "iat", "aud", "iss", "sub", "nonce")
LONGEST_SUBJECT = 255
"""Characters; OpenID Connect Core 1.0, section 2."""

Key = jwt.PyJWK

BROKEN = (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError)
"""What PyJWT raises for hostile tokens and keys: its own errors, and what Python's JSON and numbers do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a provider says about a person. ``issuer`` and ``subject`` together are the person's name there, for good.

    ``email`` is only to be believed where ``email_verified``.
    """

    issuer: str
    subject: str
    email: str | None
    email_verified: bool


def read_keys(document: dict[str, Any]) -> Sequence[Key]:
    """The keys of a JWK Set (RFC 7517, section 5) that sign what we believe; others are passed over.

    Raises `webterm.errors.Unavailable` when there is none.
    """
    entries = document.get("keys")
    keys = [key for entry in entries for key in _read_key(entry)] if isinstance(entries, list) else []
    if not keys:
        raise Unavailable("the sign-in provider publishes no key that is of use")
    return keys


def _read_key(entry: object) -> Iterator[Key]:
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
        return
    try:
        key = jwt.PyJWK(entry)
    except BROKEN:
        return
    if key.algorithm_name in ALGORITHMS:
        yield key


def key_for(token: str, keys: Sequence[Key]) -> Key | None:
    """The key that a token says it was signed with; None when it is not among them.

    A token need not name its key where there is only one. Raises `webterm.errors.OidcRefused` for what is no token, or
    one with a signature of a kind that we do not believe.
    """
    try:
        header = jwt.get_unverified_header(token)
    except BROKEN as error:
        raise refused(error) from None
    algorithm = header.get("alg")
    if algorithm not in ALGORITHMS:
        raise OidcRefused("token", "the sign-in provider signs in a way that is not accepted here")
    fitting = [key for key in keys if key.algorithm_name == algorithm]
    if "kid" not in header:
        return fitting[0] if len(fitting) == 1 else None
    return next((key for key in fitting if key.key_id == header["kid"]), None)


def check(token: str, key: Key, *, issuer: str, client_id: str, nonce: str) -> Claims:
    """What a token says, if it is signed with ``key``, for us, for this very sign-in, and not too old.

    Raises `webterm.errors.OidcRefused`.
    """
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=ALGORITHMS,
            issuer=issuer,
            audience=client_id,
            leeway=LEEWAY,
            options={"require": list(REQUIRED), "enforce_minimum_key_length": True},
        )
    except BROKEN as error:
        raise refused(error) from None
    _check_nonce(claims["nonce"], nonce)
    _check_party(claims, client_id)
    if not is_subject(claims["sub"]):
        raise OidcRefused("token", "the sign-in provider names nobody")
    return Claims(issuer=issuer, subject=claims["sub"], **email_of(claims))


def is_subject(text: str) -> bool:
    """Whether a provider may name somebody so (OpenID Connect Core 1.0, section 2)."""
    return 0 < len(text) <= LONGEST_SUBJECT and text.isascii() and text.isprintable()


def email_of(claims: dict[str, Any]) -> dict[str, Any]:
    """``email`` and ``email_verified`` as they stand in claims (OpenID Connect Core 1.0, section 5.1).

    Verified is only what is said to be with a JSON ``true``.
    """
    email = claims.get("email")
    return {"email": email if isinstance(email, str) else None, "email_verified": claims.get("email_verified") is True}


def refused(error: Exception) -> OidcRefused:
    """The kind of the error says enough: its text may repeat what a stranger has sent."""
    return OidcRefused("token", f"the sign-in provider's token is not good: {type(error).__name__}")


def _check_nonce(found: object, expected: str) -> None:
    if not isinstance(found, str) or not hmac.compare_digest(found.encode(errors="replace"), expected.encode()):
        raise OidcRefused("token", "the sign-in provider's token is of another sign-in")


def _check_party(claims: dict[str, Any], client_id: str) -> None:
    """A token for several must say that it was made for us; one that says anything says it of us."""
    several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if (several or "azp" in claims) and claims.get("azp") != client_id:
        raise OidcRefused("token", "the sign-in provider's token was made for somebody else")

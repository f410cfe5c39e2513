"""Texts that are worth something to whoever holds them: cookies, tokens, tickets, invitations. Only hashes are kept."""

from __future__ import annotations

import hashlib
import secrets


def new_secret() -> str:
    """43 characters (256 random bits) that are safe in URLs and headers."""
    return secrets.token_urlsafe(32)


def hash_of(secret: str) -> str:
    """What is kept of a secret: its SHA-256. It has 256 random bits, so neither salt nor slowness is needed.

    Strangers send anything in the place of one, so lone surrogates are no error.
    """
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()

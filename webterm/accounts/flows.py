"""Sign-ins that are on their way: what was sent along to a provider, and has to come back in the same browser.

All of it is in a cookie of that browser, sealed, so that strangers who start sign-ins and never come back cost nothing.
Only the states that have come back are remembered, for as long as they could come back once more.
"""

from __future__ import annotations

import base64
import hmac
import secrets
import time
from collections.abc import Callable

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from webterm.errors import OidcRefused
from webterm.ids import ProofId, UserId

LIFETIME = 600
"""Seconds that somebody has for signing in at the provider."""
PURPOSE = b"webterm oidc flow 1"
"""Authenticated with what is sealed: a text sealed under the same key for something else is not taken."""
NONCE_SIZE = 12
"""Bytes; NIST SP 800-38D, section 8.2."""
MOST_USED = 100_000
"""States that are remembered. The code that comes with one is good once in any case, so the oldest may go."""


class Linking(msgspec.Struct, frozen=True, kw_only=True):
    """Who links an identity to an account, and the login that asks for it (None: a proxy's word)."""

    user: UserId
    proof: ProofId | None


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """One sign-in. ``state`` binds what comes back to this browser, ``nonce`` the token to this sign-in, and
    ``verifier`` the code to this server (RFC 7636). ``next`` is where to go afterwards, ``expires`` in seconds since
    1970; with ``linking`` nobody signs in.
    """

    provider: str
    state: str
    nonce: str
    verifier: str
    redirect_uri: str
    next: str
    expires: float
    linking: Linking | None


class Flows:
    """Seals and opens. ``key`` has 32 bytes and is the same on all servers that share the accounts."""

    def __init__(self, key: bytes, *, clock: Callable[[], float] = time.time) -> None:
        self._cipher = AESGCM(key)
        self._clock = clock
        self._used: dict[str, float] = {}

    def begin(self, provider: str, *, redirect_uri: str, next: str, linking: Linking | None) -> Flow:  # noqa: A002
        """A sign-in under fresh secrets."""
        return Flow(
            provider=provider,
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            redirect_uri=redirect_uri,
            next=next,
            expires=self._clock() + LIFETIME,
            linking=linking,
        )

    def seal(self, flow: Flow) -> str:
        """A sign-in as the text of a cookie, which its browser can neither read nor change."""
        nonce = secrets.token_bytes(NONCE_SIZE)
        sealed = self._cipher.encrypt(nonce, msgspec.json.encode(flow), PURPOSE)
        return base64.urlsafe_b64encode(nonce + sealed).decode()

    def finish(self, provider: str, sealed: str | None, state: str | None) -> Flow:
        """The sign-in at ``provider`` that this browser has begun under ``state``: once, and not too late.

        Raises `webterm.errors.OidcRefused` with one reason for all that is wrong.
        """
        flow = self._opened(sealed) if sealed else None
        now = self._clock()
        if (
            flow is None
            or state is None
            or not hmac.compare_digest(flow.state.encode(), state.encode(errors="replace"))
            or flow.provider != provider
            or flow.expires <= now
            or flow.state in self._used
        ):
            raise OidcRefused("stale", "this sign-in was not begun in this browser, or too long ago; try again")
        self._forget(now)
        self._used[flow.state] = flow.expires
        return flow

    @property
    def remembered(self) -> int:
        """How many states that have come back are kept."""
        return len(self._used)

    def _opened(self, sealed: str) -> Flow | None:
        try:
            raw = base64.urlsafe_b64decode(sealed)
            return msgspec.json.decode(self._cipher.decrypt(raw[:NONCE_SIZE], raw[NONCE_SIZE:], PURPOSE), type=Flow)
        except (ValueError, InvalidTag):
            return None

    def _forget(self, now: float) -> None:
        """The first come first go: those behind them may wait a little longer than they need."""
        while self._used:
            oldest = next(iter(self._used))
            if self._used[oldest] > now and len(self._used) < MOST_USED:
                break
            del self._used[oldest]

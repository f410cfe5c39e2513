"""Signing in by the one-use link that the server prints."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from webterm.access import Actor
from webterm.accounts.logins import Login
from webterm.errors import NotSignedIn


class SigningIn:
    """The link signs in ``owner``, the person who started the server.

    ``redeem`` uses up a link's token and says whether it was good. It may block: it is called in a thread.
    """

    def __init__(self, owner: Actor, redeem: Callable[[str], bool]) -> None:
        self._owner = owner
        self._redeem = redeem

    async def by_link(self, token: str) -> Actor:
        """Who signs in with this token. The token is used up.

        Nobody is slowed down: 256 random bits cannot be guessed, and behind a proxy all would share one address.
        Raises `webterm.errors.NotSignedIn` when it is wrong, used or too old.
        """
        if not await asyncio.to_thread(self._redeem, token):
            raise NotSignedIn("this sign-in link is wrong, used or too old; ask the server for a fresh one")
        return self._owner

    def actor(self, login: Login) -> Actor | None:
        """Whom a login stands for; None when there is no such person."""
        return self._owner if login.user == self._owner.id else None

"""From what a request brings along to who is asking: cookies, access tokens, personal tokens, names from a proxy.

Nothing is remembered between two requests: each asks the store, so that what has ended is refused at once, whichever
server or command ended it.
"""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from webterm.access import Actor, Scope, Source
from webterm.accounts.actors import actor_of
from webterm.accounts.bearer import Bearer
from webterm.accounts.logins import Kind, Logins, id_of
from webterm.accounts.names import LONGEST, fitting
from webterm.accounts.people import People
from webterm.accounts.secret_texts import hash_of
from webterm.accounts.tokens import PREFIX, PersonalTokens, lives
from webterm.errors import NameTaken
from webterm.ids import LoginId, ProofId, TokenId
from webterm.store import logins, tokens, users
from webterm.store.engine import Store
from webterm.store.users import User

MOST_NAMESAKES = 100
"""Different people whose addresses have the same name before the @."""


@dataclass(frozen=True, slots=True)
class Proven:
    """Who is asking, and what proves it. ``proof`` is what the right to be here ends with."""

    actor: Actor
    proof: ProofId
    kind: Literal["browser", "api", "personal"]


class Credentials:
    """Looks at proofs of identity. None: it is none, or no longer good; nobody learns which."""

    def __init__(
        self,
        store: Store,
        signed_in: Logins,
        bearer: Bearer,
        personal: PersonalTokens,
        people: People,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._logins = signed_in
        self._bearer = bearer
        self._personal = personal
        self._people = people
        self._clock = clock

    async def by_cookie(self, token: str, address: str) -> Proven | None:
        """Who holds this token of a login cookie. ``address`` is where the request comes from."""
        return await self._by_login(id_of(token), "browser", address)

    async def by_bearer(self, text: str, address: str) -> Proven | None:
        """Who holds this token of an ``Authorization`` header: a personal one (``wt_…``) or an access token."""
        if text.startswith(PREFIX):
            return await self._by_personal(text)
        claims = self._bearer.read(text)
        proven = await self._by_login(claims.login, "api", address) if claims else None
        return proven if proven and claims and proven.actor.id == claims.sub else None

    async def by_proxy(self, name: str, address: str) -> Actor | None:
        """Who is called ``name`` by a proxy that we trust, who has signed them in; a new name gets an account.

        ``name`` is a user name or an e-mail address. None for a disabled account. Raises
        `webterm.errors.InvalidRequest` for a new name that cannot be one, and `webterm.errors.NameTaken` for one that
        somebody has who is spelled differently: to the proxy these are two people.
        """
        user = await self._named(name) or await self._welcome(name, address)
        return None if user.disabled else actor_of(user)

    async def is_live(self, proof: ProofId) -> bool:
        """Whether a proof is still good: it has not ended or run out, and its person is not disabled."""
        now = self._clock()
        async with self._store.reading() as conn:
            login = await logins.by_id(conn, LoginId(proof))
            token = None if login else await tokens.by_id(conn, TokenId(proof))
            if login is not None:
                owner, good = login.user, login.expires > now
            elif token is not None:
                owner, good = token.user, lives(token, now)
            else:
                return False
            user = await users.by_id(conn, owner)
        return good and user is not None and not user.disabled

    async def _named(self, name: str) -> User | None:
        async with self._store.reading() as conn:
            user = await users.by_name(conn, name)
        if user is not None and not _spells(name, user):
            raise NameTaken("somebody else here has nearly this name")
        return user

    async def _welcome(self, name: str, address: str) -> User:
        by = Source(user=None, name="proxy", address=address)
        if "@" not in name:
            return await self._create(name, None, by) or await self._people.named(name)
        local = fitting(name.partition("@")[0])
        for number in range(1, MOST_NAMESAKES + 1):
            suffix = str(number) if number > 1 else ""
            made = await self._create(local[: LONGEST - len(suffix)] + suffix, name, by) or await self._named(name)
            if made is not None:
                return made
        raise NameTaken(f"there are too many people called {local}")

    async def _create(self, username: str, email: str | None, by: Source) -> User | None:
        """A new account; None when one of the names is taken, perhaps by another request of the same person."""
        try:
            return await self._people.create(by, username=username, email=email)
        except NameTaken:
            return None

    async def _by_login(self, login_id: LoginId, kind: Kind, address: str) -> Proven | None:
        async with self._store.reading() as conn:
            login = await logins.by_id(conn, login_id)
            user = await users.by_id(conn, login.user) if login else None
        if login is None or login.kind != kind or login.expires <= self._clock() or user is None or user.disabled:
            return None
        await self._logins.touch(login, address)
        return Proven(actor_of(user), login.id, login.kind)

    async def _by_personal(self, text: str) -> Proven | None:
        async with self._store.reading() as conn:
            token = await tokens.by_hash(conn, hash_of(text))
            user = await users.by_id(conn, token.user) if token else None
        if token is None or not lives(token, self._clock()) or user is None or user.disabled:
            return None
        await self._personal.touch(token)
        return Proven(actor_of(user, frozenset(map(Scope, token.scopes))), token.id, "personal")


def _spells(name: str, user: User) -> bool:
    """Whether it is this person's name or address but for the case of letters.

    Names that only look alike lead to one person, so that no second one is made (`webterm.store.users`): ``ß`` is
    ``ss`` there. Who comes without a password has to be that very person.
    """
    spelled = unicodedata.normalize("NFC", name).lower()
    texts = [text for text in (user.username, user.email) if text is not None]
    return any(name.isascii() == text.isascii() and spelled == text.lower() for text in texts)

"""All rules about proofs of identity, on one store and one clock."""

from __future__ import annotations

from dataclasses import dataclass

from tests.accounts.conftest import Clock, Town
from webterm.access import Source
from webterm.accounts.bearer import Bearer
from webterm.accounts.credentials import Credentials
from webterm.accounts.keys import Keys
from webterm.accounts.logins import Logins
from webterm.accounts.people import User
from webterm.accounts.rights import Rights
from webterm.accounts.tokens import PersonalTokens
from webterm.settings_accounts import Accounts
from webterm.store.following import INTERVAL

HOME = "192.0.2.7"
CAFE = "198.51.100.1"
KEYS = Keys(bytes(32))


@dataclass(frozen=True)
class Proofs:
    """What makes proofs and looks at them."""

    rights: Rights
    logins: Logins
    bearer: Bearer
    tokens: PersonalTokens
    credentials: Credentials


def proofs_on(town: Town, clock: Clock, *, keys: Keys = KEYS, interval: float = INTERVAL) -> Proofs:
    """The rules with the settings' own numbers."""
    accounts = Accounts()
    rights = Rights(town.store, clock=clock, interval=interval)
    logins = Logins(town.store, accounts, rights, clock=clock)
    bearer = Bearer(town.store, keys, accounts, logins, rights, clock=clock)
    tokens = PersonalTokens(town.store, rights, clock=clock)
    credentials = Credentials(town.store, logins, bearer, tokens, town.people, clock=clock)
    return Proofs(rights, logins, bearer, tokens, credentials)


def source_of(user: User, address: str = HOME) -> Source:
    """Somebody who does something themselves."""
    return Source(user=user.id, name=user.username, address=address)

"""People of a running server, and proofs of being them, for tests that are not about passwords.

Made by the server's own rules: hashing a password takes a third of a second each time, on purpose.
"""

from __future__ import annotations

from tests.web.conftest import Running
from tests.web.proofs import ADMINS, Proof
from webterm.access import EVERYDAY, LOCAL, Source
from webterm.accounts.bearer import TokenPair
from webterm.accounts.people import Role, User
from webterm.web.site import SITE, OwnLogin

COMMAND = Source(user=None, name="root", address=LOCAL)


def own_login_of(running: Running) -> OwnLogin:
    """The server's rules."""
    ours = running.app[SITE].login
    assert ours is not None
    return ours


async def settled(running: Running, name: str, role: Role = "user") -> User:
    """An account without a password."""
    return await own_login_of(running).people.create(COMMAND, username=name, role=role)


async def browser_of(running: Running, user: User) -> Proof:
    """A browser on our own page in which this person is signed in."""
    ours = own_login_of(running)
    token, _ = await ours.logins.add_browser(user, _by(user), "")
    cookie = f"{ours.storage.cookie_name}={token}"
    return Proof({"Cookie": cookie, "Origin": running.origin}, ADMINS if user.role == "admin" else EVERYDAY)


async def tokens_of(running: Running, user: User) -> TokenPair:
    """What an API client of this person holds."""
    return await own_login_of(running).bearer.issue(user, _by(user), "")


async def program_of(running: Running, user: User) -> Proof:
    """An API client of this person."""
    return bearing((await tokens_of(running, user)).access)


def bearing(token: str) -> Proof:
    """Whoever holds this token."""
    return Proof({"Authorization": f"Bearer {token}"}, EVERYDAY)


def _by(user: User) -> Source:
    return Source(user=user.id, name=user.username, address="127.0.0.1")

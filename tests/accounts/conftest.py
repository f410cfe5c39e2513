"""A clock that stands still, a store in a file of the test's own, and rules on it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from tests.store.conftest import ENGINES, url
from webterm.access import LOCAL, Source
from webterm.accounts.invitations import Invitations
from webterm.accounts.passwords import Passwords
from webterm.accounts.people import People
from webterm.accounts.rights import Rights
from webterm.accounts.signing_in import SigningIn
from webterm.accounts.throttle import Throttle
from webterm.settings import Settings
from webterm.settings_accounts import Accounts
from webterm.store import audit, changes, users
from webterm.store.audit import Entry
from webterm.store.changes import Change
from webterm.store.engine import Store
from webterm.store.users import User

__all__ = ["url"]

ON_BOTH_ENGINES = pytest.mark.parametrize("engine", ENGINES)

PASSWORD = "correct horse battery"
COMMAND = Source(user=None, name="root", address=LOCAL)
STRANGER = Source(user=None, name="", address="203.0.113.9")


class Clock:
    """Time that stands still until it is told to move on."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Town:
    """A store and the rules about its people."""

    store: Store
    passwords: Passwords
    people: People
    invitations: Invitations
    throttle: Throttle
    signing_in: SigningIn
    links: set[str]
    """Tokens of sign-in links that can be used."""

    async def ann(self, **fields: str) -> User:
        """An ordinary person."""
        return await self.people.create(COMMAND, **{"username": "ann", "password": PASSWORD, **fields})  # type: ignore[arg-type] # roles are texts here

    async def trail(self) -> list[Entry]:
        """The audit log, the oldest entry first."""
        async with self.store.reading() as conn:
            return (await audit.page(conn, limit=500))[::-1]

    async def changes(self) -> list[Change]:
        async with self.store.reading() as conn:
            return await changes.since(conn, 0)

    async def everybody(self) -> list[User]:
        async with self.store.reading() as conn:
            return await users.page(conn, after_alias=0, limit=500)


def town_on(
    store: Store, clock: Clock, *, registration: Literal["closed", "invite", "open"] = "closed", cost: int = 4
) -> Town:
    """The rules on a store. Passwords have to be closed."""
    settings = Settings(accounts=Accounts(registration=registration))
    passwords = Passwords(bytes(32), cost=cost)
    people = People(store, passwords, settings, Rights(store), clock=clock)
    throttle = Throttle(clock=clock)
    links: set[str] = set()

    def redeem(token: str) -> bool:
        if token in links:
            links.remove(token)
            return True
        return False

    signing_in = SigningIn(store, passwords, people, throttle, redeem, clock=clock)
    return Town(store, passwords, people, Invitations(store, settings, clock=clock), throttle, signing_in, links)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def engine() -> str:
    """Rules care little about the kind of database; with ``ON_BOTH_ENGINES`` tests show that they need not at all."""
    return "sqlite"


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database in a file, up to date, that nobody has written to: the revisions are tested in tests/store."""
    path = tmp_path_factory.mktemp("empty") / "webterm.db"

    async def make() -> None:
        store = Store(f"sqlite:///{path}")
        await store.open()
        await store.aclose()

    asyncio.run(make())
    return path


@pytest.fixture
async def store(url: str, empty: Path) -> AsyncIterator[Store]:
    if url.startswith("sqlite:///"):
        shutil.copyfile(empty, url.removeprefix("sqlite:///"))
    store = Store(url)
    await store.open()
    yield store
    await store.aclose()


@pytest.fixture
async def town(store: Store, clock: Clock) -> AsyncIterator[Town]:
    """Nobody makes an account by himself here."""
    town = town_on(store, clock)
    yield town
    await town.passwords.aclose()


@pytest.fixture
async def invite_town(store: Store, clock: Clock) -> AsyncIterator[Town]:
    town = town_on(store, clock, registration="invite")
    yield town
    await town.passwords.aclose()


@pytest.fixture
async def open_town(store: Store, clock: Clock) -> AsyncIterator[Town]:
    town = town_on(store, clock, registration="open")
    yield town
    await town.passwords.aclose()

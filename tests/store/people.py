"""People for the store's tests."""

from __future__ import annotations

from webterm.ids import UserId
from webterm.store import users
from webterm.store.engine import Connection, Store
from webterm.store.users import User

NOW = 1_800_000_000.25


async def add(conn: Connection, name: str, *, email: str | None = None, owner: bool = False) -> User:
    """A person whose id is ``id-NAME``."""
    return await users.add(
        conn,
        id=UserId(f"id-{name}"),
        username=name,
        email=email,
        password=None,
        role="user",
        tier="free",
        owner=owner,
        now=NOW,
    )


async def added(store: Store, *names: str) -> list[User]:
    """People, each in a transaction of its own."""
    people = []
    for name in names:
        async with store.writing() as conn:
            people.append(await add(conn, name))
    return people

"""People in the store."""

from __future__ import annotations

import pytest

from tests.store.people import NOW, add, added
from webterm.errors import NameTaken, NoSuchUser
from webterm.ids import LoginId, UserId
from webterm.store import identities, logins, users
from webterm.store.engine import Store
from webterm.store.identities import Identity
from webterm.store.logins import Login


async def test_what_is_added_is_found(store: Store) -> None:
    async with store.writing() as conn:
        ann = await users.add(
            conn,
            id=UserId("7d4e"),
            username="Ann",
            email="Ann@Example.com",
            password="scheme$hash",
            role="admin",
            tier="pro",
            owner=True,
            now=NOW,
        )
        assert (ann.alias, ann.username, ann.email, ann.disabled, ann.created) == (
            1,
            "Ann",
            "Ann@Example.com",
            False,
            NOW,
        )
    async with store.reading() as conn:
        assert await users.by_id(conn, UserId("7d4e")) == ann
        assert await users.by_alias(conn, 1) == ann
        assert await users.owner(conn) == ann
        for name in ("Ann", "aNN", "ann@example.com", "ANN@EXAMPLE.COM", "\uff21nn"):
            assert await users.by_name(conn, name) == ann, name


async def test_who_is_not_there_is_not_found(store: Store) -> None:
    await added(store, "ann")
    async with store.reading() as conn:
        assert await users.by_id(conn, UserId("nobody")) is None
        assert await users.owner(conn) is None
        for alias in (0, -1, 2, 2**31, 2**80):
            assert await users.by_alias(conn, alias) is None
        for name in ("", "an", "ann%", "a_n", "\0", "\ud800", "ann\0"):
            assert await users.by_name(conn, name) is None


@pytest.mark.parametrize(
    ("name", "email"),
    [
        ("ANN", None),
        ("bob", "ann"),
        ("bob", "Ann@X.org"),
        ("ann@x.org", None),
        ("stra\u00dfe", None),
        ("\uff33trasse", None),
    ],
)
async def test_a_name_is_one_person_s(store: Store, name: str, email: str | None) -> None:
    async with store.writing() as conn:
        await add(conn, "Ann", email="ann@x.org")
        await add(conn, "STRASSE")
        with pytest.raises(NameTaken):
            await add(conn, name, email=email)
        assert (await add(conn, "carl")).username == "carl"
    async with store.reading() as conn:
        assert [user.username for user in await users.page(conn, limit=9)] == ["Ann", "STRASSE", "carl"]


async def test_one_s_e_mail_address_may_be_one_s_user_name(store: Store) -> None:
    async with store.writing() as conn:
        ann = await add(conn, "ann@x.org", email="Ann@x.org")
        assert await users.by_name(conn, "ANN@X.ORG") == ann


async def test_pages_go_by_alias(store: Store) -> None:
    async with store.writing() as conn:
        for number in range(7):
            await add(conn, f"user{number}", email=f"{number}@100%.org" if number % 2 else None)
    async with store.reading() as conn:
        first = await users.page(conn, after_alias=0, limit=3)
        rest = await users.page(conn, after_alias=first[-1].alias, limit=9)
        assert [user.username for user in first + rest] == [f"user{number}" for number in range(7)]
        assert [user.alias for user in await users.page(conn, limit=9, search="0%.ORG")] == [2, 4, 6]
        assert [user.alias for user in await users.page(conn, after_alias=3, limit=1, search="USER")] == [4]
        assert await users.page(conn, limit=9, search="_") == []
        assert await users.page(conn, after_alias=2**70, limit=9) == []


async def test_changing_a_person(store: Store) -> None:
    async with store.writing() as conn:
        ann, bob = await add(conn, "ann", email="a@x.org"), await add(conn, "bob")
        changed = await users.change(conn, ann.id, role="admin", tier="team", disabled=True, password="hash")
        assert (changed.role, changed.tier, changed.disabled, changed.password) == ("admin", "team", True, "hash")
        assert await users.change(conn, ann.id) == changed
        await users.change(conn, ann.id, username="Anna", email=None)
        assert await users.by_name(conn, "ann") is None
        assert await users.by_name(conn, "a@x.org") is None
        assert (await users.change(conn, bob.id, username="ANN", email="a@x.org")).username == "ANN"
        with pytest.raises(NameTaken):
            await users.change(conn, bob.id, username="anna", tier="pro")
        assert (await users.by_name(conn, "ann")) == await users.by_id(conn, bob.id)
        with pytest.raises(NoSuchUser):
            await users.change(conn, UserId("nobody"), tier="pro")


async def test_a_removed_person_takes_everything_along(store: Store) -> None:
    (ann,) = await added(store, "ann")
    async with store.writing() as conn:
        fields = {"created": NOW, "seen": NOW, "expires": NOW + 9, "address": "::1", "agent": ""}
        await logins.add(conn, Login(id=LoginId("l"), user=ann.id, kind="browser", **fields))  # type: ignore[arg-type]
        await identities.add(conn, Identity(provider="p", subject="s", user=ann.id, email=None, created=NOW))
        assert await users.remove(conn, ann.id)
        assert not await users.remove(conn, ann.id)
        assert await logins.by_id(conn, LoginId("l")) is None
        assert await identities.by_subject(conn, "p", "s") is None
        assert (await add(conn, "ann")).alias == 2, "an alias is not given again"

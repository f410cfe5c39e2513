"""Proofs of identity in the store: logins, refresh tokens, personal tokens, invitations, identities elsewhere."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy.exc import IntegrityError

from tests.store.people import NOW, added
from webterm.errors import NameTaken
from webterm.ids import InvitationId, LoginId, TokenId, UserId
from webterm.store import identities, invitations, logins, refreshes, tokens, users
from webterm.store.engine import Store
from webterm.store.identities import Identity
from webterm.store.invitations import Invitation
from webterm.store.logins import Login
from webterm.store.refreshes import Refresh
from webterm.store.tokens import Token

ANN = UserId("id-ann")
BOB = UserId("id-bob")


def login(name: str, user: UserId = ANN, *, seen: float = 0.0, lasts: float = 60.0) -> Login:
    return Login(
        id=LoginId(name),
        user=user,
        kind="browser",
        created=NOW,
        seen=NOW + seen,
        expires=NOW + lasts,
        address="2001:db8::1",
        agent="Lynx",
    )


def token(name: str, user: UserId = ANN, *, expires: float | None = None) -> Token:
    return Token(
        id=TokenId(name),
        user=user,
        name="backup job",
        hash=f"hash of {name}",
        scopes=("terminals:read", "account"),
        created=NOW,
        expires=expires,
        seen=None,
    )


def invitation(name: str, *, created_by: UserId | None = ANN, lasts: float = 60.0) -> Invitation:
    return Invitation(
        id=InvitationId(name),
        hash=f"hash of {name}",
        email=None,
        role="user",
        tier="free",
        created_by=created_by,
        created=NOW,
        expires=NOW + lasts,
        used_by=None,
        used_at=None,
    )


async def test_logins_are_found_and_touched(store: Store) -> None:
    await added(store, "ann", "bob")
    async with store.writing() as conn:
        for each in (login("old"), login("new", seen=9), login("other", BOB)):
            await logins.add(conn, each)
        assert await logins.by_id(conn, LoginId("new")) == login("new", seen=9)
        assert await logins.by_id(conn, LoginId("none")) is None
        assert await logins.of_user(conn, ANN) == [login("new", seen=9), login("old")]
        await logins.touch(conn, LoginId("old"), NOW + 20, NOW + 80, "::1")
        await logins.touch(conn, LoginId("none"), NOW, NOW, "")
        touched = replace(login("old"), seen=NOW + 20, expires=NOW + 80, address="::1")
        assert await logins.of_user(conn, ANN) == [touched, login("new", seen=9)]


async def test_logins_end_by_id_by_person_and_by_time(store: Store) -> None:
    await added(store, "ann", "bob")
    async with store.writing() as conn:
        for each in (login("a"), login("b"), login("c"), login("d", BOB), login("e", BOB, lasts=5)):
            await logins.add(conn, each)
        assert await logins.remove(conn, [LoginId("a"), LoginId("none")]) == ["a"]
        assert await logins.remove(conn, []) == []
        assert await logins.remove_of_user(conn, ANN, LoginId("c")) == ["b"]
        assert await logins.remove_of_user(conn, ANN, None) == ["c"]
        assert await logins.remove_of_user(conn, ANN, None) == []
        assert await logins.remove_expired(conn, NOW + 4) == []
        assert await logins.remove_expired(conn, NOW + 5) == [login("e", BOB, lasts=5)]
        assert await logins.of_user(conn, BOB) == [login("d", BOB)]


async def test_a_login_needs_a_person(store: Store) -> None:
    with pytest.raises(IntegrityError):
        async with store.writing() as conn:
            await logins.add(conn, login("a", UserId("nobody")))


async def test_what_no_database_takes_is_replaced(store: Store) -> None:
    await added(store, "ann")
    async with store.writing() as conn:
        await logins.add(conn, replace(login("a"), agent="nul \0 surrogate \udc80 face \U0001f600 pair \ud83d\ude00"))
    async with store.reading() as conn:
        (found,) = await logins.of_user(conn, ANN)
    assert found.agent == "nul \ufffd surrogate \ufffd face \U0001f600 pair \U0001f600"


async def test_a_refresh_token_is_used_once(store: Store) -> None:
    await added(store, "ann")
    async with store.writing() as conn:
        await logins.add(conn, login("family"))
        await refreshes.add(conn, hash="first", login=LoginId("family"), now=NOW)
        assert await refreshes.by_hash(conn, "first") == Refresh(
            hash="first", login=LoginId("family"), created=NOW, used=None
        )
        assert await refreshes.by_hash(conn, "none") is None
        assert [await refreshes.use(conn, "first", NOW + at) for at in (1, 2)] == [True, False]
        assert not await refreshes.use(conn, "none", NOW)
        used = await refreshes.by_hash(conn, "first")
        assert used is not None
        assert used.used == NOW + 1
        await logins.remove(conn, [LoginId("family")])
        assert await refreshes.by_hash(conn, "first") is None, "goes with its login"


async def test_personal_tokens(store: Store) -> None:
    await added(store, "ann", "bob")
    async with store.writing() as conn:
        for each in (token("a"), token("b", expires=NOW + 5), token("c", BOB)):
            await tokens.add(conn, each)
        assert await tokens.by_hash(conn, "hash of a") == token("a")
        assert await tokens.by_id(conn, TokenId("b")) == token("b", expires=NOW + 5)
        assert await tokens.by_hash(conn, "a") is None
        await tokens.touch(conn, TokenId("a"), NOW + 3)
        assert await tokens.of_user(conn, ANN) == [replace(token("a"), seen=NOW + 3), token("b", expires=NOW + 5)]
        assert await tokens.remove_expired(conn, NOW + 5) == [token("b", expires=NOW + 5)]
        assert [await tokens.remove(conn, TokenId("a")) for _ in range(2)] == [True, False]
        assert await tokens.of_user(conn, ANN) == []
        await tokens.add(conn, replace(token("d"), scopes=()))
        assert (await tokens.of_user(conn, ANN))[0].scopes == ()


async def test_an_invitation_is_used_once_and_in_time(store: Store) -> None:
    await added(store, "ann", "bob")
    async with store.writing() as conn:
        for each in (invitation("a"), invitation("b", created_by=None), invitation("c", lasts=5)):
            await invitations.add(conn, each)
        assert await invitations.by_hash(conn, "hash of a") == invitation("a")
        assert await invitations.by_hash(conn, "a") is None
        assert await invitations.open_ones(conn, NOW + 5) == [invitation("a"), invitation("b", created_by=None)]
        assert not await invitations.use(conn, InvitationId("c"), BOB, NOW + 5)
        assert [await invitations.use(conn, InvitationId("a"), BOB, NOW + at) for at in (1, 2)] == [True, False]
        used = replace(invitation("a"), used_by=BOB, used_at=NOW + 1)
        assert await invitations.by_hash(conn, "hash of a") == used
        assert await invitations.open_ones(conn, NOW + 5) == [invitation("b", created_by=None)]
        assert [await invitations.remove(conn, InvitationId("b")) for _ in range(2)] == [True, False]
        await users.remove(conn, BOB)
        assert await invitations.by_hash(conn, "hash of a") == replace(used, used_by=None)
        await users.remove(conn, ANN)
        assert await invitations.by_hash(conn, "hash of a") is None, "goes with the person who made it"


async def test_an_identity_is_one_person_s_and_one_for_each_provider(store: Store) -> None:
    await added(store, "ann", "bob")
    google = Identity(provider="google", subject="1", user=ANN, email="ann@x.org", created=NOW)
    own = Identity(provider="example", subject="1", user=ANN, email=None, created=NOW)
    async with store.writing() as conn:
        await identities.add(conn, google)
        await identities.add(conn, own)
        for taken in (replace(google, user=BOB), replace(google, subject="2")):
            with pytest.raises(NameTaken):
                await identities.add(conn, taken)
        assert await identities.by_subject(conn, "google", "1") == google
        assert await identities.by_subject(conn, "google", "2") is None
        assert await identities.of_user(conn, ANN) == [own, google]
        assert [await identities.remove(conn, ANN, "google") for _ in range(2)] == [True, False]
        await identities.add(conn, replace(google, user=BOB))
        assert await identities.of_user(conn, BOB) == [replace(google, user=BOB)]

"""Invitations: one account each, with what they say, as long as their maker may give it."""

from __future__ import annotations

import asyncio

import pytest

from tests.accounts.conftest import COMMAND, ON_BOTH_ENGINES, PASSWORD, STRANGER, Clock, Town
from webterm.access import Source
from webterm.accounts.logins import DAY
from webterm.accounts.people import Candidate
from webterm.accounts.secret_texts import hash_of
from webterm.errors import InvalidRequest, NameTaken, NoSuchInvitation, RegistrationClosed
from webterm.ids import InvitationId
from webterm.store.users import User


def wanted(token: str | None, username: str = "ann", email: str | None = None) -> Candidate:
    return Candidate(username=username, password=PASSWORD, email=email, invitation=token)


@ON_BOTH_ENGINES
async def test_an_invitation_says_what_one_becomes(invite_town: Town) -> None:
    token, invitation = await invite_town.invitations.create(
        COMMAND, email="ann@Example.com", role="admin", tier="team"
    )
    assert await invite_town.invitations.open_ones() == [invitation]
    assert invitation.hash == hash_of(token)
    assert token not in repr(invitation)
    user = await invite_town.people.register(wanted(token, email="other@example.com"), STRANGER)
    assert (user.role, user.tier, user.email, user.owner) == ("admin", "team", "ann@example.com", False)
    assert await invite_town.invitations.open_ones() == []
    told = [(entry.action, entry.target, entry.detail) for entry in await invite_town.trail()]
    assert told == [
        ("invitation.create", invitation.id, "role admin"),
        ("user.register", user.id, f"invitation {invitation.id}"),
    ]


async def test_without_saying_so_one_becomes_an_ordinary_person(invite_town: Town) -> None:
    token, _ = await invite_town.invitations.create(COMMAND)
    user = await invite_town.people.register(wanted(token, email="ann@example.com"), STRANGER)
    assert (user.role, user.tier, user.email) == ("user", "free", "ann@example.com")


async def test_where_anybody_may_come_an_invitation_counts_as_well(open_town: Town) -> None:
    token, _ = await open_town.invitations.create(COMMAND, tier="pro")
    assert (await open_town.people.register(wanted(token), STRANGER)).tier == "pro"
    with pytest.raises(NoSuchInvitation):
        await open_town.people.register(wanted("wrong", "ben"), STRANGER)


@ON_BOTH_ENGINES
@pytest.mark.parametrize("token", ["wrong", "\0", "\ud800", "x" * 100_000])
async def test_a_wrong_one_is_worth_nothing(invite_town: Town, token: str) -> None:
    await invite_town.invitations.create(COMMAND)
    with pytest.raises(NoSuchInvitation):
        await invite_town.people.register(wanted(token), STRANGER)
    assert await invite_town.everybody() == []


async def test_none_is_none(invite_town: Town) -> None:
    with pytest.raises(RegistrationClosed):
        await invite_town.people.register(wanted(None), STRANGER)


async def test_an_empty_one_is_a_wrong_one(invite_town: Town) -> None:
    with pytest.raises(NoSuchInvitation):
        await invite_town.people.register(wanted(""), STRANGER)
    assert await invite_town.everybody() == []


async def test_it_is_good_once(invite_town: Town) -> None:
    token, _ = await invite_town.invitations.create(COMMAND)
    await invite_town.people.register(wanted(token), STRANGER)
    with pytest.raises(NoSuchInvitation):
        await invite_town.people.register(wanted(token, "ben"), STRANGER)
    assert len(await invite_town.everybody()) == 1


@ON_BOTH_ENGINES
async def test_of_two_at_once_one_wins(invite_town: Town) -> None:
    token, _ = await invite_town.invitations.create(COMMAND)
    done = await asyncio.gather(
        *(invite_town.people.register(wanted(token, f"person{number}"), STRANGER) for number in range(8)),
        return_exceptions=True,
    )
    assert [type(each) for each in done if not isinstance(each, NoSuchInvitation)] == [User]
    assert len(await invite_town.everybody()) == 1


async def test_who_fails_with_it_may_try_again(invite_town: Town) -> None:
    token, _ = await invite_town.invitations.create(COMMAND)
    await invite_town.people.create(COMMAND, username="ann")
    with pytest.raises(NameTaken):
        await invite_town.people.register(wanted(token), STRANGER)
    with pytest.raises(InvalidRequest):
        await invite_town.people.register(Candidate(username="ben", password="x", invitation=token), STRANGER)
    assert (await invite_town.people.register(wanted(token, "ben"), STRANGER)).username == "ben"


async def test_it_runs_out(invite_town: Town, clock: Clock) -> None:
    token, _ = await invite_town.invitations.create(COMMAND)
    clock.now += 7 * DAY
    assert await invite_town.invitations.open_ones() == []
    with pytest.raises(NoSuchInvitation):
        await invite_town.people.register(wanted(token), STRANGER)


async def test_it_can_be_taken_back(invite_town: Town) -> None:
    token, invitation = await invite_town.invitations.create(COMMAND)
    await invite_town.invitations.remove(invitation.id, COMMAND)
    with pytest.raises(NoSuchInvitation):
        await invite_town.people.register(wanted(token), STRANGER)
    for missing in (invitation.id, InvitationId(""), InvitationId("\0")):
        with pytest.raises(NoSuchInvitation):
            await invite_town.invitations.remove(missing, COMMAND)


@ON_BOTH_ENGINES
async def test_it_is_void_when_its_maker_may_not_make_it_any_more(invite_town: Town) -> None:
    """Or an admin who is about to be thrown out would leave himself a way back in."""
    admin = await invite_town.people.create(COMMAND, username="boss", role="admin")
    by = Source(user=admin.id, name=admin.username, address="192.0.2.1")
    token, invitation = await invite_town.invitations.create(by, role="admin")
    for change in ({"role": "user"}, {"disabled": True}):
        await invite_town.people.change(admin.id, COMMAND, **change)
        assert await invite_town.invitations.open_ones() == []
        with pytest.raises(NoSuchInvitation):
            await invite_town.people.register(wanted(token), STRANGER)
        await invite_town.people.change(admin.id, COMMAND, role="admin", disabled=False)
    assert await invite_town.invitations.open_ones() == [invitation]
    await invite_town.people.delete(admin.id, COMMAND)
    with pytest.raises(NoSuchInvitation):
        await invite_town.people.register(wanted(token), STRANGER)


async def test_what_cannot_be_promised(invite_town: Town) -> None:
    with pytest.raises(InvalidRequest, match="email"):
        await invite_town.invitations.create(COMMAND, email="nonsense")
    with pytest.raises(InvalidRequest, match="tier"):
        await invite_town.invitations.create(COMMAND, tier="gold")
    assert await invite_town.invitations.open_ones() == []

"""Who is asking, for each kind of proof, and for how long."""

from __future__ import annotations

import asyncio

import pytest

from tests.accounts.conftest import COMMAND, ON_BOTH_ENGINES, Clock, Town
from tests.accounts.proofs import CAFE, HOME, Proofs, proofs_on, source_of
from webterm.access import EVERYDAY, Scope
from webterm.accounts.actors import actor_of
from webterm.accounts.logins import DAY
from webterm.errors import InvalidRequest, NameTaken
from webterm.ids import LoginId
from webterm.settings_accounts import Accounts


@pytest.fixture
def proofs(town: Town, clock: Clock) -> Proofs:
    return proofs_on(town, clock)


@ON_BOTH_ENGINES
async def test_a_cookie_is_its_person(town: Town, proofs: Proofs) -> None:
    ann = await town.ann()
    token, login = await proofs.logins.add_browser(ann, source_of(ann), "")
    proven = await proofs.credentials.by_cookie(token, HOME)
    assert proven is not None
    assert (proven.proof, proven.kind) == (login.id, "browser")
    assert proven.actor == actor_of(ann)
    assert proven.actor.scopes == EVERYDAY
    assert await proofs.credentials.is_live(login.id)


async def test_rights_are_those_of_now(town: Town, proofs: Proofs) -> None:
    ann = await town.ann()
    token, _ = await proofs.logins.add_browser(ann, source_of(ann), "")
    await town.people.change(ann.id, COMMAND, role="admin", tier="pro")
    proven = await proofs.credentials.by_cookie(token, HOME)
    assert proven is not None
    assert (proven.actor.tier, proven.actor.scopes) == ("pro", EVERYDAY | {Scope.ADMIN})


async def test_the_owner_is_an_admin(town: Town) -> None:
    owner = await town.people.ensure_owner(COMMAND)
    actor = actor_of(owner)
    assert actor.owner
    assert actor.may(Scope.ADMIN)


async def test_one_kind_of_proof_is_not_another(town: Town, proofs: Proofs) -> None:
    ann = await town.ann()
    cookie, login = await proofs.logins.add_browser(ann, source_of(ann), "")
    pair = await proofs.bearer.issue(ann, source_of(ann), "")
    personal, _ = await proofs.tokens.create(actor_of(ann), "x", [Scope.TERMINALS_READ], source_of(ann))
    for text in (pair.access, pair.refresh, personal, login.id):
        assert await proofs.credentials.by_cookie(text, HOME) is None
    for text in (cookie, pair.refresh, login.id):
        assert await proofs.credentials.by_bearer(text, HOME) is None


@ON_BOTH_ENGINES
async def test_a_disabled_person_has_no_good_proof(town: Town, proofs: Proofs) -> None:
    ann = await town.ann()
    cookie, login = await proofs.logins.add_browser(ann, source_of(ann), "")
    await town.people.change(ann.id, COMMAND, disabled=True)
    assert await proofs.credentials.by_cookie(cookie, HOME) is None
    assert not await proofs.credentials.is_live(login.id)


@ON_BOTH_ENGINES
async def test_a_proof_is_live_until_it_ends_or_runs_out(town: Town, proofs: Proofs, clock: Clock) -> None:
    ann = await town.ann()
    _, ended = await proofs.logins.add_browser(ann, source_of(ann), "")
    _, runs_out = await proofs.logins.add_browser(ann, source_of(ann), "")
    assert await proofs.credentials.is_live(ended.id)
    await proofs.logins.end(ended.id, source_of(ann))
    assert not await proofs.credentials.is_live(ended.id)
    assert await proofs.credentials.is_live(runs_out.id)
    clock.now += Accounts().login_days * DAY
    assert not await proofs.credentials.is_live(runs_out.id)
    assert not await proofs.credentials.is_live(LoginId("never was"))


async def test_a_proxy_names_people_who_are_here(town: Town, proofs: Proofs) -> None:
    ann = await town.ann(email="ann@example.org")
    for name in ("ann", "ANN", "ann@example.org"):
        assert await proofs.credentials.by_proxy(name, HOME) == actor_of(ann)
    await town.people.change(ann.id, COMMAND, disabled=True)
    assert await proofs.credentials.by_proxy("ann", HOME) is None


@ON_BOTH_ENGINES
async def test_a_proxy_names_people_as_they_are_spelled(town: Town, proofs: Proofs) -> None:
    """To a proxy these are others, who may have chosen their names there; nobody else's account is theirs."""
    ann = await town.ann(role="admin", email="strasse@example.org")
    erika = await town.people.create(COMMAND, username="erika", email="m\u00fcller@example.org")
    for name in ("stra\u00dfe@example.org", "\u017ftrasse@example.org", "\uff41nn", "STRA\u1e9eE@example.org"):
        with pytest.raises(NameTaken):
            await proofs.credentials.by_proxy(name, HOME)
    for name in ("m\u00fcller@example.org", "M\u00dcLLER@example.org", "mu\u0308ller@example.org"):
        assert await proofs.credentials.by_proxy(name, HOME) == actor_of(erika)
    assert await proofs.credentials.by_proxy("Strasse@Example.org", HOME) == actor_of(ann)
    assert len(await town.everybody()) == 2


@ON_BOTH_ENGINES
async def test_a_proxy_brings_new_people(town: Town, proofs: Proofs) -> None:
    bob = await proofs.credentials.by_proxy("bob", CAFE)
    again = await proofs.credentials.by_proxy("bob", HOME)
    assert bob is not None
    assert bob == again
    assert (bob.name, bob.scopes, bob.owner) == ("bob", EVERYDAY, False)
    [entry] = await town.trail()
    assert (entry.action, entry.target, entry.user, entry.name, entry.address) == (
        "user.create",
        bob.id,
        None,
        "proxy",
        CAFE,
    )


async def test_a_proxy_brings_people_by_their_addresses(town: Town, proofs: Proofs) -> None:
    await town.ann()
    others = ["ann@example.org", "ann@example.com", "Ann@example.net", "ann@example.org"]
    actors = [await proofs.credentials.by_proxy(name, HOME) for name in others]
    assert [actor.name for actor in actors if actor] == ["ann2", "ann3", "Ann4", "ann2"]
    assert {user.email for user in await town.everybody()} == {
        None,
        "ann@example.org",
        "ann@example.com",
        "Ann@example.net",
    }


async def test_somebody_new_comes_several_times_at_once(town: Town, proofs: Proofs) -> None:
    for name in ("bob", "carol@example.org"):
        actors = await asyncio.gather(*(proofs.credentials.by_proxy(name, HOME) for _ in range(5)))
        assert len({actor.id for actor in actors if actor is not None}) == 1
    assert len(await town.everybody()) == 2


@pytest.mark.parametrize("name", ["a b", "../x", "42", "\0", "x@", "@x", "a\r\nb", "x" * 300])
async def test_a_proxy_names_nobody_who_could_not_be(town: Town, proofs: Proofs, name: str) -> None:
    with pytest.raises(InvalidRequest):
        await proofs.credentials.by_proxy(name, HOME)
    assert await town.everybody() == []

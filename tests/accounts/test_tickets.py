"""Tickets: one use, thirty seconds, and no longer than what they were made from."""

from __future__ import annotations

from typing import Literal

import pytest

from tests.accounts.conftest import Clock
from webterm.access import Actor, Scope
from webterm.accounts.tickets import LIFETIME, MOST, MOST_PER_PERSON, Tickets
from webterm.errors import LimitReached
from webterm.ids import LoginId, ProofId, TokenId, UserId
from webterm.store.changes import Change

ANN = Actor(id=UserId("ann"), name="Ann", scopes=frozenset({Scope.TERMINALS_READ}))
BOB = Actor(id=UserId("bob"), name="Bob")
LOGIN = LoginId("login")


def change(proof: ProofId | None, kind: Literal["ended", "changed"] = "ended", user: UserId = ANN.id) -> Change:
    return Change(number=1, user=user, proof=proof, kind=kind)


def test_a_ticket_is_good_once_and_for_no_more_than_its_proof() -> None:
    tickets = Tickets()
    secret = tickets.issue(ANN, LOGIN)
    used = tickets.use(secret)
    assert used is not None
    assert (used.actor, used.proof) == (ANN, LOGIN)
    assert used.actor.scopes == {Scope.TERMINALS_READ}
    assert tickets.use(secret) is None
    assert tickets.use("") is None
    assert tickets.use("\udcff") is None


def test_a_ticket_runs_out(clock: Clock) -> None:
    tickets = Tickets(clock=clock)
    early, late = tickets.issue(ANN, LOGIN), tickets.issue(ANN, LOGIN)
    clock.now += LIFETIME - 1
    assert tickets.use(early) is not None
    clock.now += 1
    assert tickets.use(late) is None


async def test_a_ticket_ends_with_its_proof() -> None:
    tickets = Tickets()
    one, other = tickets.issue(ANN, LOGIN), tickets.issue(ANN, TokenId("other"))
    await tickets.on_change(change(LOGIN))
    assert tickets.use(one) is None
    assert tickets.use(other) is not None


@pytest.mark.parametrize(("proof", "kind"), [(None, "ended"), (None, "changed")])
async def test_a_ticket_ends_with_the_rights_of_its_person(
    proof: ProofId | None, kind: Literal["ended", "changed"]
) -> None:
    tickets = Tickets()
    anns, hosts, bobs = tickets.issue(ANN, LOGIN), tickets.issue(ANN, None), tickets.issue(BOB, LoginId("bob's"))
    await tickets.on_change(change(proof, kind))
    assert tickets.use(anns) is None
    assert tickets.use(hosts) is None
    assert tickets.use(bobs) is not None


def test_a_host_application_signs_somebody_out() -> None:
    tickets = Tickets()
    anns, bobs = tickets.issue(ANN, None), tickets.issue(BOB, None)
    tickets.revoke_user(ANN.id)
    assert tickets.use(anns) is None
    assert tickets.use(bobs) is not None


def test_unused_tickets_are_bounded(clock: Clock) -> None:
    tickets = Tickets(clock=clock)
    for number in range(MOST):
        tickets.issue(Actor(id=UserId(str(number // MOST_PER_PERSON)), name=""), None)
    with pytest.raises(LimitReached):
        tickets.issue(ANN, LOGIN)
    clock.now += LIFETIME
    assert tickets.issue(ANN, LOGIN)


def test_nobody_uses_up_the_tickets_of_others() -> None:
    tickets = Tickets()
    for _ in range(MOST_PER_PERSON):
        tickets.issue(ANN, LOGIN)
    with pytest.raises(LimitReached):
        tickets.issue(ANN, LOGIN)
    assert tickets.issue(BOB, None)

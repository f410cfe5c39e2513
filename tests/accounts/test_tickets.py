"""Tickets: one use, thirty seconds, and no longer than what they were made from."""

from __future__ import annotations

import pytest

from tests.accounts.test_logins import Clock
from webterm.access import Actor
from webterm.accounts.tickets import LIFETIME, MOST, Tickets
from webterm.errors import LimitReached
from webterm.ids import LoginId, UserId

ANN = Actor(id=UserId("ann"), name="Ann")
LOGIN = LoginId("login")


def test_a_ticket_is_good_once() -> None:
    tickets = Tickets()
    secret = tickets.issue(ANN, LOGIN)
    used = tickets.use(secret)
    assert used is not None
    assert (used.actor, used.login) == (ANN, LOGIN)
    assert tickets.use(secret) is None
    assert tickets.use("") is None


def test_a_ticket_runs_out() -> None:
    clock = Clock()
    tickets = Tickets(clock=clock)
    early, late = tickets.issue(ANN, LOGIN), tickets.issue(ANN, LOGIN)
    clock.now += LIFETIME - 1
    assert tickets.use(early) is not None
    clock.now += 1
    assert tickets.use(late) is None


def test_a_ticket_ends_with_its_login_or_its_person() -> None:
    tickets = Tickets()
    one, other, hosts = (tickets.issue(ANN, login) for login in (LOGIN, LoginId("other"), None))
    tickets.revoke_login(LOGIN)
    assert tickets.use(one) is None
    assert tickets.use(other) is not None
    tickets.revoke_user(ANN.id)
    assert tickets.use(hosts) is None


def test_unused_tickets_are_bounded() -> None:
    clock = Clock()
    tickets = Tickets(clock=clock)
    for _ in range(MOST):
        tickets.issue(ANN, LOGIN)
    with pytest.raises(LimitReached):
        tickets.issue(ANN, LOGIN)
    clock.now += LIFETIME
    assert tickets.issue(ANN, LOGIN)

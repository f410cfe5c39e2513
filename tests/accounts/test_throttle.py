"""The throttle: guessing gets slow, and nobody is locked out by others."""

from __future__ import annotations

import pytest

from tests.accounts.conftest import Clock
from webterm.accounts.throttle import FREE, LONGEST_WAIT, MEMORY, PER_GROUP, WINDOW, Throttle, group_of
from webterm.errors import RateLimited

HOME = "203.0.113.7"
ATTACKER = "198.51.100.66"


@pytest.fixture
def throttle(clock: Clock) -> Throttle:
    return Throttle(clock=clock)


def wait(throttle: Throttle, name: str, address: str, *, known: bool = False) -> float:
    """Seconds until an attempt may be made."""
    try:
        throttle.check(name, address, known=known)
    except RateLimited as refused:
        return refused.retry_after
    return 0


def guess(throttle: Throttle, clock: Clock, name: str, address: str, seconds: float) -> int:
    """Attempts that somebody gets who tries as soon as possible, for so long."""
    end, made = clock.now + seconds, 0
    while (pause := wait(throttle, name, address)) <= end - clock.now:
        clock.now += pause
        throttle.failed(name, address)
        made += 1
    return made


def addresses(count: int) -> list[str]:
    return [f"192.0.{number // 256}.{number % 256}" for number in range(count)]


def test_a_few_mistakes_cost_nothing_and_more_cost_ever_more(throttle: Throttle, clock: Clock) -> None:
    waits = []
    for _ in range(20):
        clock.now += (pause := wait(throttle, "ann", HOME))
        waits.append(pause)
        throttle.failed("ann", HOME)
    assert waits[:FREE] == [0] * FREE
    assert waits[FREE : FREE + 5] == [1, 2, 4, 8, 16]
    assert waits[-1] == LONGEST_WAIT


def test_a_day_of_guessing_gets_a_hundred_guesses(throttle: Throttle, clock: Clock) -> None:
    assert guess(throttle, clock, "ann", ATTACKER, 86_400) <= 120


def test_waiting_is_enough(throttle: Throttle, clock: Clock) -> None:
    for _ in range(FREE + 3):
        throttle.failed("ann", HOME)
    pause = wait(throttle, "ann", HOME)
    clock.now += pause - 0.5
    assert 0 < wait(throttle, "ann", HOME) <= 1
    clock.now += 0.5
    assert wait(throttle, "ann", HOME) == 0


def test_a_right_password_clears_ones_own_mistakes(throttle: Throttle) -> None:
    for _ in range(FREE + 3):
        throttle.failed("ann", HOME)
        throttle.failed("ann", ATTACKER)
    throttle.succeeded("ann", HOME)
    assert wait(throttle, "ann", HOME) == 0
    assert wait(throttle, "ann", ATTACKER) > 0


@pytest.mark.parametrize("spelled", ["ANN", "\uff21nn", "aNn"])
def test_another_spelling_is_the_same_name(throttle: Throttle, spelled: str) -> None:
    for _ in range(FREE):
        throttle.failed("ann", HOME)
    assert wait(throttle, spelled, HOME) > 0


def test_a_stranger_does_not_slow_down_who_has_not_failed(throttle: Throttle, clock: Clock) -> None:
    for address in addresses(1000):
        for _ in range(5):
            throttle.failed("ann", address)
    assert wait(throttle, "ann", HOME, known=True) == 0
    assert wait(throttle, "ann", HOME, known=False) == 0  # travelling, the first attempt is free all the same


def test_where_one_has_signed_in_before_mistakes_stay_free(throttle: Throttle) -> None:
    for address in addresses(1000):
        throttle.failed("ann", address)
    for _ in range(FREE - 1):
        throttle.failed("ann", HOME)
        assert wait(throttle, "ann", HOME, known=True) == 0


def test_many_addresses_get_one_free_guess_each(throttle: Throttle, clock: Clock) -> None:
    for address in addresses(100):
        throttle.failed("ann", address)
    fresh = "198.51.100.1"
    assert wait(throttle, "ann", fresh) == 0
    throttle.failed("ann", fresh)
    assert wait(throttle, "ann", fresh) == 64
    assert guess(throttle, clock, "ann", fresh, 3600) <= 8


def test_the_network_of_an_ipv6_customer_is_one_sender(throttle: Throttle) -> None:
    for number in range(FREE):
        throttle.failed("ann", f"2001:db8:1:2::{number:x}")
    assert wait(throttle, "ann", "2001:db8:1:2:ffff:ffff:ffff:ffff") > 0
    assert wait(throttle, "ann", "2001:db8:1:3::1") == 0


def test_going_through_names_from_one_address_ends_soon(throttle: Throttle, clock: Clock) -> None:
    for number in range(PER_GROUP):
        clock.now += 1
        assert wait(throttle, f"person {number}", ATTACKER) == 0
        throttle.failed(f"person {number}", ATTACKER)
    assert wait(throttle, "one more", ATTACKER) == WINDOW - PER_GROUP + 1
    assert wait(throttle, "one more", ATTACKER, known=True) == 0  # a class in one room: who has been here may go on
    assert wait(throttle, "one more", HOME) == 0
    clock.now += WINDOW - PER_GROUP + 1
    assert wait(throttle, "one more", ATTACKER) == 0


def test_successes_in_between_do_not_reset_an_address(throttle: Throttle) -> None:
    """Or an attacker would sign in to an account of his own after every few guesses."""
    for number in range(PER_GROUP):
        throttle.failed(f"person {number}", ATTACKER)
        throttle.succeeded("mallory", ATTACKER)
    assert wait(throttle, "one more", ATTACKER) > 0


def test_it_forgets_after_a_day(throttle: Throttle, clock: Clock) -> None:
    for _ in range(FREE + 10):
        throttle.failed("ann", HOME)
    clock.now += MEMORY
    throttle.failed("ann", HOME)
    assert wait(throttle, "ann", HOME) == 0


def test_what_it_remembers_is_bounded() -> None:
    throttle = Throttle(clock=Clock(), most=100)
    for _ in range(FREE):
        throttle.failed("first", HOME)
    for number in range(99):
        throttle.failed(f"name {number}", ATTACKER)
    assert wait(throttle, "first", HOME) > 0
    throttle.failed("the last drop", ATTACKER)
    assert wait(throttle, "first", HOME) == 0


@pytest.mark.parametrize(
    ("address", "group"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("local", "local"),
        ("", ""),
    ],
)
def test_who_is_one_sender(address: str, group: str) -> None:
    assert group_of(address) == group

"""Signing in: who is let in, what strangers learn, and what guessing costs."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Callable

import pytest

from tests.accounts.conftest import COMMAND, ON_BOTH_ENGINES, PASSWORD, STRANGER, Clock, Town, town_on
from webterm.access import Source
from webterm.accounts.throttle import FREE, PER_GROUP
from webterm.errors import InvalidRequest, NotSignedIn, RateLimited, WebtermError, WrongPassword
from webterm.ids import LoginId
from webterm.store import logins
from webterm.store.engine import Store
from webterm.store.logins import Login
from webterm.store.users import User


def at(address: str) -> Source:
    return Source(user=None, name="", address=address)


async def outcome(town: Town, name: str, password: str, address: str = STRANGER.address) -> type[WebtermError] | str:
    """What comes of an attempt: an error, or whose it was."""
    try:
        return (await town.signing_in.by_password(name, password, at(address))).username
    except WebtermError as error:
        return type(error)


async def has_been_at(town: Town, user: User, address: str) -> None:
    async with town.store.writing() as conn:
        login = Login(
            id=LoginId(address), user=user.id, kind="browser", created=0, seen=0, expires=2e9, address=address, agent=""
        )
        await logins.add(conn, login)


@ON_BOTH_ENGINES
@pytest.mark.parametrize("name", ["ann", "ANN", "ann@example.com", "Ann@Example.COM", "\uff41nn"])
async def test_by_name_or_address_and_password(town: Town, name: str) -> None:
    user = await town.ann(email="ann@example.com")
    assert await town.signing_in.by_password(name, PASSWORD, STRANGER) == user
    entry = (await town.trail())[-1]
    assert (entry.action, entry.user, entry.target, entry.address) == (
        "login.password",
        user.id,
        user.id,
        STRANGER.address,
    )


@ON_BOTH_ENGINES
async def test_the_same_answer_to_all_who_are_not_let_in(town: Town) -> None:
    await town.ann()
    await town.people.create(COMMAND, username="linked")  # without a password
    gone = await town.ann(username="gone")
    await town.people.change(gone.id, COMMAND, disabled=True)
    answers: set[str] = set()
    for name, password in (
        ("ann", "wrong"), ("ann", ""), ("nobody", PASSWORD), ("gone", PASSWORD), ("linked", PASSWORD), ("linked", ""),
        ("", ""), ("1", PASSWORD), ("%", PASSWORD), ("ann\0", PASSWORD), ("\ud800", "\ud800"), ("ann", PASSWORD + "\0"),
    ):  # fmt: skip
        with pytest.raises(NotSignedIn) as refused:
            await town.signing_in.by_password(name, password, at(f"2001:db8:{len(answers)}::{len(name)}"))
        answers.add(str(refused.value))
    assert len(answers) == 1


@pytest.mark.parametrize(("name", "password"), [("a" * 1_000_000, PASSWORD), ("ann", "a" * 1_000_000)])
async def test_a_megabyte_is_refused_without_work(town: Town, name: str, password: str) -> None:
    await town.ann()
    with pytest.raises(InvalidRequest):
        await town.signing_in.by_password(name, password, STRANGER)
    assert len(await town.trail()) == 1


async def test_what_strangers_type_is_not_in_the_log(town: Town) -> None:
    """People type their password where the name belongs; others type line breaks and escape sequences."""
    user = await town.ann()
    for name in (PASSWORD, "a\r\nforged: line", "\x1b[2J", "ann"):
        await outcome(town, name, "secret-wrong")
    entries = (await town.trail())[1:]
    assert [(entry.action, entry.user, entry.name, entry.target) for entry in entries] == [
        *[("login.failed", None, "", "")] * 3,
        ("login.failed", None, "", user.id),
    ]
    assert not any("secret" in repr(entry) or PASSWORD in repr(entry) or "forged" in repr(entry) for entry in entries)


async def test_an_unknown_name_takes_as_long_as_a_known_one(store: Store) -> None:
    town = town_on(store, Clock(), cost=8)
    await town.ann(username="known")
    gone = await town.ann(username="gone")
    await town.people.change(gone.id, COMMAND, disabled=True)
    await town.people.create(COMMAND, username="linked")
    names = ["known", "nobody", "gone", "linked"]
    spent: dict[str, list[float]] = {name: [] for name in names}
    for number in range(24):
        random.shuffle(names)  # what slows the processor down falls on all
        for name in names:
            town.throttle.succeeded(name, f"192.0.2.{number}")
            started = time.process_time()
            assert await outcome(town, name, "wrong", f"192.0.2.{number}") is NotSignedIn
            spent[name].append(time.process_time() - started)
    await town.passwords.aclose()
    # Time of the processor, since the threads stand back for whatever else runs on this machine.
    typical = {name: statistics.quantiles(times, n=4)[0] for name, times in spent.items()}
    assert max(typical.values()) < 1.2 * min(typical.values()), typical


# guessing


async def test_guessing_one_account_gets_slow_and_its_person_still_comes_in(town: Town, clock: Clock) -> None:
    user = await town.ann()
    await has_been_at(town, user, "203.0.113.7")
    attacker = "198.51.100.1"
    for _ in range(FREE):
        assert await outcome(town, "ann", "guess", attacker) is NotSignedIn
    with pytest.raises(RateLimited) as refused:
        await town.signing_in.by_password("ann", PASSWORD, at(attacker))
    assert refused.value.retry_after == 1
    assert await outcome(town, "ann", PASSWORD, "203.0.113.7") == "ann"  # where she has been before
    assert await outcome(town, "ann", PASSWORD, "192.0.2.50") == "ann"  # and anywhere else
    clock.now += 1
    assert await outcome(town, "ann", PASSWORD, attacker) == "ann"


async def test_a_thousand_addresses_lock_nobody_out(town: Town) -> None:
    user = await town.ann()
    await has_been_at(town, user, "203.0.113.7")
    for number in range(1000):
        for _ in range(FREE):
            town.throttle.failed("ann", f"10.0.{number // 256}.{number % 256}")
    assert await outcome(town, "ann", "mistyped", "203.0.113.7") is NotSignedIn
    assert await outcome(town, "ann", PASSWORD, "203.0.113.7") == "ann"
    assert await outcome(town, "ann", PASSWORD, "192.0.2.50") == "ann"


@pytest.mark.parametrize("address_of", [lambda n: "198.51.100.1", lambda n: f"2001:db8:0:1::{n:x}"])
async def test_going_through_names_from_one_address_ends(town: Town, address_of: Callable[[int], str]) -> None:
    user = await town.ann(username="known")
    await has_been_at(town, user, address_of(500))
    done = [await outcome(town, f"name{number}", "guess", address_of(number)) for number in range(PER_GROUP + 5)]
    assert done == [NotSignedIn] * PER_GROUP + [RateLimited] * 5
    assert await outcome(town, "known", PASSWORD, address_of(501)) == "known"  # others in the same house come in
    assert await outcome(town, "name99", "guess", "192.0.2.99") is NotSignedIn


async def test_names_that_nobody_has_are_slowed_down_alike(town: Town) -> None:
    await town.ann()
    tried: dict[str, list[object]] = {}
    for name, address in (("ann", "198.51.100.1"), ("nobody", "198.51.100.2")):
        tried[name] = [await outcome(town, name, "guess", address) for _ in range(FREE + 2)]
    assert tried["ann"] == tried["nobody"] == [NotSignedIn] * FREE + [RateLimited] * 2


@ON_BOTH_ENGINES
async def test_guessing_all_at_once_gains_nothing(town: Town) -> None:
    await town.ann()
    done = await asyncio.gather(*(outcome(town, "ann", f"guess {number}") for number in range(100)))
    assert done.count(NotSignedIn) <= FREE + 1  # two are at work at a time
    assert done.count(RateLimited) == 100 - done.count(NotSignedIn)


async def test_many_who_know_their_password_come_in_at_once(town: Town) -> None:
    for number in range(40):
        await town.ann(username=f"person{number}")
    done = await asyncio.gather(*(outcome(town, f"person{number}", PASSWORD) for number in range(40)))
    assert done == [f"person{number}" for number in range(40)]


async def test_who_may_not_try_costs_no_work_and_no_entry(town: Town) -> None:
    await town.ann()
    for _ in range(FREE):
        await outcome(town, "ann", "guess")
    before = len(await town.trail())
    for _ in range(20):
        assert await outcome(town, "ann", "guess") is RateLimited
    assert len(await town.trail()) == before


# links


@pytest.fixture
def linked(town: Town) -> Town:
    """Where one link can be used."""
    town.links.add("good")
    return town


async def test_the_first_link_makes_the_owner(linked: Town) -> None:
    owner = await linked.signing_in.by_link("good", STRANGER)
    assert (owner.owner, owner.role, owner.password) == (True, "admin", None)
    assert [entry.action for entry in await linked.trail()] == ["user.owner", "login.link"]
    with pytest.raises(NotSignedIn):
        await linked.signing_in.by_link("good", STRANGER)
    linked.links.add("another")
    assert await linked.signing_in.by_link("another", STRANGER) == owner


async def test_wrong_links_make_nobody_and_slow_nobody_down(linked: Town) -> None:
    for number in range(100):
        with pytest.raises(NotSignedIn):
            await linked.signing_in.by_link(f"wrong {number}", STRANGER)
    assert await linked.everybody() == []
    assert (await linked.signing_in.by_link("good", STRANGER)).owner


# one's own password


async def test_changing_ones_password_asks_for_the_current_one(town: Town) -> None:
    user = await town.ann()
    by = Source(user=user.id, name="ann", address="192.0.2.1")
    with pytest.raises(InvalidRequest, match="current"):
        await town.signing_in.change_password(user.id, None, "another good one", by, keep=None)
    with pytest.raises(WrongPassword):
        await town.signing_in.change_password(user.id, "wrong", "another good one", by, keep=None)
    with pytest.raises(InvalidRequest, match="at least"):
        await town.signing_in.change_password(user.id, PASSWORD, "short", by, keep=None)
    await town.signing_in.change_password(user.id, PASSWORD, "another good one", by, keep=None)
    assert await outcome(town, "ann", PASSWORD) is NotSignedIn
    assert await outcome(town, "ann", "another good one") == "ann"


async def test_whoever_finds_a_browser_signed_in_cannot_guess_for_long(town: Town) -> None:
    user = await town.ann()
    by = Source(user=user.id, name="ann", address="192.0.2.1")
    for _ in range(FREE):
        with pytest.raises(WrongPassword):
            await town.signing_in.change_password(user.id, "wrong", "another good one", by, keep=None)
    with pytest.raises(RateLimited):
        await town.signing_in.change_password(user.id, PASSWORD, "another good one", by, keep=None)
    assert await outcome(town, "ann", PASSWORD, "203.0.113.7") == "ann"


async def test_the_owners_first_password_needs_no_other(linked: Town) -> None:
    owner = await linked.signing_in.by_link("good", STRANGER)
    by = Source(user=owner.id, name=owner.username, address="192.0.2.1")
    await linked.signing_in.change_password(owner.id, None, "the first good one", by, keep=None)
    assert await outcome(linked, owner.username, "the first good one") == owner.username
    with pytest.raises(InvalidRequest, match="current"):
        await linked.signing_in.change_password(owner.id, None, "the second good one", by, keep=None)

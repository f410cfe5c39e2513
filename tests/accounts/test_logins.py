"""Logins: what lasts, what runs out, what makes room, and what is told about it."""

from __future__ import annotations

import pytest

from tests.accounts.conftest import COMMAND, ON_BOTH_ENGINES, Clock, Town
from tests.accounts.proofs import CAFE, HOME, Proofs, proofs_on, source_of
from webterm.accounts.logins import DAY, FRESH, LONGEST_AGENT, MOST, id_of, known_addresses
from webterm.errors import NoSuchLogin, NotSignedIn
from webterm.ids import LoginId
from webterm.settings_accounts import Accounts
from webterm.store import logins as stored
from webterm.store.logins import Login

LIFETIME = Accounts().login_days * DAY


@pytest.fixture
def proofs(town: Town, clock: Clock) -> Proofs:
    return proofs_on(town, clock)


async def in_store(town: Town, login: LoginId) -> Login | None:
    async with town.store.reading() as conn:
        return await stored.by_id(conn, login)


async def test_the_store_has_no_token(town: Town, proofs: Proofs, clock: Clock) -> None:
    ann = await town.ann()
    token, login = await proofs.logins.add_browser(ann, source_of(ann), "Firefox")
    assert len(token) == 43
    assert login.id == id_of(token)
    assert await in_store(town, login.id) == login
    assert (login.user, login.kind, login.address, login.agent) == (ann.id, "browser", HOME, "Firefox")
    assert login.expires == clock.now + LIFETIME
    assert token not in repr(login)


async def test_every_login_has_a_token_of_its_own(town: Town, proofs: Proofs) -> None:
    ann = await town.ann()
    tokens = {(await proofs.logins.add_browser(ann, source_of(ann), ""))[0] for _ in range(5)}
    assert len(tokens) == 5


@ON_BOTH_ENGINES
async def test_use_makes_a_login_last(town: Town, proofs: Proofs, clock: Clock) -> None:
    ann = await town.ann()
    token, used = await proofs.logins.add_browser(ann, source_of(ann), "")
    forgotten, _ = await proofs.logins.add_browser(ann, source_of(ann), "")
    clock.now += LIFETIME - 1
    assert await proofs.credentials.by_cookie(token, CAFE) is not None
    clock.now += 1
    assert await proofs.credentials.by_cookie(token, HOME) is not None
    assert await proofs.credentials.by_cookie(forgotten, HOME) is None
    assert [login.id for login in await proofs.logins.of_user(ann.id)] == [used.id]
    clock.now += LIFETIME - 1
    assert await proofs.credentials.by_cookie(token, HOME) is None


@ON_BOTH_ENGINES
async def test_use_is_noted_once_an_hour(town: Town, proofs: Proofs, clock: Clock) -> None:
    ann = await town.ann()
    token, login = await proofs.logins.add_browser(ann, source_of(ann), "")
    clock.now += FRESH
    await proofs.credentials.by_cookie(token, CAFE)
    assert await in_store(town, login.id) == login
    clock.now += 1
    await proofs.credentials.by_cookie(token, CAFE)
    noted = await in_store(town, login.id)
    assert noted is not None
    assert (noted.seen, noted.expires, noted.address) == (clock.now, clock.now + LIFETIME, CAFE)
    async with town.store.reading() as conn:
        assert await known_addresses(conn, ann.id) == {CAFE}


async def test_touching_an_ended_login_does_not_bring_it_back(town: Town, proofs: Proofs, clock: Clock) -> None:
    ann = await town.ann()
    _, login = await proofs.logins.add_browser(ann, source_of(ann), "")
    await proofs.logins.end(login.id, source_of(ann))
    clock.now += FRESH + 1
    await proofs.logins.touch(login, HOME)
    assert await in_store(town, login.id) is None


@ON_BOTH_ENGINES
async def test_ending_one(town: Town, proofs: Proofs) -> None:
    ann = await town.ann()
    token, login = await proofs.logins.add_browser(ann, source_of(ann), "")
    other, _ = await proofs.logins.add_browser(ann, source_of(ann), "")
    await proofs.logins.end(login.id, source_of(ann))
    assert await proofs.credentials.by_cookie(token, HOME) is None
    assert await proofs.credentials.by_cookie(other, HOME) is not None
    assert [(change.user, change.proof, change.kind) for change in await town.changes()] == [
        (ann.id, login.id, "ended")
    ]
    last = (await town.trail())[-1]
    assert (last.action, last.target, last.user, last.address) == ("login.end", login.id, ann.id, HOME)
    with pytest.raises(NoSuchLogin):
        await proofs.logins.end(login.id, source_of(ann))


async def test_nobody_ends_the_logins_of_others(town: Town, proofs: Proofs) -> None:
    ann, bob = await town.ann(), await town.ann(username="bob")
    token, login = await proofs.logins.add_browser(ann, source_of(ann), "")
    for by in (source_of(bob), COMMAND):
        with pytest.raises(NoSuchLogin):
            await proofs.logins.end(login.id, by)
    await proofs.logins.end_all(bob.id, source_of(bob))
    assert await proofs.credentials.by_cookie(token, HOME) is not None
    assert await town.changes() == []


@ON_BOTH_ENGINES
async def test_ending_all_but_one(town: Town, proofs: Proofs) -> None:
    ann = await town.ann()
    added = [await proofs.logins.add_browser(ann, source_of(ann), "") for _ in range(3)]
    pair = await proofs.bearer.issue(ann, source_of(ann), "")
    kept = added[1][1].id
    ended = await proofs.logins.end_all(ann.id, source_of(ann), keep=kept)
    assert [login.id for login in await proofs.logins.of_user(ann.id)] == [kept]
    assert {change.proof for change in await town.changes()} == set(ended)
    assert len(ended) == 3
    assert await proofs.credentials.by_bearer(pair.access, HOME) is None
    assert await proofs.logins.end_all(ann.id, source_of(ann)) == [kept]


@pytest.mark.parametrize("kind", ["browser", "api"])
async def test_the_longest_unused_makes_room(town: Town, proofs: Proofs, clock: Clock, kind: str) -> None:
    ann = await town.ann()
    _, browser = await proofs.logins.add_browser(ann, source_of(ann), "")
    await proofs.bearer.issue(ann, source_of(ann), "")
    for _ in range(MOST):
        clock.now += 1
        if kind == "browser":
            await proofs.logins.add_browser(ann, source_of(ann), "")
        else:
            await proofs.bearer.issue(ann, source_of(ann), "")
    found = await proofs.logins.of_user(ann.id)
    assert len(found) == MOST + 1, "the other kind does not count"
    assert (browser.id in {login.id for login in found}) == (kind == "api")
    assert [change.kind for change in await town.changes()] == ["ended"]


@ON_BOTH_ENGINES
@pytest.mark.parametrize("what", ["password", "disabled", "removed"])
async def test_a_slow_sign_in_does_not_survive_what_ended_all_others(town: Town, proofs: Proofs, what: str) -> None:
    ann = await town.ann()
    if what == "password":
        await town.people.change(ann.id, COMMAND, password="another good battery")
    elif what == "disabled":
        await town.people.change(ann.id, COMMAND, disabled=True)
    else:
        await town.people.delete(ann.id, COMMAND)
    with pytest.raises(NotSignedIn):
        await proofs.logins.add_browser(ann, source_of(ann), "")
    with pytest.raises(NotSignedIn):
        await proofs.bearer.issue(ann, source_of(ann), "")
    assert await proofs.logins.of_user(ann.id) == []


@ON_BOTH_ENGINES
@pytest.mark.parametrize(
    ("agent", "kept"),
    [
        ("Mozilla/5.0 (X11; Linux)", "Mozilla/5.0 (X11; Linux)"),
        ("\x1b]0;root\x07curl\r\nx", "]0;rootcurlx"),
        ("a\u202eb\u200bc\0d", "abcd"),
        ("x" * 10_000, "x" * LONGEST_AGENT),
        ("\udcff", ""),
    ],
)
async def test_what_a_client_says_it_is_can_be_shown(town: Town, proofs: Proofs, agent: str, kept: str) -> None:
    ann = await town.ann()
    _, login = await proofs.logins.add_browser(ann, source_of(ann), agent)
    assert login.agent == kept
    assert await in_store(town, login.id) == login


@ON_BOTH_ENGINES
async def test_strange_tokens_are_nobodys(town: Town, proofs: Proofs) -> None:
    for token in ("", "x" * 100_000, "\udcff", "\0", "../secret.key"):
        assert await proofs.credentials.by_cookie(token, HOME) is None

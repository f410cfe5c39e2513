"""Changes of rights reach every server: all of them, once, in order, soon, and whatever else goes wrong."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from tests.accounts.conftest import COMMAND, ON_BOTH_ENGINES, Clock, Town
from tests.accounts.proofs import HOME, proofs_on, source_of
from tests.pace import within
from tests.store.postgres import Cluster
from webterm.access import Scope
from webterm.accounts.actors import actor_of
from webterm.accounts.logins import DAY
from webterm.accounts.rights import EXPIRY, Rights
from webterm.errors import NotSignedIn, StoreUnavailable
from webterm.ids import LoginId, UserId
from webterm.settings_accounts import Accounts
from webterm.store import changes, tokens
from webterm.store.changes import Change
from webterm.store.engine import Store
from webterm.store.following import KEPT, PRUNING

ANN = UserId("ann")
NEVER = 3600.0


class Heard:
    """What a subscriber has been told."""

    def __init__(self) -> None:
        self.changes: asyncio.Queue[Change] = asyncio.Queue()

    async def __call__(self, change: Change) -> None:
        self.changes.put_nowait(change)

    async def next(self) -> Change:
        async with asyncio.timeout(30):
            return await self.changes.get()

    async def proofs(self, count: int) -> list[str | None]:
        return [(await self.next()).proof for _ in range(count)]


@asynccontextmanager
async def listening(rights: Rights) -> AsyncIterator[Heard]:
    heard = Heard()
    rights.subscribe(heard)
    await rights.start()
    try:
        yield heard
    finally:
        await rights.aclose()
    assert heard.changes.empty(), "nothing is told twice"


async def note(store: Store, proof: str, now: float | None = None) -> None:
    async with store.writing() as conn:
        await changes.note(conn, ANN, LoginId(proof), "ended", time.time() if now is None else now)


@ON_BOTH_ENGINES
async def test_another_server_hears_of_it_within_a_second(store: Store, url: str) -> None:
    other = Store(url)
    await other.open()
    try:
        async with listening(Rights(store)) as heard:
            for number in range(3):
                await note(other, str(number))
                async with within(1):
                    assert (await heard.next()).proof == str(number)
    finally:
        await other.aclose()


@ON_BOTH_ENGINES
async def test_a_poke_makes_it_look_at_once(store: Store) -> None:
    async with listening(rights := Rights(store, interval=NEVER)) as heard:
        for number in range(3):
            await note(store, str(number))
            rights.poke()
            assert (await heard.next()).proof == str(number)


async def test_rules_poke(town: Town, clock: Clock) -> None:
    proofs = proofs_on(town, clock, interval=NEVER)
    ann = await town.ann()
    async with listening(proofs.rights) as heard:
        _, first = await proofs.logins.add_browser(ann, source_of(ann), "")
        await proofs.logins.end(first.id, source_of(ann))
        assert await heard.next() == Change(number=1, user=ann.id, proof=first.id, kind="ended")
        _, second = await proofs.logins.add_browser(ann, source_of(ann), "")
        await proofs.logins.end_all(ann.id, source_of(ann))
        assert (await heard.next()).proof == second.id
        _, token = await proofs.tokens.create(actor_of(ann), "x", [Scope.TERMINALS_READ], source_of(ann))
        await proofs.tokens.revoke(token.id, source_of(ann))
        assert (await heard.next()).proof == token.id
        pair = await proofs.bearer.issue(ann, source_of(ann), "")
        await proofs.bearer.refresh(pair.refresh, HOME)
        with pytest.raises(NotSignedIn, match="used"):
            await proofs.bearer.refresh(pair.refresh, HOME)
        assert (await heard.next()).kind == "ended"


@ON_BOTH_ENGINES
async def test_what_many_write_arrives_once_and_in_order_everywhere(store: Store, url: str) -> None:
    other = Store(url)
    await other.open()

    async def write(into: Store, name: str) -> None:
        for number in range(10):
            await note(into, f"{name}{number}")

    try:
        async with listening(Rights(store)) as here, listening(Rights(other)) as there:
            await asyncio.gather(write(store, "a"), write(other, "b"), write(store, "c"), write(other, "d"))
            told_here, told_there = await here.proofs(40), await there.proofs(40)
        assert told_here == told_there
        assert len(set(told_here)) == 40
        for name in "abcd":
            own = [proof for proof in told_here if proof is not None and proof[0] == name]
            assert own == [f"{name}{number}" for number in range(10)]
    finally:
        await other.aclose()


async def test_old_changes_are_old(store: Store) -> None:
    await note(store, "before")
    async with listening(Rights(store)) as heard:
        await note(store, "after")
        assert (await heard.next()).proof == "after"


async def test_a_subscriber_that_fails_keeps_nobody_from_being_told(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    async def fails(change: Change) -> None:
        raise ValueError("broken")

    rights = Rights(store)
    rights.subscribe(fails)
    async with listening(rights) as heard:
        await note(store, "one")
        await note(store, "two")
        assert await heard.proofs(2) == ["one", "two"]
    failures = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(failures) == 2
    assert failures[0].exc_info is not None


@pytest.mark.postgres
async def test_a_database_that_is_away_for_a_while(own_cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is lost, and the log has one line about it and not thousands."""
    store = Store(own_cluster.url())
    await store.open()
    async with listening(Rights(store, interval=0.01)) as heard:
        await note(store, "one")
        assert (await heard.next()).proof == "one"
        await asyncio.to_thread(own_cluster.stop)
        await until(lambda: bool(_warnings(caplog)))
        await asyncio.to_thread(own_cluster.start)
        await note_when_it_answers(store, "two")
        await note(store, "three")
        assert await heard.proofs(2) == ["two", "three"]
    told = _warnings(caplog)
    assert 1 <= len(told) <= 4, "one for looking and one for the chores, and once more while it starts"
    await store.aclose()


async def note_when_it_answers(store: Store, proof: str) -> None:
    """Try until it works: the database has just been started."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await note(store, proof)
            except StoreUnavailable:
                await asyncio.sleep(0.05)


async def until(fact: Callable[[], bool]) -> None:
    """Ask again until it is so. Nothing tells when: it is a line of the log."""
    async with asyncio.timeout(30):
        while not fact():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def forgotten(town: Town) -> None:
    """Wait until the store has the newest change alone."""
    async with asyncio.timeout(30):
        while len(await town.changes()) > 1:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def _warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelno == logging.WARNING]


@ON_BOTH_ENGINES
async def test_what_runs_out_is_ended(town: Town, clock: Clock) -> None:
    proofs = proofs_on(town, clock, interval=0.01)
    ann = await town.ann()
    _, login = await proofs.logins.add_browser(ann, source_of(ann), "")
    give = (actor_of(ann), "x", [Scope.TERMINALS_READ], source_of(ann))
    _, token = await proofs.tokens.create(*give, days=Accounts().login_days)
    _, lasting = await proofs.tokens.create(*give)
    async with listening(proofs.rights) as heard:
        clock.now += Accounts().login_days * DAY + EXPIRY
        assert set(await heard.proofs(2)) == {login.id, token.id}
    assert await proofs.logins.of_user(ann.id) == []
    async with town.store.reading() as conn:
        assert [left.id for left in await tokens.of_user(conn, ann.id)] == [lasting.id]
    assert {entry.action for entry in await town.trail()} == {"user.create", "token.create"}


async def test_old_changes_are_forgotten(town: Town, clock: Clock) -> None:
    for number in range(3):
        await note(town.store, str(number), clock.now)
    async with listening(Rights(town.store, clock=clock, interval=0.01)) as heard:
        clock.now += KEPT + PRUNING
        await note(town.store, "new", clock.now)
        assert (await heard.next()).proof == "new"
        await forgotten(town)
        await note(town.store, "newer", clock.now)
        assert (await heard.next()).proof == "newer"


async def test_chores_go_on_when_the_clock_is_set_back(town: Town, clock: Clock) -> None:
    proofs = proofs_on(town, clock, interval=0.01)
    ann = await town.ann()
    async with listening(proofs.rights) as heard:
        clock.now -= 10 * DAY
        _, login = await proofs.logins.add_browser(ann, source_of(ann), "")
        clock.now += Accounts().login_days * DAY
        assert (await heard.next()).proof == login.id


async def test_stopping(store: Store) -> None:
    rights = Rights(store)
    rights.poke()
    await rights.aclose()
    await rights.start()
    await rights.aclose()
    await rights.aclose()
    rights.poke()


async def test_stopping_at_the_moment_of_a_poke(store: Store) -> None:
    """Whichever of the two comes first, and by however little."""
    for steps in range(30):
        async with asyncio.timeout(30), listening(rights := Rights(store, interval=NEVER)) as heard:
            await note(store, "seen")
            rights.poke()
            await heard.next()
            for _ in range(5):
                await asyncio.sleep(0)  # it has looked, and waits
            rights.poke()
            for _ in range(steps // 3):
                await asyncio.sleep(0)


async def test_a_store_that_does_not_answer_is_told_at_the_start(store: Store) -> None:
    await store.aclose()
    with pytest.raises(StoreUnavailable):
        await Rights(store).start()


@ON_BOTH_ENGINES
async def test_changes_of_people_are_told(town: Town, store: Store) -> None:
    ann = await town.ann()
    async with listening(Rights(store)) as heard:
        await town.people.change(ann.id, COMMAND, role="admin")
        assert (await heard.next()).kind == "changed"
        await town.people.change(ann.id, COMMAND, disabled=True)
        change = await heard.next()
        assert (change.user, change.proof, change.kind) == (ann.id, None, "ended")

"""Personal access tokens: shown once, good for what they say and no more than their person is."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from tests.accounts.conftest import COMMAND, ON_BOTH_ENGINES, Clock, Town
from tests.accounts.proofs import CAFE, HOME, Proofs, proofs_on, source_of
from webterm.access import Scope
from webterm.accounts.actors import actor_of
from webterm.accounts.logins import DAY, FRESH
from webterm.accounts.secret_texts import hash_of
from webterm.accounts.tokens import MOST, Token
from webterm.errors import InvalidRequest, LimitReached, MissingScope, NoSuchToken, NotSignedIn
from webterm.store import tokens
from webterm.store.users import User

READ, WRITE = Scope.TERMINALS_READ, Scope.TERMINALS_WRITE


@pytest.fixture
def proofs(town: Town, clock: Clock) -> Proofs:
    return proofs_on(town, clock)


@pytest.fixture
async def ann(town: Town) -> User:
    return await town.ann()


async def create(
    proofs: Proofs,
    user: User,
    scopes: Collection[Scope] = (READ, WRITE),
    *,
    name: str = "backup",
    days: int | None = None,
) -> tuple[str, Token]:
    return await proofs.tokens.create(actor_of(user), name, scopes, source_of(user), days=days)


async def scopes_of(proofs: Proofs, text: str) -> set[Scope] | None:
    """What a token is good for; None: nothing."""
    proven = await proofs.credentials.by_bearer(text, HOME)
    return None if proven is None else set(proven.actor.scopes)


@ON_BOTH_ENGINES
async def test_a_token_proves_who_one_is(town: Town, proofs: Proofs, ann: User) -> None:
    text, token = await create(proofs, ann, [READ])
    assert text.startswith("wt_")
    assert len(text) == 3 + 43
    assert text not in repr(token)
    proven = await proofs.credentials.by_bearer(text, HOME)
    assert proven is not None
    assert (proven.actor.id, proven.proof, proven.kind) == (ann.id, token.id, "personal")
    assert proven.actor.scopes == {READ}
    async with town.store.reading() as conn:
        assert (await tokens.by_hash(conn, hash_of(text))) is not None
    assert [kept.id for kept in await proofs.tokens.of_user(ann.id)] == [token.id]
    last = (await town.trail())[-1]
    assert (last.action, last.target, last.user) == ("token.create", token.id, ann.id)


async def test_a_token_never_touches_the_account(proofs: Proofs, ann: User) -> None:
    for scopes in ([Scope.ACCOUNT], [READ, Scope.ACCOUNT], []):
        with pytest.raises(InvalidRequest):
            await create(proofs, ann, scopes)
    text, _ = await create(proofs, ann, [READ, WRITE])
    assert await scopes_of(proofs, text) == {READ, WRITE}


async def test_nobody_gives_what_they_have_not(town: Town, proofs: Proofs, ann: User) -> None:
    with pytest.raises(MissingScope):
        await create(proofs, ann, [READ, Scope.ADMIN])
    limited = actor_of(ann, frozenset({READ}))
    with pytest.raises(MissingScope):
        await proofs.tokens.create(limited, "x", [WRITE], source_of(ann))
    boss = await town.ann(username="boss", role="admin")
    text, _ = await create(proofs, boss, [Scope.ADMIN])
    assert await scopes_of(proofs, text) == {Scope.ADMIN}


async def test_who_is_no_longer_admin_has_no_admins_token(town: Town, proofs: Proofs) -> None:
    boss = await town.ann(username="boss", role="admin")
    text, _ = await create(proofs, boss, [READ, Scope.ADMIN])
    await town.people.change(boss.id, COMMAND, role="user")
    assert await scopes_of(proofs, text) == {READ}


async def test_a_token_runs_out(proofs: Proofs, ann: User, clock: Clock) -> None:
    text, token = await create(proofs, ann, days=7)
    lasting, _ = await create(proofs, ann)
    assert token.expires == clock.now + 7 * DAY
    clock.now += 7 * DAY - 1
    assert await scopes_of(proofs, text) is not None
    assert await proofs.credentials.is_live(token.id)
    clock.now += 1
    assert await scopes_of(proofs, text) is None
    assert not await proofs.credentials.is_live(token.id)
    clock.now += 3650 * DAY
    assert await scopes_of(proofs, lasting) is not None
    assert len(await proofs.tokens.of_user(ann.id)) == 1


@ON_BOTH_ENGINES
async def test_a_revoked_token(town: Town, proofs: Proofs, ann: User) -> None:
    text, token = await create(proofs, ann)
    other, _ = await create(proofs, ann)
    await proofs.tokens.revoke(token.id, source_of(ann, CAFE))
    assert await scopes_of(proofs, text) is None
    assert await scopes_of(proofs, other) is not None
    assert not await proofs.credentials.is_live(token.id)
    [change] = await town.changes()
    assert (change.user, change.proof, change.kind) == (ann.id, token.id, "ended")
    last = (await town.trail())[-1]
    assert (last.action, last.target, last.address) == ("token.revoke", token.id, CAFE)
    with pytest.raises(NoSuchToken):
        await proofs.tokens.revoke(token.id, source_of(ann))


async def test_nobody_sees_or_revokes_the_tokens_of_others(town: Town, proofs: Proofs, ann: User) -> None:
    text, token = await create(proofs, ann)
    bob = await town.ann(username="bob")
    assert await proofs.tokens.of_user(bob.id) == []
    with pytest.raises(NoSuchToken):
        await proofs.tokens.revoke(token.id, source_of(bob))
    assert await scopes_of(proofs, text) is not None


async def test_a_token_ends_with_its_person_and_not_with_a_password(town: Town, proofs: Proofs, ann: User) -> None:
    text, token = await create(proofs, ann)
    await proofs.logins.end_all(ann.id, source_of(ann))
    assert await scopes_of(proofs, text) is not None
    await town.people.change(ann.id, COMMAND, disabled=True)
    assert await scopes_of(proofs, text) is None
    assert not await proofs.credentials.is_live(token.id)
    await town.people.change(ann.id, COMMAND, disabled=False)
    assert await scopes_of(proofs, text) is not None
    await town.people.delete(ann.id, COMMAND)
    assert await scopes_of(proofs, text) is None
    with pytest.raises(NotSignedIn):
        await create(proofs, ann)


async def test_use_is_noted_once_an_hour(proofs: Proofs, ann: User, clock: Clock) -> None:
    text, token = await create(proofs, ann)
    assert token.seen is None
    seen = []
    for pause in (1.0, FRESH, 1.0):
        clock.now += pause
        await scopes_of(proofs, text)
        seen.append((await proofs.tokens.of_user(ann.id))[0].seen)
    assert seen == [clock.now - FRESH - 1, clock.now - FRESH - 1, clock.now]


async def test_tokens_are_bounded(proofs: Proofs, ann: User, clock: Clock) -> None:
    for _ in range(MOST):
        await create(proofs, ann, days=1)
    with pytest.raises(LimitReached):
        await create(proofs, ann)
    clock.now += DAY
    assert await create(proofs, ann), "what has run out does not count"


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "\x1b[31m", "a\u202eb", "\udcff"])
async def test_a_name_can_be_shown(proofs: Proofs, ann: User, name: str) -> None:
    with pytest.raises(InvalidRequest):
        await create(proofs, ann, name=name)


@pytest.mark.parametrize("text", ["wt_", "wt_x", "wt_\udcff", "wt_\0", "wt_" + "x" * 100_000])
async def test_an_unknown_token(proofs: Proofs, ann: User, text: str) -> None:
    known, _ = await create(proofs, ann)
    assert await scopes_of(proofs, text) is None
    assert await scopes_of(proofs, known + "x") is None
    assert await scopes_of(proofs, known.upper()) is None

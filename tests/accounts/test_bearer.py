"""Access tokens that others make or bend, refresh tokens that come twice."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from tests.accounts.conftest import COMMAND, ON_BOTH_ENGINES, Clock, Town
from tests.accounts.proofs import CAFE, HOME, KEYS, Proofs, proofs_on, source_of
from webterm.accounts.bearer import LEEWAY, LONGEST, PURPOSE, TokenPair
from webterm.accounts.keys import Keys
from webterm.accounts.logins import DAY
from webterm.accounts.secret_texts import hash_of
from webterm.errors import NotSignedIn
from webterm.settings_accounts import Accounts
from webterm.store import refreshes
from webterm.store.engine import Store
from webterm.store.users import User

MINUTES = Accounts().access_minutes * 60
REFRESH_DAYS = Accounts().refresh_days * DAY
CLAIMS = {"sub", "id", "email", "username", "tier", "type", "iat", "exp", "jti"}


@pytest.fixture
def proofs(town: Town, clock: Clock) -> Proofs:
    return proofs_on(town, clock)


@pytest.fixture
async def ann(town: Town) -> User:
    return await town.ann(email="ann@example.org")


@pytest.fixture
async def pair(proofs: Proofs, ann: User) -> TokenPair:
    return await proofs.bearer.issue(ann, source_of(ann), "laptop")


def content(token: str) -> dict[str, Any]:
    """The claims, as anybody can read them."""
    payload = token.split(".")[1]
    found = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert isinstance(found, dict)
    return found


def signed(claims: dict[str, Any], keys: Keys = KEYS, algorithm: str = "HS256") -> str:
    return jwt.encode(claims, keys.key(PURPOSE), algorithm=algorithm)


async def holds(proofs: Proofs, token: str) -> bool:
    return await proofs.credentials.by_bearer(token, HOME) is not None


@ON_BOTH_ENGINES
async def test_what_a_token_says(proofs: Proofs, ann: User, pair: TokenPair, clock: Clock) -> None:
    claims = content(pair.access)
    assert claims.keys() == CLAIMS
    assert claims["sub"] == claims["id"] == ann.id
    assert (claims["email"], claims["username"], claims["tier"]) == ("ann@example.org", "ann", "free")
    assert (claims["type"], claims["iat"], claims["exp"]) == ("access", clock.now, clock.now + MINUTES)
    assert pair.expires_in == MINUTES
    [login] = await proofs.logins.of_user(ann.id)
    assert claims["jti"].startswith(f"{login.id}.")
    assert (login.kind, login.agent, login.address) == ("api", "laptop", HOME)
    proven = await proofs.credentials.by_bearer(pair.access, HOME)
    assert proven is not None
    assert (proven.actor.id, proven.proof, proven.kind) == (ann.id, login.id, "api")


async def test_a_person_without_an_e_mail_address(town: Town, proofs: Proofs) -> None:
    bob = await town.ann(username="bob")
    pair = await proofs.bearer.issue(bob, source_of(bob), "")
    assert content(pair.access)["email"] is None
    assert await holds(proofs, pair.access)


async def test_no_two_tokens_are_alike(proofs: Proofs, ann: User, pair: TokenPair) -> None:
    other = await proofs.bearer.issue(ann, source_of(ann), "laptop")
    assert other.access != pair.access
    assert other.refresh != pair.refresh
    assert len(await proofs.logins.of_user(ann.id)) == 2


async def test_an_access_token_runs_out(proofs: Proofs, pair: TokenPair, clock: Clock) -> None:
    clock.now += MINUTES + LEEWAY - 1
    assert await holds(proofs, pair.access)
    clock.now += 1
    assert not await holds(proofs, pair.access)


async def test_a_clock_that_is_a_little_behind_is_forgiven(proofs: Proofs, pair: TokenPair, clock: Clock) -> None:
    clock.now -= LEEWAY
    assert await holds(proofs, pair.access)
    clock.now -= 1
    assert not await holds(proofs, pair.access)


def unsigned(token: str) -> str:
    return jwt.encode(content(token), None, algorithm="none")  # type: ignore[arg-type] # the library takes no key here


def stripped(token: str) -> str:
    return token.rpartition(".")[0] + "."


def with_another_key(token: str) -> str:
    return signed(content(token), Keys(b"\1" * 32))


def with_the_key_of_another_purpose(token: str) -> str:
    return jwt.encode(content(token), KEYS.key("password pepper"), algorithm="HS256")


def with_another_hash(token: str) -> str:
    key = KEYS.key(PURPOSE) * 2  # long enough for the library not to warn
    return jwt.encode(content(token), key, algorithm="HS512")


def by_rsa(token: str) -> str:
    key = generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return jwt.encode(content(token), pem, algorithm="RS256")


def with_other_content(token: str) -> str:
    head, _, signature = token.split(".")
    claims = json.dumps(content(token) | {"tier": "enterprise"}).encode()
    return f"{head}.{base64.urlsafe_b64encode(claims).rstrip(b'=').decode()}.{signature}"


def with_a_deep_header(token: str) -> str:
    return base64.urlsafe_b64encode(b"[" * (LONGEST // 2)).rstrip(b"=").decode() + ".e30.e30"


def with_a_bit_flipped(token: str) -> str:
    head, _, signature = token.rpartition(".")
    return f"{head}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"


@pytest.mark.parametrize(
    "forge",
    [
        unsigned,
        stripped,
        with_another_key,
        with_the_key_of_another_purpose,
        with_another_hash,
        by_rsa,
        with_other_content,
        with_a_deep_header,
        with_a_bit_flipped,
        lambda token: token + ".",
        lambda token: token[:-1],
        lambda token: token.partition(".")[2],
        lambda token: "",
        lambda token: "." * 3,
        lambda token: token + "=" * LONGEST,
        lambda token: "\udcff\0",
    ],
)
async def test_a_forged_token_is_nobodys(proofs: Proofs, pair: TokenPair, forge: Callable[[str], str]) -> None:
    assert await holds(proofs, pair.access)
    assert not await holds(proofs, forge(pair.access))


@pytest.mark.parametrize("claim", sorted(CLAIMS))
async def test_every_claim_is_needed(proofs: Proofs, pair: TokenPair, claim: str) -> None:
    claims = content(pair.access)
    del claims[claim]
    assert not await holds(proofs, signed(claims))


@pytest.mark.parametrize(
    "other",
    [
        {"type": "refresh"},
        {"type": ["access"]},
        {"sub": 7},
        {"sub": "somebody else"},
        {"jti": "no such login.x"},
        {"jti": ""},
        {"jti": 7},
        {"exp": "9999999999"},
        {"exp": None},
        {"exp": 1e400},
        {"exp": 0},
        {"iat": 9999999999},
        {"iat": -1e400},
        {"iat": [1]},
        {"username": None},
    ],
)
async def test_claims_have_their_types_and_values(proofs: Proofs, pair: TokenPair, other: dict[str, Any]) -> None:
    """Even under our own signature."""
    assert await holds(proofs, signed(content(pair.access)))
    assert not await holds(proofs, signed(content(pair.access) | other))


async def test_a_browsers_login_is_not_one_of_an_access_token(proofs: Proofs, ann: User, pair: TokenPair) -> None:
    _, browser = await proofs.logins.add_browser(ann, source_of(ann), "")
    assert not await holds(proofs, signed(content(pair.access) | {"jti": f"{browser.id}.x"}))


async def test_a_token_ends_with_its_login(proofs: Proofs, ann: User, pair: TokenPair) -> None:
    proven = await proofs.credentials.by_bearer(pair.access, HOME)
    assert proven is not None
    await proofs.logins.end(proven.proof, source_of(ann))  # type: ignore[arg-type] # it is a login
    assert not await holds(proofs, pair.access)
    assert not await proofs.credentials.is_live(proven.proof)
    with pytest.raises(NotSignedIn):
        await proofs.bearer.refresh(pair.refresh, HOME)


@ON_BOTH_ENGINES
async def test_a_token_ends_with_its_person(town: Town, proofs: Proofs, ann: User, pair: TokenPair) -> None:
    await town.people.change(ann.id, COMMAND, disabled=True)
    assert not await holds(proofs, pair.access)
    with pytest.raises(NotSignedIn):
        await proofs.bearer.refresh(pair.refresh, HOME)
    await town.people.delete(ann.id, COMMAND)
    assert not await holds(proofs, pair.access)


async def test_rights_are_those_of_now_and_not_of_the_token(
    town: Town, proofs: Proofs, ann: User, pair: TokenPair
) -> None:
    await town.people.change(ann.id, COMMAND, role="admin", tier="team")
    proven = await proofs.credentials.by_bearer(pair.access, HOME)
    assert proven is not None
    assert (proven.actor.tier, "admin" in proven.actor.scopes) == ("team", True)


@ON_BOTH_ENGINES
async def test_refreshing(proofs: Proofs, ann: User, pair: TokenPair, clock: Clock) -> None:
    clock.now += MINUTES + LEEWAY
    fresh = await proofs.bearer.refresh(pair.refresh, CAFE)
    assert await holds(proofs, fresh.access)
    assert fresh.refresh != pair.refresh
    [login] = await proofs.logins.of_user(ann.id)
    assert (login.seen, login.address, login.expires) == (clock.now, CAFE, clock.now + REFRESH_DAYS)
    assert content(fresh.access)["jti"].partition(".")[0] == login.id


async def test_the_store_has_no_refresh_token(town: Town, pair: TokenPair) -> None:
    assert pair.refresh.startswith("wr_")
    assert len(pair.refresh) == 3 + 43
    async with town.store.reading() as conn:
        found = await refreshes.by_hash(conn, hash_of(pair.refresh))
    assert found is not None
    assert pair.refresh not in repr(found)


@ON_BOTH_ENGINES
async def test_a_refresh_token_that_comes_twice_ends_the_login(
    town: Town, proofs: Proofs, ann: User, pair: TokenPair
) -> None:
    """The thief was first, or the client: both are out."""
    fresh = await proofs.bearer.refresh(pair.refresh, HOME)
    again = await proofs.bearer.refresh(fresh.refresh, HOME)
    with pytest.raises(NotSignedIn):
        await proofs.bearer.refresh(pair.refresh, CAFE)
    for token in (pair.access, fresh.access, again.access):
        assert not await holds(proofs, token)
    with pytest.raises(NotSignedIn):
        await proofs.bearer.refresh(again.refresh, HOME)
    [ended] = await town.changes()
    assert (ended.user, ended.kind) == (ann.id, "ended")
    assert [(entry.action, entry.target, entry.address) for entry in await town.trail()][-1] == (
        "token.reused",
        ended.proof,
        CAFE,
    )
    assert len([entry for entry in await town.trail() if entry.action == "token.reused"]) == 1


async def test_theft_ends_that_login_alone(proofs: Proofs, ann: User, pair: TokenPair) -> None:
    other = await proofs.bearer.issue(ann, source_of(ann), "phone")
    await proofs.bearer.refresh(pair.refresh, HOME)
    with pytest.raises(NotSignedIn):
        await proofs.bearer.refresh(pair.refresh, HOME)
    assert await holds(proofs, other.access)


@ON_BOTH_ENGINES
async def test_of_those_who_refresh_at_the_same_time_one_wins_and_nobody_keeps_it(
    proofs: Proofs, ann: User, pair: TokenPair
) -> None:
    results = await asyncio.gather(
        *(proofs.bearer.refresh(pair.refresh, HOME) for _ in range(8)), return_exceptions=True
    )
    won = [result for result in results if isinstance(result, TokenPair)]
    assert len(won) == 1
    assert len([result for result in results if isinstance(result, NotSignedIn)]) == 7
    assert not await holds(proofs, won[0].access)
    assert await proofs.logins.of_user(ann.id) == []


@ON_BOTH_ENGINES
async def test_two_servers_are_asked_at_the_same_time(
    town: Town, proofs: Proofs, pair: TokenPair, clock: Clock, url: str
) -> None:
    other = Store(url)
    await other.open()
    try:
        there = proofs_on(replace(town, store=other), clock)
        attempts = (each.bearer.refresh(pair.refresh, HOME) for each in (proofs, there) * 3)
        results = await asyncio.gather(*attempts, return_exceptions=True)
        assert len([result for result in results if isinstance(result, TokenPair)]) == 1
        assert len([result for result in results if isinstance(result, NotSignedIn)]) == 5
        assert not await holds(there, pair.access)
    finally:
        await other.aclose()


async def test_a_refresh_token_runs_out(proofs: Proofs, pair: TokenPair, clock: Clock) -> None:
    clock.now += REFRESH_DAYS - 1
    fresh = await proofs.bearer.refresh(pair.refresh, HOME)
    clock.now += REFRESH_DAYS
    with pytest.raises(NotSignedIn):
        await proofs.bearer.refresh(fresh.refresh, HOME)


@ON_BOTH_ENGINES
async def test_used_refresh_tokens_are_remembered_while_they_could_be_good(
    town: Town, proofs: Proofs, pair: TokenPair, clock: Clock
) -> None:
    half = await proofs.bearer.refresh(pair.refresh, HOME)
    clock.now += REFRESH_DAYS / 2
    fresh = await proofs.bearer.refresh(half.refresh, HOME)
    clock.now += REFRESH_DAYS / 2 + 1
    await proofs.bearer.refresh(fresh.refresh, HOME)
    async with town.store.reading() as conn:
        kept = [await refreshes.by_hash(conn, hash_of(each.refresh)) is not None for each in (pair, half, fresh)]
    assert kept == [False, True, True]


async def test_using_an_access_token_does_not_make_its_login_last(proofs: Proofs, ann: User, pair: TokenPair) -> None:
    [before] = await proofs.logins.of_user(ann.id)
    await proofs.logins.touch(before, CAFE)
    [after] = await proofs.logins.of_user(ann.id)
    assert after.expires == before.expires


@pytest.mark.parametrize("token", ["", "wr_", "wr_x", "\0", "\udcff", "x" * 10_000])
async def test_an_unknown_refresh_token(proofs: Proofs, pair: TokenPair, token: str) -> None:
    with pytest.raises(NotSignedIn):
        await proofs.bearer.refresh(token, HOME)
    with pytest.raises(NotSignedIn):
        await proofs.bearer.refresh(pair.access, HOME)
    assert not await holds(proofs, pair.refresh)
    assert await holds(proofs, pair.access)

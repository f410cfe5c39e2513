"""Who signs in with a provider's word, into which account, and who does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from tests.accounts.conftest import COMMAND, ON_BOTH_ENGINES, PASSWORD, Clock, Town
from tests.accounts.providing import HERE, House, settings_for
from tests.web.provider import TOKEN, OpenIdProvider, failing, open_id_provider
from webterm.access import Source
from webterm.accounts.oidc import Answer, Linking, Oidc
from webterm.clients.oidc import OidcClient
from webterm.errors import Conflict, NoSuchProvider, OidcRefused, RegistrationClosed, Unavailable
from webterm.ids import LoginId

Build = Callable[..., Awaitable[House]]


@pytest.fixture
async def provider() -> AsyncIterator[OpenIdProvider]:
    async with open_id_provider() as provider:
        yield provider


@pytest.fixture
async def houses(town: Town, clock: Clock, provider: OpenIdProvider) -> AsyncIterator[Build]:
    """Makes a house by the fields of its provider's settings."""
    clients = []

    async def build(provider: OpenIdProvider = provider, **fields: Any) -> House:  # noqa: ANN401
        settings = settings_for(provider, **fields)
        clients.append(OidcClient(settings.oidc.providers, clock=clock))
        await clients[-1].start()
        return House(Oidc(town.store, clients[-1], settings, bytes(32), clock=clock), provider, town)

    yield build
    for client in clients:
        await client.aclose()


@pytest.fixture
async def house(houses: Build) -> House:
    """Anybody whom the provider knows gets an account."""
    return await houses()


@ON_BOTH_ENGINES
async def test_a_newcomer_gets_an_account_and_comes_back_to_it(house: House) -> None:
    first = await house.arrive()
    user = first.user
    assert (user.username, user.email, user.password) == ("ada", "ada@example.org", None)
    assert (user.role, user.tier, user.owner, first.linked) == ("user", "free", False, False)
    house.provider.person |= {"email": "countess@example.org"}  # people change their address and stay who they are
    assert (await house.arrive()).user == user
    assert await house.town.everybody() == [user]
    assert await house.actions() == ["user.register", "identity.link", "login.oidc", "login.oidc"]
    [*_, entry] = await house.town.trail()
    assert (entry.user, entry.name, entry.address, entry.detail) == (user.id, "ada", HERE, "test")


@ON_BOTH_ENGINES
async def test_somebody_who_comes_in_several_tabs_at_once(house: House) -> None:
    arrivals = await asyncio.gather(*(house.arrive() for _ in range(5)))
    assert len({arrival.user.id for arrival in arrivals}) == 1
    assert len(await house.town.everybody()) == 1


async def test_where_the_provider_makes_no_accounts(houses: Build) -> None:
    house = await houses(register=False)
    with pytest.raises(RegistrationClosed):
        await house.arrive()
    assert await house.town.everybody() == []
    [entry] = await house.town.trail()
    assert (entry.action, entry.detail, entry.name) == ("login.failed", "test: registration_closed", "")


@pytest.mark.parametrize(
    ("email", "username"),
    [
        ("grace.hopper@example.org", "grace.hopper"),
        ("ann@example.org", "ann2"),
        ("ANN@example.org", "ANN2"),
        ("admin@example.org", "user"),
        ("grace+spam@example.org", "gracespam"),
        ("x" * 64 + "@example.org", "x" * 32),
        ("žluťoučký@example.org", "luouk"),
        ("1234@example.org", "user"),
        ("_@example.org", "user"),
    ],
)
async def test_user_names_of_newcomers(house: House, email: str, username: str) -> None:
    await house.town.ann()
    house.provider.person |= {"email": email}
    assert (await house.arrive()).user.username == username


async def test_names_that_are_taken(house: House) -> None:
    names = []
    for number in range(3):
        house.provider.person = {"sub": str(number), "email": f"ada@{number}.example", "email_verified": True}
        names.append((await house.arrive()).user.username)
    assert names == ["ada", "ada2", "ada3"]


@pytest.mark.parametrize(
    "person",
    [
        {"email_verified": False},
        {"email_verified": "true"},
        {"email_verified": 1},
        {"email_verified": None},
        {"email": None},
        {"email": 7},
        {"email": "not an address"},
        {"email": "ada@example.org\r\nBcc: x"},
        {"email": "ada\ud800@example.org"},
        {"email": "a@" + "x" * 300},
    ],
)
async def test_addresses_that_nobody_vouches_for(house: House, person: dict[str, object]) -> None:
    house.provider.person |= person
    assert await house.refusal() == "unverified"
    assert await house.town.everybody() == []


async def test_who_is_known_needs_no_address(house: House) -> None:
    user = (await house.arrive()).user
    house.provider.person = {"sub": house.provider.person["sub"]}
    assert (await house.arrive()).user == user


@pytest.mark.parametrize(
    ("email", "reason"),
    [
        ("ada@example.org", None),
        ("ada@EXAMPLE.org", None),
        ("ada@bücher.example", None),
        ("ada@sub.example.org", "domain"),
        ("ada@evilexample.org", "domain"),
        ("ada@example.org.evil.example", "domain"),
        ('"ada@example.org"@evil.example', "unverified"),
        ("ada@example.org@evil.example", "unverified"),
        (None, "unverified"),
    ],
)
async def test_allowed_domains(houses: Build, email: str | None, reason: str | None) -> None:
    house = await houses(domains=("example.org", "xn--bcher-kva.example"))
    house.provider.person |= {"email": email}
    if reason is None:
        await house.arrive()
    else:
        assert await house.refusal() == reason


async def test_who_has_left_the_domain_stays_outside(houses: Build) -> None:
    house = await houses(domains=("example.org",))
    await house.arrive()
    house.provider.person |= {"email": "ada@elsewhere.example"}
    assert await house.refusal() == "domain"


@ON_BOTH_ENGINES
async def test_an_account_with_a_password_is_not_given_for_its_address(house: House) -> None:
    """Somebody may have registered with the address of another and be waiting."""
    planted = await house.town.ann(email="ADA@example.org")
    assert await house.refusal() == "link_first"
    assert await house.oidc.identities(planted.id) == []
    await house.link(planted)
    assert (await house.arrive()).user == planted


async def test_an_account_without_a_password_is_its_addresses(house: House) -> None:
    made = await house.town.people.create(COMMAND, username="ada", email="ada@example.org")
    assert (await house.arrive()).user == made


@pytest.mark.parametrize("fields", [{"role": "admin"}])
async def test_an_admin_is_never_linked_by_address(house: House, fields: dict[str, Any]) -> None:
    await house.town.people.create(COMMAND, username="ada", email="ada@example.org", **fields)
    assert await house.refusal() == "link_first"


async def test_an_admin_is_not_linked_by_address_either_when_another_provider_has_vouched_for_it(house: House) -> None:
    admin = await house.town.ann(email="ada@example.org", role="admin")
    await house.link(admin)
    assert await house.refusal("other") == "link_first"
    assert (await house.arrive()).user == admin


async def test_an_address_that_looks_the_same_is_another(house: House) -> None:
    await house.town.people.create(COMMAND, username="finn", email="finn@example.org")
    house.provider.person |= {"email": "ﬁnn@example.org"}
    assert await house.refusal() == "link_first"


async def test_an_address_that_a_provider_has_vouched_for(house: House) -> None:
    """Once linked with this very address, another provider's word for it is as good, password or not."""
    user = await house.town.ann(email="ada@example.org")
    await house.link(user)
    assert (await house.arrive("other")).user == user


async def test_an_account_linked_with_another_address_is_not_given(house: House) -> None:
    mallory = await house.town.ann(email="ada@example.org")
    house.provider.person = {"sub": "666", "email": "mallory@example.org", "email_verified": True}
    await house.link(mallory)
    house.provider.person = {"sub": "1001", "email": "ada@example.org", "email_verified": True}
    assert await house.refusal("other") == "link_first"


@ON_BOTH_ENGINES
async def test_somebody_with_another_identity_there(house: House) -> None:
    await house.arrive()
    house.provider.person |= {"sub": "1002"}
    assert await house.refusal() == "another"


async def test_a_short_name_that_is_given_to_another_issuer(house: House, houses: Build) -> None:
    """The same subject at another issuer is somebody else."""
    ada = (await house.arrive()).user
    async with open_id_provider() as elsewhere:
        elsewhere.person = {"sub": "1001", "email": "mallory@example.org", "email_verified": True}
        moved = await houses(elsewhere)
        assert (await moved.arrive()).user != ada


async def test_disabled_people(house: House) -> None:
    user = (await house.arrive()).user
    await house.town.people.change(user.id, COMMAND, disabled=True)
    assert await house.refusal() == "disabled"
    assert (await house.actions())[-1] == "login.failed"


@ON_BOTH_ENGINES
async def test_linking(house: House) -> None:
    user = await house.town.ann()
    arrival = await house.link(user)
    assert (arrival.user, arrival.linked) == (user, True)
    assert (await house.link(user)).linked  # twice is harmless
    [identity] = await house.oidc.identities(user.id)
    assert (identity.provider, identity.email) == ("test", "ada@example.org")
    assert (await house.arrive()).user == user
    assert await house.actions() == ["user.create", "identity.link", "login.oidc"]


@ON_BOTH_ENGINES
async def test_linking_what_belongs_to_another(house: House) -> None:
    await house.arrive()
    with pytest.raises(OidcRefused) as caught:
        await house.link(await house.town.ann())
    assert caught.value.reason == "taken"
    assert (await house.actions())[-1] == "identity.failed"


async def test_an_address_that_is_not_verified_is_not_kept(house: House) -> None:
    house.provider.person |= {"email_verified": False}
    user = await house.town.ann()
    await house.link(user)
    [identity] = await house.oidc.identities(user.id)
    assert identity.email is None


async def test_a_link_is_finished_by_the_login_that_began_it(house: House) -> None:
    user, other = await house.town.ann(), await house.town.ann(username="bob")
    began = Linking(user=user.id, proof=LoginId("one"))
    for asking in (None, Linking(user=other.id, proof=LoginId("one")), Linking(user=user.id, proof=LoginId("two"))):
        with pytest.raises(OidcRefused) as caught:
            await house.arrive(linking=began, asking=asking)
        assert caught.value.reason == "other_login"
    assert not house.provider.token_requests
    assert await house.oidc.identities(user.id) == []


async def test_unlinking(house: House) -> None:
    user = await house.town.ann()
    by = Source(user=user.id, name=user.username, address=HERE)
    await house.link(user)
    await house.oidc.unlink(user.id, "test", by)
    assert await house.oidc.identities(user.id) == []
    assert (await house.actions())[-1] == "identity.unlink"
    with pytest.raises(NoSuchProvider):
        await house.oidc.unlink(user.id, "test", by)


@ON_BOTH_ENGINES
async def test_the_only_way_in_stays(house: House) -> None:
    user = (await house.arrive()).user
    by = Source(user=user.id, name=user.username, address=HERE)
    with pytest.raises(Conflict):
        await house.oidc.unlink(user.id, "test", by)
    await house.link(user, "other")
    await house.oidc.unlink(user.id, "test", by)
    with pytest.raises(Conflict):
        await house.oidc.unlink(user.id, "other", by)
    await house.town.people.set_own_password(user, PASSWORD, by, keep=None)
    await house.oidc.unlink(user.id, "other", by)


@pytest.mark.parametrize("state", [None, "", "another", "ü", "\ud800"])
async def test_a_wrong_state(house: House, state: str | None) -> None:
    sealed, answer = await house.visit()
    wrong = Answer(state=state, code=answer.code, error=None, issuer=None)
    with pytest.raises(OidcRefused) as caught:
        await house.oidc.arrive("test", sealed, wrong, asking=None, address=HERE)
    assert caught.value.reason == "stale"
    assert not house.provider.token_requests
    assert await house.actions() == []  # a stranger does not fill the log


async def test_the_cookie_of_another_browser_or_none(house: House) -> None:
    _, answer = await house.visit()
    other, _ = await house.visit()
    for sealed in (None, "", other, "A" * 100, "ü", other[:-4] + "AAAA", other + "=="):
        with pytest.raises(OidcRefused) as caught:
            await house.oidc.arrive("test", sealed, answer, asking=None, address=HERE)
        assert caught.value.reason == "stale", sealed
    assert not house.provider.token_requests


async def test_a_state_is_good_once(house: House) -> None:
    sealed, answer = await house.visit()
    await house.oidc.arrive("test", sealed, answer, asking=None, address=HERE)
    with pytest.raises(OidcRefused) as caught:
        await house.oidc.arrive("test", sealed, answer, asking=None, address=HERE)
    assert caught.value.reason == "stale"
    assert len(house.provider.token_requests) == 1


async def test_a_replayed_code(house: House) -> None:
    """A thief's own sign-in with the code of another: the code is bound to the verifier that was sent with it."""
    _, stolen = await house.visit()
    sealed, answer = await house.visit()
    mixed = Answer(state=answer.state, code=stolen.code, error=None, issuer=None)
    with pytest.raises(OidcRefused) as caught:
        await house.oidc.arrive("test", sealed, mixed, asking=None, address=HERE)
    assert caught.value.reason == "token"


@pytest.mark.parametrize(("error", "reason"), [("access_denied", "denied"), ("<script>", "provider")])
async def test_a_provider_that_says_no(house: House, error: str, reason: str) -> None:
    house.provider.denies = error
    assert await house.refusal() == reason
    [entry] = await house.town.trail()
    assert entry.detail == f"test: {reason}"


async def test_a_provider_that_does_not_answer(house: House) -> None:
    house.provider.instead[TOKEN] = failing
    with pytest.raises(Unavailable):
        await house.arrive()
    [entry] = await house.town.trail()
    assert entry.detail == "test: unavailable"


async def test_the_names_of_providers(house: House) -> None:
    assert house.oidc.providers() == {"test": "test", "other": "Another"}
    with pytest.raises(NoSuchProvider):
        await house.arrive("evil")

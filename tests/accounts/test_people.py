"""People: making, changing and removing accounts, and what each of these takes along."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from tests.accounts.conftest import COMMAND, ON_BOTH_ENGINES, PASSWORD, STRANGER, Clock, Town
from webterm.access import Scope, Source
from webterm.accounts.actors import actor_of
from webterm.accounts.names import RESERVED, fitting, name_of_process
from webterm.accounts.people import Candidate, Role
from webterm.errors import Conflict, Forbidden, InvalidRequest, MissingScope, NameTaken, NoSuchUser, RegistrationClosed
from webterm.ids import LoginId, UserId
from webterm.store import logins
from webterm.store.logins import Login
from webterm.store.users import User


def acting(user: User) -> Source:
    return Source(user=user.id, name=user.username, address="192.0.2.1")


async def signed_in(town: Town, user: User, *ids: str) -> None:
    async with town.store.writing() as conn:
        for login in ids:
            fields = {"created": 0.0, "seen": 0.0, "expires": 2e9, "address": "192.0.2.1", "agent": ""}
            await logins.add(conn, Login(id=LoginId(login), user=user.id, kind="browser", **fields))  # type: ignore[arg-type] # fields of two types


async def logins_of(town: Town, user: User) -> set[str]:
    async with town.store.reading() as conn:
        return {login.id for login in await logins.of_user(conn, user.id)}


# making


@ON_BOTH_ENGINES
async def test_somebody_is_made_for_others(town: Town) -> None:
    user = await town.people.create(COMMAND, username="Ann", password=PASSWORD, email="Ann@EXAMPLE.com")
    assert (user.username, user.email, user.role, user.tier) == ("Ann", "Ann@example.com", "user", "free")
    assert (user.owner, user.disabled, user.alias) == (False, False, 1)
    assert user.password is not None
    assert PASSWORD not in user.password
    assert await town.people.get(user.id) == await town.people.get("1") == user
    for name in ("ann", "ANN", "ann@example.com", user.id, "1"):
        assert await town.people.named(name) == user
    [entry] = await town.trail()
    assert (entry.action, entry.target, entry.name, entry.address) == ("user.create", user.id, "root", "local")
    assert PASSWORD not in entry.detail


@ON_BOTH_ENGINES
@pytest.mark.parametrize(
    "who", ["", "0", "2", "-1", "nobody", "9" * 30, "\u0663", "\0", "00000000-0000-0000-0000-000000000000"]
)
async def test_who_is_not_there_is_not_found(town: Town, who: str) -> None:
    await town.ann()
    with pytest.raises(NoSuchUser):
        await town.people.get(who)
    with pytest.raises(NoSuchUser):
        await town.people.delete(who, COMMAND)
    with pytest.raises(NoSuchUser):
        await town.people.change(who, COMMAND, role="admin")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "an",
        "a" * 33,
        "-ann",
        ".ann",
        "_ann",
        "ann b",
        "ann@b",
        "ann\n",
        "ann\0",
        "anné",
        "\u0430nn",
        "123",
        "a/b",
        "<b>",
    ],
)
async def test_what_no_user_name_is(town: Town, name: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^username: "):
        await town.ann(username=name)
    assert await town.everybody() == []


@pytest.mark.parametrize("name", ["ann", "a" * 32, "1ann", "a-n.n_", "1-2"])
async def test_what_a_user_name_is(town: Town, name: str) -> None:
    assert (await town.ann(username=name)).username == name


@pytest.mark.parametrize(
    "email",
    ["", "ann", "@b.c", "ann@", "ann@b\n.c", "ann@b.c\0", "a b@c.d", f"{'a' * 64}@{'b' * 200}.de", "x" * 100_000],
)
async def test_what_no_address_is(town: Town, email: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^email: "):
        await town.ann(email=email)


@pytest.mark.parametrize("email", ["ann@localhost", "ann@office.local", "a.n+n@example.com", "änn@exämple.de"])
async def test_what_an_address_is(town: Town, email: str) -> None:
    assert (await town.ann(email=email)).email == email


@ON_BOTH_ENGINES
@pytest.mark.parametrize(
    ("username", "email"),
    [("ann", None), ("ANN", None), ("other", "ann@example.com"), ("other", "ANN@example.com")],
)
async def test_names_and_addresses_are_one_persons(town: Town, username: str, email: str | None) -> None:
    await town.ann(email="ann@example.com")
    with pytest.raises(NameTaken):
        await town.people.create(COMMAND, username=username, email=email)
    assert len(await town.everybody()) == 1


async def test_only_tiers_of_the_settings(town: Town) -> None:
    with pytest.raises(InvalidRequest, match="free, pro, team, enterprise"):
        await town.ann(tier="gold")
    user = await town.ann(tier="pro")
    with pytest.raises(InvalidRequest, match="free, pro, team, enterprise"):
        await town.people.change(user.id, COMMAND, tier="gold")


async def test_a_poor_password_makes_no_account(town: Town) -> None:
    with pytest.raises(InvalidRequest, match="at least 10"):
        await town.ann(password="short")
    assert await town.everybody() == []


@ON_BOTH_ENGINES
async def test_pages(town: Town) -> None:
    for number in range(7):
        await town.people.create(COMMAND, username=f"person{number}", email=f"p{number}@example.com")
    first, after = await town.people.page(limit=3)
    second, again = await town.people.page(limit=3, after=after or 0)
    last, end = await town.people.page(limit=3, after=again or 0)
    assert [user.alias for user in [*first, *second, *last]] == list(range(1, 8))
    assert (after, again, end) == (3, 6, None)
    assert await town.people.page(limit=7) == ([*first, *second, *last], None)
    found, _ = await town.people.page(search="P5@")
    assert [user.username for user in found] == ["person5"]
    assert (await town.people.page(search="%"))[0] == []
    assert await town.people.page(after=10**30) == ([], None)
    assert len((await town.people.page(limit=-5))[0]) == 1


# registering


async def test_closed_means_closed(town: Town) -> None:
    token, _ = await town.invitations.create(COMMAND)
    for invitation in (None, token):
        with pytest.raises(RegistrationClosed):
            await town.people.register(Candidate(username="ann", password=PASSWORD, invitation=invitation), STRANGER)
    assert await town.everybody() == []


async def test_anybody_registers_where_that_is_open(open_town: Town) -> None:
    user = await open_town.people.register(Candidate(username="ann", password=PASSWORD, email="a@b.example"), STRANGER)
    assert (user.role, user.tier, user.owner, user.email) == ("user", "free", False, "a@b.example")
    [entry] = await open_town.trail()
    assert (entry.action, entry.user, entry.name, entry.address) == ("user.register", user.id, "ann", STRANGER.address)


@pytest.mark.parametrize("name", [*sorted(RESERVED), "ADMIN"])
async def test_names_that_would_mislead_are_not_for_strangers(open_town: Town, name: str) -> None:
    with pytest.raises(InvalidRequest, match="reserved"):
        await open_town.people.register(Candidate(username=name, password=PASSWORD), STRANGER)
    await open_town.people.create(COMMAND, username=name)


@ON_BOTH_ENGINES
async def test_two_who_register_one_name_at_once(open_town: Town) -> None:
    wanted = [Candidate(username=name, password=PASSWORD) for name in ("ann", "Ann", "ANN", "aNN")]
    done = await asyncio.gather(*(open_town.people.register(each, STRANGER) for each in wanted), return_exceptions=True)
    assert [type(each) for each in done if not isinstance(each, NameTaken)] == [User]
    assert len(await open_town.everybody()) == 1
    assert [entry.action for entry in await open_town.trail()] == ["user.register"]


# the owner


@ON_BOTH_ENGINES
async def test_the_first_call_makes_the_owner(town: Town) -> None:
    made = await asyncio.gather(*(town.people.ensure_owner(STRANGER) for _ in range(5)))
    [owner] = set(made)
    assert owner == await town.people.ensure_owner(STRANGER)
    assert (owner.owner, owner.role, owner.tier, owner.password) == (True, "admin", "enterprise", None)
    assert owner.username == await name_of_process()
    assert [entry.action for entry in await town.trail()] == ["user.owner"]
    actor = actor_of(owner)
    assert actor.owner
    assert actor.scopes == frozenset(Scope)


async def test_the_owner_gets_a_free_name(town: Town) -> None:
    name = await name_of_process()
    await town.people.create(COMMAND, username=name)
    await town.people.create(COMMAND, username=f"{name}2")
    assert (await town.people.ensure_owner(STRANGER)).username == f"{name}3"


@pytest.mark.parametrize(
    ("system", "name"),
    [
        ("root", "root"),
        ("", "owner"),
        ("1000", "owner"),
        ("x", "owner"),
        ("_apt", "apt"),
        ("ann m\u00fcller", "annmller"),
        ("n" * 40, "n" * 32),
    ],
)
def test_a_name_of_the_system_made_fit(system: str, name: str) -> None:
    assert fitting(system) == name


@ON_BOTH_ENGINES
@pytest.mark.parametrize("ending", [{"role": "user"}, {"disabled": True}, None])
async def test_who_was_an_admin_when_asking_and_is_none_when_it_is_done(
    town: Town, ending: dict[str, object] | None
) -> None:
    """As while a password waits to be hashed, or for another writer."""
    admin = await town.people.create(COMMAND, username="boss", role="admin")
    ann = await town.ann()
    _, invitation = await town.invitations.create(acting(admin))
    calls = (
        lambda: town.people.create(acting(admin), username="mallory", role="admin"),
        lambda: town.people.change(ann.id, acting(admin), role="admin"),
        lambda: town.people.delete(ann.id, acting(admin)),
        lambda: town.invitations.create(acting(admin), role="admin"),
        lambda: town.invitations.remove(invitation.id, acting(admin)),
    )
    if ending is None:
        await town.people.delete(admin.id, COMMAND)
    else:
        await town.people.change(admin.id, COMMAND, **ending)  # type: ignore[arg-type] # fields of two types
    for call in calls:
        with pytest.raises(MissingScope):
            await call()
    assert await town.people.get(ann.id) == ann
    assert {user.username for user in await town.everybody()} <= {"ann", "boss"}


async def test_nobody_else_changes_the_owner(town: Town) -> None:
    owner = await town.people.ensure_owner(STRANGER)
    admin = await town.ann(role="admin")
    changes: list[dict[str, str]] = [{"role": "user"}, {"tier": "free"}, {"password": PASSWORD}]
    for change in changes:
        with pytest.raises(Forbidden):
            await town.people.change(owner.id, acting(admin), **change)  # type: ignore[arg-type] # roles are texts here
    with pytest.raises(Forbidden):
        await town.people.change(owner.id, Source(user=None, name="", address="192.0.2.1"), tier="free")
    assert await town.people.get(owner.id) == owner
    for by in (acting(owner), COMMAND):
        assert (await town.people.change(owner.id, by, tier="pro")).tier == "pro"
        assert (await town.people.change(owner.id, by, tier="team")).tier == "team"


async def test_the_owner_stays_an_admin_and_stays(town: Town) -> None:
    owner = await town.people.ensure_owner(STRANGER)
    for by in (acting(owner), COMMAND):
        with pytest.raises(Forbidden):
            await town.people.change(owner.id, by, role="user")
        with pytest.raises(Forbidden):
            await town.people.change(owner.id, by, disabled=True)
        with pytest.raises(Forbidden):
            await town.people.delete(owner.id, by)
    assert await town.people.get(owner.id) == owner


# changing


@pytest.mark.parametrize(("role", "admin"), [("user", False), ("admin", True)])
async def test_who_may_administrate(town: Town, role: Role, *, admin: bool) -> None:
    assert actor_of(await town.ann(role=role)).may(Scope.ADMIN) is admin


async def test_another_role_or_tier_reaches_open_sockets(town: Town) -> None:
    user = await town.ann()
    await signed_in(town, user, "laptop")
    changed = await town.people.change(str(user.alias), COMMAND, role="admin", tier="pro")
    assert (changed.role, changed.tier) == ("admin", "pro")
    assert await town.people.get(user.id) == changed
    assert [(each.user, each.proof, each.kind) for each in await town.changes()] == [(user.id, None, "changed")]
    assert await logins_of(town, user) == {"laptop"}
    assert [(entry.action, entry.detail) for entry in await town.trail()][1:] == [
        ("user.role", "admin"),
        ("user.tier", "pro"),
    ]


async def test_what_stays_as_it_is_disturbs_nobody(town: Town) -> None:
    user = await town.ann()
    assert await town.people.change(user.id, COMMAND, role="user", tier="free", disabled=False) == user
    assert await town.people.change(user.id, COMMAND) == user
    assert await town.changes() == []
    assert len(await town.trail()) == 1


@ON_BOTH_ENGINES
async def test_being_disabled_ends_everything(town: Town) -> None:
    user, other = await town.ann(), await town.ann(username="ben")
    await signed_in(town, user, "laptop", "phone")
    await signed_in(town, other, "desk")
    assert (await town.people.change(user.id, COMMAND, disabled=True)).disabled
    assert await logins_of(town, user) == set()
    assert await logins_of(town, other) == {"desk"}
    noted = {(each.user, each.proof, each.kind) for each in await town.changes()}
    assert (user.id, None, "ended") in noted
    assert not {each for each in noted if each[0] != user.id}
    assert not (await town.people.change(user.id, COMMAND, disabled=False)).disabled
    told = [entry.action for entry in await town.trail()]
    assert told.count("user.disable") == told.count("user.enable") == 1


async def test_a_password_from_an_admin_ends_all_logins(town: Town) -> None:
    admin, user = await town.ann(username="boss", role="admin"), await town.ann()
    await signed_in(town, user, "laptop", "phone")
    changed = await town.people.change(user.id, acting(admin), password="another good one")
    assert changed.password != user.password
    assert await town.passwords.verify("another good one", changed.password)
    assert await logins_of(town, user) == set()
    assert (user.id, None, "ended") in {(each.user, each.proof, each.kind) for each in await town.changes()}
    entry = next(entry for entry in await town.trail() if entry.action == "user.password")
    assert (entry.user, entry.target, entry.detail) == (admin.id, user.id, "")
    with pytest.raises(InvalidRequest, match="user name"):
        await town.people.change(admin.id, COMMAND, password="boss is my name")


async def test_nobody_gets_round_the_current_password(town: Town) -> None:
    """A stolen token with the scope of admins would be enough, otherwise."""
    admin, owner = await town.ann(role="admin"), await town.people.ensure_owner(STRANGER)
    for user in (admin, owner):
        with pytest.raises(Forbidden, match="your own password"):
            await town.people.change(user.id, acting(user), password="another good one")
    assert await town.everybody() == [admin, owner]


@ON_BOTH_ENGINES
async def test_ones_own_new_password_leaves_this_login(town: Town) -> None:
    user = await town.ann()
    await signed_in(town, user, "laptop", "phone", "desk")
    await town.people.set_own_password(user, "another good one", acting(user), keep=LoginId("phone"))
    assert await logins_of(town, user) == {"phone"}
    assert {(each.proof, each.kind) for each in await town.changes()} == {("laptop", "ended"), ("desk", "ended")}
    with pytest.raises(
        Conflict
    ):  # what was known about the person when the password was asked for is not true any more
        await town.people.set_own_password(user, "a third good one", acting(user), keep=None)


@ON_BOTH_ENGINES
async def test_somebody_removed_takes_all_along(town: Town) -> None:
    user = await town.ann(role="admin")
    await signed_in(town, user, "laptop")
    await town.invitations.create(acting(user))
    await town.people.delete("1", COMMAND)
    assert await town.everybody() == []
    assert await logins_of(town, user) == set()
    assert await town.invitations.open_ones() == []
    assert [(each.user, each.proof, each.kind) for each in await town.changes()] == [(user.id, None, "ended")]
    entry = (await town.trail())[-1]
    assert (entry.action, entry.target, entry.detail) == ("user.delete", user.id, "ann")
    again = await town.ann()
    assert (again.alias, again.id == user.id) == (2, False)


@ON_BOTH_ENGINES
async def test_a_change_that_fails_leaves_no_trace(town: Town, clock: Clock) -> None:
    user = await town.ann()
    before = (await town.everybody(), await town.trail(), await town.changes())
    with pytest.raises(NameTaken):
        await town.ann()
    with pytest.raises(InvalidRequest):
        await town.people.change(user.id, COMMAND, role="admin", tier="gold")
    assert (await town.everybody(), await town.trail(), await town.changes()) == before


def test_an_actor_knows_nothing_of_passwords() -> None:
    user = User(
        id=UserId("x"), alias=1, username="ann", email=None, password="hash", role="user", tier="pro",
        owner=False, disabled=False, created=0,
    )  # fmt: skip
    assert "hash" not in dataclasses.asdict(actor_of(user)).values()

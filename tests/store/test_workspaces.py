"""Workspaces, their members, and what is told about rights in them."""

from __future__ import annotations

import msgspec
import pytest

from tests.store.people import NOW, added
from tests.store.workspaces import add_workspace
from webterm.access import Role
from webterm.ids import UserId, WorkspaceId
from webterm.store import members, users, workspace_changes, workspaces
from webterm.store.engine import Store
from webterm.store.workspaces import GUESTS, Environment, EnvironmentLimits

HOST = UserId("somebody@of a host application")


async def test_what_is_added_is_found(store: Store) -> None:
    (ann,) = await added(store, "ann")
    environment = Environment(
        driver="local", env={"A": "\U0001f600\n"}, ports=(80, 8080), cwd="src", limits=EnvironmentLimits(cpu=0.5)
    )
    async with store.writing() as conn:
        work = await workspaces.add(
            conn,
            id=WorkspaceId("7d4e"),
            owner=ann.id,
            alias=ann.alias,
            tier="none",
            name="Work \U0001f600",
            description="a\nb",
            template="python",
            environment=environment,
            home=True,
            now=NOW,
        )
    assert (work.number, work.owner, work.alias, work.name, work.description) == (
        1,
        ann.id,
        1,
        "Work \U0001f600",
        "a\nb",
    )
    assert (work.template, work.environment, work.home) == ("python", environment, True)
    assert (work.created, work.updated, work.deleted, work.account) == (NOW, NOW, None, None)
    async with store.reading() as conn:
        assert await workspaces.by_id(conn, work.id) == work
        assert await workspaces.home_of(conn, ann.id) == work
        assert await workspaces.among(conn, [work.id, WorkspaceId("x")]) == {work.id: work}
        for nobody in ("", "7d4", "7d4e\0", "\ud800", "%"):
            assert await workspaces.by_id(conn, WorkspaceId(nobody)) is None


async def test_the_tier_is_the_owner_s_or_the_one_told(store: Store) -> None:
    (ann,) = await added(store, "ann")
    async with store.writing() as conn:
        anns, guests = await add_workspace(conn, ann.id, "a"), await add_workspace(conn, HOST, "b")
        assert (anns.tier, guests.tier) == ("free", "free")
        await users.change(conn, ann.id, tier="pro")
        await workspaces.change(conn, guests.id, tier="team")
        found = await workspaces.among(conn, [anns.id, guests.id])
        assert (found[anns.id].tier, found[guests.id].tier) == ("pro", "team")


async def test_everybody_has_a_number_for_ever(store: Store) -> None:
    (ann,) = await added(store, "ann")
    async with store.writing() as conn:
        assert await workspaces.alias_of(conn, ann.id) == ann.alias
        assert await workspaces.alias_of(conn, HOST) == GUESTS + 1
        assert await workspaces.alias_of(conn, UserId("another")) == GUESTS + 2
        assert await workspaces.alias_of(conn, HOST) == GUESTS + 1


async def test_pages_hold_what_one_owns_or_is_a_member_of_the_newest_first(store: Store) -> None:
    ann, bob = await added(store, "ann", "bob")
    async with store.writing() as conn:
        made = [await add_workspace(conn, (ann, bob)[number % 2].id, str(number)) for number in range(7)]
        await members.set_role(conn, made[1].id, ann.id, Role.READ, NOW)
        await workspaces.change(conn, made[4].id, deleted=NOW)
    async with store.reading() as conn:

        async def names(limit: int, before: int | None = None, trashed_after: float | None = None) -> list[str]:
            found = await workspaces.page(conn, ann.id, before=before, limit=limit, trashed_after=trashed_after)
            return [each.name for each in found]

        assert await names(9) == ["6", "2", "1", "0"]
        assert await names(2) == ["6", "2"]
        assert await names(2, before=made[2].number) == ["1", "0"]
        assert await names(9, trashed_after=NOW - 1) == ["4"]
        assert await names(9, trashed_after=NOW) == []
        assert await names(9, before=2**70) == ["6", "2", "1", "0"]
        assert await workspaces.count(conn, ann.id) == 3
        assert [each.name for each in await workspaces.of_owner(conn, ann.id)] == ["0", "2", "4", "6"]
        assert await workspaces.trashed(conn, NOW - 1) == []
        assert [each.name for each in await workspaces.trashed(conn, NOW)] == ["4"]
        assert [found for _, found in await workspaces.ids_after(conn, made[0].number, 2)] == ["id-1", "id-2"]


async def test_changing_and_removing(store: Store) -> None:
    (ann,) = await added(store, "ann")
    async with store.writing() as conn:
        work = await add_workspace(conn, ann.id, "work", home=True)
        other = Environment(image="python:3", network=False)
        changed = await workspaces.change(conn, work.id, name="Play", environment=other, updated=NOW + 1)
        assert changed is not None
        assert (changed.name, changed.environment, changed.updated) == ("Play", other, NOW + 1)
        assert await workspaces.change(conn, work.id) == changed
        assert await workspaces.change(conn, WorkspaceId("x"), name="y") is None
        await workspaces.change(conn, work.id, deleted=NOW)
        assert await workspaces.home_of(conn, ann.id) is None
        await members.set_role(conn, work.id, HOST, Role.OWN, NOW)
        assert await workspaces.remove(conn, work.id)
        assert not await workspaces.remove(conn, work.id)
        assert await members.role_of(conn, work.id, HOST) is None
        assert (await add_workspace(conn, ann.id, "next")).number == work.number + 1, "a number is not given again"


async def test_members_have_roles(store: Store) -> None:
    ann, bob = await added(store, "ann", "bob")
    async with store.writing() as conn:
        work, play = await add_workspace(conn, ann.id, "work"), await add_workspace(conn, ann.id, "play")
        assert await members.set_role(conn, work.id, bob.id, Role.READ, NOW) is None
        assert await members.set_role(conn, work.id, bob.id, Role.WRITE, NOW) is Role.READ
        await members.set_role(conn, work.id, HOST, Role.OWN, NOW + 1)
        await members.set_role(conn, play.id, bob.id, Role.OWN, NOW)
        assert await members.role_of(conn, work.id, bob.id) is Role.WRITE
        assert await members.role_of(conn, work.id, ann.id) is None
        assert await members.count(conn, work.id) == 2
        found = await members.of_workspaces(conn, [work.id, play.id])
        assert [(each.user, each.name, each.role) for each in found[work.id]] == [
            (bob.id, "bob", Role.WRITE),
            (HOST, "", Role.OWN),
        ]
        assert await members.remove(conn, work.id, HOST) is Role.OWN
        assert await members.remove(conn, work.id, HOST) is None
        assert sorted(await members.remove_everywhere(conn, bob.id)) == [play.id, work.id]
        assert await members.of_workspaces(conn, [work.id]) == {work.id: []}


async def test_changes_are_told_in_their_order(store: Store) -> None:
    async with store.writing() as conn:
        assert await workspace_changes.latest(conn) == 0
        await workspace_changes.note(conn, WorkspaceId("w"), now=NOW)
        await workspace_changes.note(conn, WorkspaceId("w"), HOST, Role.READ, now=NOW + 1)
        await workspace_changes.note(conn, WorkspaceId("w"), HOST, now=NOW + 2)
        found = await workspace_changes.since(conn, 0)
        assert [(each.number, each.user, each.role) for each in found] == [
            (1, None, None),
            (2, HOST, Role.READ),
            (3, HOST, None),
        ]
        assert await workspace_changes.since(conn, 2) == found[2:]
        await workspace_changes.prune(conn, NOW + 9)
        assert await workspace_changes.since(conn, 0) == found[2:]


@pytest.mark.parametrize(
    "wrong",
    [
        {"ports": [0]},
        {"ports": [65536]},
        {"env": {"a=b": "c"}},
        {"env": {"A\n": "c"}},
        {"env": {"A": "\0"}},
        {"cwd": "\0"},
        {"image": "a b"},
        {"driver": "../x"},
        {"limits": {"memory": -1}},
        {"limits": {"disk": 1}},
        {"privileged": True},
    ],
)
def test_what_no_environment_may_hold(wrong: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode(wrong), type=Environment)

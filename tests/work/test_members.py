"""Who may be in a workspace, and how soon somebody may not be any more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.work.bench import ANN, BEN, EVE, NOW, Bench, Told, actor, by, serving
from webterm.access import Role
from webterm.errors import Conflict, LimitReached, NoSuchMember, NoSuchUser, NoSuchWorkspace
from webterm.ids import UserId
from webterm.store import users
from webterm.work.leaving import leave_all
from webterm.work.memberships import MOST
from webterm.work.workspaces import MemberChanged, MemberGone, WorkspaceGone


@pytest.fixture
async def settled(tmp_path: Path) -> AsyncIterator[Bench]:
    """A server where people have accounts."""
    async with serving(tmp_path, own_people=True) as bench:
        async with bench.store.writing() as conn:
            for who in (ANN, BEN, EVE):
                await users.add(
                    conn,
                    id=who.id,
                    username=who.name,
                    email=f"{who.name}@b.example",
                    password=None,
                    role="user",
                    tier="free",
                    owner=False,
                    now=NOW,
                )
        yield bench


async def test_members_are_found_by_id_and_by_name(settled: Bench) -> None:
    made = await settled.make()
    members = settled.workspaces.members
    for who in ("id-ben", "ben", "BEN"):
        found = await members.set_role(ANN, made.id, who, Role.READ, by(ANN))
        assert (found.user, found.name, found.role) == (BEN.id, "ben", Role.READ)
    assert await members.get(ANN, made.id, BEN.id) == found
    assert await members.get(BEN, made.id, BEN.id) == found
    for nobody in ("nobody", "ben@b.example", "2", "\0", ""):
        with pytest.raises(NoSuchUser):
            await members.set_role(ANN, made.id, nobody, Role.READ, by(ANN))
    with pytest.raises(NoSuchMember):
        await members.get(ANN, made.id, EVE.id)
    with pytest.raises(NoSuchMember):
        await members.remove(ANN, made.id, EVE.id, by(ANN))
    with pytest.raises(Conflict):
        await members.set_role(ANN, made.id, "ann", Role.READ, by(ANN))
    assert await settled.actions() == ["workspace.create", "member.set"]


async def test_a_host_s_people_are_known_by_their_ids_alone(bench: Bench) -> None:
    made = await bench.make()
    found = await bench.workspaces.members.set_role(ANN, made.id, "ben@host", Role.WRITE, by(ANN))
    assert (found.user, found.name) == ("ben@host", "")


async def test_everybody_may_leave(bench: Bench) -> None:
    made = await bench.make()
    members = bench.workspaces.members
    await members.set_role(ANN, made.id, BEN.id, Role.READ, by(ANN))
    await members.remove(BEN, made.id, BEN.id, by(BEN))
    with pytest.raises(NoSuchWorkspace):
        await bench.workspaces.get(BEN, made.id)
    with pytest.raises(NoSuchMember):  # one's own workspace is not left, but deleted
        await members.remove(ANN, made.id, ANN.id, by(ANN))
    assert (await bench.actions())[-1] == "member.remove"


async def test_a_workspace_has_only_so_many(bench: Bench) -> None:
    made = await bench.make()
    members = bench.workspaces.members
    for number in range(MOST):
        await members.set_role(ANN, made.id, str(number), Role.READ, by(ANN))
    with pytest.raises(LimitReached):
        await members.set_role(ANN, made.id, "more", Role.READ, by(ANN))
    await members.set_role(ANN, made.id, "0", Role.WRITE, by(ANN))
    assert len((await bench.workspaces.get(ANN, made.id)).members) == MOST


async def test_what_changes_is_told_within_a_second_here_and_elsewhere(bench: Bench, tmp_path: Path) -> None:
    made = await bench.make()
    members = bench.workspaces.members
    async with serving(tmp_path) as other:
        here, there = Told(), Told()
        bench.workspaces.subscribe(here)
        other.workspaces.subscribe(there)
        await members.set_role(ANN, made.id, BEN.id, Role.WRITE, by(ANN))  # who just came has nothing open
        await members.set_role(ANN, made.id, BEN.id, Role.READ, by(ANN))
        await members.set_role(ANN, made.id, BEN.id, Role.READ, by(ANN))
        await members.remove(ANN, made.id, BEN.id, by(ANN))
        for told in (here, there):
            await told.until(MemberGone(made.id, BEN.id))
            assert told.items == [MemberChanged(made.id, BEN.id, Role.READ), MemberGone(made.id, BEN.id)]


async def test_it_is_known_what_has_ended_since_one_looked(bench: Bench) -> None:
    made, other = await bench.make(), await bench.make()
    workspaces, told = bench.workspaces, Told()
    workspaces.subscribe(told)
    for who in (BEN, EVE):
        await workspaces.members.set_role(ANN, made.id, who.id, Role.WRITE, by(ANN))
    mark = workspaces.mark()
    assert not workspaces.ended(mark, made.id, BEN.id)
    await workspaces.members.set_role(ANN, made.id, BEN.id, Role.READ, by(ANN))
    await told.until(MemberChanged(made.id, BEN.id, Role.READ))
    assert workspaces.ended(mark, made.id, BEN.id, Role.WRITE)
    assert not workspaces.ended(mark, made.id, BEN.id, Role.READ)
    later = workspaces.mark()
    await workspaces.members.remove(ANN, made.id, BEN.id, by(ANN))
    await told.until(MemberGone(made.id, BEN.id))
    assert workspaces.ended(later, made.id, BEN.id)
    assert not workspaces.ended(workspaces.mark(), made.id, BEN.id)
    assert not workspaces.ended(mark, made.id, EVE.id, Role.WRITE)
    assert not workspaces.ended(mark, other.id, BEN.id)
    await workspaces.delete(ANN, made.id, by(ANN))
    await told.until(WorkspaceGone(made.id))
    assert workspaces.ended(mark, made.id, EVE.id)


async def test_a_subscriber_that_fails_keeps_nobody_from_being_told(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(ending: object) -> None:
        raise RuntimeError(str(ending))

    told = Told()
    bench.workspaces.subscribe(fail)
    bench.workspaces.subscribe(told)
    made = await bench.make()
    await bench.workspaces.delete(ANN, made.id, by(ANN))
    await told.until(WorkspaceGone(made.id))
    assert "did not arrive" in caplog.text


async def test_who_is_removed_leaves_everything(bench: Bench) -> None:
    own, theirs = await bench.make(BEN), await bench.make(ANN)
    home = await bench.workspaces.home(BEN)
    told = Told()
    bench.workspaces.subscribe(told)
    await bench.workspaces.members.set_role(ANN, theirs.id, BEN.id, Role.OWN, by(ANN))
    await bench.workspaces.members.set_role(BEN, own.id, ANN.id, Role.READ, by(BEN))
    async with bench.store.writing() as conn:
        await leave_all(conn, BEN.id, by(actor("root")), NOW)
    for ending in (WorkspaceGone(own.id), WorkspaceGone(home.id), MemberGone(theirs.id, BEN.id)):
        await told.until(ending)
    assert await bench.names(ANN) == ["Work"]
    with pytest.raises(NoSuchWorkspace):
        await bench.workspaces.get(ANN, own.id)
    with pytest.raises(NoSuchWorkspace):
        await bench.workspaces.get(BEN, theirs.id)
    assert (await bench.actions()).count("workspace.delete") == 2
    assert (await bench.workspaces.get(ANN, theirs.id)).members == []
    async with bench.store.writing() as conn:
        await leave_all(conn, UserId("nobody"), by(ANN), NOW)

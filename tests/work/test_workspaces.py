"""Making, finding, changing and removing workspaces."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import pytest

from tests.work.bench import ANN, BEN, DAY, EVE, NOW, Bench, Clock, Told, actor, by, serving
from webterm.access import Role
from webterm.errors import (
    InvalidRequest,
    NoSuchDriver,
    NoSuchTemplate,
    NoSuchWorkspace,
    QuotaReached,
    ReadOnly,
    WebtermError,
)
from webterm.settings_workspaces import Workspaces as Section
from webterm.store import users
from webterm.work.workspaces import Environment, WorkspaceGone


async def test_a_new_workspace_is_one_s_own(bench: Bench) -> None:
    environment = Environment(driver="echo", env={"A": "b"}, ports=(8080,))
    seen = await bench.workspaces.create(ANN, by(ANN), name="  Work ", description="to do", environment=environment)
    made = seen.workspace
    assert (seen.role, seen.members) == (Role.OWN, [])
    assert (made.name, made.description, made.owner, made.tier) == ("Work", "to do", ANN.id, "free")
    assert (made.environment, made.template, made.home, made.deleted) == (environment, "", False, None)
    assert (made.created, made.updated) == (NOW, NOW)
    assert await bench.workspaces.get(ANN, made.id) == seen
    assert await bench.workspaces.allowed(ANN, made.id, Role.OWN) == made
    assert await bench.actions() == ["workspace.create"]


async def test_its_directory_is_private(bench: Bench) -> None:
    made = await bench.make()
    files = bench.workspaces.root(made)

    def look() -> None:
        for path in (files.parent.parent, files.parent, files):
            assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert sorted(path.name for path in files.parent.iterdir()) == ["files", "uploads"]
        assert list(files.iterdir()) == []
        if os.geteuid() == 0:
            assert files.stat().st_uid == made.account
            assert made.account == bench.settings.sandbox.first_uid + made.alias
            assert files.parent.stat().st_uid == 0
        else:
            assert made.account is None

    await asyncio.to_thread(look)


async def test_to_others_it_is_not_there(bench: Bench) -> None:
    made = await bench.make()
    workspaces = bench.workspaces
    for who in (BEN, actor("root", owner=True)):
        for missing in (made.id, "nothing", "", "\0", "\ud800"):
            for asking in (
                workspaces.allowed(who, missing),
                workspaces.get(who, missing),
                workspaces.change(who, missing, by(who), name="Mine"),
                workspaces.delete(who, missing, by(who)),
                workspaces.delete(who, missing, by(who), purge=True),
                workspaces.restore(who, missing, by(who)),
                workspaces.ensure_default(who, missing),
                workspaces.members.get(who, missing, "id-ann"),
                workspaces.members.set_role(who, missing, "id-ben", Role.OWN, by(who)),
                workspaces.members.remove(who, missing, "id-ann", by(who)),
                workspaces.members.remove(who, missing, who.id, by(who)),
            ):
                with pytest.raises(NoSuchWorkspace):
                    await asking
        assert await bench.names(who) == []
    assert await workspaces.allowed(ANN, made.id) == made


async def test_members_see_and_do_what_their_role_says(bench: Bench) -> None:
    made = await bench.make()
    for role in Role:
        await bench.workspaces.members.set_role(ANN, made.id, BEN.id, role, by(ANN))
        seen = await bench.workspaces.get(BEN, made.id)
        assert (seen.role, [member.user for member in seen.members]) == (role, [BEN.id])
        assert await bench.names(BEN) == ["Work"]
        for needed in Role:
            if needed <= role:
                assert await bench.workspaces.allowed(BEN, made.id, needed) == made
            else:
                with pytest.raises(ReadOnly):
                    await bench.workspaces.allowed(BEN, made.id, needed)
    with pytest.raises(NoSuchWorkspace):  # whoever may do everything else does not bring it back
        await bench.workspaces.restore(BEN, made.id, by(BEN))


async def test_only_who_has_it_all_changes_it(bench: Bench) -> None:
    made = await bench.make()
    await bench.workspaces.members.set_role(ANN, made.id, BEN.id, Role.WRITE, by(ANN))
    for asking in (
        bench.workspaces.change(BEN, made.id, by(BEN), name="Mine"),
        bench.workspaces.delete(BEN, made.id, by(BEN)),
        bench.workspaces.members.set_role(BEN, made.id, BEN.id, Role.OWN, by(BEN)),
        bench.workspaces.members.remove(BEN, made.id, EVE.id, by(BEN)),
    ):
        with pytest.raises(ReadOnly):
            await asking


async def test_the_variables_of_a_workspace_are_its_persons(bench: Bench) -> None:
    """They may be those of programs that run with everything that the server's owner may do."""
    made = await bench.make()
    await bench.workspaces.change(ANN, made.id, by(ANN), environment=Environment(env={"A": "b"}))
    await bench.workspaces.members.set_role(ANN, made.id, BEN.id, Role.OWN, by(ANN))
    for env in ({"A": "b", "BASH_ENV": "./evil.sh"}, {"A": "c"}, {}):
        with pytest.raises(ReadOnly):
            await bench.workspaces.change(BEN, made.id, by(BEN), environment=Environment(env=env))
    allowed = Environment(env={"A": "b"}, cwd="src")
    seen = await bench.workspaces.change(BEN, made.id, by(BEN), environment=allowed)
    assert seen.workspace.environment == allowed


async def test_so_is_its_driver(bench: Bench) -> None:
    made = await bench.make()
    await bench.workspaces.members.set_role(ANN, made.id, BEN.id, Role.OWN, by(ANN))
    with pytest.raises(ReadOnly, match="driver"):
        await bench.workspaces.change(BEN, made.id, by(BEN), environment=Environment(driver="echo"))
    changed = await bench.workspaces.change(ANN, made.id, by(ANN), environment=Environment(driver="echo"))
    assert changed.workspace.environment.driver == "echo"
    await bench.workspaces.change(BEN, made.id, by(BEN), environment=Environment(driver="echo", ports=(80,)))


async def test_changing(bench: Bench) -> None:
    made = await bench.make()
    bench.clock.now += 5
    other = Environment(cwd="src")
    seen = await bench.workspaces.change(ANN, made.id, by(ANN), name="Play", description="fun", environment=other)
    changed = seen.workspace
    assert (changed.name, changed.description, changed.environment) == ("Play", "fun", other)
    assert (changed.created, changed.updated) == (NOW, NOW + 5)
    bench.clock.now += 5
    assert await bench.workspaces.change(ANN, made.id, by(ANN), name="Play") == seen
    assert await bench.workspaces.change(ANN, made.id, by(ANN)) == seen
    assert await bench.actions() == ["workspace.create", "workspace.change"]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"name": ""}, InvalidRequest),
        ({"name": "   "}, InvalidRequest),
        ({"name": "a\nb"}, InvalidRequest),
        ({"name": "a\u202eb"}, InvalidRequest),
        ({"name": "a\0b"}, InvalidRequest),
        ({"name": "a" * 101}, InvalidRequest),
        ({"name": "a", "description": "\0"}, InvalidRequest),
        ({"name": "a", "description": "a" * 2001}, InvalidRequest),
        ({"name": "a", "environment": Environment(driver="docker")}, NoSuchDriver),
        ({"name": "a", "template": "none"}, NoSuchTemplate),
        ({"name": "a", "template": "../../etc"}, NoSuchTemplate),
    ],
)
async def test_what_cannot_be_made(bench: Bench, fields: dict[str, object], error: type[WebtermError]) -> None:
    with pytest.raises(error):
        await bench.workspaces.create(ANN, by(ANN), **fields)  # type: ignore[arg-type] # fields of every type
    assert await bench.actions() == []
    assert await asyncio.to_thread(bench.entries) == []
    assert await asyncio.to_thread(bench.entries, ".new") == []


async def test_pages_are_joined_by_their_cursor(bench: Bench) -> None:
    rich = actor("rich", tier="enterprise")
    for number in range(5):
        await bench.make(rich, str(number))
    seen: list[str] = []
    after: int | None = None
    while True:
        found, after = await bench.workspaces.page(rich, after=after, limit=2)
        seen += [each.workspace.name for each in found]
        if after is None:
            break
    assert seen == ["4", "3", "2", "1", "0"]


async def test_there_are_only_as_many_as_the_tier_says(bench: Bench) -> None:
    results = await asyncio.gather(*(bench.make(name=str(n)) for n in range(6)), return_exceptions=True)
    assert sum(isinstance(result, QuotaReached) for result in results) == 3
    assert len(await bench.names()) == 3
    assert len(await asyncio.to_thread(bench.entries)) == 3
    await bench.make(BEN)
    (kept, *_), _ = await bench.workspaces.page(ANN)
    await bench.workspaces.delete(ANN, kept.workspace.id, by(ANN))
    last = await bench.make(name="last")
    with pytest.raises(QuotaReached):
        await bench.workspaces.restore(ANN, kept.workspace.id, by(ANN))
    await bench.workspaces.delete(ANN, last.id, by(ANN))
    await bench.workspaces.restore(ANN, kept.workspace.id, by(ANN))


async def test_a_tier_that_is_no_more_counts_as_the_smallest(bench: Bench) -> None:
    lost = actor("lost", tier="gold")
    for _ in range(3):
        made = await bench.make(lost)
    assert bench.workspaces.tier(made).bytes == 1000
    with pytest.raises(QuotaReached):
        await bench.make(lost)


async def test_a_host_s_tier_is_the_last_that_it_told(bench: Bench) -> None:
    made = await bench.make()
    rich = actor("ann", tier="enterprise")
    assert (await bench.workspaces.allowed(rich, made.id)).tier == "enterprise"
    await bench.workspaces.members.set_role(rich, made.id, BEN.id, Role.READ, by(rich))
    assert (await bench.workspaces.get(BEN, made.id)).workspace.tier == "enterprise"


async def test_the_trash_gives_back(bench: Bench) -> None:
    made = await bench.make()
    path = await bench.write(made, text="precious")
    told = Told()
    bench.workspaces.subscribe(told)
    await bench.workspaces.delete(ANN, made.id, by(ANN))
    await told.until(WorkspaceGone(made.id))
    assert not await asyncio.to_thread(path.exists)
    assert await asyncio.to_thread(bench.entries, ".trash") == [made.id]
    assert (await bench.names(), await bench.names(trash=True)) == ([], ["Work"])
    for asking in (
        bench.workspaces.allowed(ANN, made.id),
        bench.workspaces.get(ANN, made.id),
        bench.workspaces.delete(ANN, made.id, by(ANN)),
        bench.workspaces.change(ANN, made.id, by(ANN), name="x"),
        bench.workspaces.restore(BEN, made.id, by(BEN)),
    ):
        with pytest.raises(NoSuchWorkspace):
            await asking
    back = await bench.workspaces.restore(ANN, made.id, by(ANN))
    assert (back.workspace.id, back.workspace.deleted) == (made.id, None)
    assert await asyncio.to_thread(path.read_text) == "precious"
    assert (await bench.names(), await bench.names(trash=True)) == (["Work"], [])
    with pytest.raises(NoSuchWorkspace):
        await bench.workspaces.restore(ANN, made.id, by(ANN))
    assert await bench.actions() == ["workspace.create", "workspace.delete", "workspace.restore"]


async def test_purging_leaves_nothing(bench: Bench) -> None:
    first, second = await bench.make(), await bench.make()
    for made in (first, second):
        await bench.write(made)
    await bench.workspaces.delete(ANN, second.id, by(ANN))
    for made in (first, second):  # one that is there, and one in the trash
        await bench.workspaces.delete(ANN, made.id, by(ANN), purge=True)
        with pytest.raises(NoSuchWorkspace):
            await bench.workspaces.restore(ANN, made.id, by(ANN))
        with pytest.raises(NoSuchWorkspace):
            await bench.workspaces.delete(ANN, made.id, by(ANN), purge=True)
    assert await bench.names(trash=True) == []
    for place in ("", ".trash"):
        assert await asyncio.to_thread(bench.entries, place) == []
    assert await bench.actions() == [*["workspace.create"] * 2, "workspace.delete", *["workspace.purge"] * 2]


async def test_the_trash_does_not_keep_for_ever(bench: Bench) -> None:
    made = await bench.make()
    await bench.workspaces.delete(ANN, made.id, by(ANN))
    bench.clock.now += bench.settings.workspaces.trash_days * DAY
    assert await bench.names(trash=True) == []
    with pytest.raises(NoSuchWorkspace):
        await bench.workspaces.restore(ANN, made.id, by(ANN))


async def test_without_a_trash_it_is_gone_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path, workspaces=Section(trash_days=0)) as bench:
        made = await bench.make()
        await bench.workspaces.delete(ANN, made.id, by(ANN))
        assert await bench.names(trash=True) == []
        assert await asyncio.to_thread(bench.entries, ".trash") == []


async def test_the_trash_holds_as_many_as_one_may_have(bench: Bench) -> None:
    """Otherwise whoever makes and deletes in turns fills the disk."""
    for number in range(5):
        made = await bench.make(name=str(number))
        bench.clock.now += 1
        await bench.workspaces.delete(ANN, made.id, by(ANN))
    assert await bench.names(trash=True) == ["4", "3", "2"]
    assert len(await asyncio.to_thread(bench.entries, ".trash")) == 3


async def test_everybody_has_one_home(bench: Bench) -> None:
    homes = await asyncio.gather(*(bench.workspaces.home(who) for who in (ANN, ANN, ANN, BEN)))
    assert len({home.id for home in homes}) == 2
    assert homes[0].home
    assert await bench.names() == ["Home"]
    assert len(await asyncio.to_thread(bench.entries)) == 2
    await bench.workspaces.delete(ANN, homes[0].id, by(ANN))
    other = await bench.workspaces.home(ANN)
    assert other.id != homes[0].id
    back = await bench.workspaces.restore(ANN, homes[0].id, by(ANN))
    assert not back.workspace.home
    assert (await bench.workspaces.home(ANN)).id == other.id


async def test_an_empty_workspace_gets_a_first_file(bench: Bench) -> None:
    made = await bench.make()
    results = await asyncio.gather(*(bench.workspaces.ensure_default(ANN, made.id) for _ in range(4)))
    assert sorted(results) == [False, False, False, True]
    path = bench.workspaces.root(made) / "README.md"
    assert "Welcome" in await asyncio.to_thread(path.read_text)
    status = await asyncio.to_thread(path.stat)
    assert status.st_uid == (made.account if made.account is not None else os.geteuid())
    other = await bench.make()
    await bench.write(other, ".hidden")
    assert not await bench.workspaces.ensure_default(ANN, other.id)
    await bench.workspaces.members.set_role(ANN, made.id, BEN.id, Role.READ, by(ANN))
    with pytest.raises(ReadOnly):
        await bench.workspaces.ensure_default(BEN, made.id)


async def test_where_people_have_accounts_the_alias_is_the_account_s(tmp_path: Path) -> None:
    async with serving(tmp_path, own_people=True) as bench:
        async with bench.store.writing() as conn:
            ann = await users.add(
                conn,
                id=ANN.id,
                username="ann",
                email=None,
                password=None,
                role="user",
                tier="enterprise",
                owner=False,
                now=NOW,
            )
        made = await bench.make()
        assert (made.alias, made.tier) == (ann.alias, "enterprise")


async def test_another_server_on_the_database_sees_it(bench: Bench, tmp_path: Path) -> None:
    made = await bench.make()
    clock = Clock()
    async with serving(tmp_path, clock=clock) as other:
        told = Told()
        other.workspaces.subscribe(told)
        assert await other.workspaces.allowed(ANN, made.id) == made
        await bench.workspaces.delete(ANN, made.id, by(ANN))
        await told.until(WorkspaceGone(made.id))
        with pytest.raises(NoSuchWorkspace):
            await other.workspaces.allowed(ANN, made.id)


async def test_who_does_not_wait_for_the_end_loses_nothing(bench: Bench) -> None:
    making = asyncio.create_task(bench.make())
    async with asyncio.timeout(30):
        while not await asyncio.to_thread(bench.entries, ".new"):
            if making.done():
                break
    making.cancel()
    await asyncio.gather(making, return_exceptions=True)
    told = await bench.make(name="after")
    await bench.workspaces.aclose()
    await bench.workspaces.start()
    names = await bench.names()
    assert names[0] == told.name
    assert len(await asyncio.to_thread(bench.entries)) == len(names)

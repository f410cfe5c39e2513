"""Who has a pass to a port of a workspace, for how long, and what ends it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.work.bench import ANN, BEN, DAY, EVE, Bench, Clock, by, serving
from webterm.access import Actor, Role
from webterm.errors import (
    Forbidden,
    InvalidRequest,
    LimitReached,
    NoSuchPort,
    NoSuchShare,
    NoSuchWorkspace,
    NotSignedIn,
    ReadOnly,
    ShuttingDown,
    WebtermError,
)
from webterm.ids import LoginId, ProofId, WorkspaceId
from webterm.settings_runtimes import Previews as PreviewSettings
from webterm.store import users
from webterm.store.changes import Change
from webterm.store.workspaces import Workspace
from webterm.work import preview_passes, preview_shares, previews
from webterm.work.preview_shares import PreviewShares
from webterm.work.previews import Pass, Previews

LOGIN = LoginId("login")
PORT = 5173


async def nowhere(workspace: WorkspaceId, port: int) -> socket.socket:
    """Nothing listens."""
    raise NoSuchPort(f"nothing of this workspace listens at port {port}")


@dataclass
class Gate:
    """Previews of a server, with a clock of their own."""

    bench: Bench
    previews: Previews
    clock: Clock
    workspace: Workspace

    async def admit(self, who: Actor = ANN, port: int = PORT, proof: ProofId | None = LOGIN) -> Pass:
        return await self.previews.admit(who, proof, self.workspace.id, port)

    async def is_good(self, secret: str, port: int = PORT) -> bool:
        try:
            await self.previews.find(secret, self.workspace.id, port)
        except NoSuchShare:
            return False
        return True


class Ending:
    """Waits for the end of a visit."""

    def __init__(self) -> None:
        self.error: WebtermError | None = None
        self._ended = asyncio.Event()

    def __call__(self, error: WebtermError) -> None:
        self.error = error
        self._ended.set()

    async def reason(self) -> WebtermError | None:
        async with asyncio.timeout(30):
            await self._ended.wait()
        return self.error


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[Gate]:
    async with serving(tmp_path) as bench:
        clock = Clock()
        shares = PreviewShares(bench.store, bench.workspaces, bench.settings, own_people=False, clock=bench.clock)
        made = Previews(bench.workspaces, nowhere, shares, clock=clock)
        try:
            yield Gate(bench, made, clock, await bench.make())
        finally:
            await made.aclose()


async def test_a_pass_is_one_person_s_for_one_port(gate: Gate) -> None:
    given = await gate.admit()
    assert await gate.admit() is given
    assert (await gate.admit(port=80)).secret != given.secret
    assert (await gate.admit(proof=LoginId("another"))).secret != given.secret
    assert await gate.is_good(given.secret)
    assert not await gate.is_good(given.secret, 80)
    assert not await gate.is_good("x" * 43)
    with pytest.raises(NoSuchWorkspace):
        await gate.admit(EVE)


async def test_a_pass_that_nobody_uses_is_over(gate: Gate) -> None:
    given, unproven = await gate.admit(), await gate.admit(port=80, proof=None)
    gate.clock.now += previews.UNPROVEN
    assert await gate.is_good(given.secret)
    assert not await gate.is_good(unproven.secret, 80)
    with given.visit(lambda _: None):
        gate.clock.now += previews.LASTS + 1
        assert await gate.is_good(given.secret)
    gate.clock.now += previews.LASTS + 1
    assert not await gate.is_good(given.secret)
    assert (await gate.admit()).secret != given.secret


async def test_what_a_pass_rests_on_ends_it(gate: Gate) -> None:
    members = gate.bench.workspaces.members
    await members.set_role(ANN, gate.workspace.id, BEN.id, Role.READ, by(ANN))
    endings: list[tuple[Callable[[], Awaitable[None]], type[WebtermError]]] = [
        (lambda: gate.previews.on_change(_ended(LOGIN)), NotSignedIn),
        (lambda: gate.previews.on_change(_ended(None)), NotSignedIn),
        (lambda: members.remove(ANN, gate.workspace.id, BEN.id, by(ANN)), NoSuchWorkspace),
    ]
    for act, error in endings:
        given, ending = await gate.admit(BEN), Ending()
        with given.visit(ending):
            assert gate.previews.open_in(gate.workspace.id)
            await act()
            assert isinstance(await ending.reason(), error)
        assert not await gate.is_good(given.secret)
        with pytest.raises(error), given.visit(lambda _: None):
            pass
    assert not gate.previews.open_in(gate.workspace.id)
    given, ending = await gate.admit(), Ending()
    with given.visit(ending):
        await gate.bench.workspaces.delete(ANN, gate.workspace.id, by(ANN))
        assert isinstance(await ending.reason(), NoSuchWorkspace)


def _ended(proof: ProofId | None) -> Change:
    return Change(number=1, user=BEN.id, proof=proof, kind="ended")


async def test_a_proof_that_has_just_ended_gets_no_pass(gate: Gate) -> None:
    async def is_live(proof: ProofId) -> bool:
        return False

    gate.previews.is_live = is_live
    with pytest.raises(NotSignedIn):
        await gate.admit()


async def test_there_are_not_too_many(gate: Gate) -> None:
    first = await gate.admit(port=1)
    for port in range(2, previews.MOST_PASSES + 2):
        gate.clock.now += 1
        await gate.admit(port=port)
    assert not await gate.is_good(first.secret, 1)
    assert await gate.is_good((await gate.admit(port=2)).secret, 2)
    given = await gate.admit()
    with ExitStack() as stack:
        for _ in range(preview_passes.MOST_VISITS):
            stack.enter_context(given.visit(lambda _: None))
        with pytest.raises(LimitReached):
            stack.enter_context(given.visit(lambda _: None))


async def test_a_ticket_is_good_once_and_not_for_long(gate: Gate) -> None:
    given = await gate.admit()
    ticket = gate.previews.ticket(given)
    assert gate.previews.redeem(ticket) == given.secret
    late = gate.previews.ticket(given)
    gate.clock.now += previews.TICKET_LASTS
    for used in (ticket, late, "x"):
        with pytest.raises(NoSuchShare):
            gate.previews.redeem(used)


async def test_nobody_uses_up_the_tickets_of_others(gate: Gate) -> None:
    await gate.bench.workspaces.members.set_role(ANN, gate.workspace.id, BEN.id, Role.READ, by(ANN))
    given, other = await gate.admit(), await gate.admit(BEN)
    for _ in range(previews.MOST_TICKETS):
        gate.previews.ticket(given)
    with pytest.raises(LimitReached):
        gate.previews.ticket(given)
    assert gate.previews.redeem(gate.previews.ticket(other)) == other.secret
    gate.clock.now += previews.TICKET_LASTS
    gate.previews.ticket(given)


async def test_a_server_that_stops_lets_nobody_in(gate: Gate) -> None:
    given, ending = await gate.admit(), Ending()
    with given.visit(ending):
        gate.previews.shutdown()
        assert isinstance(ending.error, ShuttingDown)
    with pytest.raises(ShuttingDown):
        await gate.admit()


async def test_a_link_lasts_as_long_as_the_settings_allow(gate: Gate) -> None:
    shares, workspace = gate.previews.shares, gate.workspace.id
    secret, share = await shares.create(ANN, workspace, PORT, by(ANN))
    assert share.expires - share.created == 7 * DAY
    with pytest.raises(InvalidRequest):
        await shares.create(ANN, workspace, PORT, by(ANN), seconds=7 * DAY + 1)
    assert await gate.is_good(secret)
    gate.bench.clock.now += 7 * DAY
    gate.clock.now += 1
    assert not await gate.is_good(secret)
    assert await shares.of_workspace(ANN, workspace) == []


async def test_links_have_an_end(gate: Gate) -> None:
    shares, workspace = gate.previews.shares, gate.workspace.id
    for _ in range(preview_shares.MOST):
        await shares.create(ANN, workspace, PORT, by(ANN), seconds=DAY)
    with pytest.raises(LimitReached):
        await shares.create(ANN, workspace, PORT, by(ANN))
    gate.bench.clock.now += DAY
    await shares.create(ANN, workspace, PORT, by(ANN))


async def test_settings_may_allow_no_links(tmp_path: Path) -> None:
    async with serving(tmp_path, previews=PreviewSettings(share_days=0)) as bench:
        shares = PreviewShares(bench.store, bench.workspaces, bench.settings, own_people=False)
        workspace = await bench.make()
        with pytest.raises(Forbidden):
            await shares.create(ANN, workspace.id, PORT, by(ANN))


async def test_readers_make_and_see_no_links(gate: Gate) -> None:
    await gate.bench.workspaces.members.set_role(ANN, gate.workspace.id, BEN.id, Role.READ, by(ANN))
    shares, workspace = gate.previews.shares, gate.workspace.id
    _, share = await shares.create(ANN, workspace, PORT, by(ANN))
    for act in (
        shares.create(BEN, workspace, PORT, by(BEN)),
        shares.of_workspace(BEN, workspace),
        shares.remove(BEN, workspace, share.id, by(BEN)),
    ):
        with pytest.raises(ReadOnly):
            await act


async def test_a_link_of_somebody_who_is_disabled_shows_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path, own_people=True) as bench:
        async with bench.store.writing() as conn:
            ann = await users.add(
                conn,
                id=ANN.id,
                username="ann",
                email=None,
                password=None,
                role="user",
                tier="free",
                owner=False,
                now=1.0,
            )
        shares = PreviewShares(bench.store, bench.workspaces, bench.settings, own_people=True, clock=bench.clock)
        workspace = await bench.make()
        _, share = await shares.create(ANN, workspace.id, PORT, by(ANN))
        assert await shares.good(share.hash) == share
        async with bench.store.writing() as conn:
            await users.change(conn, ann.id, disabled=True)
        assert await shares.good(share.hash) is None

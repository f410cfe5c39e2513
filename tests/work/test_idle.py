"""When a container stops that nobody uses, and what keeps it from that."""

from __future__ import annotations

from tests.work.bench import Clock
from webterm.errors import EngineUnavailable
from webterm.ids import WorkspaceId
from webterm.work.idle import Idle

ONE, TWO = WorkspaceId("one"), WorkspaceId("two")
AFTER = 600.0


class Scene:
    """Two runtimes, of which nobody uses either."""

    def __init__(self, after: float = AFTER) -> None:
        self.clock = Clock()
        self.up = {ONE, TWO}
        self.busy: set[WorkspaceId] = set()
        self.viewed: set[WorkspaceId] = set()
        self.unknown: set[WorkspaceId] = set()
        self.broken: set[WorkspaceId] = set()
        self.told: list[tuple[WorkspaceId, float | None]] = []
        self.stopped: list[WorkspaceId] = []
        self.idle = Idle(
            after,
            up=lambda: self.up,
            is_idle=self._is_idle,
            tell=lambda workspace, seconds: self.told.append((workspace, seconds)),
            stop=self._stop,
            clock=self.clock,
        )
        self.idle.subscribe(lambda workspace: workspace in self.viewed)

    async def _is_idle(self, workspace: WorkspaceId) -> bool:
        if workspace in self.unknown:
            raise EngineUnavailable("no answer")
        if workspace in self.broken:
            raise ValueError("nobody has thought of this")
        return workspace not in self.busy

    async def _stop(self, workspace: WorkspaceId) -> None:
        self.stopped.append(workspace)
        self.up.discard(workspace)

    async def look(self, *, after: float = 0.0) -> None:
        """A look, so many seconds later."""
        self.clock.now += after
        await self.idle.look()


async def test_what_nobody_uses_stops_and_that_is_told_before() -> None:
    scene = Scene()
    scene.busy = {TWO}
    await scene.look()
    await scene.look(after=AFTER / 2 - 1)
    assert (scene.told, scene.idle.stops_in(ONE)) == ([], None)  # whoever asks is told no more than others are
    await scene.look(after=2)
    await scene.look(after=2)
    assert scene.told == [(ONE, AFTER / 2 - 1)]
    assert (scene.idle.stops_in(ONE), scene.idle.stops_in(TWO)) == (AFTER / 2 - 3, None)
    await scene.look(after=AFTER / 2)
    assert scene.stopped == [ONE]
    assert scene.idle.stops_in(ONE) is None
    scene.busy = set()
    await scene.look(after=AFTER + 1)
    assert (scene.stopped, scene.told[-1]) == ([ONE], (TWO, 0.0))  # nothing stops that nobody was told of
    await scene.look()
    assert scene.stopped == [ONE, TWO]


async def test_whoever_uses_it_keeps_it() -> None:
    scene = Scene()
    scene.up = {ONE}
    await scene.look()
    await scene.look(after=AFTER - 1)
    scene.idle.touch(ONE)
    assert scene.told == [(ONE, 1.0), (ONE, None)]
    assert scene.idle.stops_in(ONE) is None
    await scene.look(after=AFTER - 1)
    assert scene.idle.stops_in(ONE) == 1.0
    scene.viewed = {ONE}
    await scene.look(after=AFTER)
    scene.viewed = set()
    await scene.look(after=AFTER - 1)
    scene.busy = {ONE}
    await scene.look()
    scene.busy = set()
    await scene.look(after=AFTER - 1)
    assert scene.stopped == []
    assert scene.told[2:] == [(ONE, 1.0), (ONE, None), (ONE, 1.0), (ONE, None), (ONE, 1.0)]


async def test_what_cannot_be_told_stops_nothing() -> None:
    scene = Scene()
    scene.unknown = {ONE}
    await scene.look()
    await scene.look(after=AFTER)
    await scene.look(after=1)
    assert scene.stopped == [TWO]


async def test_what_has_ended_by_itself_begins_anew() -> None:
    scene = Scene()
    await scene.look()
    scene.up = set()
    await scene.look(after=AFTER + 1)
    scene.up = {ONE}
    await scene.look()
    await scene.look(after=AFTER / 2)
    assert (scene.stopped, scene.told) == ([], [(ONE, AFTER / 2)])


async def test_nothing_ever_stops_where_the_settings_say_so() -> None:
    scene = Scene(after=0)
    scene.idle.start()
    assert scene.idle.stops_in(ONE) is None
    await scene.idle.aclose()


async def test_one_that_cannot_be_looked_at_keeps_no_other_going() -> None:
    for broken, other in ((ONE, TWO), (TWO, ONE)):
        scene = Scene()
        scene.broken = {broken}
        await scene.look()
        await scene.look(after=AFTER - 1)
        await scene.look(after=2)
        assert scene.stopped == [other]

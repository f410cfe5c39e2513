"""Which driver runs what, as an engine comes and goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.work.bench import Clock
from tests.work.stage import Machine
from webterm.drivers.echo import EchoDriver
from webterm.errors import EngineUnavailable, NoSuchDriver
from webterm.runtime import DriverHealth
from webterm.work.choosing import FRESH, RESTART, Choice, Choosing

DOWN = DriverHealth(works=False, reason="no such socket")


class Engine(Machine):
    """Whose health may not be found out at all."""

    async def health(self) -> DriverHealth:
        if self.fault is not None:
            raise self.fault
        return await super().health()


class Scene:
    """An engine, a clock, and what chooses."""

    def __init__(self, usual: str) -> None:
        self.engine = Engine()
        self.clock = Clock()
        drivers = {"local": Machine(), "docker": self.engine, "echo": EchoDriver()}
        self.choosing = Choosing(drivers, usual, clock=self.clock, patience=0.05)
        self.begun = 0
        self.answered = asyncio.Event()
        self.choosing.subscribe(self._begin)

    def _begin(self, works: bool) -> None:
        if works:
            self.begun += 1
            self.answered.set()

    async def choose(self, wish: str | None = None, *, after: float = FRESH) -> Choice:
        """What is chosen so many seconds later."""
        self.clock.now += after
        return await self.choosing.choose(wish)


@pytest.fixture
async def auto() -> AsyncIterator[Scene]:
    scene = Scene("auto")
    yield scene
    scene.engine.answers.set()
    await scene.choosing.aclose()


async def test_containers_where_an_engine_answers(auto: Scene) -> None:
    await auto.choosing.start()
    assert await auto.choose() == Choice("docker")
    assert auto.choosing.health == DriverHealth(works=True, version="1.0")
    assert auto.begun == 1


async def test_this_machine_where_none_does_and_says_so(auto: Scene) -> None:
    auto.engine.works = DOWN
    await auto.choosing.start()
    choice = await auto.choose()
    assert choice.driver == "local"
    assert (choice.cause, "no such socket" in choice.reason) == ("no such socket", False)
    assert choice.full_reason.endswith("(no such socket)")
    assert auto.begun == 0
    auto.engine.works = DriverHealth(works=True)
    assert await auto.choose(after=0) == Choice("docker")  # whoever has just started it need not wait
    assert auto.begun == 1


async def test_an_engine_that_restarts_is_waited_for(auto: Scene) -> None:
    await auto.choosing.start()
    auto.engine.works = DOWN
    assert await auto.choose() == Choice("docker")  # where a start says that it does not answer
    assert not auto.choosing.works
    assert (await auto.choose(after=RESTART)).driver == "local"
    auto.engine.works = DriverHealth(works=True)
    assert await auto.choose() == Choice("docker")


async def test_where_somebody_finds_that_it_is_gone_it_is_looked_at_again(auto: Scene) -> None:
    await auto.choosing.start()
    auto.engine.works = DOWN
    await auto.choosing.look()
    assert auto.choosing.works
    await auto.choosing.doubt()
    assert not auto.choosing.works


async def test_an_engine_that_does_not_answer_keeps_nobody_waiting(auto: Scene) -> None:
    auto.engine.answers.clear()
    await auto.choosing.start()
    async with asyncio.timeout(30):
        assert "does not answer" in (await auto.choose()).cause
    auto.engine.answers.set()
    async with asyncio.timeout(30):
        await auto.answered.wait()
    assert await auto.choose() == Choice("docker")


async def test_what_cannot_be_found_out_does_not_work(auto: Scene) -> None:
    auto.engine.fault = EngineUnavailable("no route")
    await auto.choosing.start()
    assert "no route" in (await auto.choose()).cause


async def test_who_asks_for_a_driver_gets_it(auto: Scene) -> None:
    auto.engine.works = DOWN
    await auto.choosing.start()
    assert [await auto.choose(wish) for wish in ("docker", "local", "echo")] == [
        Choice("docker"), Choice("local"), Choice("echo"),
    ]  # fmt: skip
    with pytest.raises(NoSuchDriver):
        await auto.choose("podman")


@pytest.mark.parametrize(("usual", "looked"), [("docker", True), ("local", False)])
async def test_settings_may_leave_no_choice(usual: str, looked: bool) -> None:
    scene = Scene(usual)
    scene.engine.works = DOWN
    await scene.choosing.start()
    assert await scene.choose() == Choice(usual)
    assert (scene.choosing.health is not None) is looked
    await scene.choosing.aclose()

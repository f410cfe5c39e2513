"""What is kept of a runtime's story."""

from __future__ import annotations

from itertools import count

from webterm.access import ITSELF, Actor, Source
from webterm.ids import UserId, WorkspaceId
from webterm.runtime import RuntimeState
from webterm.work.choosing import Choice
from webterm.work.journals import LINES, LONGEST, WORKSPACES, Journals
from webterm.work.runtime_news import RuntimeNews

ANN = Actor(id=UserId("ann"), name="Ann")
HERE = WorkspaceId("here")
DOCKER = Choice("docker")


def told(journals: Journals) -> list[str]:
    return [entry.text for entry in journals.of(HERE)]


def test_who_asks_for_what_and_what_comes_of_it_is_written_down() -> None:
    news, clock = RuntimeNews(), count(100)
    journals = Journals(news, clock=lambda: float(next(clock)))
    journals.start(HERE, DOCKER, ANN)
    news.tell(HERE, RuntimeState.STARTING)
    for megabytes in (1, 2, 30):
        news.tell(HERE, RuntimeState.STARTING, f"pulling debian:12: {megabytes} of 30 MiB")
    news.tell(HERE, RuntimeState.READY)
    news.warn(HERE, 60.0)
    news.warn(HERE, None)
    journals.stop(HERE, Source(user=ANN.id, name="Ann", address="::1"))
    news.tell(HERE, RuntimeState.STOPPING)
    news.tell(HERE, RuntimeState.ABSENT)
    journals.start(HERE, DOCKER, None)
    news.tell(HERE, RuntimeState.FAILED, "one line\nonly\x1b[31m")
    journals.stop(HERE, ITSELF)
    assert told(journals) == [
        "started by Ann, with the driver docker",
        "starting: pulling debian:12: 30 of 30 MiB",
        "ready",
        "stopped by Ann",
        "not running",
        "started again, for the programs that still run in it, with the driver docker",
        "failed: one line only [31m",
    ]
    times = [entry.time for entry in journals.of(HERE)]
    assert times == sorted(times)
    assert [entry.text for entry in journals.of(HERE, 1)] == ["failed: one line only [31m"]
    journals.forget(HERE)
    assert journals.of(HERE) == ()


def test_what_is_kept_has_bounds() -> None:
    """Also where somebody tries again and again, which leaves the rest in sight."""
    news = RuntimeNews()
    journals = Journals(news)
    for number in range(LINES + 50):
        news.tell(HERE, RuntimeState.ABSENT, f"reason {'x' * (number % 2)}{chr(97 + number % 26)}" + "y" * LONGEST)
    assert len(told(journals)) == LINES
    assert {len(line) for line in told(journals)} == {LONGEST}
    for _ in range(LINES):
        journals.start(HERE, DOCKER, ANN)
        news.tell(HERE, RuntimeState.FAILED, "no engine answers")
    assert len(set(told(journals))) > 20
    for number in range(WORKSPACES):
        news.tell(WorkspaceId(str(number)), RuntimeState.READY)
    assert journals.of(HERE) == ()

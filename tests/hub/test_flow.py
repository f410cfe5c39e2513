"""The arithmetic of windows."""

from __future__ import annotations

import pytest

from webterm.access import Role
from webterm.hub.audience import Audience
from webterm.hub.flow import UNLIMITED, allowance, next_expiry, unfinished_from
from webterm.hub.viewer import Viewer

RING = 1000


def viewer(
    acked: int, *, window: int = 100, role: Role = Role.WRITE, progress: float = 0.0, holds: bool = False
) -> Viewer:
    made = Audience().new(None, role, window)
    made.acked, made.progress, made.holds = acked, progress, holds
    return made


@pytest.mark.parametrize(
    ("viewers", "expected"),
    [
        ([], UNLIMITED),
        ([viewer(500)], 100),
        ([viewer(400)], 0),
        ([viewer(300)], -100),
        ([viewer(300), viewer(450)], 50),
        ([viewer(0, role=Role.READ)], UNLIMITED),
        ([viewer(0, role=Role.READ), viewer(450)], 50),
        ([viewer(0, progress=-10.0)], UNLIMITED),
        ([viewer(0, progress=-10.0), viewer(450)], 50),
        ([viewer(0, window=0)], UNLIMITED - 500),
        ([viewer(0, holds=True), viewer(490)], 90),
        ([viewer(-450, holds=True), viewer(490)], 50),
        ([viewer(-500, holds=True), viewer(490)], 0),
        ([viewer(-501, holds=True), viewer(490)], 90),
    ],
)
def test_the_fastest_writer_decides(viewers: list[Viewer], expected: int) -> None:
    assert allowance(500, RING, viewers, now=0.0, grace=10.0) == expected


def test_the_first_to_stop_counting_is_waited_for() -> None:
    viewers = [viewer(0, progress=-4.0), viewer(0, progress=-7.0), viewer(0, progress=-11.0)]
    assert next_expiry(viewers, now=0.0, grace=10.0) == 3.0
    assert next_expiry([], now=0.0, grace=10.0) is None


def test_only_writers_have_something_unfinished() -> None:
    assert unfinished_from([viewer(5), viewer(3), viewer(1, role=Role.READ)]) == 3
    assert unfinished_from([]) is None

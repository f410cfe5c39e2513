"""The test ground itself: the engine, its images, and that nothing stays in it."""

from __future__ import annotations

import pytest

from tests.engine import BUSYBOX, DEBIAN, SERVER, RealEngine

pytestmark = pytest.mark.docker


@pytest.mark.parametrize(("image", "programs"), [(BUSYBOX, "nc stty"), (DEBIAN, "bash ps python3")])
def test_an_image_runs_as_somebody_without_rights(
    engine: RealEngine, namespace: str, image: str, programs: str
) -> None:
    container = engine.run(namespace, image)
    assert engine.of(namespace) == {"containers": [container]}
    script = f"id -u; pwd; for one in {programs}; do command -v $one >&2 || echo no $one; done"
    status, output = engine.execute(container, "sh", "-c", script)
    lines = output.splitlines()
    assert (status, lines[:2], len(lines)) == (0, ["1000", "/workspace"], 2 + len(programs.split())), output
    assert "no " not in output


def test_nothing_of_a_test_stays(engine: RealEngine) -> None:
    engine.run("test-of-leaving")
    engine.call("POST", "/networks/create", {"Name": "test-of-leaving", "Labels": {SERVER: "test-of-leaving"}})
    assert set(engine.of("test-of-leaving")) == {"containers", "networks"}
    engine.remove("test-of-leaving")
    assert engine.of("test-of-leaving") == {}

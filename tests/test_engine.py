"""The test ground itself: the engine, its images, and that nothing stays in it."""

from __future__ import annotations

import pytest

from tests.engine import BUSYBOX, DEBIAN, SERVER, RealEngine, Refused
from tests.own_engine import OwnEngine

pytestmark = pytest.mark.docker


@pytest.mark.parametrize(("image", "programs"), [(BUSYBOX, "nc stty"), (DEBIAN, "bash ps python3")])
def test_an_image_runs_as_somebody_without_rights(
    engine: RealEngine, namespace: str, image: str, programs: str
) -> None:
    container = engine.run(namespace, image)
    assert engine.of(namespace) == {"containers": [container]}
    script = f"id -u; pwd; for one in {programs}; do command -v $one || echo no $one; done"
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


@pytest.mark.mounts
@pytest.mark.timeout(120)
def test_an_engine_of_ones_own_is_stopped_and_started_and_full(small_engine: OwnEngine, engine: RealEngine) -> None:
    own = small_engine.engine
    container = own.run("test")
    assert engine.labelled("containers", f"{SERVER}=test") == []
    small_engine.kill()
    assert not own.answers()
    small_engine.start()
    small_engine.stop()
    small_engine.start()
    assert own.of("test") == {"containers": [container]}
    small_engine.fill_disk()
    with pytest.raises(Refused, match="no space left on device"):
        own.run("test")
    small_engine.empty_disk()
    own.run("test")

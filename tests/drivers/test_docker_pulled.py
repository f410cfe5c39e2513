"""Images that were pulled because workspaces asked for them go again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine import RealEngine
from tests.registry import Registry
from webterm.drivers.docker.engine import Engine
from webterm.drivers.docker.images import Images
from webterm.drivers.docker.pulled import Pulled

pytestmark = [pytest.mark.docker, pytest.mark.blocking_allowed]  # the test itself looks into the engine


async def test_what_was_pulled_goes_again_when_nobody_uses_it(
    engine: RealEngine, namespace: str, tmp_path: Path
) -> None:
    real, pulled = Engine(engine.host, None), Pulled(tmp_path / "pulled")
    images = Images(real, pulled=pulled, most=1)
    one, other = Registry(), Registry()
    with one.serving(), other.serving():
        first, second = one.image, other.image
        try:
            await images.ensure(first)
            await images.ensure(second)
            assert pulled.names() == [second]
            assert await images.find(first) is None
            container = engine.run(namespace, second, "sleep", "1000")
            await images.ensure(first)
            assert pulled.names() == [second, first]  # one is in use
            await images.ensure(second)
            assert pulled.names() == [first, second]
            assert await images.remove_unused({first}) == []
            engine.call("DELETE", f"/containers/{container}", force="true")
            assert await images.remove_unused({first}) == [second]
            assert await images.find(first) is not None
            engine.call("DELETE", f"/images/{first}")
            assert await images.remove_unused() == pulled.names() == []
            kept = Images(real, pulled=pulled, keep=[first])
            await kept.ensure(first)
            assert pulled.names() == []
        finally:
            for image in {first, second} & set(engine.tags()):
                engine.call("DELETE", f"/images/{image}")
    await real.aclose()

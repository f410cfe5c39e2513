"""Images: pulled from a real registry, and built by a real engine."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.engine import BUSYBOX, RealEngine, Refused
from tests.registry import Registry
from webterm.drivers.docker.engine import Engine
from webterm.drivers.docker.images import RECIPES, Images
from webterm.errors import ImageMissing

pytestmark = [pytest.mark.docker, pytest.mark.blocking_allowed]  # the tests themselves look into the engine


@pytest.fixture
def registry(engine: RealEngine) -> Iterator[Registry]:
    registry = Registry()
    with registry.serving():
        yield registry
    forget(engine, registry.image)


@pytest.fixture
async def images(engine: RealEngine) -> AsyncIterator[Images]:
    real = Engine(engine.host, None)
    images = Images(real)
    yield images
    await images.aclose()
    await real.aclose()


def forget(engine: RealEngine, image: str) -> None:
    try:
        engine.call("DELETE", f"/images/{image}")
    except Refused as refusal:
        if refusal.status != 404:
            raise


async def test_it_is_pulled_once_whoever_asks_meanwhile_and_each_is_told(images: Images, registry: Registry) -> None:
    registry.rest.clear()
    told: list[list[str]] = [[], []]
    assert await images.find(registry.image) is None
    first = asyncio.create_task(images.ensure(registry.image, told[0].append))
    await asyncio.to_thread(registry.half_sent.wait, 60)
    second = asyncio.create_task(images.ensure(registry.image, told[1].append))
    third = asyncio.create_task(images.ensure(registry.image))
    await asyncio.sleep(0)
    third.cancel()  # others still want it
    registry.rest.set()
    assert await first == await second == await images.find(registry.image) == await images.ensure(registry.image)
    assert told[0][0] == f"pulling {registry.image}"
    assert registry.asked[registry.layer] == 1


async def test_when_nobody_waits_any_more_pulling_ends(engine: RealEngine, registry: Registry) -> None:
    registry.rest.clear()
    real, seconds, comes = Engine(engine.host, None), itertools.count(), asyncio.Event()
    images = Images(real, clock=lambda: float(next(seconds)))  # tells everything
    asking = asyncio.create_task(images.ensure(registry.image, lambda line: comes.set() if "MiB" in line else None))
    await comes.wait()  # an engine that has just asked, and has no answer yet, does not hang up
    asking.cancel()
    await asyncio.wait([asking])
    assert await asyncio.to_thread(registry.hung_up.wait, 60)
    assert await images.find(registry.image) is None
    await images.aclose()
    await real.aclose()


async def test_what_cannot_be_had_is_told(images: Images, registry: Registry, engine: RealEngine) -> None:
    with pytest.raises(ImageMissing, match=f"{registry.missing} could not be pulled: .*manifest"):
        await images.ensure(registry.missing)
    with pytest.raises(ImageMissing, match=r"could not be pulled: .*127\.0\.0\.1:1"):
        await images.ensure("127.0.0.1:1/nothing/there:1")
    real = Engine(engine.host, None)
    with pytest.raises(ImageMissing, match="no image nothing:there; images are not pulled here"):
        await Images(real, pull=False).ensure("nothing:there")
    await real.aclose()


@pytest.mark.parametrize(
    "image", ["", "../containers/x", "a/../b", "-x", "a b", "a:b:c", "a?x=1", "A", "a@sha256:1", "a\n", "a" * 300, "é"]
)
async def test_what_is_no_name_of_an_image_never_reaches_the_engine(images: Images, image: str) -> None:
    with pytest.raises(ImageMissing, match="is no name of an image"):
        await images.ensure(image)


async def test_it_is_built_and_what_the_build_says_is_told(images: Images, engine: RealEngine, tmp_path: Path) -> None:
    tag = f"webterm-test:{uuid.uuid4().hex}"
    (tmp_path / "Dockerfile").write_text("ARG BASE\nFROM $BASE\nCOPY word /word\nRUN cat /word; test ! -e /word2\n")
    (tmp_path / "word").write_text("\x1b[31mhello from inside\x1b[0m\rover it\n")
    told: list[str] = []
    try:
        built = await images.build(tmp_path, tag, told.append, arguments={"BASE": BUSYBOX})
        assert built == await images.find(tag)
        assert "hello from inside" in told
        assert "over it" in told
        (tmp_path / "word2").touch()
        (tmp_path / "Dockerfile").write_text(f"FROM {BUSYBOX}\nUSER 0\nRUN echo the reason is this; exit 3\n")
        with pytest.raises(ImageMissing, match=r"(?s)could not be built: the reason is this.*code: 3"):
            await images.build(tmp_path, tag, told.append)
        assert built == await images.find(tag)
    finally:
        forget(engine, tag)


def test_our_own_are_in_the_package() -> None:
    assert all((recipe / "Dockerfile").read_text().startswith("#") for recipe in RECIPES.values())

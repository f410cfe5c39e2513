"""Images: whether the engine has them, pulled where it does not, and ours built from what lies in the package."""

from __future__ import annotations

import asyncio
import io
import json
import re
import tarfile
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from webterm.drivers.docker.engine import Engine, EngineRefusal
from webterm.drivers.docker.pulled import Pulled
from webterm.errors import DiskFull, ImageMissing, ShuttingDown
from webterm.runtime import Progress
from webterm.settings_checks import LONGEST_REFERENCE, REFERENCE
from webterm.settings_runtimes import DEFAULT_GUARD_IMAGE, DEFAULT_IMAGE

RECIPES: Mapping[str, Path] = MappingProxyType(
    {
        DEFAULT_IMAGE: Path(__file__).parent.parent.parent / "images" / "workspace",
        DEFAULT_GUARD_IMAGE: Path(__file__).parent.parent.parent / "images" / "guard",
    }
)
"""Images of ours, and the directories that they are built from."""
MOST = 20
"""Images that were pulled for workspaces and stay, though nothing may run in them any more."""
PACE = 0.5
"""Seconds between two lines of progress."""

_CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")
_LONGEST = 400
_TOLD = 12
"""Last lines of a build that has failed, for its error."""
_STEP = re.compile(r"Step \d+/\d+ :|--->|Removing intermediate container ")
"""Lines of the engine's own, which say how far a build has come and not why it fails."""
_MIB = 1024 * 1024


class Images:
    """The images of an engine. ``pull``: those that it does not have are fetched, and ours are built.

    ``pulled`` remembers those that were, but for those to ``keep``: when one more is pulled all but the ``most`` that
    were used last are removed, as far as no container is made of them.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        pull: bool = True,
        pulled: Pulled | None = None,
        keep: Collection[str] = (),
        most: int = MOST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._pull = pull
        self._pulled = pulled
        self._keep = frozenset(keep)
        self._most = most
        self._clock = clock
        self._volumes: dict[str, frozenset[str]] = {}
        self._under_way: dict[str, _Fetching] = {}

    async def find(self, image: str) -> str | None:
        """The id of an image, None where the engine does not have it.

        Raises `webterm.errors.ImageMissing` for what cannot be one's name, and `webterm.errors.EngineUnavailable`.
        """
        _parse(image)
        try:
            found = await self._engine.call("GET", f"images/{image}/json")
        except EngineRefusal as refusal:
            if refusal.answer == 404:
                return None
            raise
        id_ = str(found["Id"])
        self._volumes[id_] = frozenset((found.get("Config") or {}).get("Volumes") or ())
        return id_

    def volumes(self, id_: str) -> frozenset[str]:
        """The directories for which an image wants volumes that was found under this id."""
        return self._volumes[id_]

    async def ensure(self, image: str, progress: Progress = lambda _line: None) -> str:
        """The id of an image, which is fetched if the engine does not have it: once, whoever asks meanwhile.

        Raises `webterm.errors.ImageMissing`, `webterm.errors.DiskFull`, `webterm.errors.EngineUnavailable`. When
        the last who waits is cancelled, fetching ends.
        """
        if (found := await self.find(image)) is not None:
            if self._pulled is not None:
                await asyncio.to_thread(self._pulled.used, image)
            return found
        if not self._pull:
            mend = "webterm image build makes it" if image in RECIPES else "images are not pulled here (docker.pull)"
            raise ImageMissing(f"the container engine has no image {image}; {mend}")
        fetching = self._under_way.get(image) or self._begin(image)
        fetching.listeners.append(progress)
        try:
            await asyncio.wait([fetching.task])
            if fetching.task.cancelled():
                raise ShuttingDown("the server is stopping")
            return fetching.task.result()
        finally:
            fetching.listeners.remove(progress)
            if not fetching.listeners:
                self._forget(image, fetching)
                fetching.task.cancel()

    async def remove_unused(self, wanted: Collection[str] = (), *, most: int = 0) -> list[str]:
        """Remove what was pulled for workspaces, is not ``wanted`` and in no container; their names.

        ``most`` stay anyhow, those that were used last. Raises `webterm.errors.EngineUnavailable`.
        """
        removed: list[str] = []
        names = await asyncio.to_thread(self._pulled.names) if self._pulled is not None else []
        for name in names[: max(0, len(names) - most)]:
            if self._pulled is None or name in wanted or name in self._keep:
                continue
            try:
                await self._engine.call("DELETE", f"images/{name}", timeout=60)
                removed.append(name)
            except EngineRefusal as refusal:
                if refusal.answer == 409:  # a container is made of it
                    continue
            await asyncio.to_thread(self._pulled.drop, name)
        return removed

    async def pull(self, image: str, progress: Progress) -> str:
        """Fetch an image from its registry, also a newer one. Its id. Raises what `ensure` does."""
        match = _parse(image)
        layers: dict[str, tuple[int, int]] = {}
        params = {"fromImage": match["name"], "tag": match["digest"] or match["tag"] or "latest"}
        progress(f"pulling {image}")
        try:
            async with self._engine.lines("POST", "images/create", params=params) as lines:
                async for line in lines:
                    progress(_pulled(image, line, layers))
        except EngineRefusal as refusal:
            raise _failed(f"the image {image} could not be pulled", str(refusal)) from refusal
        return await self._made(image)

    async def build(
        self, context: Path, tag: str, progress: Progress, *, arguments: Mapping[str, str] = MappingProxyType({})
    ) -> str:
        """Build an image from a directory with a Dockerfile. Its id; ``progress`` hears all that the build says.

        Raises what `ensure` does. Cancelling ends the build.
        """
        _parse(tag)
        said: list[str] = []
        params = {"t": tag, "rm": "1", "forcerm": "1", "buildargs": json.dumps(dict(arguments))}
        archive = await asyncio.to_thread(_archive, context)
        try:
            async with self._engine.lines("POST", "build", params=params, body=archive) as lines:
                async for line in lines:
                    for text in _shown(str(line.get("stream", line.get("status", "")))):
                        if not _STEP.match(text):
                            said = [*said[1 - _TOLD :], text]
                        progress(text)
        except EngineRefusal as refusal:
            why = "\n".join((*said, str(refusal)))
            raise _failed(f"the image {tag} could not be built", why) from refusal
        return await self._made(tag)

    async def aclose(self) -> None:
        """End what is being fetched. Twice is harmless."""
        tasks = [fetching.task for fetching in self._under_way.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _begin(self, image: str) -> _Fetching:
        listeners: list[Progress] = []
        task = asyncio.get_running_loop().create_task(self._fetch(image, self._paced(listeners)))
        fetching = self._under_way[image] = _Fetching(task, listeners)
        task.add_done_callback(lambda _: self._forget(image, fetching))
        return fetching

    def _forget(self, image: str, fetching: _Fetching) -> None:
        if self._under_way.get(image) is fetching:
            del self._under_way[image]
        if fetching.task.done() and not fetching.task.cancelled():
            fetching.task.exception()  # looked at, whether somebody still waits or not

    async def _fetch(self, image: str, progress: Progress) -> str:
        if (recipe := RECIPES.get(image)) is None:
            made = await self.pull(image, progress)
            if self._pulled is not None and image not in self._keep:
                await asyncio.to_thread(self._pulled.add, image)
                await self.remove_unused({image}, most=self._most)
            return made
        progress(f"building the image {image}, which takes a minute or two the first time")
        return await self.build(recipe, image, progress)

    def _paced(self, listeners: list[Progress]) -> Progress:
        """Passes on what can be read: a line now and then."""
        due = 0.0

        def tell(line: str) -> None:
            nonlocal due
            if line and (now := self._clock()) >= due:
                due = now + PACE
                for listener in list(listeners):
                    listener(line)

        return tell

    async def _made(self, image: str) -> str:
        if (found := await self.find(image)) is None:
            raise ImageMissing(f"the container engine has no image {image} though it said so")
        return found


@dataclass(slots=True)
class _Fetching:
    task: asyncio.Task[str]
    listeners: list[Progress] = field(default_factory=list)


def _parse(image: str) -> re.Match[str]:
    match = REFERENCE.fullmatch(image)
    if match is None or len(image) > LONGEST_REFERENCE:
        raise ImageMissing(f"{image[:100]!r} is no name of an image")
    return match


def _pulled(image: str, line: Mapping[str, Any], layers: dict[str, tuple[int, int]]) -> str:
    """What one more line of a pull means for the whole. ``layers``: bytes that are there, and all, of each."""
    if line.get("status") == "Downloading":
        detail = line.get("progressDetail", {})
        layers[line.get("id", "")] = (detail.get("current", 0), detail.get("total", 0))
    elif line.get("status") in ("Download complete", "Extracting", "Pull complete"):
        _, total = layers.get(line.get("id", ""), (0, 0))
        layers[line.get("id", "")] = (total, total)
    here, whole = (sum(sizes) / _MIB for sizes in zip(*layers.values(), strict=True)) if layers else (0.0, 0.0)
    if not whole:
        return ""
    return f"pulling {image}: {here:.0f} of {whole:.0f} MiB" if here < whole else f"unpacking {image}"


def _shown(text: str) -> list[str]:
    """Lines without what would move a cursor."""
    lines = (_CONTROL.sub("", line).strip() for line in text.replace("\r", "\n").split("\n"))
    return [line[:_LONGEST] for line in lines if line]


def _failed(what: str, why: str) -> ImageMissing | DiskFull:
    if "no space left on device" in why:
        return DiskFull(f"{what}: the container engine's disk is full")
    return ImageMissing(f"{what}: {why}")


def _archive(directory: Path) -> bytes:
    """All of a small directory as tar, owned by root. Blocks."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(directory, arcname=".", filter=_as_root)
    return buffer.getvalue()


def _as_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member

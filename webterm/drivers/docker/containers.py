"""Containers, one for each workspace: brought up, found again, ended, removed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from webterm.drivers.cancelling import finished
from webterm.drivers.disk_guard import DiskGuard
from webterm.drivers.docker.container import Container, described, memory_ran_out, why_ended
from webterm.drivers.docker.engine import Engine, EngineInfo, EngineRefusal
from webterm.drivers.docker.faults import NetworkGone, PortTaken, put_in_words
from webterm.drivers.docker.images import Images
from webterm.drivers.docker.labels import KEY, SERVER, WORKSPACE
from webterm.drivers.docker.layers import LayerGuard, can_bound_layers
from webterm.drivers.docker.network import Networks, Reach
from webterm.drivers.docker.news import EngineNews
from webterm.drivers.docker.shape import FIRST, Shape, check_engine, container, container_name, etc_files, user_of
from webterm.drivers.docker.shortages import Shortages
from webterm.drivers.guarding import End
from webterm.drivers.ownership import give, give_all, write_public
from webterm.errors import EngineUnavailable, Unavailable, WebtermError
from webterm.ids import WorkspaceId
from webterm.runtime import OnRuntimeEnded, Progress, Runtime
from webterm.tasks import Tasks

__all__ = ["Container", "Containers"]

_log = logging.getLogger("webterm.drivers")

START_TIMEOUT = 120.0
AT_ONCE = 8
"""Containers that are made at the same time; an engine does not make more of them sooner."""
_STOPPED = "the container engine was stopped"
SETTLED = 120.0
"""Seconds after which what does not run is nobody's who is just making it."""


class Containers:
    """The containers of the server that ``server`` names, in one engine.

    ``directory`` is for what containers are given from outside beside the workspace; ``on_host`` turns a path of ours
    into that on the engine's machine. ``image`` is for runtimes that ask for none; ``disk`` the most bytes that one may
    write outside of its workspace; ``address`` is where published ports are. ``on_ended`` hears of containers that have
    ended without being asked to. ``evict`` is called with a workspace whose programs have to end, and why; one that is
    set from outside has to `stop` it.
    """

    on_ended: OnRuntimeEnded | None = None

    def __init__(
        self,
        engine: Engine,
        images: Images,
        networks: Networks,
        *,
        server: str,
        directory: Path,
        image: str,
        network: bool = True,
        read_only: bool = False,
        disk: int = 0,
        address: str = "",
        on_host: Callable[[Path], Path] = lambda path: path,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._engine = engine
        self._images = images
        self._networks = networks
        self._server = server
        self._directory = directory
        self._image = image
        self._network = network
        self._read_only = read_only
        self._disk = disk
        self._address = address
        self._on_host = on_host
        self._clock = clock
        self._info: EngineInfo | None = None
        self._before: frozenset[str] = frozenset()
        self._up: dict[WorkspaceId, Container] = {}
        self._sure = False
        self._locks: dict[WorkspaceId, asyncio.Lock] = {}
        self._making = asyncio.Semaphore(AT_ONCE)
        self._tasks = Tasks("containers")
        self.evict: End = self._evict
        self._guard = DiskGuard(self._end)
        self._layers = LayerGuard(engine, disk, self._end)
        self.shortages = Shortages()
        self._unsubscribe = engine.subscribe(self._hear)

    @property
    def problem(self) -> str:
        """Why containers have less than they should, for people; empty where they have all."""
        return f"containers have no network: {self._networks.problem}" if self._networks.problem else ""

    async def ensure(self, runtime: Runtime, progress: Progress = lambda _line: None) -> Container:
        """The container of a runtime, brought up if it is not.

        One that is up already is used as it is while programs run in it, though the settings may have changed. Raises
        `webterm.errors.EngineUnavailable`, `webterm.errors.ImageMissing`, `webterm.errors.Unavailable`,
        `webterm.errors.DiskFull` and `webterm.errors.IsolationRefused`. Cancelling leaves it up, or not.
        """
        async with self._lock(runtime.workspace):
            wanted = await self._wanted(runtime, progress)
            found = await self._found(runtime.workspace)
            if found is not None and found.key != wanted["Labels"][KEY] and not await self._is_used(found):
                progress("making the container anew, because it is to be another one")
                self._forget(runtime.workspace)
                await self._remove(runtime.workspace)
                found = None
            if found is None:
                found = await self._start_somehow(runtime, wanted, progress)
            known = self._up.get(runtime.workspace)
            if known is None or known.id != found.id:
                self._forget(runtime.workspace)
                self._up[runtime.workspace] = found
                await self._guard.watch(runtime.workspace, runtime.files, runtime.limits.disk, found.pid or 0)
                self._layers.watch(runtime.workspace, found.id)
            return found

    async def find(self, workspace: WorkspaceId) -> Container | None:
        """The container of a workspace if it is up, also from before this server started.

        Raises `webterm.errors.EngineUnavailable`.
        """
        if self._sure and workspace in self._up:
            return self._up[workspace]  # its end would have been told
        return await self._found(workspace)

    async def stop(self, workspace: WorkspaceId) -> None:
        """End a workspace's container and everything in it, and remove it, if there is one.

        Raises `webterm.errors.EngineUnavailable`.
        """
        async with self._lock(workspace):
            self._forget(workspace)
            await self._remove(workspace)

    async def collect(self, wanted: frozenset[WorkspaceId], known: frozenset[str] = frozenset()) -> list[str]:
        """Remove this server's containers of workspaces that are not ``wanted``, and those that do not run.

        One that is younger than `SETTLED` stays, because somebody may just be making it, or its workspace; but not if
        it is among the ``known``, those of `all_ids` before it was found out what is wanted. What was removed, a line
        each. Raises `webterm.errors.EngineUnavailable`.
        """
        removed = []
        for found in await self._listed(everything=True):
            workspace = WorkspaceId(found["Labels"].get(WORKSPACE, ""))
            lock = self._locks.get(workspace)
            settled = self._clock() - found["Created"] > SETTLED
            orphan = workspace not in wanted and (settled or (bool(workspace) and found["Id"] in known))
            if (orphan or (settled and found["State"] != "running")) and not (lock is not None and lock.locked()):
                self._forget(workspace)
                await self._delete(found["Id"])
                what = f"of workspace {workspace}" if workspace else "that was to do one thing"
                removed.append(f"container {found['Id'][:12]} {what} ({found['Status']})")
        return removed

    async def all_ids(self) -> frozenset[str]:
        """Of this server's containers, whatever they do. Raises `webterm.errors.EngineUnavailable`."""
        return frozenset(found["Id"] for found in await self._listed(everything=True))

    async def all(self) -> list[Container]:
        """Those that are up. Raises `webterm.errors.EngineUnavailable`."""
        names = [found["Labels"].get(WORKSPACE) for found in await self._listed(everything=False)]
        return [found for name in names if name and (found := await self._found(WorkspaceId(name))) is not None]

    async def count(self) -> int:
        """How many are up. Raises `webterm.errors.EngineUnavailable`."""
        return sum(WORKSPACE in found["Labels"] for found in await self._listed(everything=False))

    async def aclose(self) -> None:
        """Look after them no more; they stay. Twice is harmless."""
        self._unsubscribe()
        self.shortages.close()
        await asyncio.gather(self._guard.aclose(), self._layers.aclose())
        await self._tasks.aclose()
        self._up.clear()

    def _lock(self, workspace: WorkspaceId) -> asyncio.Lock:
        return self._locks.setdefault(workspace, asyncio.Lock())

    def _forget(self, workspace: WorkspaceId) -> None:
        self._up.pop(workspace, None)
        self._guard.forget(workspace)
        self._layers.forget(workspace)
        self.shortages.forget(workspace)

    async def _wanted(self, runtime: Runtime, progress: Progress) -> dict[str, Any]:
        """What its container has to be made of, which is brought about."""
        uid = user_of(runtime)
        if self._info is None:
            self._info = await self._engine.info()
        check_engine(self._info)
        image = await self._images.ensure(runtime.image or self._image, progress)
        reach: Reach = "internet" if self._network and runtime.network else "none"
        network = await self._networks.ready(reach, progress)
        etc = self._directory / str(uid)
        return container(
            Shape(
                server=self._server,
                read_only=self._read_only,
                disk=self._disk,
                info=self._info,
                address=self._address,
            ),
            runtime,
            image=image,
            volumes=self._images.volumes(image),
            network=network,
            closed=reach == "none",
            files=self._on_host(runtime.files),
            etc=self._on_host(etc),
            quota=bool(self._disk) and can_bound_layers(self._info),
        )

    async def _start_somehow(self, runtime: Runtime, wanted: dict[str, Any], progress: Progress) -> Container:
        try:
            return await self._start(runtime, wanted, progress)
        except NetworkGone:
            self._networks.forget()
            return await self._start(runtime, await self._wanted(runtime, progress), progress)
        except PortTaken as error:
            progress(f"no port is published: {error}")
            wanted["HostConfig"].pop("PortBindings", None)
            return await self._start(runtime, wanted, progress)

    async def _start(self, runtime: Runtime, wanted: dict[str, Any], progress: Progress) -> Container:
        await asyncio.to_thread(self._prepare, runtime)
        name = container_name(runtime.workspace)
        async with self._making:
            progress("making the container")
            try:
                await self._create(name, wanted)
                progress("starting the container")
                await self._engine.call("POST", f"containers/{name}/start", timeout=START_TIMEOUT)
            except BaseException as error:
                with contextlib.suppress(WebtermError):
                    await finished(self._remove(runtime.workspace))
                if isinstance(error, EngineRefusal):
                    _log.warning("the container of workspace %s could not be started: %s", runtime.workspace, error)
                    raise put_in_words(error, runtime.image or self._image) from error
                raise
        found = await self._found(runtime.workspace)
        if found is None:
            state = await self._state(name)
            short = memory_ran_out(wanted["HostConfig"]["Memory"]) if state.get("OOMKilled") else ""
            await self._remove(runtime.workspace)
            raise Unavailable(f"the image {runtime.image or self._image} cannot be used: {why_ended(state, short)}")
        if os.geteuid() == 0:  # programs that ran on this machine without being confined have made files of root's
            self._tasks.run(asyncio.to_thread(give_all, runtime.files, user_of(runtime)))
        return found

    async def _create(self, name: str, wanted: dict[str, Any]) -> None:
        """Make a container that does not run yet, whatever of that name has been left behind."""
        for last in (False, False, True):
            try:
                # Whoever is cancelled waits for it: what is just being made could not be removed.
                await finished(self._engine.call("POST", "containers/create", params={"name": name}, body=wanted))
            except EngineRefusal as refusal:
                if last:
                    raise
                if refusal.answer == 409:
                    await self._delete_own(name)
                elif wanted["HostConfig"].pop("StorageOpt", None) is None:  # else it may be able to do without
                    raise
            else:
                return

    def _prepare(self, runtime: Runtime) -> None:
        """Make what it needs outside of it. Blocks."""
        if not runtime.files.is_dir():
            raise Unavailable("the workspace's directory is not there")
        uid = user_of(runtime)
        give(runtime.files, uid)
        for name, text in etc_files(uid).items():
            write_public(self._directory / str(uid) / name, text)

    async def _found(self, workspace: WorkspaceId) -> Container | None:
        try:
            found = await self._engine.call("GET", f"containers/{container_name(workspace)}/json")
        except EngineRefusal as refusal:
            if refusal.answer == 404:
                return None
            raise
        labels = found["Config"].get("Labels") or {}
        if labels.get(SERVER) != self._server or not found["State"].get("Running"):
            return None
        return await described(workspace, found)

    async def _state(self, container: str) -> dict[str, Any]:
        """How one stands that there may be no more."""
        with contextlib.suppress(EngineRefusal):
            found = await self._engine.call("GET", f"containers/{container}/json")
            return dict(found["State"])
        return {}

    async def _is_used(self, found: Container) -> bool:
        """Whether anything runs in it. Where that cannot be told, something does."""
        said = await self._engine.call("GET", f"containers/{found.id}/json")
        if said.get("ExecIDs"):
            return True
        # What has been left in the background. Takes a second where somebody has just asked.
        stats = await self._engine.call(
            "GET", f"containers/{found.id}/stats", params={"stream": "false", "one-shot": "true"}
        )
        return bool((stats.get("pids_stats") or {}).get("current", FIRST + 1) > FIRST)

    async def _remove(self, workspace: WorkspaceId) -> None:
        await self._delete_own(container_name(workspace))

    async def _delete_own(self, name: str) -> None:
        """Remove a container of ours. Raises `webterm.errors.Unavailable` where it is another server's."""
        try:
            found = await self._engine.call("GET", f"containers/{name}/json")
        except EngineRefusal as refusal:
            if refusal.answer == 404:
                return
            raise
        if (found["Config"].get("Labels") or {}).get(SERVER) != self._server:
            raise Unavailable(f"the container engine has a container {name} that is not this server's")
        await self._delete(found["Id"])

    async def _delete(self, id_: str) -> None:
        try:
            await self._engine.call("DELETE", f"containers/{id_}", params={"force": "1", "v": "1"}, timeout=60)
        except EngineRefusal as refusal:
            if refusal.answer == 409:  # somebody else is just removing it
                with contextlib.suppress(EngineRefusal):
                    params = {"condition": "removed"}
                    await self._engine.call("POST", f"containers/{id_}/wait", params=params, timeout=60)
            elif refusal.answer != 404:
                raise

    async def _listed(self, *, everything: bool) -> list[dict[str, Any]]:
        filters = json.dumps({"label": [f"{SERVER}={self._server}"]})
        found: list[dict[str, Any]] = await self._engine.call(
            "GET", "containers/json", params={"filters": filters, "all": "1" if everything else "0"}
        )
        return found

    async def _end(self, workspace: WorkspaceId, reason: str) -> None:
        await self.evict(workspace, reason)

    async def _evict(self, workspace: WorkspaceId, reason: str) -> None:
        await self.stop(workspace)
        self._tell(workspace, reason)

    def _hear(self, news: EngineNews) -> None:
        if news.kind == "down":
            self._info, self._sure, self._before = None, False, frozenset(known.id for known in self._up.values())
        elif news.kind == "up":
            self._tasks.run(self._look_again())
        elif news.workspace in self._up and (known := self._up[news.workspace]).id == news.container:
            if news.kind == "oom":
                self.shortages.add(known)
            elif news.kind == "die":
                self._tasks.run(self._bury(known, _STOPPED if known.id in self._before else ""))

    async def _look_again(self) -> None:
        """See what has become of containers while nobody could be asked."""
        with contextlib.suppress(EngineUnavailable):
            running = {found["Id"] for found in await self._listed(everything=False)}
            for known in list(self._up.values()):
                if known.id not in running:
                    await self._bury(known, _STOPPED)
            self._sure, self._before = bool(self._engine.up), frozenset()

    async def _bury(self, known: Container, reason: str = "") -> None:
        """Remove a container that has ended though nobody asked it to, and tell why."""
        if self._up.get(known.workspace) is not known:
            return  # somebody has asked
        short = memory_ran_out(known.memory) if self.shortages.is_recent(known.workspace) else ""
        self._forget(known.workspace)
        try:
            async with self._lock(known.workspace):
                reason = reason or why_ended(await self._state(known.id), short)
                await self._delete(known.id)
        except WebtermError as error:
            _log.warning("what is left of the container of workspace %s stays: %s", known.workspace, error)
        if known.workspace not in self._up:  # else it is up again: somebody was quick
            self._tell(known.workspace, reason or "its container has ended")

    def _tell(self, workspace: WorkspaceId, reason: str) -> None:
        _log.info("the container of workspace %s has ended: %s", workspace, reason)
        if self.on_ended is not None:
            self.on_ended(workspace, reason)

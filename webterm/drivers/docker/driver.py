"""Programs in containers, one container for each workspace; terminals in them outlive the server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from webterm.drivers.docker.endings import Endings
from webterm.drivers.docker.engine import EngineRefusal
from webterm.drivers.docker.execution import DockerExecution
from webterm.drivers.docker.looking import ContainerLooking
from webterm.drivers.docker.program import PREFIX, Begun, Place, launch_in, new_token, order_for, workspace_of
from webterm.drivers.docker.session import LAST_WORDS, DockerSession, Means
from webterm.drivers.docker.shape import check_engine
from webterm.drivers.hangups import HangUps
from webterm.drivers.keeping import Keeping
from webterm.errors import LaunchFailed, ShuttingDown, Unavailable, WebtermError
from webterm.ids import WorkspaceId
from webterm.runtime import DriverHealth, Progress, Runtime, RuntimeProcess, RuntimeStats
from webterm.session import Driver, Execution, Launch, Session, Size
from webterm.tasks import Tasks

if TYPE_CHECKING:
    from webterm.drivers.docker.containers import Container, Containers
    from webterm.drivers.docker.engine import Engine
    from webterm.drivers.docker.news import EngineNews

_log = logging.getLogger("webterm.drivers")

_HEALTH_TIMEOUT = 5.0

_Program = DockerSession | DockerExecution


class DockerDriver(Driver):
    """Opens sessions in the containers of one engine.

    ``keeping`` is the way to the keeper, which holds the streams of terminals over a restart of the server. ``env`` is
    added to every program's environment. Closing a session hangs up, and kills after ``close_grace`` seconds. Engine,
    keeping and containers stay the caller's, to be closed after the driver.

    The streams of an engine that wants TLS cannot be handed over: its terminals end with the server.

    An engine that goes away takes its terminals along: they say so, and end with ``Exit(None, None)``. What may still
    run of them is ended when the engine is there again.
    """

    name: ClassVar[str] = "docker"

    def __init__(
        self,
        engine: Engine,
        keeping: Keeping,
        containers: Containers,
        *,
        env: Mapping[str, str] = MappingProxyType({}),
        close_grace: float = 3.0,
    ) -> None:
        self._engine = engine
        self._keeping = keeping
        self._containers = containers
        self._looking = ContainerLooking(engine, containers)
        self._env = dict(env)
        self._close_grace = close_grace
        self._endings = Endings(engine, self._evict)
        self._means = Means(
            engine=engine, keeping=keeping, endings=self._endings, hang_ups=HangUps(), grace=close_grace
        )
        self._opening: set[str] = set()
        self._sessions: dict[str, DockerSession] = {}
        self._executions: dict[str, DockerExecution] = {}
        self._tasks = Tasks("programs in containers")
        self._closed = False
        self._unsubscribe = engine.subscribe(self._hear)
        keeping.on_lost(self._keeper_lost)
        containers.on_ended = self._ended
        containers.evict = self._evict
        containers.shortages.tell = self._noted

    # Programs.

    async def open(self, launch: Launch, size: Size) -> Session:
        workspace = _place_of(launch).workspace
        token = new_token(workspace)
        memory = None if launch.memory is None else os.dup(launch.memory)
        self._opening.add(token)
        try:
            if launch.durable:
                await self._connected()
            begun = await self._begin(launch, token, size)
            session = self._session(token, begun.place, begun.stream.detach(), memory, launch.record)
            memory = None
            try:
                if launch.durable and self._engine.descriptors:
                    await session.hold()
            except BaseException:
                await asyncio.shield(session.aclose())
                raise
            return session
        finally:
            self._opening.discard(token)
            if memory is not None:
                os.close(memory)

    async def execute(self, launch: Launch) -> Execution:
        workspace = _place_of(launch).workspace
        token = new_token(workspace)
        self._opening.add(token)
        try:
            begun = await self._begin(launch, token, None)
            execution = DockerExecution(
                self._means, begun, token=token, workspace=workspace, on_closed=lambda: self._on_closed(token)
            )
            self._executions[token] = execution
            return execution
        finally:
            self._opening.discard(token)

    async def kept(self) -> list[str]:
        await self._connected()
        tokens = await self._keeping.tokens()
        return [token for token in tokens if workspace_of(token) is not None and token not in self._sessions]

    async def resume(self, token: str) -> Session | None:
        if workspace_of(token) is None or token in self._sessions:
            return None
        await self._connected()
        taken = await self._keeping.take(token)
        if taken is None:
            return None
        place = Place.load(taken.note)
        if place is None:
            _log.error("a terminal in a container was kept by another version of the server, and is given up")
            for fd in (taken.master, taken.memory):
                if fd is not None:
                    os.close(fd)
            await self._keeping.forget(token)
            return None
        session = self._session(token, place, taken.master, taken.memory, taken.record)
        session.resumed()
        return session

    # Runtimes.

    async def start(self, runtime: Runtime, progress: Progress) -> None:
        self._refuse_closed()
        await self._engine.start()  # where programs run elsewhere as a rule nobody has needed its news so far
        await self._containers.ensure(runtime, progress)

    async def stop(self, workspace: WorkspaceId) -> None:
        container = await self._containers.find(workspace)
        if container is not None:
            for session in self._sessions_in(workspace):
                session.explain("the workspace's container was stopped")
            await self._endings.end(container.id, container.user, f"{PREFIX}{workspace}-", grace=self._close_grace)
        await self._stopped(workspace)

    async def is_up(self, workspace: WorkspaceId) -> bool:
        return await self._containers.find(workspace) is not None

    async def health(self) -> DriverHealth:
        try:
            async with asyncio.timeout(_HEALTH_TIMEOUT):
                info = await self._engine.info()
                check_engine(info)
                count, reason = await self._containers.count(), self._containers.problem
                return DriverHealth(works=True, reason=reason, version=info.version, runtimes=count)
        except TimeoutError:
            return DriverHealth(works=False, reason="the container engine does not answer in time")
        except WebtermError as error:
            return DriverHealth(works=False, reason=str(error))

    async def stats(self, workspace: WorkspaceId) -> RuntimeStats:
        return await self._looking.stats(workspace)

    async def processes(self, workspace: WorkspaceId) -> tuple[RuntimeProcess, ...]:
        return await self._looking.processes(workspace)

    async def ports(self, workspace: WorkspaceId) -> frozenset[int]:
        return await self._looking.ports(workspace)

    async def dial(self, workspace: WorkspaceId, port: int) -> socket.socket:
        return await self._looking.dial(workspace, port)

    async def is_idle(self, workspace: WorkspaceId) -> bool:
        return await self._looking.is_idle(workspace)

    async def collect(self, wanted: frozenset[WorkspaceId]) -> list[str]:
        return await self._containers.collect(wanted)

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            self._unsubscribe()
        await self._tasks.aclose()
        fleeting = [session for session in self._sessions.values() if session.token is None]
        ending: list[_Program] = [*fleeting, *self._executions.values()]
        await asyncio.gather(*(each.aclose() for each in ending))
        for session in list(self._sessions.values()):
            session.let_go()
        for session in list(self._sessions.values()):
            await session.aclose()  # which is being ended already
        await self._endings.aclose()
        await self._looking.aclose()
        self._means.hang_ups.close()
        self.staging = None

    # Within.

    async def _begin(self, launch: Launch, token: str, size: Size | None) -> Begun:
        """Start a program; one whose start fails or is cancelled is ended."""
        self._refuse_closed()
        runtime = _place_of(launch)
        for last in (False, True):
            container = await self._containers.ensure(runtime)
            try:
                return await self._begin_in(container, launch, token, size)
            except EngineRefusal as refusal:
                if last or not refusal.is_gone:
                    raise
        raise AssertionError

    async def _begin_in(self, container: Container, launch: Launch, token: str, size: Size | None) -> Begun:
        order = order_for(launch, token, container.user, self._env, terminal=size is not None)
        try:
            return await launch_in(self._engine, container, order, size, shell=not launch.argv)
        except BaseException as error:
            if not isinstance(error, LaunchFailed | EngineRefusal):
                self._endings.end_soon(container.id, container.user, token)
            raise

    def _session(self, token: str, place: Place, fd: int, memory: int | None, record: bytes) -> DockerSession:
        session = DockerSession(
            self._means,
            place,
            fd,
            token=token,
            workspace=workspace_of(token) or WorkspaceId(""),
            memory=memory,
            record=record,
            on_closed=lambda: self._on_closed(token),
        )
        self._sessions[token] = session
        return session

    async def _connected(self) -> None:
        """To the keeper, which is started where there is none."""
        self._refuse_closed()
        await self._keeping.client()
        self.staging = self._keeping.staging

    def _refuse_closed(self) -> None:
        if self._closed:
            raise ShuttingDown("the server is stopping")

    def _programs(self, workspace: WorkspaceId | None = None) -> list[_Program]:
        """Those of a workspace; without, all."""
        programs: dict[str, _Program] = {**self._sessions, **self._executions}
        return [each for token, each in programs.items() if workspace in (None, workspace_of(token))]

    def _sessions_in(self, workspace: WorkspaceId) -> list[DockerSession]:
        return [session for token, session in self._sessions.items() if workspace_of(token) == workspace]

    def _on_closed(self, token: str) -> None:
        self._sessions.pop(token, None)
        self._executions.pop(token, None)

    def _ended(self, workspace: WorkspaceId, reason: str) -> None:
        if self.on_runtime_ended is not None:
            self.on_runtime_ended(workspace, reason)

    def _noted(self, workspace: WorkspaceId, text: str) -> None:
        if self.on_runtime_note is not None:
            self.on_runtime_note(workspace, text)

    async def _evict(self, workspace: WorkspaceId, reason: str) -> None:
        """End a container and everything in it, and say why on its terminals."""
        for session in self._sessions_in(workspace):
            session.explain(f"the programs of this workspace have been ended: {reason}")
        await self._stopped(workspace)
        self._ended(workspace, reason)

    async def _stopped(self, workspace: WorkspaceId) -> None:
        """Stop a container. The engine waits until all output of all its programs is read: not for ever."""
        loop = asyncio.get_running_loop()
        cuts = [loop.call_later(LAST_WORDS, program.cut) for program in self._programs(workspace)]
        try:
            await self._containers.stop(workspace)
        finally:
            for cut in cuts:
                cut.cancel()

    def _hear(self, news: EngineNews) -> None:
        if news.kind in ("up", "down") and self.on_doubt is not None:
            self.on_doubt()
        if news.kind == "exec_die":
            for program in self._programs():
                if program.place.exec == news.exec:
                    program.check()
        elif news.kind == "up":
            self._tasks.run(self._sweep())

    async def _sweep(self) -> None:
        """End what is left in containers of programs that nobody has any more.

        The engine was gone, or the server was killed in the middle of something.
        """
        for program in self._programs():
            program.check(sure=False)
        try:
            for container in await self._containers.all():
                left = await self._endings.tokens(container.id, container.user, container.workspace)
                known = {*await self._keeping.tokens(), *self._sessions, *self._executions, *self._opening}
                for token in left - known:
                    self._endings.end_soon(container.id, container.user, token)
        except Unavailable as error:
            _log.info("what is left of programs in containers stays for now: %s", error)

    def _keeper_lost(self) -> None:
        self._tasks.run(self._hold_again())

    async def _hold_again(self) -> None:
        """Another keeper holds the streams from now on."""
        for session in list(self._sessions.values()):
            if session.token is not None:
                await session.hold()
        with contextlib.suppress(Unavailable):
            await self._connected()


def _place_of(launch: Launch) -> Runtime:
    if launch.runtime is None:
        raise LaunchFailed("containers run the programs of workspaces only")
    return launch.runtime

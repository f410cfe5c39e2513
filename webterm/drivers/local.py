"""Programs of this machine, in pseudo-terminals. The keeper starts them and keeps them over a restart of the server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Literal

from webterm.drivers.environment import (
    Account,
    confined_environment,
    login_command,
    own_account,
    program_environment,
)
from webterm.drivers.keeping import Keeping, exit_of, refuse
from webterm.drivers.local_execution import LocalExecution, Pipes
from webterm.drivers.local_looking import LocalLooking
from webterm.drivers.local_runtimes import LocalRuntimes
from webterm.drivers.local_session import LocalSession, Parting
from webterm.drivers.local_tokens import held_by, is_confined, is_local, new_token, workspace_of
from webterm.drivers.prepared import Prepared
from webterm.drivers.sandbox_entry import enter
from webterm.drivers.sandbox_layout import Surroundings
from webterm.errors import ShuttingDown, Unavailable
from webterm.ids import WorkspaceId
from webterm.keeper.client import KeeperClient, KeeperError, Taken
from webterm.runtime import Progress, Runtime, RuntimeProcess, RuntimeStats
from webterm.session import Driver, Execution, Launch, Session, Size


class LocalDriver(Driver):
    """Opens sessions through the keeper of ``directory``, which is started when first needed.

    ``shell`` and ``cwd`` stand in for the user's own, ``env`` is added to every program's environment. Closing a
    session hangs up, and kills after ``close_grace`` seconds; ``close_scope`` says what: every program started from it
    (``tree``), or only those that stayed in its terminal session (``session``). ``patience`` is how many seconds a
    keeper without programs waits for a server.

    Programs of a confined runtime run in its sandbox. No sandbox sees ``directory``, and what is ``hidden``, wherever
    that lies; all see the directories that are ``readable``, beside the system's own.

    If the keeper dies, its sessions end with ``Exit(None, None)`` and the next `open` starts another one. ``keeping``
    is the way to it, where other drivers use it, too: then it stays the caller's, to be closed after the drivers.
    """

    name: ClassVar[str] = "local"

    def __init__(
        self,
        directory: Path,
        *,
        shell: str | None = None,
        cwd: str | None = None,
        env: Mapping[str, str] = MappingProxyType({}),
        close_grace: float = 3.0,
        close_scope: Literal["tree", "session"] = "tree",
        patience: float = 10.0,
        hidden: Sequence[Path] = (),
        readable: Sequence[Path] = (),
        keeping: Keeping | None = None,
    ) -> None:
        self._shell = shell
        self._cwd = cwd
        self._env = dict(env)
        self._parting = Parting(grace=close_grace, scope=close_scope)
        self._keeping = keeping or Keeping(directory, patience=patience)
        self._owns_keeping = keeping is None
        self._account: Account | None = None
        self._exits = self._keeping.exits
        self._sessions: dict[str, LocalSession] = {}
        self._executions: dict[str, LocalExecution] = {}
        self._closed = False
        surroundings = Surroundings(hidden=(directory, *hidden), readable=tuple(readable), shell=shell)
        self._runtimes = LocalRuntimes(directory, surroundings, self._keeper, self._exits, self._evict)
        self._runtimes.on_ended = self._tell_ended
        self._looking = LocalLooking(self._runtimes, self._keeper, lambda: self._exits)

    async def open(self, launch: Launch, size: Size) -> Session:
        keeper = await self._keeper()
        token = new_token(launch.runtime)
        prepared = await self.prepare(launch, token, terminal=True)
        memory = None if launch.memory is None else os.dup(launch.memory)
        # The exit may be told before the reply is looked at.
        self._exits[token] = asyncio.get_running_loop().create_future()
        try:
            taken = await keeper.spawn(
                token,
                prepared.argv,
                env=prepared.env,
                cwd=prepared.cwd,
                cols=size.cols,
                rows=size.rows,
                record=launch.record,
                memory=launch.memory,
                durable=launch.durable,
            )
        except BaseException as error:
            del self._exits[token]
            if memory is not None:
                os.close(memory)
            if isinstance(error, KeeperError):
                refuse(error)
            raise
        return self._session(keeper, token, taken, memory)

    async def execute(self, launch: Launch) -> Execution:
        keeper = await self._keeper()
        token = new_token(launch.runtime)
        prepared = await self.prepare(launch, token)
        self._exits[token] = asyncio.get_running_loop().create_future()
        pipes: Pipes | None = None
        try:
            pipes = Pipes(prepared.account)
            await keeper.run(token, prepared.argv, env=prepared.env, cwd=prepared.cwd, fds=pipes.theirs)
            pipes.give()
        except BaseException as error:
            del self._exits[token]
            if pipes is not None:
                pipes.close()
            if isinstance(error, KeeperError):
                refuse(error)
            if isinstance(error, OSError):
                raise Unavailable(f"there are no pipes for the command: {error.strerror}") from error
            raise
        execution = LocalExecution(
            pipes,
            token=token,
            exit_=self._exits[token],
            keeper=keeper,
            on_closed=lambda: self._on_closed(token),
        )
        self._executions[token] = execution
        return execution

    async def prepare(self, launch: Launch, token: str, *, terminal: bool = False) -> Prepared:
        """What to execute for a launch, its runtime brought up first. ``token`` marks everything that comes of it.

        ``terminal``: the program's standard input is to be its controlling terminal. Raises what `open` raises.
        """
        await self._keeper()
        if self._account is None:
            self._account = await asyncio.to_thread(own_account, self._shell)
        account, runtime = self._account, launch.runtime
        added = launch.env if runtime is None else {**runtime.env, **launch.env}
        if runtime is not None and runtime.confined:
            sandbox = await self._runtimes.ensure(runtime)
            argv, env = enter(
                sandbox,
                argv=launch.argv or login_command(sandbox.shell),
                env=confined_environment(sandbox.shell, token, self._env, added),
                cwd=launch.cwd,
                terminal=terminal,
            )
            return Prepared(argv=argv, env=env, cwd="/", account=sandbox.plan.runtime.account)
        start = account.directory if runtime is None else str(runtime.files)
        usual = self._cwd if runtime is None else None
        return Prepared(
            argv=launch.argv or login_command(account.shell),
            env=program_environment(account, token, self._env, added),
            cwd=str(Path(start, launch.cwd or usual or "")),
        )

    async def start(self, runtime: Runtime, progress: Progress) -> None:
        if runtime.confined:
            await self._runtimes.ensure(runtime, progress)

    async def stop(self, workspace: WorkspaceId) -> None:
        keeper = await self._keeper()
        try:
            placed = [token for token in await keeper.tokens() if workspace_of(token) == workspace]
            await asyncio.gather(*(self._hang_up(keeper, token) for token in placed))
        except KeeperError as error:
            refuse(error)
        await self._runtimes.stop(workspace)

    async def is_up(self, workspace: WorkspaceId) -> bool:
        return await self._runtimes.is_up(workspace)

    async def collect(self, wanted: frozenset[WorkspaceId]) -> list[str]:
        await self._keeper()
        left = {held_by(token) for token in await self._keeping.tokens()} - {None, *wanted}
        for workspace in filter(None, left):
            await self.stop(workspace)
        return [f"sandbox of workspace {workspace}" for workspace in left]

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

    async def kept(self) -> list[str]:
        await self._keeper()
        return [token for token in await self._keeping.tokens() if token not in self._exits and is_local(token)]

    async def resume(self, token: str) -> Session | None:
        keeper = await self._keeper()
        if token in self._exits:
            return None
        self._exits[token] = exit_ = asyncio.get_running_loop().create_future()
        try:
            taken = await keeper.take(token)
        except BaseException as error:
            del self._exits[token]
            if not isinstance(error, KeeperError):
                raise
            if error.code == "no_such_program":
                return None
            refuse(error)
        if taken.exit is not None and not exit_.done():
            exit_.set_result(exit_of(taken.exit))
        return self._session(keeper, token, taken, taken.memory)

    async def aclose(self) -> None:
        self._closed = True
        await asyncio.gather(*(execution.aclose() for execution in list(self._executions.values())))
        for session in list(self._sessions.values()):
            session.let_go()
        await self._looking.aclose()
        with contextlib.suppress(Unavailable):
            await self._runtimes.aclose()
        if self._owns_keeping:
            await self._keeping.aclose()
        for session in list(self._sessions.values()):
            await session.aclose()
        self.staging = None

    async def _keeper(self) -> KeeperClient:
        if self._closed:
            raise ShuttingDown("the server is stopping")
        keeper = await self._keeping.client()
        self.staging = self._keeping.staging
        return keeper

    async def _evict(self, workspace: WorkspaceId, reason: str) -> None:
        """End everything in a sandbox, and say why on its terminals."""
        for token, session in self._sessions.items():
            if workspace_of(token) == workspace:
                session.explain(f"the programs of this workspace have been ended: {reason}")
        await self._runtimes.stop(workspace)
        self._tell_ended(workspace, reason)

    def _tell_ended(self, workspace: WorkspaceId, reason: str) -> None:
        if self.on_runtime_ended is not None:
            self.on_runtime_ended(workspace, reason)

    async def _hang_up(self, keeper: KeeperClient, token: str) -> None:
        try:
            await keeper.hang_up(token, grace=self._parting.grace, scope="tree")
        except KeeperError as error:
            if error.code != "no_such_program":
                raise

    def _session(self, keeper: KeeperClient, token: str, taken: Taken, memory: int | None) -> LocalSession:
        session = LocalSession(
            taken,
            token=token,
            memory=memory,
            exit_=self._exits[token],
            keeper=keeper,
            parting=self._parting,
            confined=is_confined(token),
            on_closed=lambda: self._on_closed(token),
        )
        self._sessions[token] = session
        return session

    def _on_closed(self, token: str) -> None:
        self._sessions.pop(token, None)
        self._executions.pop(token, None)
        self._exits.pop(token, None)

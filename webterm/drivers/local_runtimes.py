"""Sandboxes of this machine, one for each workspace: brought up, found again after a restart, ended.

A sandbox is held by a program that the keeper has started, so it outlives the server as terminals do.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import os
import secrets
import shutil
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from webterm.drivers import cgroups
from webterm.drivers.disk_guard import DiskGuard
from webterm.drivers.guarding import End
from webterm.drivers.local_tokens import holder_token
from webterm.drivers.ownership import give, write_public
from webterm.drivers.sandbox_entry import Bounds, Sandbox, way_in
from webterm.drivers.sandbox_layout import (
    READY,
    Plan,
    Surroundings,
    bubblewrap,
    etc_files,
    shell_inside,
)
from webterm.drivers.sandbox_limits import process_limits, take_shares, unenforced
from webterm.drivers.sandbox_proof import Proof, prove
from webterm.errors import IsolationRefused, Unavailable
from webterm.ids import WorkspaceId
from webterm.keeper.client import KeeperClient, KeeperError, Taken
from webterm.runtime import OnRuntimeEnded, Progress, Runtime
from webterm.session import Exit
from webterm.tasks import Tasks

_log = logging.getLogger("webterm.drivers")

_LONGEST_REPORT = 16 * 1024
_START_TIMEOUT = 30.0
_GROUPS_PATIENCE = 2.0
_PASSAGE_REST = 10.0
"""Seconds for which the way into a sandbox that has ended stays open: a program may just be on it, and would find
itself in another sandbox if the numbers of its descriptors were used again. (It would be run in none, see
`webterm.drivers.sandbox_entry`.)"""
_HOLD = 'exec >/dev/null; while [ "$1" != -- ]; do echo $$ >"$1" || exit 125; shift; done; shift; exec "$@"'
"""Joins the control groups, and hides the terminal from bubblewrap, which would give it to the sandbox."""

_HOLDER_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C"}

Connect = Callable[[], Awaitable[KeeperClient]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A sandbox that is up, and what holds it. ``unenforced``: limits that this machine cannot keep, in words."""

    sandbox: Sandbox
    keeper: KeeperClient
    token: str
    exit: asyncio.Future[Exit]
    groups: cgroups.Groups
    print: str
    unenforced: tuple[str, ...]


class LocalRuntimes:
    """The sandboxes of a driver. ``exits`` holds the end of each of the keeper's programs that somebody waits for.

    ``evict`` is called with a workspace that has filled its disk, and has to `stop` it. ``on_ended`` hears of sandboxes
    that have ended without being asked to.
    """

    on_ended: OnRuntimeEnded | None = None

    def __init__(
        self,
        directory: Path,
        surroundings: Surroundings,
        connect: Connect,
        exits: dict[str, asyncio.Future[Exit]],
        evict: End,
    ) -> None:
        self._directory = directory / "sandboxes"
        self._surroundings = surroundings
        self._connect = connect
        self._exits = exits
        self._up: dict[WorkspaceId, Holder] = {}
        self._locks: dict[WorkspaceId, asyncio.Lock] = {}
        self._burials = Tasks("sandboxes")
        self._proving = asyncio.Lock()
        self._proof: Proof | None = None
        self._guard = DiskGuard(evict)

    async def ensure(self, runtime: Runtime, progress: Progress = lambda _line: None) -> Sandbox:
        """The sandbox of a runtime, brought up if it is not.

        One that is up already is used as it is while programs run in it, though the settings may have changed.
        Raises `webterm.errors.IsolationRefused` and `webterm.errors.Unavailable`.
        """
        async with self._lock(runtime.workspace):
            proof = await self._proven()
            with _keeper_faults():
                holder = await self._find(runtime, proof)
                if holder is not None and await asyncio.to_thread(self._is_outdated, holder, runtime):
                    await self._end(runtime.workspace, holder)
                    holder = None
                if holder is None:
                    holder = await self._start(runtime, proof, progress)
                else:  # not waited for: the keeper starts the program meanwhile
                    asyncio.get_running_loop().run_in_executor(
                        None, cgroups.get_ready, holder.groups, holder.sandbox.pid
                    )
            return holder.sandbox

    def holder(self, workspace: WorkspaceId) -> Holder | None:
        """The sandbox of a workspace, if this server has made or used it."""
        return self._up.get(workspace)

    async def is_up(self, workspace: WorkspaceId) -> bool:
        """Whether there is one, also from before this server started. Raises `webterm.errors.Unavailable`."""
        if workspace in self._up:
            return True
        with _keeper_faults():
            return holder_token(workspace) in await (await self._connect()).tokens()

    async def stop(self, workspace: WorkspaceId) -> None:
        """End a sandbox and everything in it at once, if there is one. Raises `webterm.errors.Unavailable`."""
        async with self._lock(workspace):
            with _keeper_faults():
                holder = self._up.get(workspace)
                if holder is not None:
                    await self._end(workspace, holder)
                    return
                keeper, token = await self._connect(), holder_token(workspace)
                if token in await keeper.tokens():
                    await _hang_up(keeper, token)
            if self._proof is not None:  # else what is left of it is swept out before the first that is made
                await asyncio.to_thread(self._clear, workspace, [tree.group(workspace) for tree in self._proof.trees])

    async def aclose(self) -> None:
        """Let go: sandboxes in which programs run stay up, others end. Raises `webterm.errors.Unavailable`."""
        await self._guard.aclose()
        await self._burials.finish()
        for workspace, holder in list(self._up.items()):
            async with self._lock(workspace):
                if workspace in self._up and not await asyncio.to_thread(_is_used, holder.sandbox):
                    with _keeper_faults():
                        await self._end(workspace, holder)
        up, self._up = self._up, {}
        for holder in up.values():
            self._exits.pop(holder.token, None)
            holder.sandbox.passage.close()

    def _is_outdated(self, holder: Holder, runtime: Runtime) -> bool:
        """Whether it would be made in another way now, and can be: nothing runs in it. Blocks."""
        return holder.print != _print(runtime, self._surroundings) and not _is_used(holder.sandbox)

    def _lock(self, workspace: WorkspaceId) -> asyncio.Lock:
        return self._locks.setdefault(workspace, asyncio.Lock())

    async def _proven(self) -> Proof:
        """What works here: tried out once; where it does not, again each time, because that can be mended."""
        async with self._proving:
            if self._proof is None:
                proof = await asyncio.to_thread(prove, self._surroundings)
                with _keeper_faults():
                    tokens = await (await self._connect()).tokens()
                await asyncio.to_thread(self._sweep, proof.trees, set(tokens))
                self._proof = proof
            return self._proof

    async def _find(self, runtime: Runtime, proof: Proof) -> Holder | None:
        """The one that is up, also from before this server started."""
        if runtime.workspace in self._up:
            return self._up[runtime.workspace]
        keeper, token = await self._connect(), holder_token(runtime.workspace)
        if token not in await keeper.tokens():
            return None
        exit_ = self._exits[token] = asyncio.get_running_loop().create_future()
        taken = await keeper.take(token)
        os.close(taken.master)
        kept = _kept(taken)
        if taken.exit is None and kept is not None:
            with contextlib.suppress(OSError, Unavailable):
                plan = self._plan(runtime, nonce=kept["nonce"])
                return await self._remember(plan, proof, keeper, taken.pid, exit_, kept["print"])
        self._exits.pop(token, None)
        await _hang_up(keeper, token)  # it was only just starting, or has ended
        return None

    async def _start(self, runtime: Runtime, proof: Proof, progress: Progress) -> Holder:
        progress("making the sandbox")
        plan = self._plan(runtime, nonce=secrets.token_hex(16))
        keeper, token = await self._connect(), holder_token(runtime.workspace)
        argv = await asyncio.to_thread(self._prepare, plan, proof)
        exit_ = self._exits[token] = asyncio.get_running_loop().create_future()
        try:
            holder = await self._hold(plan, proof, keeper, argv, exit_)
        except BaseException as error:
            self._exits.pop(token, None)
            with contextlib.suppress(KeeperError, Unavailable):
                await asyncio.shield(_hang_up(keeper, token))
            if isinstance(error, TimeoutError | OSError):
                raise Unavailable("the sandbox did not come up") from error
            raise
        if not await asyncio.to_thread(take_shares, holder.sandbox):
            progress("the number of pseudo-terminals and of directories being watched is not limited")
        for line in holder.unenforced:
            progress(line)
        return holder

    async def _hold(
        self, plan: Plan, proof: Proof, keeper: KeeperClient, argv: tuple[str, ...], exit_: asyncio.Future[Exit]
    ) -> Holder:
        """Have the keeper start what holds a sandbox, and wait until that is up."""
        token = holder_token(plan.runtime.workspace)
        taken = await keeper.spawn(token, argv, env=_HOLDER_ENVIRONMENT, cwd="/", cols=500, rows=24, record=b"{}")
        try:
            async with asyncio.timeout(_START_TIMEOUT):
                await _until_ready(taken.master)
        finally:
            os.close(taken.master)
        print_ = _print(plan.runtime, self._surroundings)
        await keeper.keep(token, json.dumps({"nonce": plan.nonce, "print": print_}).encode())
        return await self._remember(plan, proof, keeper, taken.pid, exit_, print_)

    def _prepare(self, plan: Plan, proof: Proof) -> tuple[str, ...]:
        """Make what a sandbox needs outside of it; the command that makes itself. Blocks."""
        runtime = plan.runtime
        if not plan.runtime.files.is_dir():
            raise Unavailable("the workspace's directory is not there")
        if plan.as_root:
            give(runtime.files, plan.uid)
        plan.made.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, text in etc_files(plan, shell_inside(self._surroundings)).items():
            write_public(plan.made / name, text)
        groups = cgroups.make_groups(proof.trees, runtime.workspace, runtime.limits)
        command = bubblewrap(proof.tools, self._surroundings, plan)
        return ("/bin/sh", "-c", _HOLD, "sh", *map(str, groups.entrances), "--", *command)

    async def _remember(
        self, plan: Plan, proof: Proof, keeper: KeeperClient, pid: int, exit_: asyncio.Future[Exit], print_: str
    ) -> Holder:
        """Find the way into a sandbox that is up, and hear of its end. ``pid`` is bubblewrap's."""
        runtime = plan.runtime
        first, passage = await asyncio.to_thread(way_in, pid)
        groups = await asyncio.to_thread(cgroups.make_groups, proof.trees, runtime.workspace, runtime.limits)
        sandbox = Sandbox(
            plan=plan,
            tools=proof.tools,
            pid=first,
            passage=passage,
            bounds=Bounds(groups=groups.entrances, options=process_limits(runtime, groups)),
            shell=await asyncio.to_thread(shell_inside, self._surroundings),
        )
        holder = Holder(
            sandbox=sandbox,
            keeper=keeper,
            token=holder_token(runtime.workspace),
            exit=exit_,
            groups=groups,
            print=print_,
            unenforced=unenforced(runtime, groups),
        )
        await self._guard.watch(runtime.workspace, runtime.files, runtime.limits.disk, first)
        self._up[runtime.workspace] = holder
        exit_.add_done_callback(lambda _: self._ended(runtime.workspace, holder))
        return holder

    def _ended(self, workspace: WorkspaceId, holder: Holder) -> None:
        if self._up.get(workspace) is holder:  # else somebody has asked for it
            self._gone(workspace, holder)
            self._burials.run(self._bury(workspace, holder))

    async def _bury(self, workspace: WorkspaceId, holder: Holder) -> None:
        async with self._lock(workspace):
            if workspace not in self._up:
                with contextlib.suppress(KeeperError):  # it may have gone, too
                    await _hang_up(holder.keeper, holder.token)
                await asyncio.to_thread(self._clear, workspace, holder.groups.directories)
        if self.on_ended is not None:
            self.on_ended(workspace, "its sandbox has ended")

    def _gone(self, workspace: WorkspaceId, holder: Holder) -> None:
        if self._up.get(workspace) is not holder:
            return
        del self._up[workspace]
        self._guard.forget(workspace)
        self._exits.pop(holder.token, None)
        asyncio.get_running_loop().call_later(_PASSAGE_REST, holder.sandbox.passage.close)

    async def _end(self, workspace: WorkspaceId, holder: Holder) -> None:
        self._gone(workspace, holder)
        await asyncio.to_thread(cgroups.kill_group, holder.groups)
        await _hang_up(holder.keeper, holder.token)
        if not holder.exit.done():
            holder.exit.set_result(Exit(signal="KILL"))
        await asyncio.to_thread(self._clear, workspace, holder.groups.directories)

    def _plan(self, runtime: Runtime, nonce: str) -> Plan:
        as_root = os.geteuid() == 0
        if as_root and runtime.account is None:
            raise IsolationRefused("programs of a server that runs as root are confined only with a user of their own")
        return Plan(runtime=runtime, made=self._directory / runtime.workspace, nonce=nonce, as_root=as_root)

    def _sweep(self, trees: Sequence[cgroups.Tree], tokens: set[str]) -> None:
        """Clear up after sandboxes that have ended while no server looked. Blocks."""
        with contextlib.suppress(FileNotFoundError):
            for made in list(self._directory.iterdir()):
                workspace = WorkspaceId(made.name)
                if holder_token(workspace) not in tokens:
                    self._clear(workspace, [tree.group(workspace) for tree in trees])

    def _clear(self, workspace: WorkspaceId, groups: Sequence[Path]) -> None:
        shutil.rmtree(self._directory / workspace, ignore_errors=True)
        if not cgroups.remove_groups(groups, _GROUPS_PATIENCE):
            _log.warning("a control group of workspace %s could not be removed", workspace)


def _print(runtime: Runtime, surroundings: Surroundings) -> str:
    """Differs where a sandbox would have to be made in another way."""
    said = repr((replace(runtime, env={}), surroundings))
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _kept(taken: Taken) -> dict[str, str] | None:
    """What was kept with the holder of a sandbox, once that was up."""
    try:
        kept = json.loads(taken.record)
    except ValueError:
        return None
    return kept if isinstance(kept, dict) and {"nonce", "print"} <= set(kept) else None


@contextlib.contextmanager
def _keeper_faults() -> Iterator[None]:
    try:
        yield
    except KeeperError as error:
        raise Unavailable(str(error)) from error


async def _hang_up(keeper: KeeperClient, token: str) -> None:
    try:
        await keeper.hang_up(token, grace=0, scope="tree")
    except KeeperError as error:
        if error.code not in ("no_such_program", "lost"):
            raise


async def _until_ready(master: int) -> None:
    """Read what bubblewrap says until the sandbox is up. Raises `webterm.errors.IsolationRefused` with its words."""
    loop = asyncio.get_running_loop()
    said = b""
    while READY not in said:
        readable = asyncio.Event()
        loop.add_reader(master, readable.set)
        try:
            await readable.wait()
        finally:
            loop.remove_reader(master)
        try:
            data = os.read(master, _LONGEST_REPORT)
        except BlockingIOError:
            continue
        except OSError:
            data = b""  # it has ended
        if not data:
            words = said.decode(errors="replace").strip()
            raise IsolationRefused(f"the sandbox could not be made: {words[-400:] or 'it ended at once'}")
        said = (said + data)[-_LONGEST_REPORT:]


def _is_used(sandbox: Sandbox) -> bool:
    """Whether anything runs in it beside its first process. Blocks."""
    try:
        inside = os.listdir(f"/proc/{sandbox.pid}/root/proc")  # noqa: PTH208 - names are enough
    except OSError:
        return False
    return sum(name.isdigit() for name in inside) > 1

"""Whether programs can be confined on this machine: found out by confining one."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from webterm.drivers import cgroups
from webterm.drivers.sandbox_entry import Bounds, Sandbox, enter, open_passage
from webterm.drivers.sandbox_layout import READY, Plan, Surroundings, bubblewrap, etc_files
from webterm.drivers.sandbox_tools import Tools, find_tools
from webterm.errors import IsolationRefused, Unavailable
from webterm.ids import WorkspaceId
from webterm.runtime import Runtime

_TIMEOUT = 20
_ACCOUNT = 65534
"""Nobody (that is what the number is called): owns the file that the proof makes, where the server is root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What was found to work."""

    tools: Tools
    trees: tuple[cgroups.Tree, ...]


def prove(surroundings: Surroundings, search: str | None = None) -> Proof:
    """Make a sandbox, run a program in it, and end it. Blocks, some 50 ms.

    Raises `webterm.errors.IsolationRefused` with the reason and, as far as that is known, the mend.
    """
    tools = find_tools(search)
    trees = cgroups.find_trees()
    with tempfile.TemporaryDirectory(prefix="webterm-sandbox-") as directory:
        plan = _plan(Path(directory))
        for name, text in etc_files(plan, "/bin/sh").items():
            (plan.made / name).write_text(text)
            (plan.made / name).chmod(0o644)
        _try(plan, tools, surroundings)
    return Proof(tools=tools, trees=trees)


def _plan(directory: Path) -> Plan:
    as_root = os.geteuid() == 0
    files, made = directory / "files", directory / "made"
    files.mkdir(mode=0o700)
    made.mkdir()
    if as_root:
        try:
            os.chown(files, _ACCOUNT, _ACCOUNT)
        except OSError as error:
            raise IsolationRefused(
                f"programs cannot be confined here: files cannot be given to another user ({error.strerror});"
                " run the server as an ordinary user, or in a container with more users"
            ) from error
    runtime = Runtime(workspace=WorkspaceId("proof"), files=files, confined=True, account=_ACCOUNT if as_root else None)
    return Plan(runtime=runtime, made=made, nonce="proof", as_root=as_root)


def _try(plan: Plan, tools: Tools, surroundings: Surroundings) -> None:
    with subprocess.Popen(
        bubblewrap(tools, surroundings, plan),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={"LC_ALL": "C"},
        cwd="/",
        start_new_session=True,
    ) as holder:
        try:
            said = holder.stderr.readline() if holder.stderr is not None else b""
            if READY not in said:
                _refuse(said + (holder.stderr.read() if holder.stderr is not None else b""))
            children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()
            _enter(plan, tools, int(children[0]))
        finally:
            holder.kill()


def _enter(plan: Plan, tools: Tools, pid: int) -> None:
    try:
        passage = open_passage(pid)
    except (OSError, Unavailable) as error:
        raise IsolationRefused(f"programs cannot be confined here: {error}") from error
    try:
        sandbox = Sandbox(plan=plan, tools=tools, pid=pid, passage=passage, bounds=Bounds(), shell="/bin/sh")  # noqa: S604
        argv, env = enter(sandbox, argv=("touch", "proof"), env={"PATH": "/usr/bin:/bin"}, cwd=None, terminal=False)
        ran = subprocess.run(
            argv, env=env, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise IsolationRefused("programs cannot be confined here: a program in a sandbox does not end") from error
    finally:
        passage.close()
    if ran.returncode != 0 or not (plan.runtime.files / "proof").exists():
        _refuse(ran.stderr)


def _refuse(said: bytes) -> None:
    words = " ".join(said.decode(errors="replace").split())[-400:]
    raise IsolationRefused(f"programs cannot be confined here: {words or 'bubblewrap ended at once'}; {_mend()}")


def _mend() -> str:
    """What keeps most machines from it, looked at in turn."""
    if _value("/proc/sys/kernel/unprivileged_userns_clone") == "0":
        return "allow user namespaces: sysctl kernel.unprivileged_userns_clone=1"
    if _value("/proc/sys/user/max_user_namespaces") == "0":
        return "allow user namespaces: sysctl user.max_user_namespaces=10000"
    if _value("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1":
        return (
            "allow user namespaces to bubblewrap: an AppArmor profile with `userns,` for its program, or"
            " sysctl kernel.apparmor_restrict_unprivileged_userns=0"
        )
    return "in a container, allow it to make namespaces and to mount (Docker: --privileged, or fitting profiles)"


def _value(path: str) -> str | None:
    with contextlib.suppress(OSError):
        return Path(path).read_text().strip()
    return None

"""``webterm doctor``: what this machine offers, what is missing, and how to mend it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from webterm.commands import options
from webterm.commands.findings import Finding
from webterm.errors import WebtermError

if TYPE_CHECKING:
    from webterm.settings import Settings

LITTLE_ROOM = 512 * 1024 * 1024
FEW_WATCHES = 8192
_MARKS = {True: "ok", False: "MISSING"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@options.config
@options.data_dir
@options.tells_faults
def doctor(config: Path | None, data_dir: str | None, *, as_json: bool) -> None:
    """Look whether this machine has what the settings ask for; exit status 1 if something is missing.

    To be run as the user who runs the server. Changes nothing.
    """
    import json
    import sys

    settings = options.load(config, data_dir=data_dir)
    findings = list(examine(settings))
    healthy = all(finding.works or not finding.needed for finding in findings)
    if as_json:
        click.echo(json.dumps({"healthy": healthy, "findings": [_row(finding) for finding in findings]}, indent=2))
    else:
        for finding in findings:
            click.echo(_line(finding))
    sys.exit(0 if healthy else 1)


def examine(settings: Settings) -> Iterator[Finding]:
    """All findings. Blocks, about a second."""
    looks: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
        _python,
        _data_directory,
        _keeper,
        _database,
        _isolation,
        _limits,
        _engine,
        _kernel,
        _room,
    )
    for look in looks:
        yield from look(settings)


def _row(finding: Finding) -> dict[str, object]:
    return {**asdict(finding), "mend": "" if finding.works else finding.mend}


def _line(finding: Finding) -> str:
    mark = _MARKS[finding.works] if finding.works or finding.needed else "absent"
    mend = "" if finding.works or not finding.mend else f"\n{'':21}mend: {finding.mend}"
    return f"{mark:8} {finding.name:11} {finding.found}{mend}"


def _python(settings: Settings) -> Iterator[Finding]:
    import importlib.util
    import platform

    fast = importlib.util.find_spec("uvloop") is not None
    wanted = settings.server.loop
    loop = "uvloop" if fast and wanted != "asyncio" else "asyncio"
    yield Finding(
        name="python",
        works=wanted != "uvloop" or fast,
        needed=True,
        found=f"Python {platform.python_version()}, {platform.system()} {platform.release()}, event loop {loop}",
        mend="pip install uvloop, or set server.loop to auto",
    )


def _data_directory(settings: Settings) -> Iterator[Finding]:
    import os

    directory = settings.data_dir
    place = next(path for path in (directory, *directory.parents) if path.exists())
    private = place != directory or (place.stat().st_uid == os.geteuid() and not place.stat().st_mode & 0o077)
    writable = os.access(place, os.W_OK | os.X_OK)
    yield Finding(
        name="data",
        works=private and writable,
        needed=True,
        found=f"{directory}{'' if place == directory else ' (to be made)'}"
        + ("" if writable else ", not writable")
        + ("" if private else ", open to others"),
        mend=f"make {place} writable for the server's user alone (chown, chmod 700), or choose another server.data_dir",
    )


def _keeper(settings: Settings) -> Iterator[Finding]:
    import asyncio

    from webterm.datadir import holder
    from webterm.keeper.client import is_running

    server = holder(settings.data_dir) if settings.data_dir.exists() else None
    found = asyncio.run(is_running(settings.data_dir)) if settings.data_dir.exists() else False
    yield Finding(
        name="server",
        works=True,
        needed=False,
        found=("not running" if server is None else f"running (process {server.pid})")
        + (", a keeper holds programs" if found else ", no keeper"),
    )


def _database(settings: Settings) -> Iterator[Finding]:
    import asyncio

    from webterm.store import backup, migrating, tables
    from webterm.store.databases import database

    found = database(settings.database_url)
    name = found.name.removeprefix("the database ")
    if settings.database.url is None and not (settings.data_dir / "webterm.db").exists():
        yield Finding(name="database", works=True, needed=True, found=f"{name}, to be made")
        return
    try:
        found.prepare(make=False)
        revision, _ = asyncio.run(backup.survey(found))
        asyncio.run(migrating.check_known(revision, found.name))
    except WebtermError as error:
        mend = "see database.url, and whether the database runs"
        yield Finding(name="database", works=False, needed=True, found=str(error), mend=mend)
    else:
        newest = "up to date" if revision == tables.HEAD else "the next start brings it up to date"
        yield Finding(name="database", works=True, needed=True, found=f"{name}, {newest}")


def _isolation(settings: Settings) -> Iterator[Finding]:
    """Really make a sandbox and run a program in it."""
    from webterm.drivers.sandbox_layout import Surroundings
    from webterm.drivers.sandbox_proof import prove
    from webterm.errors import IsolationRefused

    needed = settings.local.isolation == "sandbox"
    hidden = (settings.data_dir, settings.workspaces_dir, settings.templates_dir)
    readable = tuple(Path(path) for path in settings.sandbox.readable)
    try:
        proof = prove(Surroundings(hidden=hidden, readable=readable, shell=settings.local.shell))
    except IsolationRefused as error:
        yield Finding(name="sandbox", works=False, needed=needed, found=str(error), mend="the message says it")
        return
    tools = proof.tools
    found = f"bubblewrap {tools.version} works"
    yield Finding(name="sandbox", works=True, needed=needed, found=f"{found}{_kind(tools.forbids_namespaces)}")


def _kind(forbids: bool) -> str:
    import os

    if os.geteuid() == 0:
        return "; programs become users of their own, without a user namespace"
    return "; in a user namespace" + (", in which no others can be made" if forbids else "")


def _limits(settings: Settings) -> Iterator[Finding]:
    from webterm.drivers import cgroups

    trees = cgroups.find_trees()
    working = {controller: tree for tree in trees for controller in tree.controllers}
    sandbox = settings.sandbox
    asked = {"memory": sandbox.memory, "pids": sandbox.processes, "cpu": sandbox.cpu}
    instead = {
        "memory": "each program alone is limited instead (RLIMIT_DATA)",
        "pids": "RLIMIT_NPROC limits each user instead",
        "cpu": "the use of processors is not limited",
    }
    for controller in cgroups.CONTROLLERS:
        tree = working.get(controller)
        version = "" if tree is None else f"version {2 if tree.unified else 1}, under {tree.base}"
        yield Finding(
            name={"memory": "memory", "pids": "processes", "cpu": "processors"}[controller],
            works=tree is not None,
            needed=False,
            found=f"control groups, {version}" if version else f"no control group can be made; {instead[controller]}",
            mend="run the server with its own control group (systemd: Delegate=yes, DelegateSubgroup=server)"
            if asked[controller]
            else "",
        )


def _engine(settings: Settings) -> Iterator[Finding]:
    import asyncio

    from webterm.commands.engine_findings import examine_engine

    yield from asyncio.run(examine_engine(settings))


def _kernel(settings: Settings) -> Iterator[Finding]:
    from webterm.files.beneath import best_way

    fast = best_way() == "openat2"
    found = "openat2" if fast else "no openat2: paths are walked name by name, which is as safe and slower"
    yield Finding(name="files", works=fast, needed=False, found=found, mend="Linux 5.6 or newer")
    most = _number("/proc/sys/fs/inotify/max_user_watches")
    yield Finding(
        name="inotify",
        works=most is None or most >= FEW_WATCHES,
        needed=False,
        found="no limit known" if most is None else f"{most} directories can be watched",
        mend=f"sysctl fs.inotify.max_user_watches={8 * FEW_WATCHES}",
    )


def _number(path: str) -> int | None:
    try:
        return int(Path(path).read_text())
    except (OSError, ValueError):
        return None


def _room(settings: Settings) -> Iterator[Finding]:
    import shutil

    directory = settings.workspaces_dir
    place = next(path for path in (directory, *directory.parents) if path.exists())
    free = shutil.disk_usage(place).free
    yield Finding(
        name="disk",
        works=free >= LITTLE_ROOM,
        needed=True,
        found=f"{free / 1024**3:.1f} GiB free for workspaces in {directory}",
        mend="make room, or choose another workspaces.directory",
    )

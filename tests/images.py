"""Images for tests, made from Debian's own packages without any registry, and kept between runs.

``python -m tests.images`` puts both into the engine; what takes time is done once and lies in the cache directory.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlencode

from tests.unix_http import Connection

BUSYBOX = "webterm-test:busybox"
DEBIAN = "webterm-test:debian"
BASE = "webterm-test:base"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "webterm-tests"
SOCKET = Path(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://"))

PYTHON = "3.11"
"""The Python of DEBIAN."""

_SUITE = "bookworm"
_PACKAGES = ("bubblewrap", "less", "nftables", "procps", "python3", "python3-venv", "tini")
_LEFT_OUT = ("dev", "proc", "sys", "var/cache/apt", "var/lib/apt/lists", "var/log", "usr/share/doc", "usr/share/info",
             "usr/share/locale", "usr/share/man")  # fmt: skip
_CHANGES = (
    "USER 1000:1000",
    "ENV HOME=/workspace",
    "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "WORKDIR /workspace",
    'CMD ["sleep", "infinity"]',
)
_PATIENCE = 300.0
_RECIPE = "webterm-test.recipe"
AS_ROOT = () if os.geteuid() == 0 else ("sudo", "-n")


def ensure(engine: Path = SOCKET) -> None:
    """See to it that the engine at a socket has both images, as they are made here. Takes half a minute once."""
    ensure_busybox(engine)
    _ensure(engine, DEBIAN, _hash(repr((_SUITE, _PACKAGES, _LEFT_OUT)).encode()), _debian_tree)
    build(engine, {"Dockerfile": f"FROM {DEBIAN}\nUSER 0\nENV HOME=/root\nWORKDIR /\n".encode()}, t=BASE)


def ensure_busybox(engine: Path) -> None:
    """The small one alone."""
    _ensure(engine, BUSYBOX, _hash(Path(program("busybox", "busybox-static")).read_bytes()), _busybox_tree)


def build(engine: Path, files: Mapping[str, bytes], **params: str) -> str:
    """Build an image of ``files``, by their paths, with ``params`` as ``/build`` of the engine has them; what it said.

    Raises AssertionError with all that was said where that fails.
    """
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        for name, data in files.items():
            _add(archive, name, tarfile.REGTYPE, 0o755 if data.startswith(b"#!") else 0o644, data)
    size = context.tell()
    context.seek(0)
    query = urlencode({"rm": "1", "forcerm": "1"} | params)
    _, answer = _ask(engine, "POST", f"/build?{query}", context, size)
    lines = [json.loads(line) for line in answer.splitlines()]
    said = "".join(line.get("stream") or line.get("error") or line.get("message") or "" for line in lines)
    assert "Successfully built" in said, said
    return said


def forget(engine: Path, said: str) -> None:
    """Remove what a `build` that said so has made, and keeps for the next one, except for what has a name."""
    for made in reversed(re.findall(r"^ ---> ([0-9a-f]{12})$", said, re.MULTILINE)):
        status, answer = _ask(engine, "GET", f"/images/{made}/json")
        if status == 200 and not json.loads(answer)["RepoTags"]:
            _ask(engine, "DELETE", f"/images/{made}")


def _ensure(engine: Path, tag: str, recipe: str, tree: Callable[[Path], None]) -> None:
    if _recipe(engine, tag) == recipe:
        return
    CACHE.mkdir(parents=True, exist_ok=True)
    kept = CACHE / f"{tag.rpartition(':')[2]}-{recipe}.tar"
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            made = kept.with_suffix(".new")
            tree(made)
            made.rename(kept)
    _import(engine, kept, tag, recipe)


def _import(engine: Path, tree: Path, tag: str, recipe: str) -> None:
    """``docker import``, which the command does no differently."""
    name, _, version = tag.partition(":")
    query = [("fromSrc", "-"), ("repo", name), ("tag", version)]
    query += [("changes", change) for change in (*_CHANGES, f"LABEL {_RECIPE}={recipe}")]
    with tree.open("rb") as body:
        _, answer = _ask(engine, "POST", f"/images/create?{urlencode(query)}", body, tree.stat().st_size)
    assert b'"error"' not in answer, answer.decode()


def _recipe(engine: Path, tag: str) -> str | None:
    """What an image in the engine was made of; None where there is none, or it is not ours."""
    status, answer = _ask(engine, "GET", f"/images/{tag}/json")
    if status != 200:
        return None
    return (json.loads(answer)["Config"]["Labels"] or {}).get(_RECIPE)


def _ask(engine: Path, method: str, path: str, body: BinaryIO | None = None, size: int = 0) -> tuple[int, bytes]:
    connection = Connection(str(engine), _PATIENCE)
    headers = {"Content-Length": str(size), "Content-Type": "application/x-tar"} if body is not None else {}
    try:
        connection.request(method, f"/v1.41{path}", body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _busybox_tree(target: Path) -> None:
    busybox = program("busybox", "busybox-static")
    listed = subprocess.run([busybox, "--list-full"], capture_output=True, text=True, check=True).stdout.split()
    with tarfile.open(target, "w") as archive:
        for name, mode in (("bin", 0o755), ("etc", 0o755), ("sbin", 0o755), ("tmp", 0o1777), ("usr", 0o755),
                           ("usr/bin", 0o755), ("usr/sbin", 0o755), ("workspace", 0o755)):  # fmt: skip
            _add(archive, name, tarfile.DIRTYPE, mode)
        _add(archive, "bin/busybox", tarfile.REGTYPE, 0o755, Path(busybox).read_bytes())
        for name in listed:
            if name != "bin/busybox":
                _add(archive, name, tarfile.SYMTYPE, 0o777, link="/bin/busybox")


def _add(archive: tarfile.TarFile, name: str, kind: bytes, mode: int, data: bytes = b"", link: str = "") -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.size, entry.linkname = kind, mode, len(data), link
    archive.addfile(entry, io.BytesIO(data))


def _debian_tree(target: Path) -> None:
    debootstrap = program("debootstrap", "debootstrap")
    wanted = ["--variant=minbase", f"--include={','.join(_PACKAGES)}", _SUITE]
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        tree = Path(folder, "tree")
        try:
            done = subprocess.run(
                [*AS_ROOT, debootstrap, *wanted, str(tree)], capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
            left_out = [f"--exclude=./{name}/*" for name in _LEFT_OUT]
            with target.open("wb") as file:
                subprocess.run([*AS_ROOT, "tar", "-C", str(tree), *left_out, "-c", "."], stdout=file, check=True)
        finally:
            subprocess.run([*AS_ROOT, "rm", "-rf", "--one-file-system", str(tree)], check=True)


def program(name: str, package: str) -> str:
    """Where a program is that a package of Debian has."""
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))  # Debian keeps some out of PATH
    found = shutil.which(name, path=path)
    assert found is not None, f"{name} is not installed: the package {package}; scripts/test installs it"
    return found


def _hash(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join((repr(_CHANGES).encode(), *parts))).hexdigest()[:16]


if __name__ == "__main__":
    ensure()

"""What a sandbox holds: the arguments of bubblewrap."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from webterm.drivers.sandbox_tools import KEYCTL, Tools
from webterm.errors import IsolationRefused
from webterm.runtime import Runtime

HOME = "/workspace"
"""Where programs see the workspace's files."""
USER = "user"
"""The name of whom confined programs run as."""
READY = b"sandbox is ready"
"""What the first program of a sandbox says on its terminal."""

_SYSTEM = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "nix/store", "gnu/store")
_ETC = (
    *("alternatives", "bash.bashrc", "bash_completion.d", "ca-certificates", "ca-certificates.conf", "crypto-policies"),
    *("debian_version", "dircolors", "emacs", "fish", "fonts", "gai.conf", "gitconfig", "highlight"),
    *("host.conf", "inputrc", "java", "joe", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "locale.alias"),
    *("locale.conf", "localtime", "lsb-release", "lynx", "magic", "magic.mime", "mailcap", "manpath.config"),
    *("mime.types", "nanorc", "networks", "openssl", "os-release", "papersize", "perl", "php", "pki/ca-trust"),
    *("pki/tls/cert.pem", "pki/tls/certs", "profile", "profile.d", "protocols", "python3", "python3.11", "R"),
    *("rpc", "services", "shells", "skel", "ssl/certs", "ssl/openssl.cnf", "terminfo", "texmf", "timezone"),
    *("tmux.conf", "vim", "virc", "vimrc", "xattr.conf", "xdg", "zsh", "zshenv", "zshrc", "zprofile"),
)
"""Of /etc, what is nobody's secret wherever it is: by name, because the server's user may read more than others."""
_ETC_OF_NETWORK = ("hosts", "resolv.conf")
_SMALL = 16 * 1024 * 1024
_FIRST = (
    # Its session keyring is not the server's: programs can trace it, and would have that by way of it.
    (f"syscall({KEYCTL}, 1, 0);" if KEYCTL else "")
    + f'print STDERR "{READY.decode()}\\n"; open(STDIN, "<", "/dev/null"); open(STDOUT, ">", "/dev/null");'
    ' open(STDERR, ">", "/dev/null"); %ENV = (); $SIG{CHLD} = "IGNORE"; exec { $ARGV[0] } @ARGV'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What is the same for all sandboxes of a server.

    ``hidden``: directories that no sandbox may see although they lie in one that it sees; ``readable``: directories
    that all may read beside the system's own. ``shell`` is for people's terminals, None for the best there is.
    """

    hidden: Sequence[Path] = ()
    readable: Sequence[Path] = ()
    shell: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One sandbox to be made. ``made`` is a directory with files for its /etc, ``nonce`` a name that only it has.

    ``as_root``: the server is root, and the sandbox's programs become ``runtime.account``.
    """

    runtime: Runtime
    made: Path
    nonce: str
    as_root: bool

    @property
    def uid(self) -> int:
        """The numeric user of its programs."""
        return self.runtime.account if self.as_root and self.runtime.account is not None else os.geteuid()


def bubblewrap(tools: Tools, surroundings: Surroundings, plan: Plan) -> tuple[str, ...]:
    """The command that makes a sandbox and stays as long as it does. Blocks.

    It writes `READY` on its standard error. The first process inside never ends by itself, has no files open, cannot
    be signalled from inside, and leaves no zombies, because it ignores SIGCHLD. Raises
    `webterm.errors.IsolationRefused`.
    """
    runtime = plan.runtime
    return (
        tools.bwrap,
        *("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"),
        *(() if runtime.network else ("--unshare-net",)),
        *_privileges(tools, plan),
        *("--hostname", "workspace", "--as-pid-1", "--die-with-parent", "--clearenv"),
        *_system(surroundings, tools),
        *_etc(plan),
        *("--proc", "/proc", "--dev", "/dev"),
        *_memory("/dev/shm", runtime.limits.memory // 4),  # noqa: S108 - its own
        *("--remount-ro", "/dev"),
        *_memory("/tmp", runtime.limits.memory // 2),  # noqa: S108 - its own
        *("--perms", "0755", "--size", str(_SMALL), "--tmpfs", "/run", "--symlink", HOME, f"/run/{plan.nonce}"),
        *("--dir", "/var", "--symlink", "../tmp", "/var/tmp", "--symlink", "../run", "/var/run"),  # noqa: S108
        *_chosen(surroundings),
        *("--bind", str(runtime.files), HOME),
        *("--remount-ro", "/", "--chdir", "/", "--"),
        *(tools.perl, "-f", "-e", _FIRST, "--", *drop_privileges(tools, plan), tools.sleep, "infinity"),
    )


def drop_privileges(tools: Tools, plan: Plan) -> tuple[str, ...]:
    """The beginning of a command that runs the rest of it without any privilege, as the sandbox's user."""
    identity = ("--reuid", str(plan.uid), "--regid", str(plan.uid), "--clear-groups") if plan.as_root else ()
    return (
        *(tools.setpriv, "--no-new-privs", "--pdeathsig", "KILL", *identity),
        *("--bounding-set", "-all", "--inh-caps", "-all", "--ambient-caps", "-all", "--"),
    )


def etc_files(plan: Plan, shell: str) -> dict[str, str]:
    """The files that have to be in ``plan.made``, by name."""
    nobody = "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin"
    return {
        "passwd": f"root:x:0:0:root:/root:/usr/sbin/nologin\n{nobody}\n"
        f"{USER}:x:{plan.uid}:{plan.uid}::{HOME}:{shell}\n",
        "group": f"root:x:0:\nnogroup:x:65534:\n{USER}:x:{plan.uid}:\n",
        "hosts": "127.0.0.1 localhost workspace\n::1 localhost\n",
        "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    }


def shell_inside(surroundings: Surroundings) -> str:
    """The shell of people's terminals: the one that is wanted, if sandboxes see it, else bash, else sh. Blocks."""
    for shell in (surroundings.shell, "/bin/bash"):
        if shell and os.access(shell, os.X_OK) and _is_seen(shell, surroundings):
            return shell
    return "/bin/sh"


def _privileges(tools: Tools, plan: Plan) -> Iterator[str]:
    yield from ("--cap-drop", "ALL")
    if plan.as_root:
        # The first program inside gives them up, too, when it has become the sandbox's user.
        for name in ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP"):
            yield from ("--cap-add", name)
    else:
        yield "--unshare-user"
        if tools.forbids_namespaces:
            yield "--disable-userns"


def _system(surroundings: Surroundings, tools: Tools) -> Iterator[str]:
    for tool in tools.inside():
        if not _is_seen(tool, surroundings):
            raise IsolationRefused(f"programs cannot be confined here: {tool} is in no directory that sandboxes see")
    for name in _SYSTEM:
        path = Path("/", name)
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), str(path))
        elif path.is_dir():
            yield from _parents(path)
            yield from ("--ro-bind", str(path), str(path))


def _chosen(surroundings: Surroundings) -> Iterator[str]:
    for path in surroundings.readable:
        yield from _parents(path)
        yield from ("--ro-bind-try", str(path), str(path))
    for path in surroundings.hidden:
        if path.is_dir() and _is_seen(str(path), surroundings):
            yield from ("--perms", "0755", "--size", "4096", "--tmpfs", str(path.resolve()))


def _is_seen(path: str, surroundings: Surroundings) -> bool:
    seen = [Path("/", name).resolve() for name in _SYSTEM] + [path.resolve() for path in surroundings.readable]
    return any(Path(path).resolve().is_relative_to(directory) for directory in seen if directory != Path("/"))


def _etc(plan: Plan) -> Iterator[str]:
    yield from ("--perms", "0755", "--dir", "/etc")
    for name in (*_ETC, *(_ETC_OF_NETWORK if plan.runtime.network else ())):
        if Path("/etc", name).exists():
            yield from _parents(Path("/etc", name))
        yield from ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")
    for name in ("passwd", "group", "nsswitch.conf", *(() if plan.runtime.network else ("hosts",))):
        yield from ("--ro-bind", str(plan.made / name), f"/etc/{name}")


def _parents(path: Path) -> Iterator[str]:
    """Directories on the way, which all may pass: bubblewrap by itself would make them for the server's user alone."""
    for parent in reversed(path.parents[:-1]):
        yield from ("--perms", "0755", "--dir", str(parent))


def _memory(path: str, size: int) -> tuple[str, ...]:
    """A directory in memory for everybody inside; without a size it takes at most half of the machine's."""
    bound = ("--size", str(size)) if size else ()
    return ("--perms", "1777", *bound, "--tmpfs", path)

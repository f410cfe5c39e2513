"""How a program gets into a sandbox that is there: a chain of system programs, each of which becomes the next.

What a client can choose (arguments, environment, directory) comes into force only after the last of them that acts
outside or has any privilege: until then the environment is ours, the program's own travels in variables that nobody
looks at (not in arguments, which everybody on the machine may read), and its arguments are nobody's options.
"""

from __future__ import annotations

import fcntl
import os
import platform
import posixpath
import termios
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from webterm.drivers.sandbox_layout import HOME, Plan, drop_privileges
from webterm.drivers.sandbox_tools import KEYCTL, Tools
from webterm.errors import LaunchFailed, Unavailable

_KINDS = {"mnt": "mount", "pid": "pid", "ipc": "ipc", "uts": "uts", "net": "net", "cgroup": "cgroup", "user": "user"}
"""Namespaces, and what nsenter(1) calls them."""
_NS_GET_PARENT = 0xB702
"""Of ioctl_ns(2): the user namespace around one."""

_BEGIN = """
terminal=$1 chown=$2 account=$3
shift 3
{ for entrance; do [ "$entrance" != -- ] || exit 0; echo $$ >"$entrance" || exit 1; done; } &
if [ -n "$account" ] && [ "$terminal" = yes ] && [ -t 0 ]; then "$chown" "$account" /proc/self/fd/0 || exit 125; fi
while [ "$1" != -- ]; do shift; done
shift
exec "$@"
"""
"""Gives the terminal to the sandbox's user, and puts this process into its control groups: that takes 10 ms of waiting
in the kernel, so another process does it, and the last of the chain waits for that one before it forks."""
_PARENT = r"""
my ($group, $prctl, $keyctl, $directory, $shown) = splice(@ARGV, 0, 5);
syscall($keyctl, 1, 0) if $keyctl;
my %env = map { /^([^=]*)=(.*)$/s } map { $ENV{$_} } grep { /^WEBTERM_\d+$/ } keys %ENV;
my @signals = grep { !/^(KILL|STOP|CHLD|CLD)$/ } keys %SIG;
$SIG{$_} = "IGNORE" for @signals;
$SIG{CHLD} = "DEFAULT";
while (wait() != -1) { if ($?) { print STDERR "the limits of the workspace cannot be kept\n"; exit 125 } }
my $child = fork;
if (!defined $child) { print STDERR "no process can be started: $!\n"; exit 125 }
if ($child) {
    waitpid($child, 0);
    my $status = $?;
    $SIG{$_} = "DEFAULT" for @signals;
    kill($status & 127, $$) if $status & 127;
    exit($status & 127 ? 128 + ($status & 127) : $status >> 8);
}
syscall($prctl, 1, 9, 0, 0, 0) if $prctl;
if ($group) { setpgrp(0, 0); ioctl(STDIN, $group, pack("i", $$)) }
chdir($directory) or do { print STDERR "the working directory $shown cannot be used: $!\n"; exit 126 };
%ENV = %env;
$SIG{$_} = "DEFAULT" for @signals;
exec { $ARGV[0] } @ARGV;
print STDERR "$ARGV[0] cannot be run: $!\n";
exit 127;
"""
"""The parent of the program: nothing but its end, or SIGKILL, ends this one, and it ends in the same way.

On a terminal the program gets a process group of its own, in the foreground. Else that would be its parent's, which
has no number in the sandbox: shells stumble over that. If its parent is killed, so is it (PR_SET_PDEATHSIG).

It gets a session keyring of its own (KEYCTL_JOIN_SESSION_KEYRING): the one that it would inherit is the server's, and
whoever has it may read and change the keys in it, whatever their user and user namespace."""
_PRCTL = {"x86_64": 157, "aarch64": 167, "riscv64": 167, "armv7l": 172, "ppc64le": 171, "s390x": 172, "i686": 172}
"""The number of prctl(2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """Descriptors of a sandbox's namespaces, and the process that has them open, by whose name nsenter finds them."""

    holder: int
    descriptors: Mapping[str, int]

    def options(self) -> tuple[str, ...]:
        """Of nsenter(1)."""
        return tuple(f"--{_KINDS[kind]}=/proc/{self.holder}/fd/{fd}" for kind, fd in self.descriptors.items())

    def network(self) -> tuple[int, ...]:
        """What has to be entered, in this order, to get into the sandbox's own network; empty if it has none."""
        ways = ("user", "net") if "net" in self.descriptors else ()
        return tuple(self.descriptors[kind] for kind in ways if kind in self.descriptors)

    def copied(self) -> Passage:
        """The same with descriptors of its own. Raises OSError where there are no more."""
        found: dict[str, int] = {}
        try:
            for kind, fd in self.descriptors.items():
                found[kind] = os.dup(fd)
        except OSError:
            Passage(holder=self.holder, descriptors=found).close()
            raise
        return Passage(holder=self.holder, descriptors=found)

    def close(self) -> None:
        """Close the descriptors. To be called once."""
        for fd in self.descriptors.values():
            os.close(fd)


def open_passage(pid: int) -> Passage:
    """The passage into the namespaces of a process, as far as they are not our own. Raises OSError. Blocks."""
    found: dict[str, int] = {}
    try:
        for kind in _KINDS:
            fd = os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
            if os.path.sameopenfile(fd, own := os.open(f"/proc/self/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)):
                os.close(fd)
            else:
                found[kind] = fd
            os.close(own)
        if "user" in found:
            _go_outwards(found)
        if not {"mnt", "pid", "ipc"} <= set(found):
            raise Unavailable("the sandbox has not come up")
    except BaseException:
        for fd in found.values():
            os.close(fd)
        raise
    return Passage(holder=os.getpid(), descriptors=found)


def way_in(holder: int) -> tuple[int, Passage]:
    """The first process of a sandbox, and the passage. ``holder`` is bubblewrap, which has no other child. Blocks."""
    children = Path(f"/proc/{holder}/task/{holder}/children").read_text().split()
    if len(children) != 1:
        raise Unavailable("the sandbox has not come up")
    pid = int(children[0])
    passage = open_passage(pid)
    # Its number has not been used again meanwhile if it still is the child.
    if Path(f"/proc/{holder}/task/{holder}/children").read_text().split() != children:
        passage.close()
        raise Unavailable("the sandbox has ended")
    return pid, passage


def _go_outwards(found: dict[str, int]) -> None:
    """Where the sandbox may make no user namespaces, its own is in another one, which has to be entered first."""
    while True:
        parent = fcntl.ioctl(found["user"], _NS_GET_PARENT)
        own = os.open("/proc/self/ns/user", os.O_RDONLY | os.O_CLOEXEC)
        ours = os.path.sameopenfile(parent, own)
        os.close(own)
        if ours:
            os.close(parent)
            return
        os.close(found["user"])
        found["user"] = parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What each program gets on its way in: control groups (their ``cgroup.procs``), and options of prlimit(1)."""

    groups: Sequence[Path] = ()
    options: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A sandbox that is up. ``pid`` is its first process, ``shell`` that of people's terminals."""

    plan: Plan
    tools: Tools
    pid: int
    passage: Passage
    bounds: Bounds
    shell: str


def enter(
    sandbox: Sandbox, *, argv: Sequence[str], env: Mapping[str, str], cwd: str | None, terminal: bool
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Arguments and environment of a process that runs ``argv`` in the sandbox and is its parent.

    ``cwd`` is relative to the workspace. Raises `webterm.errors.LaunchFailed` for what could not be passed on.
    """
    tools, plan = sandbox.tools, sandbox.plan
    packed = _packed(env)
    account = str(plan.uid) if plan.as_root else ""
    directory = posixpath.normpath(posixpath.join(HOME, cwd or ""))
    chain = (
        *(
            "/bin/sh",
            "-c",
            _BEGIN,
            "sh",
            "yes" if terminal else "no",
            tools.chown,
            account,
            *map(str, sandbox.bounds.groups),
            "--",
        ),
        *(tools.prlimit, "--core=0:0", *sandbox.bounds.options, "--"),
        *_nsenter(tools, sandbox.passage),
        *drop_privileges(tools, plan),
        *(tools.perl, "-f", "-e", _PARENT, "--"),
        *(str(termios.TIOCSPGRP if terminal else 0), str(_PRCTL.get(platform.machine(), 0)), str(KEYCTL)),
        # By way of a link that only this sandbox has: in any other, nothing would be run.
        *(f"/run/{plan.nonce}/../{directory}", directory),
        *argv,
    )
    return chain, {"PATH": "/usr/bin:/bin", "LC_ALL": "C", **packed}


def _nsenter(tools: Tools, passage: Passage) -> tuple[str, ...]:
    kept = ("--preserve-credentials",) if "user" in passage.descriptors else ()
    first = (tools.nsenter, "--no-fork", *kept, *passage.options(), "--")
    if not kept:
        return first
    # Seen from inside, the first process has the user namespace in which no others can be made.
    return (*first, tools.nsenter, "--no-fork", *kept, "--user=/proc/1/ns/user", "--")


def _packed(env: Mapping[str, str]) -> dict[str, str]:
    for name, value in env.items():
        if not name or "=" in name or "\0" in name + value:
            raise LaunchFailed(f"illegal environment variable {name[:64]!r}")
    return {f"WEBTERM_{number}": f"{name}={value}" for number, (name, value) in enumerate(env.items())}

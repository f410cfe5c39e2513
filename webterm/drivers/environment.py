"""The shell and the clean environment of local programs."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from webterm.drivers.sandbox_layout import HOME, USER

COOKIE = "WEBTERM_TERMINAL"
"""Marks every program of a terminal with its token, so that the keeper finds what left the terminal's session."""

_PATH_INSIDE = f"{HOME}/.local/bin:/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"
_OURS = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "TERM_PROGRAM": "webterm"}
_TAKE_LOGIN_FLAG = ("bash", "zsh", "fish", "sh", "dash", "ash", "ksh", "mksh", "csh", "tcsh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The user whom programs run as: us. ``directory`` is where they start: the home, or ``/`` where it is missing."""

    name: str
    home: str
    directory: str
    shell: str


def own_account(shell: str | None) -> Account:
    """Our user. The shell is the one given, else ``$SHELL``, else that of passwd(5), else ``/bin/sh``. May block."""
    try:
        entry = pwd.getpwuid(os.geteuid())
    except KeyError:  # a container may run as a user without a name
        name, home, login = str(os.geteuid()), "/", "/bin/sh"
    else:
        name, home, login = entry.pw_name, entry.pw_dir, entry.pw_shell
    home = os.environ.get("HOME") or home
    return Account(
        name=name,
        home=home,
        directory=home if Path(home).is_dir() else "/",
        shell=shell or os.environ.get("SHELL") or login or "/bin/sh",
    )


def login_command(shell: str) -> tuple[str, ...]:
    """The command that runs ``shell`` as a login shell, where we know how to say so."""
    return (shell, "-l") if Path(shell).name in _TAKE_LOGIN_FLAG else (shell,)


def program_environment(
    account: Account, token: str, settings: Mapping[str, str], launch: Mapping[str, str]
) -> dict[str, str]:
    """The whole environment of a program: a few variables of ours, the settings', the launch's, the token."""
    return {
        **_language(),
        "HOME": account.home,
        "USER": account.name,
        "LOGNAME": account.name,
        "SHELL": account.shell,
        "PATH": os.environ.get("PATH", os.defpath),
        **_OURS,
        **settings,
        **launch,
        COOKIE: token,
    }


def confined_environment(
    shell: str, token: str, settings: Mapping[str, str], launch: Mapping[str, str]
) -> dict[str, str]:
    """The same for a program in a sandbox, of which nothing is this machine's but the language."""
    return {
        **_language(),
        "HOME": HOME,
        "USER": USER,
        "LOGNAME": USER,
        "SHELL": shell,
        "PATH": _PATH_INSIDE,
        **_OURS,
        **settings,
        **launch,
        COOKIE: token,
    }


def _language() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name in ("LANG", "TZ") or name.startswith("LC_")}

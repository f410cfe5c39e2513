"""The shell and the clean environment of local programs."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

COOKIE = "WEBTERM_TERMINAL"
"""Marks every program of a terminal with its token, so that the keeper finds what left the terminal's session."""

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
    kept = {name: value for name, value in os.environ.items() if name in ("LANG", "TZ") or name.startswith("LC_")}
    return {
        **kept,
        "HOME": account.home,
        "USER": account.name,
        "LOGNAME": account.name,
        "SHELL": account.shell,
        "PATH": os.environ.get("PATH", os.defpath),
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "TERM_PROGRAM": "webterm",
        **settings,
        **launch,
        COOKIE: token,
    }

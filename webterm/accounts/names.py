"""User names, e-mail addresses and tiers: which can be taken, and how they are written."""

from __future__ import annotations

import asyncio
import os
import pwd
import re

from email_validator import EmailNotValidError, validate_email

from webterm.errors import InvalidRequest
from webterm.settings_accounts import Limits

SHORTEST, LONGEST = 3, 32
LONGEST_EMAIL = 254
AT_HOME = ("@localhost", ".local")
ABROAD = ".example.com"
USERNAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{{SHORTEST - 1},{LONGEST - 1}}}", re.ASCII)
"""ASCII only: letters of other scripts look like these, and a name is what people know each other by."""
RESERVED = frozenset(
    {"admin", "administrator", "everybody", "local", "nobody", "owner", "support", "system", "webterm"}
)
"""Names that would make a stranger look like somebody else. Who makes accounts for others may give them."""


def checked_username(text: str, *, reserved: bool = True) -> str:
    """``text``, if it can be a user name. Raises `webterm.errors.InvalidRequest`, which says what is wrong with it.

    ``reserved``: those of `RESERVED` are refused, too.
    """
    if USERNAME.fullmatch(text) is None:
        raise InvalidRequest(
            f"username: {SHORTEST} to {LONGEST} letters (a to z), digits and . _ -, the first a letter or digit"
        )
    if text.isdigit():
        raise InvalidRequest("username: it needs a letter; plain numbers are what accounts are numbered by")
    if reserved and text.casefold() in RESERVED:
        raise InvalidRequest("username: this name is reserved; choose another")
    return text


def checked_email(text: str) -> str:
    """An e-mail address as it is usually written. Raises `webterm.errors.InvalidRequest`.

    Whether somebody reads what is sent there is not asked, and names that only a network of one's own knows are fine:
    ``ann@localhost``, ``ann@office.local``.
    """
    if len(text) > LONGEST_EMAIL:
        raise InvalidRequest(f"email: at most {LONGEST_EMAIL} characters")
    # The library takes no such names, and its list of them is the whole process's; so they are shown with an end.
    end = ABROAD if text.lower().endswith(AT_HOME) else ""
    try:
        found = validate_email(text + end, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError as error:
        raise InvalidRequest(f"email: {error}") from None
    return found.normalized.removesuffix(end)


def checked_tier(name: str, limits: Limits) -> str:
    """``name``, if the settings have such a tier. Raises `webterm.errors.InvalidRequest`, which lists them."""
    if name not in limits.tiers:
        raise InvalidRequest(f"tier: one of {', '.join(limits.tiers)}")
    return name


async def name_of_process() -> str:
    """The name of the operating system's user as which this runs, made fit to be a user name."""
    return fitting(await asyncio.to_thread(_system_user))


def fitting(text: str) -> str:
    """``text`` changed so that it can be a user name; ``owner`` when nothing useful is left of it."""
    kept = re.sub(r"[^A-Za-z0-9._-]", "", text).lstrip("._-")[:LONGEST]
    return kept if USERNAME.fullmatch(kept) and not kept.isdigit() else "owner"


def _system_user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # containers often run as a number that has no name
        return ""

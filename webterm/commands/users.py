"""``webterm user``: people's accounts. A server that is running sees within a second what these commands change."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import click

from webterm.commands import options
from webterm.commands.opening import opened, this_process
from webterm.errors import InvalidRequest

if TYPE_CHECKING:
    from webterm.access import Source
    from webterm.accounts.people import People, User
    from webterm.settings import Settings

T = TypeVar("T")
Rule = Callable[["People", "Source"], Awaitable[T]]
PER_PAGE = 200
LONGEST_LINE = 8192
"""Bytes of standard input in which a password has to end."""

password_stdin = click.option(
    "--password-stdin", is_flag=True, help="Read the password from the first line of standard input."
)


@click.group()
def user() -> None:
    """Look after people's accounts. NAME is a user name, an e-mail address, an alias or an id."""


@user.command()
@click.argument("name")
@click.option("--email", help="The account's e-mail address.")
@click.option("--role", type=click.Choice(["user", "admin"]), default="user", show_default=True)
@click.option("--tier", help="One of the settings' tiers.  [default: accounts.default_tier]")
@password_stdin
@click.option("--no-password", is_flag=True, help="Nobody can sign in to the account before it is given a password.")
@options.config
@options.data_dir
@options.tells_faults
def add(
    name: str,
    config: Path | None,
    data_dir: str | None,
    *,
    email: str | None,
    role: Literal["user", "admin"],
    tier: str | None,
    password_stdin: bool,
    no_password: bool,
) -> None:
    """Make an account called NAME."""
    if no_password and password_stdin:
        raise InvalidRequest("--no-password and --password-stdin exclude each other")
    settings = options.load(config, data_dir=data_dir)
    password = None if no_password else _password(from_stdin=password_stdin)
    made = _apply(
        settings,
        lambda people, by: people.create(by, username=name, password=password, email=email, role=role, tier=tier),
    )
    click.echo(f"{made.username} has an account now: alias {made.alias}, role {made.role}, tier {made.tier}.")


@user.command("list")
@click.option("--search", help="Only those with this in their user name or e-mail address.")
@options.config
@options.data_dir
@options.tells_faults
def list_(config: Path | None, data_dir: str | None, *, search: str | None) -> None:
    """Print everybody by alias: alias, user name, role, tier, state, e-mail address."""
    found = _apply(options.load(config, data_dir=data_dir), lambda people, _: _everybody(people, search))
    rows = [(str(each.alias), each.username, each.role, each.tier, _state(each), each.email or "-") for each in found]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@user.command()
@click.argument("name")
@password_stdin
@options.config
@options.data_dir
@options.tells_faults
def passwd(name: str, config: Path | None, data_dir: str | None, *, password_stdin: bool) -> None:
    """Give NAME another password. All of their logins end."""
    settings = options.load(config, data_dir=data_dir)
    who = _apply(settings, lambda people, _: people.named(name))  # before anybody types for nothing
    password = _password(from_stdin=password_stdin)
    _apply(settings, lambda people, by: people.change(who.id, by, password=password))
    click.echo(f"{who.username} has another password now, and is signed out everywhere.")


@user.command()
@click.argument("name")
@options.config
@options.data_dir
@options.tells_faults
def disable(name: str, config: Path | None, data_dir: str | None) -> None:
    """Keep NAME out. All of their logins end; tokens are refused until the account is enabled."""
    changed = _change(options.load(config, data_dir=data_dir), name, disabled=True)
    click.echo(f"{changed.username} is disabled now, and signed out everywhere.")


@user.command()
@click.argument("name")
@options.config
@options.data_dir
@options.tells_faults
def enable(name: str, config: Path | None, data_dir: str | None) -> None:
    """Let NAME in again."""
    changed = _change(options.load(config, data_dir=data_dir), name, disabled=False)
    click.echo(f"{changed.username} is enabled now.")


@user.command()
@click.argument("name")
@click.argument("role", type=click.Choice(["user", "admin"]))
@options.config
@options.data_dir
@options.tells_faults
def role(name: str, role: Literal["user", "admin"], config: Path | None, data_dir: str | None) -> None:
    """Make NAME an admin, or an ordinary user again."""
    changed = _change(options.load(config, data_dir=data_dir), name, role=role)
    click.echo(f"{changed.username} has the role {changed.role} now.")


@user.command()
@click.argument("name")
@click.argument("tier")
@options.config
@options.data_dir
@options.tells_faults
def tier(name: str, tier: str, config: Path | None, data_dir: str | None) -> None:
    """Put NAME into another tier."""
    changed = _change(options.load(config, data_dir=data_dir), name, tier=tier)
    click.echo(f"{changed.username} has the tier {changed.tier} now.")


@user.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@options.config
@options.data_dir
@options.tells_faults
def delete(name: str, config: Path | None, data_dir: str | None, *, yes: bool) -> None:
    """Remove the account of NAME, with their logins, tokens and invitations."""
    settings = options.load(config, data_dir=data_dir)
    who = _apply(settings, lambda people, _: people.named(name))
    if not yes:
        click.confirm(f"Remove the account of {who.username} (alias {who.alias})?", abort=True)
    _apply(settings, lambda people, by: people.delete(who.id, by))
    click.echo(f"{who.username} has no account any more.")


def _change(
    settings: Settings,
    name: str,
    *,
    role: Literal["user", "admin"] | None = None,
    tier: str | None = None,
    disabled: bool | None = None,
) -> User:
    async def rule(people: People, by: Source) -> User:
        who = await people.named(name)
        return await people.change(who.id, by, role=role, tier=tier, disabled=disabled)

    return _apply(settings, rule)


def _apply(settings: Settings, rule: Rule[T]) -> T:
    """What a rule about people answers. The data directory and the database are made where there are none yet."""
    import asyncio

    from webterm import datadir
    from webterm.accounts import keys
    from webterm.accounts.passwords import PEPPER

    pepper = keys.load(datadir.prepare(settings.data_dir)).key(PEPPER)
    return asyncio.run(_on_store(settings, pepper, rule))


async def _on_store(settings: Settings, pepper: bytes, rule: Rule[T]) -> T:
    from webterm.accounts.passwords import Passwords
    from webterm.accounts.people import People
    from webterm.accounts.rights import Rights

    async with opened(settings) as store:
        passwords = Passwords(pepper, fewest=settings.accounts.min_password)
        try:
            return await rule(People(store, passwords, settings, Rights(store)), await this_process())
        finally:
            await passwords.aclose()


async def _everybody(people: People, search: str | None) -> list[User]:
    found: list[User] = []
    after: int | None = 0
    while after is not None:
        page, after = await people.page(after=after, limit=PER_PAGE, search=search)
        found += page
    return found


def _state(user: User) -> str:
    if user.disabled:
        return "disabled"
    return "owner" if user.owner else "-"


def _password(*, from_stdin: bool) -> str:
    """A new password: the first line of standard input, or typed twice at the terminal, where it does not show."""
    if from_stdin:
        return _line(sys.stdin.buffer.readline(LONGEST_LINE + 1))
    if not sys.stdin.isatty():
        raise InvalidRequest("there is no terminal to ask for a password at; use --password-stdin")
    return str(click.prompt("New password", hide_input=True, confirmation_prompt="The same again"))


def _line(raw: bytes) -> str:
    if len(raw) > LONGEST_LINE:
        raise InvalidRequest("password: the first line of standard input is too long")
    try:
        return raw.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise InvalidRequest("password: standard input has to be UTF-8") from None

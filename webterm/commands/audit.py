"""``webterm audit``: look into the audit log, and find out whether anybody has changed it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from webterm.commands import options
from webterm.commands.opening import opened
from webterm.errors import InvalidRequest

if TYPE_CHECKING:
    from webterm.accounts.audit import AuditTrail, Entry
    from webterm.settings import Settings
    from webterm.store.audit import Head

T = TypeVar("T")
_HASH = 64  # hexadecimal digits


@click.group()
def audit() -> None:
    """Who did what, and whether that record is whole."""


@audit.command()
@click.option("--expect", metavar="NUMBER:HASH", help="A row that is known to have been there, as printed by this.")
@options.config
@options.data_dir
@options.tells_faults
def verify(config: Path | None, data_dir: str | None, *, expect: str | None) -> None:
    """Check every row of the audit log. Exit status 1 if one is not what was written; the first such row is named.

    Prints the last row's number and hash: kept somewhere else, it shows by --expect that nothing before it has
    changed, whoever has had this machine in the meantime.
    """
    head = _head(expect) if expect is not None else None
    verdict = _with_trail(options.load(config, data_dir=data_dir), lambda trail: trail.verify(head))
    for number in verdict.clock:
        click.echo(f"The clock went back before row {number}.")
    if verdict.fault is not None:
        click.echo(f"Row {verdict.fault.number}: {verdict.fault.what}.", err=True)
        click.get_current_context().exit(1)
    click.echo(f"The audit log is whole: {verdict.head.number} rows.")
    click.echo(f"{verdict.head.number}:{verdict.head.hash}")


@audit.command("list")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="At most so many.")
@click.option("--before", type=click.IntRange(0, 2**31 - 1), help="Only rows with a lower number.")
@click.option("--action", default="", help="Only actions that begin so, such as login.")
@click.option("--user", default="", help="Only by the person with this id, or by names that begin so.")
@options.config
@options.data_dir
@options.tells_faults
def list_(config: Path | None, data_dir: str | None, *, limit: int, before: int | None, action: str, user: str) -> None:
    """Print the newest rows, the oldest of them first: number, time (UTC), who, from where, what, to what."""
    entries = _with_trail(
        options.load(config, data_dir=data_dir),
        lambda trail: trail.page(before=before, limit=limit, action=action, user=user),
    )
    for entry in reversed(entries):
        click.echo(_line(entry))


def _line(entry: Entry) -> str:
    from datetime import UTC, datetime

    at = datetime.fromtimestamp(entry.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    fields = (str(entry.number), at, entry.name or "-", entry.address or "-", entry.action, entry.target or "-")
    return "\t".join((*fields, entry.detail)).rstrip()


def _head(text: str) -> Head:
    from webterm.store.audit import Head

    number, _, digits = text.strip().partition(":")
    if not (number.isascii() and number.isdigit() and len(digits) == _HASH):
        raise InvalidRequest("--expect: NUMBER:HASH, as webterm audit verify prints it")
    return Head(int(number), digits.lower())


def _with_trail(settings: Settings, work: Callable[[AuditTrail], Awaitable[T]]) -> T:
    import asyncio

    return asyncio.run(_run(settings, work))


async def _run(settings: Settings, work: Callable[[AuditTrail], Awaitable[T]]) -> T:
    from webterm.accounts.audit import HEAD_FILE, AuditTrail

    async with opened(settings, make=False) as store:
        return await work(AuditTrail(store, settings.data_dir / HEAD_FILE))

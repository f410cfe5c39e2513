"""Workspaces: one row each. Whose they are is a plain text, because a host application's people have no rows here."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict, Unpack

import msgspec
from msgspec import Meta
from sqlalchemy import ColumnElement, Row, Select, delete, func, insert, or_, select, update

from webterm.ids import UserId, WorkspaceId
from webterm.store import tables
from webterm.store.engine import Connection

GUESTS = 1_000_000_000
"""What is added to a guest's number, so that it is no person's alias."""

Port = Annotated[int, Meta(ge=1, le=65_535)]
Variable = Annotated[str, Meta(max_length=128, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$(?!\n)")]


class EnvironmentLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all programs of a workspace may use together, at most what the settings say; 0: as much as those say.

    ``memory`` is in bytes, ``cpu`` in processors.
    """

    processes: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    memory: Annotated[int, Meta(ge=0, le=2**50)] = 0
    cpu: Annotated[float, Meta(ge=0, le=4096)] = 0.0


class Environment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the programs of a workspace run. ``driver``: null is the server's own choice.

    ``cwd`` is the directory in which programs begin, relative to the workspace. ``network`` false takes from them
    what the settings allow; it never gives more.
    """

    driver: Annotated[str, Meta(max_length=32, pattern=r"^[a-z][a-z0-9_-]*$(?!\n)")] | None = None
    image: Annotated[str, Meta(max_length=256, pattern=r"^[^\x00-\x20]*$(?!\n)")] = ""
    env: Annotated[
        dict[Variable, Annotated[str, Meta(max_length=8192, pattern=r"^[^\x00]*$(?!\n)")]], Meta(max_length=64)
    ] = {}
    ports: Annotated[tuple[Port, ...], Meta(max_length=32)] = ()
    limits: EnvironmentLimits = EnvironmentLimits()
    cwd: Annotated[str, Meta(max_length=4096, pattern=r"^[^\x00]*$(?!\n)")] = ""
    network: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """One workspace. ``number`` grows from one to the next; ``alias`` is a small number of its owner's.

    ``tier`` is the owner's; ``template`` the name of what it was made from, or empty; ``home``: where its owner's
    programs run when no workspace is named. ``created``, ``updated`` and ``deleted`` (into the trash) are in seconds
    since 1970. ``account`` is the numeric user that its files belong to, where that is another than the server's own.
    """

    number: int
    id: WorkspaceId
    owner: UserId
    alias: int
    tier: str
    name: str
    description: str
    template: str
    environment: Environment
    home: bool
    created: float
    updated: float
    deleted: float | None
    account: int | None = None


class Changes(TypedDict, total=False):
    """What `change` may change."""

    name: str
    description: str
    environment: Environment
    tier: str
    home: bool
    updated: float
    deleted: float | None


async def add(
    conn: Connection,
    *,
    id: WorkspaceId,  # noqa: A002 - as the column is called
    owner: UserId,
    alias: int,
    tier: str,
    name: str,
    description: str,
    template: str,
    environment: Environment,
    home: bool,
    now: float,
) -> Workspace:
    """A new workspace. ``tier`` is what is believed where its owner has no row here."""
    row = {"id": id, "owner": owner, "alias": alias, "tier": tier, "name": name, "description": description}
    row |= {"template": template, "environment": _text(environment), "home": home, "created": now, "updated": now}
    await conn.execute(insert(tables.workspaces).values(**row, deleted=None))
    return _workspace((await conn.execute(_selected().where(tables.workspaces.c.id == id))).one())


async def by_id(conn: Connection, id: WorkspaceId) -> Workspace | None:  # noqa: A002
    """A workspace, also one in the trash."""
    return _maybe((await conn.execute(_selected().where(tables.workspaces.c.id == id))).one_or_none())


async def page(
    conn: Connection, user: UserId, *, before: int | None, limit: int, trashed_after: float | None = None
) -> list[Workspace]:
    """The newest workspaces that a person owns or is a member of, with a number below ``before``.

    With ``trashed_after`` instead those that the person owns and that came into the trash after that time.
    """
    columns = tables.workspaces.c
    joined = select(tables.members.c.workspace).where(tables.members.c.user == user)
    query = _selected().order_by(columns.number.desc()).limit(limit)
    if before is not None:
        query = query.where(columns.number < before)
    if trashed_after is None:
        query = query.where(columns.deleted.is_(None), or_(columns.owner == user, columns.id.in_(joined)))
    else:
        query = query.where(columns.deleted > trashed_after, columns.owner == user)
    return [_workspace(row) for row in await conn.execute(query)]


async def count(conn: Connection, owner: UserId) -> int:
    """How many workspaces a person owns, without those in the trash."""
    columns = tables.workspaces.c
    query = select(func.count()).select_from(tables.workspaces)
    return (await conn.execute(query.where(columns.owner == owner, columns.deleted.is_(None)))).scalar_one()


async def of_owner(conn: Connection, owner: UserId) -> list[Workspace]:
    """All workspaces of a person, also those in the trash, the oldest first."""
    columns = tables.workspaces.c
    return await _all(conn, columns.owner == owner)


async def home_of(conn: Connection, owner: UserId) -> Workspace | None:
    """The workspace in which a person's programs run when none is named."""
    columns = tables.workspaces.c
    found = await _all(conn, columns.owner == owner, columns.home, columns.deleted.is_(None))
    return found[0] if found else None


async def trashed(conn: Connection, before: float) -> list[Workspace]:
    """What came into the trash before that time."""
    return await _all(conn, tables.workspaces.c.deleted <= before)


async def among(conn: Connection, ids: Collection[WorkspaceId]) -> dict[WorkspaceId, Workspace]:
    """Those of ``ids`` that there are, also in the trash."""
    return {found.id: found for found in await _all(conn, tables.workspaces.c.id.in_(ids))}


async def ids_after(conn: Connection, number: int, limit: int) -> list[tuple[int, WorkspaceId]]:
    """Numbers and ids of workspaces that are not in the trash, by number, from the one after ``number`` on."""
    columns = tables.workspaces.c
    query = select(columns.number, columns.id).where(columns.number > number, columns.deleted.is_(None))
    rows = await conn.execute(query.order_by(columns.number).limit(limit))
    return [(row.number, WorkspaceId(row.id)) for row in rows]


async def change(conn: Connection, id: WorkspaceId, **fields: Unpack[Changes]) -> Workspace | None:  # noqa: A002
    """Change one workspace. None: there is none."""
    values: dict[str, Any] = dict(fields)
    if "environment" in fields:
        values["environment"] = _text(fields["environment"])
    if values:
        await conn.execute(update(tables.workspaces).where(tables.workspaces.c.id == id).values(**values))
    return await by_id(conn, id)


async def remove(conn: Connection, id: WorkspaceId) -> bool:  # noqa: A002
    """Remove a workspace and its members; whether there was one."""
    gone = delete(tables.workspaces).where(tables.workspaces.c.id == id).returning(tables.workspaces.c.id)
    return (await conn.execute(gone)).one_or_none() is not None


async def alias_of(conn: Connection, owner: UserId) -> int:
    """A number that is this person's alone, for ever: the alias, or for who has no row here a number of a guest."""
    alias = await conn.scalar(select(tables.users.c.alias).where(tables.users.c.id == owner))
    if alias is not None:
        return int(alias)
    number = await conn.scalar(select(tables.guests.c.number).where(tables.guests.c.id == owner))
    if number is None:
        added = insert(tables.guests).values(id=owner).returning(tables.guests.c.number)
        number = (await conn.execute(added)).scalar_one()
    return GUESTS + int(number)


def _selected() -> Select[Any]:
    users, workspaces = tables.users, tables.workspaces
    tier = func.coalesce(users.c.tier, workspaces.c.tier).label("tier")
    columns = [tier if column.name == "tier" else column for column in workspaces.c]
    return select(*columns).select_from(workspaces.outerjoin(users, users.c.id == workspaces.c.owner))


async def _all(conn: Connection, *conditions: ColumnElement[bool]) -> list[Workspace]:
    query = _selected().where(*conditions).order_by(tables.workspaces.c.number)
    return [_workspace(row) for row in await conn.execute(query)]


def _text(environment: Environment) -> str:
    return msgspec.json.encode(environment).decode()


def _maybe(row: Row[Any] | None) -> Workspace | None:
    return None if row is None else _workspace(row)


def _workspace(row: Row[Any]) -> Workspace:
    values = dict(row._mapping)
    return Workspace(**values | {"environment": msgspec.json.decode(values["environment"], type=Environment)})

"""Every table as it is now. How a database gets there from an earlier shape stands in ``migrations/``."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

HEAD: Final = "0005"
"""The newest revision of ``migrations/versions``, which leads to these tables."""

NAMES = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
"""Constraints have names of our own on both engines, so that a migration can speak of them."""

_BIGGEST = 2**31 - 1

metadata = sa.MetaData(naming_convention=NAMES)


class Words(sa.TypeDecorator[str]):
    """Text as it came from outside. NUL and lone surrogates, which no database takes, become U+FFFD."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        if value is None or (value.isascii() and "\0" not in value):
            return value
        return value.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class Seconds(sa.TypeDecorator[float]):
    """Seconds since 1970. SQLite returns whole ones as an integer at times."""

    impl = sa.Double
    cache_ok = True

    def process_result_value(self, value: float | None, dialect: sa.Dialect) -> float | None:
        return None if value is None else float(value)


class Number(sa.TypeDecorator[int]):
    """A whole number. One that is asked for and is too big for the column becomes the biggest."""

    impl = sa.Integer
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: sa.Dialect) -> int | None:
        return None if value is None else max(-_BIGGEST, min(value, _BIGGEST))


def _of_user(
    name: str = "user", *, on_delete: str = "CASCADE", nullable: bool = False, index: bool = True
) -> sa.Column[str]:
    return sa.Column(name, Words, sa.ForeignKey("users.id", ondelete=on_delete), nullable=nullable, index=index)


users = sa.Table(
    "users",
    metadata,
    sa.Column("alias", Number, primary_key=True),
    sa.Column("id", Words, nullable=False, unique=True),
    sa.Column("username", Words, nullable=False),
    sa.Column("email", Words),
    sa.Column("password", Words),
    sa.Column("role", Words, nullable=False),
    sa.Column("tier", Words, nullable=False),
    sa.Column("owner", sa.Boolean, nullable=False),
    sa.Column("disabled", sa.Boolean, nullable=False),
    sa.Column("created", Seconds, nullable=False),
    sa.Index("uq_users_owner", "owner", unique=True, sqlite_where=sa.text("owner"), postgresql_where=sa.text("owner")),
    sqlite_autoincrement=True,  # an alias is never given twice
)

names = sa.Table(
    "names",
    metadata,
    sa.Column("key", Words, primary_key=True),
    _of_user(),
)
"""User names and e-mail addresses as they are compared: one name leads to one person."""

logins = sa.Table(
    "logins",
    metadata,
    sa.Column("id", Words, primary_key=True),
    _of_user(),
    sa.Column("kind", Words, nullable=False),
    sa.Column("created", Seconds, nullable=False),
    sa.Column("seen", Seconds, nullable=False),
    sa.Column("expires", Seconds, nullable=False, index=True),
    sa.Column("address", Words, nullable=False),
    sa.Column("agent", Words, nullable=False),
)

refreshes = sa.Table(
    "refreshes",
    metadata,
    sa.Column("hash", Words, primary_key=True),
    sa.Column("login", Words, sa.ForeignKey("logins.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("created", Seconds, nullable=False),
    sa.Column("used", Seconds),
)

tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("id", Words, primary_key=True),
    _of_user(),
    sa.Column("name", Words, nullable=False),
    sa.Column("hash", Words, nullable=False, unique=True),
    sa.Column("scopes", Words, nullable=False),  # separated by spaces
    sa.Column("created", Seconds, nullable=False),
    sa.Column("expires", Seconds),
    sa.Column("seen", Seconds),
)

invitations = sa.Table(
    "invitations",
    metadata,
    sa.Column("id", Words, primary_key=True),
    sa.Column("hash", Words, nullable=False, unique=True),
    sa.Column("email", Words),
    sa.Column("role", Words, nullable=False),
    sa.Column("tier", Words, nullable=False),
    _of_user("created_by", nullable=True),
    sa.Column("created", Seconds, nullable=False),
    sa.Column("expires", Seconds, nullable=False),
    _of_user("used_by", nullable=True, on_delete="SET NULL"),
    sa.Column("used_at", Seconds),
)

identities = sa.Table(
    "identities",
    metadata,
    sa.Column("provider", Words, primary_key=True),
    sa.Column("subject", Words, primary_key=True),
    _of_user(index=False),
    sa.Column("email", Words),
    sa.Column("created", Seconds, nullable=False),
    sa.UniqueConstraint("user", "provider"),
)

changes = sa.Table(
    "changes",
    metadata,
    sa.Column("number", Number, primary_key=True),
    sa.Column("user", Words, nullable=False),
    sa.Column("proof", Words),
    sa.Column("kind", Words, nullable=False),
    sa.Column("created", Seconds, nullable=False, index=True),
    sqlite_autoincrement=True,  # whoever has read up to a number never sees it again
)

guests = sa.Table(
    "guests",
    metadata,
    sa.Column("number", Number, primary_key=True),
    sa.Column("id", Words, nullable=False, unique=True),
    sqlite_autoincrement=True,  # a number is never given twice
)
"""People of a host application who own workspaces: they have no row in ``users``."""

workspaces = sa.Table(
    "workspaces",
    metadata,
    sa.Column("number", Number, primary_key=True),
    sa.Column("id", Words, nullable=False, unique=True),
    sa.Column("owner", Words, nullable=False, index=True),  # a host application's people have no row in ``users``
    sa.Column("alias", Number, nullable=False),
    sa.Column("tier", Words, nullable=False),
    sa.Column("name", Words, nullable=False),
    sa.Column("description", Words, nullable=False),
    sa.Column("template", Words, nullable=False),
    sa.Column("environment", Words, nullable=False),  # JSON
    sa.Column("home", sa.Boolean, nullable=False),
    sa.Column("created", Seconds, nullable=False),
    sa.Column("updated", Seconds, nullable=False),
    sa.Column("deleted", Seconds, index=True),
    sqlite_autoincrement=True,  # pages go by it
)

members = sa.Table(
    "members",
    metadata,
    sa.Column("workspace", Words, sa.ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("user", Words, primary_key=True, index=True),
    sa.Column("role", Number, nullable=False),
    sa.Column("created", Seconds, nullable=False),
)

preview_shares = sa.Table(
    "preview_shares",
    metadata,
    sa.Column("id", Words, primary_key=True),
    sa.Column("hash", Words, nullable=False, unique=True),
    sa.Column("workspace", Words, sa.ForeignKey("workspaces.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("port", Number, nullable=False),
    sa.Column("created_by", Words, nullable=False),  # a host application's people have no row in ``users``
    sa.Column("created", Seconds, nullable=False),
    sa.Column("expires", Seconds, nullable=False, index=True),
)

workspace_changes = sa.Table(
    "workspace_changes",
    metadata,
    sa.Column("number", Number, primary_key=True),
    sa.Column("workspace", Words, nullable=False),
    sa.Column("user", Words),
    sa.Column("role", Number),
    sa.Column("created", Seconds, nullable=False, index=True),
    sqlite_autoincrement=True,  # whoever has read up to a number never sees it again
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("number", Number, primary_key=True, autoincrement=False),
    sa.Column("at", Seconds, nullable=False),
    sa.Column("user", Words, index=True),
    sa.Column("name", Words, nullable=False),
    sa.Column("address", Words, nullable=False),
    sa.Column("action", Words, nullable=False, index=True),
    sa.Column("target", Words, nullable=False),
    sa.Column("detail", Words, nullable=False),
    sa.Column("previous", Words, nullable=False),
    sa.Column("hash", Words, nullable=False),
)

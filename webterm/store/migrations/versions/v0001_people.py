"""People and their proofs of identity: logins, refresh tokens, personal tokens, invitations, identities elsewhere."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    _people()
    _logins()
    _tokens()
    _invitations()
    _identities()


def _user(name: str = "user", *, nullable: bool = False, on_delete: str = "CASCADE") -> sa.Column[str]:
    return sa.Column(name, sa.Text, sa.ForeignKey("users.id", ondelete=on_delete), nullable=nullable)


def _people() -> None:
    op.create_table(
        "users",
        sa.Column("alias", sa.Integer, primary_key=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("username", sa.Text, nullable=False),
        sa.Column("email", sa.Text),
        sa.Column("password", sa.Text),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("tier", sa.Text, nullable=False),
        sa.Column("owner", sa.Boolean, nullable=False),
        sa.Column("disabled", sa.Boolean, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sqlite_autoincrement=True,
    )
    only_one = sa.text("owner")
    op.create_index("uq_users_owner", "users", ["owner"], unique=True, sqlite_where=only_one, postgresql_where=only_one)
    op.create_table("names", sa.Column("key", sa.Text, primary_key=True), _user())
    op.create_index("ix_names_user", "names", ["user"])


def _logins() -> None:
    op.create_table(
        "logins",
        sa.Column("id", sa.Text, primary_key=True),
        _user(),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("seen", sa.Double, nullable=False),
        sa.Column("expires", sa.Double, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("agent", sa.Text, nullable=False),
    )
    op.create_index("ix_logins_user", "logins", ["user"])
    op.create_index("ix_logins_expires", "logins", ["expires"])
    op.create_table(
        "refreshes",
        sa.Column("hash", sa.Text, primary_key=True),
        sa.Column("login", sa.Text, sa.ForeignKey("logins.id", ondelete="CASCADE"), nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("used", sa.Double),
    )
    op.create_index("ix_refreshes_login", "refreshes", ["login"])


def _tokens() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", sa.Text, primary_key=True),
        _user(),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False, unique=True),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("expires", sa.Double),
        sa.Column("seen", sa.Double),
    )
    op.create_index("ix_tokens_user", "tokens", ["user"])


def _invitations() -> None:
    op.create_table(
        "invitations",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("hash", sa.Text, nullable=False, unique=True),
        sa.Column("email", sa.Text),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("tier", sa.Text, nullable=False),
        _user("created_by", nullable=True),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("expires", sa.Double, nullable=False),
        _user("used_by", nullable=True, on_delete="SET NULL"),
        sa.Column("used_at", sa.Double),
    )
    op.create_index("ix_invitations_created_by", "invitations", ["created_by"])
    op.create_index("ix_invitations_used_by", "invitations", ["used_by"])


def _identities() -> None:
    op.create_table(
        "identities",
        sa.Column("provider", sa.Text, primary_key=True),
        sa.Column("subject", sa.Text, primary_key=True),
        _user(),
        sa.Column("email", sa.Text),
        sa.Column("created", sa.Double, nullable=False),
        sa.UniqueConstraint("user", "provider"),
    )

"""Workspaces, who may be in them, and which of these rights have ended."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "guests",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sqlite_autoincrement=True,
    )
    _workspaces()
    op.create_table(
        "members",
        sa.Column("workspace", sa.Text, sa.ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("user", sa.Text, primary_key=True),
        sa.Column("role", sa.Integer, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
    )
    op.create_index("ix_members_user", "members", ["user"])
    op.create_table(
        "workspace_changes",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("user", sa.Text),
        sa.Column("role", sa.Integer),
        sa.Column("created", sa.Double, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_workspace_changes_created", "workspace_changes", ["created"])


def _workspaces() -> None:
    op.create_table(
        "workspaces",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("alias", sa.Integer, nullable=False),
        sa.Column("tier", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("template", sa.Text, nullable=False),
        sa.Column("environment", sa.Text, nullable=False),
        sa.Column("home", sa.Boolean, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("updated", sa.Double, nullable=False),
        sa.Column("deleted", sa.Double),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_workspaces_owner", "workspaces", ["owner"])
    op.create_index("ix_workspaces_deleted", "workspaces", ["deleted"])

"""The audit log is only ever appended to: the database itself refuses everything else.

Whoever may change the schema can take this away again; then the chain of hashes shows what was done.
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"

_TEXT = "the audit log is only ever appended to"


def upgrade() -> None:
    """Make the triggers."""
    if op.get_bind().dialect.name == "postgresql":
        _on_postgresql()
    else:
        _on_sqlite()


def _on_postgresql() -> None:
    op.execute(
        "CREATE OR REPLACE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" RAISE EXCEPTION '{_TEXT}' USING ERRCODE = 'integrity_constraint_violation'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit"
        " FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()"
    )


def _on_sqlite() -> None:
    refuse = f"BEGIN SELECT RAISE(ABORT, '{_TEXT}'); END"
    op.execute(f"CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit {refuse}")
    op.execute(f"CREATE TRIGGER audit_is_not_shortened BEFORE DELETE ON audit {refuse}")
    # INSERT OR REPLACE takes a row out without asking the trigger above.
    replaces = "WHEN EXISTS (SELECT 1 FROM audit WHERE number = NEW.number)"
    op.execute(f"CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON audit {replaces} {refuse}")

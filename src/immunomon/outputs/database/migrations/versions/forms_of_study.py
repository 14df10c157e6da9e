"""Studies of other forms: visits without a planned day, and donors who are no subjects."""

from __future__ import annotations

from alembic import op

from immunomon.outputs.database.forms import read_form
from immunomon.outputs.database.guards import guard
from immunomon.outputs.database.reform import Reform

__all__ = ["upgrade"]

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Let planned days be missing, and add the donor of a bridge sample; no earlier row is changed."""
    Reform(op.get_bind(), "0005", "0006").alter_tables()
    if op.get_bind().dialect.name == "sqlite":  # tables that were made anew have lost their triggers
        before, after = read_form("0005"), read_form("0006")
        guard(op.get_bind(), [name for name in after if name.endswith("_history") and before[name] != after[name]])
    op.execute("UPDATE immunomon_schema SET version = 6")

"""What each value rests on: who placed its gate, what speaks against it, and the doubts themselves."""

from __future__ import annotations

from alembic import op

from immunomon.outputs.database.forms import read_form
from immunomon.outputs.database.guards import guard
from immunomon.outputs.database.reform import Reform

__all__ = ["upgrade"]

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the columns and the table; what earlier runs did not say is missing, and their seals hold as they are."""
    reform = Reform(op.get_bind(), "0004", "0005")
    reform.create_tables()
    reform.alter_tables()
    guard(op.get_bind(), _without_triggers())
    op.execute("UPDATE immunomon_schema SET version = 5")


def _without_triggers() -> list[str]:
    """Return the tables of earlier versions that are new, and on SQLite those that were made anew."""
    before, after = read_form("0004"), read_form("0005")
    histories = [name for name in after if name.endswith("_history") and before.get(name) != after[name]]
    return [name for name in histories if name not in before or op.get_bind().dialect.name == "sqlite"]

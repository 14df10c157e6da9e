"""Laboratory values: each result with its limits of quantification, and what is known of its change."""

from __future__ import annotations

from alembic import op

from immunomon.outputs.database.forms import read_form
from immunomon.outputs.database.guards import guard
from immunomon.outputs.database.reform import Reform

__all__ = ["upgrade"]

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the table; runs that were exported before have no row in it until they are exported again."""
    Reform(op.get_bind(), "0007", "0008").create_tables()
    before, after = read_form("0007"), read_form("0008")
    guard(op.get_bind(), [name for name in after if name.endswith("_history") and name not in before])
    op.execute("UPDATE immunomon_schema SET version = 8")

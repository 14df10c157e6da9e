"""What persons said of samples that they looked at: approved, queried, rejected."""

from __future__ import annotations

from alembic import op

from immunomon.outputs.database.forms import read_form
from immunomon.outputs.database.guards import guard
from immunomon.outputs.database.reform import Reform

__all__ = ["upgrade"]

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the table; runs that were exported before have no row in it until they are exported again."""
    Reform(op.get_bind(), "0006", "0007").create_tables()
    before, after = read_form("0006"), read_form("0007")
    guard(op.get_bind(), [name for name in after if name.endswith("_history") and name not in before])
    op.execute("UPDATE immunomon_schema SET version = 7")

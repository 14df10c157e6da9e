"""The first released tables."""

from __future__ import annotations

from alembic import op

from immunomon.outputs.database.reform import Reform

__all__ = ["upgrade"]

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    Reform(op.get_bind(), "", "0001").create_tables()

"""What set each gate and how sure it is, acquisition verdicts, and samples dropped by a person."""

from __future__ import annotations

from alembic import op

from immunomon.outputs.database.reform import Reform

__all__ = ["upgrade"]

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns; what earlier runs did not say is missing."""
    Reform(op.get_bind(), "0001", "0002").alter_tables()

"""Every export is sealed: digests of the rows it brought and ended, in a chain."""

from __future__ import annotations

from alembic import op

from immunomon.outputs.database.guards import guard
from immunomon.outputs.database.reform import Reform

__all__ = ["upgrade"]

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the tables; whoever migrates seals what is there (``immunomon.outputs.database.migrating``)."""
    Reform(op.get_bind(), "0003", "0004").create_tables()
    guard(op.get_bind(), ("seals", "sealed_rows"))
    op.execute("UPDATE immunomon_schema SET version = 4")

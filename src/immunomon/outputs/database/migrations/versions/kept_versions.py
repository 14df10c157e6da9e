"""Earlier versions are kept; specimens, files, placed gates, units, statistics, assessments and the audit trail."""

from __future__ import annotations

from alembic import op

from immunomon.outputs.database.forms import read_form
from immunomon.outputs.database.guards import guard
from immunomon.outputs.database.reform import Reform

__all__ = ["upgrade"]

revision = "0003"
down_revision = "0002"

_DRAWN = "subject || '.' || visit || '.' || coalesce(CAST(collection_date AS TEXT), 'undated')"
_OF_A_VISIT = "subject IS NOT NULL AND visit IS NOT NULL"
_SPECIMENS = f"""
INSERT INTO specimens (study, run_id, specimen, subject, visit, collection_date)
SELECT DISTINCT study, run_id, {_DRAWN}, subject, visit, collection_date FROM samples WHERE {_OF_A_VISIT}
"""
_FILES = """
INSERT INTO files (study, run_id, file, sha256, reason)
SELECT study, run_id, file, max(sha256),
       CASE WHEN max(sha256) IS NULL THEN coalesce(max(reason), 'not in the run that was exported') END
FROM samples GROUP BY study, run_id, file
"""
_WITHOUT_REASON = (
    ("populations", "percent_of_parent"),
    ("frequencies", "percent"),
    ("medians", "median_intensity"),
)
_FILL = {
    ("samples", "specimen"): f"CASE WHEN {_OF_A_VISIT} THEN {_DRAWN} END",
    ("frequencies", "unit"): "'%'",
    ("medians", "unit"): "'MdFI'",
    ("changes", "unit"): "CASE quantity WHEN 'percent' THEN '%' WHEN 'cells_per_ul' THEN 'cells/uL' ELSE quantity END",
}
_GUARDED = ("audit", "deliveries", "runs", *(name for name in read_form("0003") if name.endswith("_history")))


def upgrade() -> None:
    """Add the tables, derive specimens and files from the samples, and give every value its unit."""
    reform = Reform(op.get_bind(), "0002", "0003")
    reform.create_tables()
    for table, value in _WITHOUT_REASON:
        op.execute(
            f"UPDATE {table} SET reason = 'no value, and the export of then did not say why' "
            f"WHERE {value} IS NULL AND coalesce(reason, '') = ''"
        )
    op.execute(_SPECIMENS)
    op.execute(_FILES)
    reform.alter_tables(_FILL)
    guard(op.get_bind(), _GUARDED)
    op.execute("UPDATE immunomon_schema SET version = 3")

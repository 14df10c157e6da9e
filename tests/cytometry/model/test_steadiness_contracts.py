from pathlib import Path

import pytest

from immunomon.cytometry.model.run_tables import JUDGEMENT, NORMALISED_FREQUENCIES, NORMALISED_MEDIANS, STEADINESS

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "steadiness.md"


@pytest.mark.parametrize(
    "table", [STEADINESS, NORMALISED_MEDIANS, NORMALISED_FREQUENCIES, JUDGEMENT], ids=lambda t: t.name
)
def test_every_column_is_documented_as_its_contract_says(table):
    text = DOCUMENT.read_text(encoding="utf-8")
    assert f"### {table.name}\n" in text
    assert set(table.key) <= set(table.names)
    for column in table.columns:
        assert f"| `{column.name}` | {column.dtype} | {column.meaning} |" in text

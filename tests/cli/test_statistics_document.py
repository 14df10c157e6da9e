import re
from pathlib import Path

import pytest

from immunomon.cli.docs import refreshed
from immunomon.cytometry.gates import GATE_METHODS
from immunomon.trial.specs.analysis import load_analysis

DOCS = Path(__file__).resolve().parents[2] / "docs"
TEXT = (DOCS / "statistics.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["statistics", "mechanism"])
def test_the_columns_in_the_document_are_those_of_the_tables(name):
    """If not: python -m immunomon.cli.docs."""
    text = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    assert refreshed(text, methods=GATE_METHODS) == text


def test_the_plan_in_the_document_is_a_plan(tmp_path):
    (tmp_path / "analysis.yaml").write_text(re.search(r"```yaml\n(.*?)```", TEXT, re.DOTALL)[1], encoding="utf-8")
    plan = load_analysis(tmp_path / "analysis.yaml")
    assert plan.primary.endpoints == ("treg", "th1", "th17")
    assert len(plan.all_endpoints) == 8

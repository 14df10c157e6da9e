from __future__ import annotations

import re
from pathlib import Path

from ruamel.yaml import YAML

from immunomon.cli.docs import refreshed
from immunomon.cytometry.gates import GATE_METHODS
from immunomon.study.specs.assessments import AssessmentsSpec
from immunomon.trial.model.assessment_inputs import ASSESSMENT_INPUTS
from immunomon.trial.model.tables import ASSESSMENT_TABLES

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "assessments.md").read_text(encoding="utf-8")


def test_the_parts_of_the_document_made_from_the_code_are_up_to_date():
    """If not: python -m immunomon.cli.docs."""
    assert refreshed(TEXT, methods=GATE_METHODS) == TEXT
    for table in (*ASSESSMENT_INPUTS.values(), *ASSESSMENT_TABLES.values()):
        assert all(f"| `{name}` |" in TEXT for name in table.names)


def test_the_example_of_the_document_is_what_the_defaults_are():
    example = re.search(r"```yaml\n(.*?)```", TEXT, re.DOTALL)[1]
    written = YAML(typ="safe").load(example)["assessments"]
    defaults = AssessmentsSpec().model_dump()
    assert AssessmentsSpec.model_validate(written)
    for section in ("platelets", "kinetics", "antibodies", "escalation"):
        assert {name: defaults[section][name] for name in written[section]} == written[section]

"""The names of formats stand in files that were written long ago: they do not follow where code has moved to."""

import re
from pathlib import Path

import immunomon

FORMATS = {
    "immunomon.analysis/1",
    "immunomon.anndata/1",
    "immunomon.assessment-pages/1",
    "immunomon.assessments/1",
    "immunomon.atlas/2",
    "immunomon.audit/2",
    "immunomon.blind/1",
    "immunomon.clusters/1",
    "immunomon.compensation/1",
    "immunomon.cp-map/1",
    "immunomon.delivery-check/1",
    "immunomon.delivery/1",
    "immunomon.drafts/1",
    "immunomon.import-map/1",
    "immunomon.mechanism-pages/1",
    "immunomon.mechanism/1",
    "immunomon.normalisation/1",
    "immunomon.overrides/1",
    "immunomon.panel/1",
    "immunomon.printed/1",
    "immunomon.progress/1",
    "immunomon.projection/1",
    "immunomon.robustness/1",
    "immunomon.run/1",
    "immunomon.simulation/1",
    "immunomon.stamps/1",
    "immunomon.statistics/1",
    "immunomon.status/1",
    "immunomon.strategy/1",
    "immunomon.study/1",
    "immunomon.study/2",
    "immunomon.verification/1",
}


def test_a_format_is_renamed_on_purpose_only():
    code = [path.read_text(encoding="utf-8") for path in Path(immunomon.__path__[0]).rglob("*.py")]
    written = {name for text in code for name in re.findall(r'"(immunomon\.[a-z.-]+/[0-9]+)"', text)}
    assert written == FORMATS


def test_what_is_asked_of_a_format_is_a_name_that_is_written():
    code = [path.read_text(encoding="utf-8") for path in Path(immunomon.__path__[0]).rglob("*.py")]
    beginnings = {name for text in code for name in re.findall(r'startswith\("(immunomon\.[^"]*)"', text)}
    assert beginnings
    assert all(any(name.startswith(beginning) for name in FORMATS) for beginning in beginnings)

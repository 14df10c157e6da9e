"""What keeps a study from being delivered is said before it is run, and only what does."""

from __future__ import annotations

import dataclasses
import shutil

import pytest

from immunomon.cytometry.gates import GATE_METHODS
from immunomon.cytometry.specs.strategy import load_strategy
from immunomon.errors import BadSpec, DeliveryFailed
from immunomon.outputs.conformance.check import check_delivery
from immunomon.outputs.delivery.beforehand import delivery_problems
from immunomon.outputs.delivery.deliver import deliver_run
from immunomon.study.specs.catalog import find_strategy
from immunomon.study.specs.samples import load_samples
from immunomon.study.specs.study import load_study


@pytest.fixture
def study_folder(run, tmp_path):
    """A copy of the study with its run, without its events, for a test to change."""
    folder = tmp_path / "study"
    shutil.copytree(run.parent, folder, ignore=shutil.ignore_patterns("*.fcs", "truth"))
    return folder


def said(folder):
    study = load_study(folder / "study.yaml")
    strategies = {
        use.panel: load_strategy(find_strategy(use.strategy, folder), methods=GATE_METHODS) for use in study.panels
    }
    return delivery_problems(study, load_samples(folder / "samples.csv", study), strategies)


def edit(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_a_study_that_can_be_delivered_has_no_problem(study_folder, tmp_path):
    assert said(study_folder) == []
    assert deliver_run(study_folder / "run", tmp_path / "out", kind="sdtm").records["CP"] > 0


def test_an_assay_without_codes_is_named_before_deliver_stops_at_it(study_folder, tmp_path):
    edit(study_folder / "viruses.csv", "syphilis", "Epstein-Barr")
    assert [one.partition(";")[0] for one in said(study_folder)] == [
        "export/cp-map.yaml: sponsor.assays names no codes for 'Epstein-Barr'"
    ]
    with pytest.raises(DeliveryFailed, match=r"names no codes for .Epstein-Barr."):
        deliver_run(study_folder / "run", tmp_path / "out", kind="sdtm")


def test_a_text_that_a_transport_file_cannot_hold_is_named_with_its_variable(study_folder, tmp_path):
    edit(study_folder / "adverse_events.csv", "fever", "Fi\u00e8vre")
    assert [one for one in said(study_folder) if one.startswith("dataset AE: AE.AETERM: 'Fi\u00e8vre'")]
    with pytest.raises(DeliveryFailed, match=r"AE\.AETERM"):
        deliver_run(study_folder / "run", tmp_path / "out", kind="sdtm")


def test_a_population_without_a_test_is_named_with_the_nearest_terms(study_folder):
    study = load_study(study_folder / "study.yaml")
    strategy = load_strategy(find_strategy("treg", study_folder), methods=GATE_METHODS)
    new = dataclasses.replace(strategy.population("treg"), id="treg_naive", label="Naive Treg", parent="treg")
    wider = dataclasses.replace(strategy, populations=(*strategy.populations, new))
    found = delivery_problems(study, load_samples(study_folder / "samples.csv", study), {"treg": wider})
    assert any("no test for treg: percent treg_naive of treg" in one and "TLHR" in one for one in found)
    assert any("cells_per_ul treg_naive" in one for one in found)


def test_a_broken_map_is_said_as_the_map_says_it(study_folder):
    (study_folder / "export").mkdir()
    (study_folder / "export" / "cp-map.yaml").write_text("schema: immunomon.cp-map/1\n", encoding="utf-8")
    assert any("populations" in one for one in said(study_folder))
    with pytest.raises(BadSpec):
        deliver_run(study_folder / "run", study_folder / "out", kind="sdtm")


def test_a_rule_that_the_delivery_would_break_is_named_beforehand(study_folder, tmp_path):
    edit(study_folder / "study.yaml", 'site: "001"\n', "")
    missing = "required variable SITEID has no value in every record"
    assert [one for one in said(study_folder) if missing in one and "(rule SD003)" in one]
    record = study_folder / "run" / "run.json"
    edit(record, '"site": "001"', '"site": null')
    deliver_run(study_folder / "run", tmp_path / "out", kind="sdtm")
    assert missing in [one.message for one in check_delivery(tmp_path / "out").of("error")]

"""A panel's detectors under other names in the file: the same events gated, compensated alike, and said."""

import numpy as np
import pytest
from support.fcs_files import write_fcs

from immunomon.cytometry.formats.matrix_csv import read_matrix_csv
from immunomon.cytometry.gates import GATE_METHODS
from immunomon.cytometry.specs.strategy import load_strategy
from immunomon.runs.single import Compensation, analyse
from immunomon.study.specs.panel import load_panel

PANEL = """\
schema: immunomon.panel/1
name: p
label: two colours
scatter: [FSC-A, SSC-H]
time: Time
aliases: {SSC-H: [SSC2-H, SSC1-H], FITC-A: [BL1-A], CD4: []}
markers:
  - {marker: CD3, detector: FITC-A, fluorochrome: FITC}
  - {marker: CD4, detector: PE-A, fluorochrome: PE}
"""
STRATEGY = """\
schema: immunomon.strategy/1
name: s
label: thresholds
version: 1
panel: p
populations:
  - {id: side, parent: root, gate: {method: rectangle, sides: [{axis: SSC-H, low: 50000}]}}
  - {id: fitc, parent: root, gate: {method: rectangle, sides: [{axis: FITC-A, low: 900}]}}
  - {id: cd4, parent: root, gate: {method: rectangle, sides: [{axis: CD4, low: 400}]}}
report: {cd4: []}
"""
DETECTORS = ("fsc-a", "SSC1-H", "BL1-A", "pe-a", "TIME")
MATRIX = np.array([[1.0, 0.2], [0.1, 1.0]])


@pytest.fixture
def events():
    rng = np.random.default_rng(3)
    return np.column_stack(
        [
            *rng.normal(50000, 5000, (2, 400)),
            rng.normal(1000, 300, 400),
            rng.normal(500, 200, 400),
            np.arange(400),
        ]
    ).astype(np.float32)


@pytest.fixture
def panel(tmp_path):
    (tmp_path / "p.yaml").write_text(PANEL.replace(", CD4: []", ""), encoding="utf-8")
    return load_panel(tmp_path / "p.yaml")


def counts(tmp_path, panel, events, compensation):
    spill = "2,BL1-A,pe-a,1,0.2,0.1,1"
    path = write_fcs(tmp_path / "a.fcs", events, DETECTORS, ["", "", "CD3", "cd4 PE", ""], SPILLOVER=spill)
    (tmp_path / "s.yaml").write_text(STRATEGY, encoding="utf-8")
    strategy = load_strategy(tmp_path / "s.yaml", methods=GATE_METHODS, panel=panel)
    found = analyse(path, strategy, panel=panel, compensation=compensation, with_plots=False)
    return dict(found.measured.counts), found.header.deviations


@pytest.mark.parametrize("of_panel", [False, True])
def test_channels_under_aliases_are_gated_and_compensated_as_under_their_own_names(tmp_path, panel, events, of_panel):
    compensation = Compensation()
    if of_panel:  # a matrix named by the panel's detectors
        (tmp_path / "m.csv").write_text(",FITC-A,PE-A\nFITC-A,1,0.2\nPE-A,0.1,1\n", encoding="utf-8")
        compensation = Compensation(from_file=False, matrix=read_matrix_csv(tmp_path / "m.csv"))
    found, deviations = counts(tmp_path, panel, events, compensation)
    true = events[:, 2:4].astype(np.float64) @ np.linalg.inv(MATRIX)
    fitc, cd4 = int((true[:, 0] >= 900).sum()), int((true[:, 1] >= 400).sum())
    assert found == {"side": int((events[:, 1] >= 50000).sum()), "fitc": fitc, "cd4": cd4}
    assert [note for note in deviations if "the panel's" in note] == [
        "the channel BL1-A is the panel's FITC-A, by an alias that the panel lists",
        "the channel pe-a is the panel's PE-A, from which it differs only in case",
        "the channel fsc-a is the panel's FSC-A, from which it differs only in case",
        "the channel SSC1-H is the panel's SSC-H, by an alias that the panel lists",
        "the channel TIME is the panel's Time, from which it differs only in case",
    ]


def test_an_alias_of_what_the_panel_lacks_or_of_two_channels_is_refused(tmp_path):
    (tmp_path / "p.yaml").write_text(PANEL, encoding="utf-8")
    with pytest.raises(Exception, match="the panel has no detector, scatter or time channel 'CD4'"):
        load_panel(tmp_path / "p.yaml")
    twice = PANEL.replace("CD4: []", "PE-A: [BL1-A, FSC-A]")
    (tmp_path / "p.yaml").write_text(twice, encoding="utf-8")
    with pytest.raises(Exception, match="'BL1-A' is an alias of 'FITC-A' already") as error:
        load_panel(tmp_path / "p.yaml")
    assert "'FSC-A' is a channel already" in str(error.value)

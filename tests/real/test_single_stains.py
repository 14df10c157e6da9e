from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from immunomon.cytometry.formats.fcs import read_fcs
from immunomon.cytometry.model.controls import Fault, GoodControl, RefusedControl
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.steps.control_quality import judge_control
from immunomon.runs.compensation import ControlLabel, Controls, fluorescence_detectors, from_controls
from immunomon.study.model.fluorochromes import KNOWN_FLUOROCHROMES, simple_name, stain_named_in


@pytest.fixture(scope="module")
def spectral(real_data: Path) -> tuple[Path, EventTable, tuple[str, ...]]:
    folder = real_data / "single-stains" / "spectral"
    unstained = read_fcs(folder / "ND050_15_Ctrl_Unstained.fcs")[1]
    return folder, unstained, fluorescence_detectors(unstained.channels)


def listed(file: Path) -> dict[str, str]:
    rows = csv.reader(file.read_text(encoding="utf-8-sig").splitlines()[1:])
    return {simple_name(row[0].removesuffix("-A")): row[1].strip() for row in rows if len(row) > 1}


def test_thirteen_real_single_stains_peak_where_the_lists_say(
    spectral: tuple[Path, EventTable, tuple[str, ...]],
) -> None:
    folder, unstained, detectors = spectral
    panel = listed(folder / "Panel.csv")
    # Panel.csv is of an instrument without a yellow-green laser, which these files have: PE-Cy5 peaks there.
    panel["pecy5"] = listed(folder / "UnmixingPanel.csv")["pecy5"]
    right = 0
    for path in sorted(folder.glob("DR_*.fcs")):
        name = stain_named_in(path.stem, {known: known for known in KNOWN_FLUOROCHROMES})
        assert name is not None, path
        found = judge_control(read_fcs(path)[1], ControlLabel(path.name, name), detectors, unstained=unstained)
        assert isinstance(found, GoodControl), str(found)
        right += detectors[found.peak] == panel[simple_name(name)]
    assert right == 13


def test_thirteen_real_single_stains_peak_where_the_lists_say_without_an_unstained_tube(
    spectral: tuple[Path, EventTable, tuple[str, ...]],
) -> None:
    folder, _, detectors = spectral
    panel = listed(folder / "Panel.csv")
    panel["pecy5"] = listed(folder / "UnmixingPanel.csv")["pecy5"]
    found = from_controls(Controls(tuple((path, "") for path in sorted(folder.glob("DR_*.fcs")))))
    assert found.refused == ()
    peaks = {simple_name(control.label.fluorochrome): detectors[control.peak] for control in found.good}
    assert peaks == {name: panel[name] for name in peaks}
    assert len(peaks) == 13


def test_light_in_a_detector_without_a_control_agrees_with_the_matrix_of_all_controls(real_data: Path) -> None:
    folder = real_data / "single-stains" / "four-colour"
    files = tuple((folder / "data" / f"060909.00{number}", "") for number in (2, 3, 4))
    found = from_controls(Controls(files, folder / "data" / "060909.001"), complete=True).estimate
    assert found is not None
    assert found.others == ("FL3-H",)
    assert np.abs(found.into_others[:, 0] - [0.0321, 0.1408, 0.0032]).max() < 0.005


def test_the_unstained_tube_is_refused_as_a_stain(spectral: tuple[Path, EventTable, tuple[str, ...]]) -> None:
    _, unstained, detectors = spectral
    found = judge_control(unstained, ControlLabel("unstained.fcs", "PE"), detectors, unstained=unstained)
    assert isinstance(found, RefusedControl)
    assert found.fault is Fault.NO_POSITIVE


def test_four_real_colours_agree_with_the_matrix_that_came_with_them(real_data: Path) -> None:
    folder = real_data / "single-stains" / "four-colour"
    files = tuple((folder / "data" / f"060909.00{number}", "") for number in (2, 3, 4, 5))
    found = from_controls(Controls(files, folder / "data" / "060909.001")).estimate
    assert found is not None
    assert found.stains == ("FITC", "PE", "7-AAD", "APC")
    lines = (folder / "compref").read_text(encoding="utf-8").splitlines()[1:]
    reference = np.array([[float(value) for value in line.split()[1:]] for line in lines])
    assert np.abs(found.values - reference)[[0, 1, 3]].max() < 0.005

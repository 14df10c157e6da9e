from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from immunomon.assurance.simulate.instrument import CHANNELS, DETECTORS, FLUOROCHROMES, SPILLOVER
from immunomon.assurance.simulate.tubes import bead_run
from immunomon.cytometry.model.controls import ControlLabel, Fault, GoodControl, RefusedControl
from immunomon.cytometry.model.events import EventTable
from immunomon.cytometry.steps.control_quality import judge_control
from immunomon.cytometry.steps.estimate_spillover import estimate_spillover, refuse_shared_peaks
from immunomon.study.model.channels import Channel


def beads(fluorochrome: str, *, events: int = 2000, seed: int = 1) -> np.ndarray:
    return bead_run(fluorochrome, events, np.random.default_rng([seed, FLUOROCHROMES.index(fluorochrome)]))


def table(values: np.ndarray) -> EventTable:
    return EventTable(values, tuple(Channel(name) for name in CHANNELS), source="tube.fcs")


def judged(values: np.ndarray, fluorochrome: str = "PE") -> GoodControl | RefusedControl:
    return judge_control(table(values), ControlLabel("tube.fcs", fluorochrome, f"{fluorochrome}-A"), DETECTORS)


def test_clean_beads_of_every_fluorochrome_are_good_and_peak_where_they_must() -> None:
    for name in FLUOROCHROMES:
        found = judged(beads(name), name)
        assert isinstance(found, GoodControl), str(found)
        assert DETECTORS[found.peak] == f"{name}-A"
        assert found.positives.mean() == pytest.approx(0.5, abs=0.05)


def test_too_few_events_are_refused() -> None:
    found = judged(beads("PE", events=150))
    assert isinstance(found, RefusedControl)
    assert found.fault is Fault.TOO_FEW_EVENTS
    assert "200 are needed" in str(found)


def test_a_tube_without_stain_is_refused() -> None:
    values = beads("PE", events=4000)
    found = judged(values[values[:, 3 + FLUOROCHROMES.index("PE")] < 5000])
    assert isinstance(found, RefusedControl)
    assert found.fault is Fault.NO_POSITIVE
    assert "if all are stained, give --unstained" in str(found)


def test_a_tube_of_another_fluorochrome_is_refused_with_both_detectors_named() -> None:
    found = judged(beads("APC"), "PE")
    assert isinstance(found, RefusedControl)
    assert found.fault is Fault.WRONG_DETECTOR
    assert "it is brightest in APC-A; its own detector PE-A sees 0.1% of that light" in str(found)


def test_carry_over_of_another_single_stain_is_refused() -> None:
    values = np.concatenate([beads("PE"), beads("V450", events=400)])
    found = judged(values)
    assert isinstance(found, RefusedControl)
    assert found.fault is Fault.CARRY_OVER
    assert "are bright in V450-A beside the stain in PE-A" in str(found)


def test_a_trace_of_carry_over_is_passed_and_does_not_move_the_matrix() -> None:
    clean, dirty = beads("PE"), np.concatenate([beads("PE"), beads("V450", events=40)])
    rows = []
    for values in (clean, dirty):
        found = judged(values)
        assert isinstance(found, GoodControl), str(found)
        other = judged(beads("V450"), "V450")
        assert isinstance(other, GoodControl)
        rows.append(estimate_spillover([found, other], DETECTORS).values[0])
    np.testing.assert_allclose(rows[0], rows[1], atol=5e-4)


def test_a_saturated_tube_is_refused_and_a_few_saturated_events_are_left_out() -> None:
    values, column = beads("PE"), 3 + FLUOROCHROMES.index("PE")
    found = judged(np.minimum(values, np.where(np.arange(12) == column, np.float32(24_000), np.float32(np.inf))))
    assert isinstance(found, RefusedControl)
    assert found.fault is Fault.SATURATED
    assert "lower its voltage" in str(found)
    top = np.quantile(values[:, column], 0.99)
    found = judged(np.minimum(values, np.where(np.arange(12) == column, np.float32(top), np.float32(np.inf))))
    assert isinstance(found, GoodControl)
    assert found.events[:, column - 3].max() < top


def test_cells_that_are_all_stained_are_judged_by_the_unstained_tube() -> None:
    stained, dark = beads("PE", events=4000), beads("APC", events=4000, seed=2)
    stained = stained[stained[:, 3 + FLUOROCHROMES.index("PE")] > 5000]
    dark = dark[dark[:, 3 + FLUOROCHROMES.index("APC")] < 5000]
    found = judge_control(table(stained), ControlLabel("tube.fcs", "PE", "PE-A"), DETECTORS, unstained=table(dark))
    assert isinstance(found, GoodControl), str(found)
    assert 0 < np.count_nonzero(~found.positives) < found.positives.size


def test_an_unstained_tube_of_other_particles_is_not_used() -> None:
    cells = beads("APC", seed=3).copy()
    cells[:, [0, 1, 2]] *= np.float32(2)
    cells[:, 3:11] += 900  # beads would look dim beside them
    alone, beside = judged(beads("PE")), None
    label = ControlLabel("tube.fcs", "PE", "PE-A")
    beside = judge_control(table(beads("PE")), label, DETECTORS, unstained=table(cells))
    assert isinstance(alone, GoodControl)
    assert isinstance(beside, GoodControl)
    np.testing.assert_array_equal(alone.events, beside.events)
    assert alone.brightness == beside.brightness


def test_two_fluorochromes_of_one_detector_cannot_both_go_into_a_square_matrix() -> None:
    one = judged(beads("PE"))
    assert isinstance(one, GoodControl)
    two = replace(one, label=ControlLabel("other.fcs", "PE-Cy5", ""))
    kept, refused = refuse_shared_peaks([two, one], DETECTORS)
    assert [control.label.fluorochrome for control in kept] == ["PE"]
    assert "it is brightest in PE-A, and so is PE" in str(refused[0])


def test_every_coefficient_is_within_two_thousandths_of_the_simulators() -> None:
    for seed in (1, 2):
        controls = [judged(beads(name, seed=seed), name) for name in FLUOROCHROMES]
        good = [control for control in controls if isinstance(control, GoodControl)]
        estimate = estimate_spillover(good, DETECTORS)
        assert estimate.detectors == DETECTORS
        assert estimate.largest_residual < 1e-4
        assert np.abs(estimate.values - SPILLOVER).max() < 0.002


def test_spreading_is_what_photon_statistics_predict() -> None:
    controls = [judged(beads(name, events=6000), name) for name in ("PE", "PerCP-Cy5-5")]
    estimate = estimate_spillover([c for c in controls if isinstance(c, GoodControl)], DETECTORS)
    # PE spreads PerCP-Cy5-5 by its photons there, 14 units each, and by its own noise, 6 units a photon, taken off.
    expected = np.sqrt(0.135 * 14 + 0.135**2 * 6)
    assert estimate.spreading[0, 1] == pytest.approx(expected, rel=0.1)


def test_values_that_are_not_numbers_do_not_reach_the_lines() -> None:
    values = beads("PE").copy()
    values[::50, 5] = np.nan
    values[::51, 1] = np.inf
    found = judged(values)
    assert isinstance(found, GoodControl), str(found)
    assert np.isfinite(found.events).all()


def test_a_file_of_one_value_is_refused() -> None:
    found = judged(np.full((500, 12), 7.0, dtype=np.float32))
    assert isinstance(found, RefusedControl)
    assert "0 of 500 events are cells" in str(found)
    values = beads("PE").copy()
    values[:, 3:11] = 7
    found = judged(values)
    assert isinstance(found, RefusedControl)
    assert found.fault is Fault.NO_POSITIVE
    assert "is it the right file?" in str(found)


def test_a_long_control_is_thinned() -> None:
    found = judged(beads("PE", events=40_000))
    assert isinstance(found, GoodControl)
    assert found.events.shape[0] == 10_000
    assert found.gated > 30_000

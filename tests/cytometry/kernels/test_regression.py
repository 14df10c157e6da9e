from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immunomon.cytometry.kernels.regions import cluster_map, in_cluster
from immunomon.cytometry.kernels.regression import robust_lines
from immunomon.cytometry.kernels.regression_refine import refine_spillover
from immunomon.cytometry.kernels.single_stain import find_stain, own_light, spreading_row
from immunomon.cytometry.kernels.spillover import unmix
from immunomon.cytometry.kernels.unmixing import completed, own_places, weighted_unmixing
from immunomon.errors import SingularSpillover

seeds = st.integers(0, 2**32 - 1)


def stained(rng: np.random.Generator, spectrum: np.ndarray, events: int = 600, bright: float = 20_000.0) -> np.ndarray:
    """Half of the events dark, half bright, with photon noise of 10 units a photon and electronic noise of 20."""
    amount = np.where(np.arange(events) % 2 == 0, 0.0, bright * np.exp(0.1 * rng.standard_normal(events)))
    light = np.outer(amount, spectrum)
    return light + rng.standard_normal(light.shape) * np.sqrt(10 * light + 400)


@given(slope=st.floats(-1.5, 1.5), intercept=st.floats(-100, 100), seed=seeds)
@settings(max_examples=25, deadline=None)
def test_a_line_is_found_again_whatever_a_tenth_of_the_events_do(slope: float, intercept: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 1000, 400)
    y = slope * x + intercept + rng.standard_normal(400)
    y[:40] += rng.uniform(200, 5000)
    line = robust_lines(x, y[:, None])
    assert line.slope[0] == pytest.approx(slope, abs=2e-3)
    assert line.intercept[0] == pytest.approx(intercept, abs=1.0)


@given(factor=st.floats(0.01, 100), seed=seeds)
@settings(max_examples=20, deadline=None)
def test_slopes_do_not_depend_on_the_unit_of_intensity(factor: float, seed: int) -> None:
    events = stained(np.random.default_rng(seed), np.array([1.0, 0.2]))
    before = robust_lines(events[:, 0], events).slope
    after = robust_lines(factor * events[:, 0], factor * events).slope
    np.testing.assert_allclose(after, before, atol=1e-5)


def test_bright_events_do_not_outvote_dim_ones_because_they_are_noisier() -> None:
    rng = np.random.default_rng(3)
    events = stained(rng, np.array([1.0, 0.3]), events=4000)
    line = robust_lines(events[:, 0], events[:, 1:])
    assert line.growth[0] == pytest.approx(10 * 0.3 + 10 * 0.09, rel=0.2)


def test_a_line_needs_events_that_differ() -> None:
    with pytest.raises(ValueError, match="8 events of different brightness; there are 9"):
        robust_lines(np.ones(9), np.ones((9, 1)))


@given(seed=seeds)
@settings(max_examples=8, deadline=None)
def test_refinement_finds_the_matrix_that_mixed_the_controls(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = np.eye(4) + np.where(np.eye(4) > 0, 0.0, rng.uniform(0, 0.25, (4, 4)))
    controls = [stained(rng, row, events=3000) for row in truth]
    found = refine_spillover(controls, range(4), range(4))
    assert found.converged
    assert found.history[-1] < 1e-4
    np.testing.assert_allclose(found.values, truth, atol=0.004)


def test_two_controls_of_one_fluorochrome_give_a_matrix_between_theirs() -> None:
    rng = np.random.default_rng(5)
    tubes = [stained(rng, np.array([1.0, spill])) for spill in (0.10, 0.14)]
    other = stained(rng, np.array([0.02, 1.0]))
    found = refine_spillover([*tubes, other], [0, 0, 1], [0, 1])
    assert 0.11 < found.values[0, 1] < 0.13
    assert found.per_control[0, 1] < -0.01 < 0.01 < found.per_control[1, 1]


def test_the_same_tube_given_for_two_fluorochromes_cannot_be_told_apart() -> None:
    tube = stained(np.random.default_rng(1), np.array([1.0, 0.999999, 0.1]))
    with pytest.raises(SingularSpillover, match=r"told apart|same spectrum"):
        refine_spillover([tube, tube.copy()], [0, 1], [0, 0])


@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_a_completed_matrix_compensates_to_what_weighted_least_squares_unmixes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    spectrum = rng.uniform(0, 0.3, (3, 7)) + np.eye(7)[[4, 0, 2]]
    weights = rng.uniform(0.2, 1.0, 7)
    events = rng.normal(100, 50, (20, 7))
    by_matrix = unmix(events, completed(spectrum, [4, 0, 2], weights), [4, 0, 2])
    np.testing.assert_allclose(by_matrix, events @ weighted_unmixing(spectrum, weights), rtol=1e-8, atol=1e-8)


@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_weighted_unmixing_agrees_with_a_solver_and_undoes_mixing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    spectrum, weights = rng.uniform(0, 1, (3, 6)) + np.eye(6)[:3], rng.uniform(0.1, 1, 6)
    true, noise = rng.uniform(0, 1000, (10, 3)), rng.normal(0, 5, (10, 6))
    unmixing, root = weighted_unmixing(spectrum, weights), np.sqrt(weights)
    np.testing.assert_allclose(true @ spectrum @ unmixing, true, rtol=1e-6, atol=1e-6)
    observed = true @ spectrum + noise
    slow = np.array([np.linalg.lstsq((spectrum * root).T, event * root, rcond=None)[0] for event in observed])
    np.testing.assert_allclose(observed @ unmixing, slow, rtol=1e-6, atol=1e-6)


def test_a_detector_weight_that_is_not_positive_is_refused() -> None:
    with pytest.raises(SingularSpillover, match="2 positive detector weights are needed"):
        weighted_unmixing(np.array([[1.0, 0.5]]), np.array([1.0, 0.0]))


def test_two_fluorochromes_of_one_peak_get_a_detector_each() -> None:
    places = own_places(np.array([[1.0, 0.3, 0.0], [1.0, 0.8, 0.1], [0.0, 0.0, 1.0]]))
    assert places.tolist() == [0, 1, 2]


def test_a_stain_is_found_under_the_light_of_the_cells() -> None:
    rng = np.random.default_rng(2)
    own = np.array([0.6, 1.0, 0.8, 0.5, 0.1, 0.05])
    dark, cells = (np.outer(3000 * np.exp(0.4 * rng.standard_normal(2000)), own) for _ in range(2))
    dark, cells = (tube + 100 * rng.standard_normal(tube.shape) for tube in (dark, cells))
    cells[:200] += np.outer(rng.uniform(1000, 3000, 200), [0.0, 0.0, 0.0, 0.1, 1.0, 0.4])
    stain = find_stain(cells, dark, own_light(dark))
    assert stain.peak == 4
    assert stain.positive[:200].mean() > 0.95
    assert stain.positive[200:].mean() < 0.02


def test_the_main_cluster_leaves_debris_clumps_and_margin_events_out() -> None:
    rng = np.random.default_rng(4)
    cells = rng.normal([80_000, 30_000], [4000, 3000], (2000, 2))
    debris = rng.normal([8000, 6000], 2000, (3000, 2))
    margin = np.full((50, 2), 262_143.0)
    scatter = np.concatenate([cells, debris, margin])
    found = in_cluster(scatter, cluster_map(scatter))
    assert found[:2000].mean() > 0.75
    assert not found[2000:].any()


def test_another_tube_can_be_gated_by_a_tubes_cluster() -> None:
    rng = np.random.default_rng(4)
    beads = rng.normal([60_000, 45_000], 3000, (1000, 2))
    cells = rng.normal([90_000, 15_000], 3000, (1000, 2))
    assert in_cluster(cells, cluster_map(beads)).mean() < 0.01


def test_a_stain_that_does_not_widen_another_has_no_spreading() -> None:
    rng = np.random.default_rng(6)
    signal = rng.standard_normal((4000, 3))
    positive = np.arange(4000) < 2000
    signal[positive, 0] += 10_000
    signal[positive, 2] *= 21
    row = spreading_row(signal, positive, 0)
    assert row[1] < 0.005
    assert row[2] == pytest.approx(np.sqrt((21**2 - 1) / 10_000), rel=0.1)
    assert np.isnan(spreading_row(signal, np.zeros(4000, dtype=bool), 0)[1])

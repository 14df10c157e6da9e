"""What compiled code finds is what NumPy finds, to the last bit."""

import numpy as np
import pytest

from immunomon.cytometry.kernels import compiled, regression, scales, selection, spillover
from immunomon.cytometry.kernels.decide import decide_cells
from immunomon.cytometry.kernels.group_medians import group_medians, membership_codes
from immunomon.cytometry.kernels.histogram import histogram2d
from immunomon.cytometry.kernels.line_rounds import line_rounds
from immunomon.cytometry.kernels.selection import finite_median, median_of

SIZES = (500, 501, 1023, 4096, 4097, 20_000, 65_537)


def values_of(size, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(0.0, 1.0, size) * 10.0 ** rng.uniform(-6.0, 6.0, size)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "arrange",
    [
        lambda values: values,
        np.sort,
        np.round,
        lambda values: np.where(values > 0, values, 0.0),
        lambda values: -np.sort(-values),
        lambda values: np.repeat(values[: values.size // 7 + 1], 7)[: values.size],
        np.zeros_like,
        lambda values: np.where(np.arange(values.size) % 3, np.nan, values),
        lambda values: np.where(np.arange(values.size) % 3, np.inf, values),
    ],
)
def test_a_median_is_numpys(size, arrange):
    values = arrange(values_of(size, size))
    assert np.float64(median_of(values)).tobytes() == np.float64(np.median(values)).tobytes()


def test_a_median_of_strided_and_of_float32_values_is_numpys():
    table = values_of(30_000).reshape(-1, 3)
    assert median_of(table[:, 1]) == np.median(table[:, 1])
    assert median_of(table[:, 1].astype(np.float32)) == float(np.median(table[:, 1].astype(np.float32)))


def pulses(events, seed):
    rng = np.random.default_rng(seed)
    area = np.exp(rng.normal(11.2, 0.4, events)).astype(np.float32).astype(np.float64)
    height = area * rng.normal(0.8, 0.03, events) + rng.normal(300.0, 200.0, events)
    height[rng.random(events) < 0.1] *= 0.6
    return area, np.abs(height.astype(np.float32)).astype(np.float64) + 1


@pytest.mark.parametrize("events", SIZES)
@pytest.mark.parametrize("spoiled", [1.0, 1e200])
def test_a_line_is_the_one_that_numpy_finds(events, spoiled, monkeypatch):
    area, height = pulses(events, events)
    height[:3] *= spoiled
    lines = [regression.robust_line(area, height)]
    monkeypatch.setattr(regression, "is_compiled_at_hand", lambda: False)
    with np.errstate(over="ignore"):
        lines.append(regression.robust_line(area, height))
    assert lines[0] == lines[1] == line_rounds(height / area, 1.0 / area, 30)
    assert lines[0][2] > 0


@pytest.mark.parametrize("events", SIZES)
@pytest.mark.parametrize("spread", [1e-9, 0.01, 1.0])
def test_a_lines_errors_are_those_that_numpy_finds(events, spread, monkeypatch):
    area, height = pulses(events, events)
    line = (regression.robust_line(area, height)[0], 20.0, spread)
    height[-3:] = 1e300
    errors = [regression.line_errors(area, height, line)]
    monkeypatch.setattr(regression, "is_compiled_at_hand", lambda: False)
    with np.errstate(over="ignore"):
        errors.append(regression.line_errors(area, height, line))
    assert errors[0] == errors[1]
    assert (errors[0] > (0.0, 0.0, 0.0)) is (spread > 1e-9)


def test_compiled_code_is_at_hand_once_it_is_loaded(monkeypatch):
    assert selection.is_compiled_at_hand()
    monkeypatch.delitem(selection.sys.modules, "numba")
    assert not selection.is_compiled_at_hand()


@pytest.mark.parametrize("size", [1, 2, 3, 10, 101, 4096, 5000, 20_001])
@pytest.mark.parametrize("spoiled", [(), (np.nan,), (np.inf, -np.inf), (0.0, -0.0)])
def test_quantiles_are_numpys(size, spoiled):
    values = values_of(size, size)
    values[: min(len(spoiled), size)] = spoiled[:size]
    levels = [0.0, 0.001, 0.05, 0.25, 0.5, 0.75, 0.95, 0.995, 0.999, 1.0]
    with np.errstate(invalid="ignore"):
        numpys = np.quantile(values, levels)
        assert np.array(selection.quantiles_at(values, levels)).tobytes() == numpys.tobytes()
        single = values.astype(np.float32)
        numpys = np.float64([np.quantile(single, 0.3), *np.quantile(single, levels)])
        ours = np.float64([selection.quantile_of(single, 0.3), *selection.quantiles_at(single, levels)])
    assert ours.tobytes() == numpys.tobytes()


@pytest.mark.parametrize("spoiled", [(), (np.nan,), (np.nan, np.inf, -np.inf)])
@pytest.mark.parametrize("size", SIZES)
def test_a_median_of_the_finite_is_numpys(size, spoiled):
    values = values_of(2 * size, size)
    values[: len(spoiled)] = spoiled
    rows = np.arange(0, 2 * size, 2)
    chosen = values[rows]
    assert finite_median(values, rows) == np.median(chosen[np.isfinite(chosen)])
    assert finite_median(values, rows[:0]) is None
    assert finite_median(np.full(size, np.nan), np.arange(size)) is None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", [None, np.arange(1, 3000, 3)])
def test_weighted_sums_are_numpys(dtype, rows):
    values = values_of(30_000).reshape(-1, 10).astype(dtype)
    values[7, 2], values[9, 3] = np.nan, np.inf
    places, weights = np.array([8, 2, 3, 0, 1]), values_of(5, 3)
    ours = spillover.weighted(values, places.tolist(), weights, rows=rows)
    assert ours.tobytes() == spillover._weighted(values, places, weights, rows).tobytes()


@pytest.mark.parametrize(
    "scale", [(262144.0, 0.5, 4.5, 0.0), (1e7, 1.2, 4.5, 0.0), (4e6, 0.0, 4.5, 0.5), (262144.0, 1.0, 4.5, -0.5)]
)
def test_logicle_coordinates_are_numpys(scale, monkeypatch):
    rng = np.random.default_rng(1)
    values = np.where(rng.random(20_001) < 0.5, rng.normal(50.0, 200.0, 20_001), rng.lognormal(9.0, 2.0, 20_001))
    values[:5] = np.nan, np.inf, -np.inf, 0.0, -0.0
    ours = scales.logicle(values, *scale)
    monkeypatch.setattr(scales, "is_compiled_at_hand", lambda: False)
    assert ours.tobytes() == scales.logicle(values, *scale).tobytes()


def test_columns_are_looked_through_as_numpy_does():
    values = np.round(values_of(30_000).reshape(-1, 10), 1)
    values[:9, 3], values[:, 4], values[5, 5] = np.nan, np.nan, np.inf
    are_numbers, tops, counts = compiled.numbers_and_tops(values.astype(np.float32))
    stored = values.astype(np.float32).astype(np.float64)
    finite = np.isfinite(stored)
    assert are_numbers.tolist() == finite.all(axis=0).tolist()
    assert tops.tolist() == stored.max(axis=0, where=finite, initial=-np.inf).tolist()
    assert counts.tolist() == (finite & (stored == tops)).sum(axis=0).tolist()


@pytest.mark.parametrize("bound", [0.0, 1e-6, 1e-3])
def test_cells_that_are_decided_by_rough_values_hold_what_exact_ones_put_there(bound):
    rng = np.random.default_rng(2)
    exact = rng.normal(0.4, 0.4, (2, 50_000))
    exact[:, :4] = [[np.nan, 0.5, np.inf, -np.inf], [0.5, np.nan, 0.5, 0.5]]
    exact[:, 4:76] = (np.arange(72) / 72) * 1.1 - 0.05  # the cells' own edges
    rough = exact + rng.uniform(-bound, bound, exact.shape) * 0.999
    parent = rng.random(50_000) < 0.7
    ranges = (-0.05, 1.05), (-0.05, 1.05)
    counts, asked = decide_cells(parent, (rough[0], bound), (rough[1], bound), *ranges, 72)
    counts += histogram2d(exact[0][asked], exact[1][asked], *ranges, bins=72)
    assert np.array_equal(counts, histogram2d(exact[0][parent], exact[1][parent], *ranges, bins=72))
    assert asked.size < (0.5 if bound == 1e-3 else 0.01) * parent.size


@pytest.mark.parametrize("size", [1, 2, 101, 30_000])
@pytest.mark.parametrize(
    "arrange", [np.abs, np.round, np.negative, lambda values: values * 1e-40, lambda values: np.full_like(values, 5.5)]
)
def test_medians_of_groups_are_numpys(size, arrange):
    rng, values = np.random.default_rng(size), arrange(values_of(size, size))
    groups = [rng.random(size) < share for share in (0.0, 0.02, 0.4, 0.5, 1.0)]
    codes, inside = membership_codes(groups)
    assert np.array_equal(inside[codes].T, groups)
    medians = [np.median(values[group]) if group.any() else np.nan for group in groups]
    assert np.array_equal(group_medians(values, codes, inside), medians, equal_nan=True)
    values[size // 2] = np.inf
    assert np.isnan(group_medians(values, codes, inside)).all()


def test_too_many_kinds_of_events_are_not_counted_by_group():
    rng = np.random.default_rng(1)
    assert membership_codes([rng.random(5000) < 0.5 for _ in range(9)]) is None
    assert membership_codes([np.ones(3, dtype=bool)] * 65) is None


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_columns_that_are_computed_together_are_those_of_each_alone(kind):
    rng = np.random.default_rng(2)
    raw = rng.normal(0.0, 1e3, (1500, 5)).astype(kind)
    raw[[3, 700], [1, 2]] = np.nan, np.inf
    weights, sources = rng.normal(0.0, 1.0, (3, 4)), np.array([1, 2, 3, 4])
    weights[0, :2] = 0.0  # what is no number in a detector without a part in it does not reach it
    columns = compiled.unmixed_columns(raw, np.array([-1, 0, -1]), sources, weights)
    assert np.isfinite(columns[0]).all()
    assert np.array_equal(columns[1], raw[:, 0])
    for row in (0, 2):
        used = np.flatnonzero(weights[row])
        alone = compiled.weighted_sums(raw, sources[used], weights[row][used], None)
        assert np.array_equal(columns[row], alone, equal_nan=True)

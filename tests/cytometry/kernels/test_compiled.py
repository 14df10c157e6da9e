"""What compiled code finds is what NumPy finds, to the last bit."""

import numpy as np
import pytest

from immunomon.cytometry.kernels import compiled, regression, selection
from immunomon.cytometry.kernels.selection import median_of

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
    monkeypatch.setattr(regression, "is_compiled_at_hand", lambda _: False)
    with np.errstate(over="ignore"):
        lines.append(regression.robust_line(area, height))
    assert lines[0] == lines[1] == compiled.line_rounds(height / area, 1.0 / area, 30)
    assert lines[0][2] > 0


def test_few_values_are_not_worth_compiled_code():
    assert selection.is_compiled_at_hand(100_000)
    assert not selection.is_compiled_at_hand(100)

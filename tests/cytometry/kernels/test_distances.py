"""Distances from a middle: what compiled code finds in one pass is what NumPy finds in several, to the last bit."""

import numpy as np
import pytest

from immunomon.cytometry.kernels import distances

SIZES = [1, 2, 3, 101, 4097, 20_000, 50_001]


@pytest.fixture(params=SIZES)
def values(request):
    rng = np.random.default_rng(request.param)
    return rng.normal(3.0, 1.0, request.param).round(4)


@pytest.mark.parametrize("spoiled", [None, np.nan, np.inf])
def test_distances_are_numpys(values, spoiled, monkeypatch):
    if spoiled is not None:
        values[0] = spoiled
    functions = (
        lambda: distances.median_distance(values, 2.9),
        lambda: distances.within(values, 2.9, 0.75),
        lambda: distances.above(values, 2.9),
    )
    with np.errstate(invalid="ignore"):
        compiled = [function() for function in functions]
        monkeypatch.setattr(distances, "is_compiled_at_hand", lambda: False)
        plain = [function() for function in functions]
    for with_compiler, without in zip(compiled, plain, strict=True):
        assert np.array_equal(with_compiler, without, equal_nan=True)
    assert compiled[1].size < values.size or values.size < 100

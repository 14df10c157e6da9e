"""The median and the spread of all others, found for all values at once, are those found one value at a time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunomon.cytometry.kernels import outliers

SMALL = st.integers(-3, 3).map(float)  # ties are frequent
SERIES = st.lists(st.one_of(SMALL, st.floats(-1e6, 1e6)), min_size=2, max_size=25).map(np.array)


@given(SERIES)
def test_median_and_spread_of_others_are_those_without_each_value(values):
    middle = outliers._median_of_others(values)
    spread = outliers._spread_of_others(values, middle)
    for index in range(values.size):
        others = np.delete(values, index)
        assert middle[index] == np.median(others)
        assert spread[index] == np.median(np.abs(others - np.median(others)))


@pytest.mark.parametrize("files", [4, 200])
def test_a_file_is_judged_by_all_others(files):
    quantiles = np.tile([0.1, 0.12, 0.6, 0.7], (files, 1)) + 0.001 * np.arange(files)[:, None] / files
    quantiles[1] = [0.1, 0.12, 0.2, 0.25]
    reach = outliers.reach_beside(quantiles)
    assert np.flatnonzero(reach.is_weak).tolist() == [1]
    assert reach.short[1] == np.median(np.delete(quantiles[:, 3], 1)) - 0.25

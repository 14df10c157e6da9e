import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunomon.cytometry.kernels.regression import robust_line


@given(st.floats(0.2, 3), st.integers(0, 500))
def test_doublets_do_not_move_the_line(slope, seed):
    rng = np.random.default_rng(seed)
    x = rng.uniform(2e4, 2e5, 3000)
    y = slope * x * (1 + rng.normal(0, 0.02, x.size))
    y[:300] *= 0.7
    found, intercept, spread = robust_line(x, y)
    assert found + intercept / x.mean() == pytest.approx(slope, rel=0.01)
    assert spread == pytest.approx(0.02 * slope, rel=0.3)


@pytest.mark.parametrize("x", [np.ones(5), np.ones(50), np.linspace(-1, 1, 50)])
def test_points_without_a_line_are_refused(x):
    with pytest.raises(ValueError, match="robust line needs"):
        robust_line(x, x)

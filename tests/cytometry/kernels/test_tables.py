import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunomon.cytometry.kernels import scales
from immunomon.cytometry.kernels.fused import Plan, locate
from immunomon.cytometry.kernels.tables import interpolate, tabulate

WIDTHS = st.floats(0, 2.2)


def sweep(top):
    """Intensities over all decades of both signs, and densely around zero."""
    far = np.geomspace(1e-6 * top, 8 * top, 20_001)
    return np.concatenate([-far, np.linspace(-1e-3 * top, 1e-3 * top, 20_001), far])


@given(WIDTHS, st.sampled_from([1e3, 262144.0, 4194304.0]), st.floats(0, 0.1))
def test_no_logicle_coordinate_is_farther_from_the_exact_one_than_the_bound(w, t, a):
    table = tabulate(lambda v: scales.logicle(v, t, w, 4.5, a), t)
    values = sweep(t)
    error = np.abs(interpolate(values, table) - scales.logicle(values, t, w, 4.5, a))
    assert np.nanmax(error) <= table.bound < 2e-5
    assert not np.isnan(error).any()


@given(st.floats(1.0, 7.0), st.floats(0, 2))
def test_no_asinh_coordinate_is_farther_from_the_exact_one_than_the_bound(m, a):
    table = tabulate(lambda v: scales.asinh(v, 262144, m, a), 262144)
    values = sweep(262144)
    error = np.abs(interpolate(values, table) - scales.asinh(values, 262144, m, a))
    assert np.nanmax(error) <= table.bound < 3e-5


def test_the_compiled_kernel_does_what_the_plain_one_does():
    table = tabulate(lambda v: scales.logicle(v, 262144, 0.5, 4.5, 0), 262144)
    values = np.concatenate([sweep(262144), [np.nan, np.inf, -np.inf, 1e20]]).astype(np.float32)
    plan = Plan(np.array([0]), np.empty(0, np.int64), np.empty((1, 0)), [table])
    np.testing.assert_array_equal(locate(values.reshape(-1, 1), plan)[0], interpolate(values.astype(float), table))


def test_beyond_the_table_there_is_no_coordinate():
    table = tabulate(np.arcsinh, 1000.0)
    assert np.isnan(interpolate(np.array([1e6, -1e6, np.nan, np.inf]), table)).all()


@pytest.mark.parametrize("function", [np.exp, np.negative, lambda v: v**3, np.zeros_like])
def test_what_is_not_increasing_and_concave_is_refused(function):
    with pytest.raises(ValueError, match=r"increasing function|math domain"):
        tabulate(function, 10.0)

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunomon.kernels import scales

INTENSITIES = st.lists(st.floats(-1e5, 2.6e5, allow_subnormal=False), min_size=1, max_size=30).map(np.array)
LOGICLES = st.tuples(st.floats(1e3, 1e6), st.floats(0, 1.5), st.floats(4, 6), st.floats(0, 0.5))


@given(INTENSITIES, LOGICLES)
def test_the_inverse_undoes_logicle(values, parameters):
    t, w, m, a = parameters
    back = scales.logicle_inverse(scales.logicle(values, t, w, m, a), t, w, m, a)
    np.testing.assert_allclose(back, values, rtol=1e-9, atol=1e-6)


@given(INTENSITIES, LOGICLES)
def test_logicle_keeps_the_order(values, parameters):
    ordered = np.sort(values)
    assert (np.diff(scales.logicle(ordered, *parameters)) >= -1e-15).all()


@given(INTENSITIES, st.floats(1e2, 1e6), st.floats(1, 6), st.floats(0, 2))
def test_the_inverse_undoes_asinh(values, t, m, a):
    back = scales.asinh_inverse(scales.asinh(values, t, m, a), t, m, a)
    np.testing.assert_allclose(back, values, rtol=1e-8, atol=1e-6 * t / 10**m + 1e-9)


@given(INTENSITIES, st.floats(1e2, 1e6), st.floats(0, 1e3))
def test_the_inverse_undoes_linear(values, t, a):
    np.testing.assert_allclose(scales.linear_inverse(scales.linear(values, t, a), t, a), values, atol=1e-6)


@pytest.mark.parametrize("w", [0.0, 0.3, 0.5, 1.0, 2.2])
@pytest.mark.parametrize("a", [0.0, 0.2])
def test_logicle_equals_flowkits_to_a_few_bits(w, a):
    flowutils = pytest.importorskip("flowutils.transforms")
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(0, 500, 2000), np.exp(rng.normal(7, 2, 2000))])
    if a > 4.5 - 2 * w:
        a = 0.0
    theirs = flowutils.logicle(values.reshape(-1, 1), [0], 262144, 4.5, w, a)[:, 0]
    np.testing.assert_allclose(scales.logicle(values, 262144, w, 4.5, a), theirs, atol=4e-15)


@pytest.mark.parametrize("bad", [(0, 0.5, 4.5, 0), (1e5, 3, 4.5, 0), (1e5, 0.5, 0, 0), (1e5, 0.5, 4.5, -1)])
def test_parameters_that_are_no_logicle_are_refused(bad):
    with pytest.raises(ValueError, match="logicle needs"):
        scales.logicle(np.zeros(1), *bad)


def test_not_a_number_and_infinities_pass_through_logicle():
    odd = np.array([np.nan, np.inf, -np.inf])
    np.testing.assert_array_equal(scales.logicle(odd, 262144, 0.5, 4.5, 0), odd)


def test_the_width_shows_ninety_five_of_a_hundred_negatives_above_the_bottom():
    rng = np.random.default_rng(2)
    values = rng.normal(0, 300, 50_000)
    w = scales.logicle_width(values, t=262144, m=4.5)
    reference = np.quantile(values[values < 0], 0.05)
    assert abs(scales.logicle(np.array([reference]), 262144, w, 4.5, 0)[0]) < 0.06


def test_without_negatives_the_width_is_the_usual_half_decade():
    assert scales.logicle_width(np.array([1.0, 2.0]), 262144, 4.5) == 0.5

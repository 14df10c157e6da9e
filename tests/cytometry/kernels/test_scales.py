import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunomon.cytometry.kernels import scales

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


@pytest.mark.parametrize("noise", [50.0, 300.0, 1_000.0, 10_000.0])
@pytest.mark.parametrize("top", [2.0**18, 4.2e6, 1e7])
def test_noise_of_any_width_is_one_peak_on_the_scale_made_for_it(noise, top):
    w = scales.logicle_width(noise, t=top, m=4.5)
    assert w == pytest.approx(round(w * 20) / 20)
    assert noise * 2 < scales.widest_peak(top, w, 4.5)
    assert w == 0 or scales.widest_peak(top, w, 4.5) < noise * 3.2


def test_noise_splits_in_two_where_it_is_wider_than_the_scale_bears():
    def peaks(noise):
        grid = np.linspace(0.0, 0.6, 6001)
        values = scales.logicle_inverse(grid, 262144, 0.7, 4.5, 0)
        density = np.exp(-0.5 * (values / noise) ** 2) * np.gradient(values, grid)
        return int(np.sum((density[1:-1] > density[:-2]) & (density[1:-1] > density[2:])))

    widest = scales.widest_peak(262144, 0.7, 4.5)
    assert (peaks(0.95 * widest), peaks(1.05 * widest)) == (1, 2)


def test_an_asinh_made_for_the_noise_is_as_wide():
    decades = scales.asinh_decades(400.0, t=262144)
    cofactor = 262144 / np.sinh(decades * np.log(10))
    assert cofactor == pytest.approx(2.5 * 400, rel=0.07)

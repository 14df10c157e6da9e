import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunomon.cytometry.kernels.scales_log import hyperlog, hyperlog_inverse, log, log_inverse


@pytest.mark.parametrize(("w", "m", "a"), [(1, 4.5, 0), (0.5, 4.5, 0), (1, 4, 0.5), (0.01, 4.5, 0), (2, 4, -1)])
def test_hyperlog_is_undone_by_its_inverse_within_the_last_digits(w, m, a):
    values = np.concatenate([-np.geomspace(1e-3, 1e6, 400), [0.0], np.geomspace(1e-3, 1e6, 400)])
    back = hyperlog_inverse(hyperlog(values, 10000, w, m, a), 10000, w, m, a)
    np.testing.assert_allclose(back, values, rtol=1e-12, atol=1e-10)


@given(
    st.floats(0.05, 2.0),
    st.floats(4.0, 6.0),
    st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20).map(sorted),
)
def test_hyperlog_keeps_the_order_of_intensities(w, m, values):
    coordinates = hyperlog(np.array(values), 262144, w, m, 0)
    assert (np.diff(coordinates) >= -1e-15).all()


def test_hyperlog_equals_flowkits():
    from flowkit import transforms

    values = np.linspace(-500, 10000, 1001)
    theirs = transforms.HyperlogTransform(10000, 1, 4.5, 0).apply(values.reshape(-1, 1)).ravel()
    np.testing.assert_allclose(hyperlog(values, 10000, 1, 4.5, 0), theirs, rtol=1e-11)


def test_hyperlog_passes_infinities_and_what_is_no_number():
    result = hyperlog(np.array([np.inf, -np.inf, np.nan]), 10000, 1, 4.5, 0)
    assert result[0] == np.inf
    assert result[1] == -np.inf
    assert np.isnan(result[2])


def test_log_is_the_decade_below_the_top():
    np.testing.assert_allclose(log(np.array([10.0, 100.0, 1000.0]), 1000, 2), [0.0, 0.5, 1.0])
    np.testing.assert_allclose(log_inverse(np.array([0.0, 0.5, 1.0]), 1000, 2), [10.0, 100.0, 1000.0])

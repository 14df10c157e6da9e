import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from immunomon.cytometry.kernels.spillover import inverse_of, mix, unmix
from immunomon.errors import SingularSpillover


@st.composite
def mixtures(draw):
    size = draw(st.integers(1, 6))
    spill = draw(arrays(float, (size, size), elements=st.floats(0, 0.9 / size)))
    np.fill_diagonal(spill, 1.0)
    true = draw(arrays(float, (draw(st.integers(1, 20)), size), elements=st.floats(-1e3, 2e5)))
    return true, spill


@given(mixtures())
def test_unmix_undoes_mixing(case):
    true, spill = case
    np.testing.assert_allclose(unmix(mix(true, spill), spill), true, rtol=1e-9, atol=1e-6)


@given(mixtures(), st.data())
def test_unmixing_wanted_channels_equals_unmixing_all_and_choosing(case, data):
    true, spill = case
    wanted = data.draw(st.lists(st.integers(0, spill.shape[0] - 1), unique=True))
    observed = mix(true, spill)
    np.testing.assert_allclose(unmix(observed, spill, wanted), unmix(observed, spill)[:, wanted], atol=1e-7)


def test_two_fluorochromes_with_one_spectrum_are_refused():
    with pytest.raises(SingularSpillover, match="same spectrum"):
        inverse_of(np.array([[1.0, 1.0], [1.0, 1.0]]))


def test_a_matrix_that_is_not_square_is_refused():
    with pytest.raises(SingularSpillover, match="square"):
        inverse_of(np.ones((2, 3)))

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import fisher_exact

from immunomon.cytometry.kernels.proportions import difference_interval, fisher_greater


@st.composite
def tables(draw):
    total, other_total = draw(st.integers(1, 60)), draw(st.integers(1, 60))
    return draw(st.integers(0, total)), total, draw(st.integers(0, other_total)), other_total


@given(tables())
def test_the_chance_is_that_of_the_exact_test(table):
    count, total, other, other_total = table
    slow = fisher_exact([[count, total - count], [other, other_total - other]], alternative="greater").pvalue
    found = fisher_greater(*(np.array([value]) for value in table))[0]
    assert found == pytest.approx(slow, rel=1e-9)


@given(tables())
def test_the_interval_of_a_difference_holds_it_and_turns_with_the_groups(table):
    count, total, other, other_total = (np.array([value]) for value in table)
    low, high = difference_interval(count, total, other, other_total)
    assert low[0] - 1e-12 <= count[0] / total[0] - other[0] / other_total[0] <= high[0] + 1e-12
    turned = difference_interval(other, other_total, count, total)
    assert (turned[0][0], turned[1][0]) == pytest.approx((-high[0], -low[0]))


def test_no_cells_make_no_statement():
    nothing, some = np.array([0]), np.array([10])
    assert np.isnan(fisher_greater(nothing, nothing, nothing, some)).all()
    assert np.isnan(difference_interval(nothing, nothing, nothing, some)[0]).all()

from __future__ import annotations

import math
from math import comb

import pytest

from immunomon.trial.kernels.intervals import clopper_pearson


def tail(n, k, p):
    return sum(comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k, n + 1))


def test_none_of_nine_is_up_to_33_6_percent():
    low, high = clopper_pearson(0, 9)
    assert (low, round(100 * high, 1)) == (0.0, 33.6)


def test_three_of_six_is_as_tables_print_it():
    assert [round(end, 4) for end in clopper_pearson(3, 6)] == [0.1181, 0.8819]


@pytest.mark.parametrize("n", [1, 3, 9, 18])
def test_the_ends_are_where_the_binomial_tails_are_half_the_error(n):
    for k in range(n + 1):
        low, high = clopper_pearson(k, n)
        assert low == 0 if k == 0 else tail(n, k, low) == pytest.approx(0.025)
        assert high == 1 if k == n else 1 - tail(n, k + 1, high) == pytest.approx(0.025)
        assert low == pytest.approx(1 - clopper_pearson(n - k, n)[1])


@pytest.mark.parametrize("n", [3, 6, 9])
def test_the_coverage_is_never_below_95_percent(n):
    ends = [clopper_pearson(k, n) for k in range(n + 1)]
    for p in (step / 200 for step in range(1, 200)):
        covered = sum(comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1) if ends[k][0] <= p <= ends[k][1])
        assert covered >= 0.95


def test_nobody_gives_no_interval_and_more_than_all_is_refused():
    assert all(math.isnan(end) for end in clopper_pearson(0, 0))
    with pytest.raises(ValueError, match="between 0 and its total, got 4 of 3"):
        clopper_pearson(4, 3)

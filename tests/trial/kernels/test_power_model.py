from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from immunomon.trial.kernels.noncompartmental import power_model, proportional_bounds


def test_the_exponent_and_its_interval_are_those_of_a_regression_of_logarithms():
    rng = np.random.default_rng(5)
    doses = np.repeat([0.5, 1.0, 2.0], 3)
    values = 100 * doses**0.8 * np.exp(rng.normal(0, 0.3, 9))
    found = power_model(doses, values, 0.9)
    fit = sm.OLS(np.log(values), sm.add_constant(np.log(doses))).fit()
    assert found.slope == pytest.approx(fit.params[1])
    assert (found.low, found.high) == pytest.approx(tuple(fit.conf_int(0.1)[1]))
    assert (found.n, found.doses) == (9, 3)


def test_an_exact_power_is_found_exactly():
    assert power_model([1, 2, 4], [3, 3 * 2**1.5, 3 * 4**1.5]).slope == pytest.approx(1.5)


def test_two_values_or_one_dose_give_no_slope():
    assert power_model([1, 2], [3, 4]) is None
    assert power_model([1, 1, 1], [3, 4, 5]) is None


def test_bounds_are_those_that_smith_2000_derives():
    assert proportional_bounds(2.0) == pytest.approx((1 + np.log(0.8) / np.log(2), 1 + np.log(1.25) / np.log(2)))
    with pytest.raises(ValueError, match="above 1"):
        proportional_bounds(1.0)


def test_the_interval_covers_the_true_exponent_as_often_as_promised():
    rng = np.random.default_rng(8)
    doses = np.repeat([0.5, 1.0, 2.0], 3)
    inside = 0
    for _ in range(1000):
        found = power_model(doses, doses * np.exp(rng.normal(0, 0.4, 9)), 0.9)
        inside += found.low <= 1 <= found.high
    assert 0.87 < inside / 1000 < 0.93

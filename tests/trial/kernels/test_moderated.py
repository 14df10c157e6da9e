import csv
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from scipy.special import polygamma

from immunomon.trial.kernels.moderated import PriorVariance, fit_prior, moderated_t, trigamma_inverse

LIMMA = Path(__file__).parent / "limma"  # made by benchmarks/limma.R, see benchmarks/limma.md
CASES = ("three patients", "nine patients", "equal variances", "missing changes")


def rows(name, case):
    with (LIMMA / name).open(encoding="utf-8", newline="") as stream:
        return [row for row in csv.DictReader(stream) if row["case"] == case]


def number(text):
    return float("nan") if text == "NA" else float(text)


@pytest.mark.parametrize("case", CASES)
def test_the_moderated_t_is_limma_s_to_eight_places(case):
    found = rows("changes.csv", case)
    changes = np.empty((max(int(r["patient"]) for r in found), max(int(r["population"]) for r in found)))
    for row in found:
        changes[int(row["patient"]) - 1, int(row["population"]) - 1] = number(row["change"])
    limma = rows("results.csv", case)
    assert len(limma) == 12
    ours = moderated_t(changes)
    for name, values in (("mean", ours.mean), ("t", ours.t), ("df_total", ours.freedom), ("p", ours.p)):
        np.testing.assert_allclose(values, [number(row[name]) for row in limma], rtol=1e-8)
    assert ours.prior.variance == pytest.approx(number(limma[0]["s2_prior"]), rel=1e-8)
    assert ours.prior.freedom == pytest.approx(number(limma[0]["df_prior"]), rel=1e-8)


def test_the_cases_of_limma_hold_both_a_finite_and_an_infinite_prior():
    freedoms = {case: number(rows("results.csv", case)[0]["df_prior"]) for case in CASES}
    assert np.isinf(freedoms["equal variances"])
    assert np.isfinite(freedoms["nine patients"])


def test_the_inverse_of_the_trigamma_function_undoes_it():
    y = np.geomspace(1e-4, 1e8, 60)
    np.testing.assert_allclose(trigamma_inverse(polygamma(1, y)), y, rtol=1e-6)


def test_a_prior_worth_nothing_gives_student_s_t():
    x = np.random.default_rng(3).normal(0.2, 0.4, (7, 4))
    found = moderated_t(x, PriorVariance(1.0, 0.0))
    plain = stats.ttest_1samp(x, 0.0)
    np.testing.assert_allclose(found.t, plain.statistic)
    np.testing.assert_allclose(found.p, plain.pvalue)


def test_two_populations_say_nothing_about_each_other():
    assert fit_prior([0.1, 0.5], [8, 8]).freedom == 0.0


def test_a_population_with_one_patient_has_no_test_and_does_not_disturb_the_others():
    x = np.random.default_rng(4).normal(0, 0.3, (6, 8))
    with_one = np.column_stack([x, np.r_[0.3, np.full(5, np.nan)]])
    found = moderated_t(with_one)
    assert np.isnan(found.p[-1])
    np.testing.assert_allclose(found.p[:-1], moderated_t(x).p)


def test_variances_of_zero_do_not_break_the_fit():
    x = np.random.default_rng(5).normal(0, 0.3, (6, 8))
    x[:, 0] = 0.2
    assert np.isfinite(moderated_t(x).p).all()

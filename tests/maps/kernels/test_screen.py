import numpy as np
import pytest

from immunomon.maps.kernels.screen import fluctuation, screen, stabilised
from immunomon.trial.kernels.multiplicity import benjamini_hochberg

EACH_ITS_BATCH = np.arange(9)[:, None].repeat(7, axis=1)


def counts_of(seed, *, clusters=20, biology=0.15, cells=13_000):
    rng = np.random.default_rng(seed)
    share = rng.dirichlet(np.full(clusters, 0.5), size=1)[0] * 0.95 + 0.05 / clusters
    mean = cells * share * np.exp(biology * rng.normal(size=(9, 7, clusters)))
    counts = rng.poisson(mean).astype(float)
    return counts, np.full((9, 7), float(cells))


def screened(counts, totals):
    values, level = stabilised(counts, totals)
    return screen(values, np.ones_like(values), level, EACH_ITS_BATCH)


def test_nothing_is_listed_where_nothing_happens():
    listed = 0
    for seed in range(10):
        found = screened(*counts_of(seed))
        listed += bool((benjamini_hochberg(found.p.ravel()) <= 0.05).any())
    assert listed <= 1


def test_cells_that_come_in_three_of_nine_subjects_are_first():
    counts, totals = counts_of(1)
    counts[:, :, 4] = np.random.default_rng(2).poisson(1.0, (9, 7))
    counts[:3, 2:, 4] += 65
    found = screened(counts, totals)
    assert np.unravel_index(np.argmin(found.p), found.p.shape)[1] == 4
    assert (found.scores[1:, 4] > 10).all()
    assert found.scores[0, 4] < 2


def test_a_lasting_change_does_not_count_as_fluctuation():
    rng = np.random.default_rng(1)
    still = rng.normal(size=(9, 7, 1))
    jump = still.copy()
    jump[:4, 3:] += 8
    one = np.ones_like(still)
    still_f, jump_f = (np.median(fluctuation(values, 0 * one, one)) for values in (still, jump))
    assert jump_f < 2 * still_f


def test_a_restless_subject_is_judged_by_its_own_unrest():
    values = np.random.default_rng(1).normal(size=(9, 7, 5))
    values[0, :, 2] *= 30
    one = np.ones_like(values)
    found = screen(values, 0 * one, one, EACH_ITS_BATCH)
    assert np.nanmin(found.p[:, 2]) > 0.001


def test_missing_samples_are_left_out_and_counted():
    counts, totals = counts_of(3)
    counts[2, 4] = np.nan
    totals[2, 4] = np.nan
    counts[5, 0] = np.nan
    totals[5, 0] = np.nan
    found = screened(counts, totals)
    assert set(found.subjects[3].tolist()) == {7}
    assert set(found.subjects[0].tolist()) == {8}
    assert np.isfinite(found.p).all()


def test_a_gap_between_visits_is_bridged():
    values = np.random.default_rng(1).normal(size=(9, 7, 5))
    values[:, 3] = np.nan
    one = np.ones_like(values)
    gapless = np.delete(values, 3, axis=1)
    expected = fluctuation(gapless, 0 * gapless, np.ones_like(gapless))
    assert fluctuation(values, 0 * one, one) == pytest.approx(expected)


def test_a_subject_with_three_visits_is_not_judged_for_its_fluctuation_is_unknown():
    counts, totals = counts_of(4)
    counts[0, 3:] = np.nan
    totals[0, 3:] = np.nan
    found = screened(counts, totals)
    assert np.isnan(found.changes[0]).all()
    assert set(found.subjects[0].tolist()) == {8}


def test_nobody_with_a_value_means_no_p():
    nothing = np.full((3, 4, 2), np.nan)
    found = screen(nothing, nothing, nothing, np.zeros((3, 4), dtype=np.int64))
    assert np.isnan(found.p).all()


@pytest.mark.parametrize("size", [1, 7, 40])
def test_false_discovery_rates_are_those_of_statsmodels(size):
    from statsmodels.stats.multitest import multipletests

    p = np.random.default_rng(size).random(size) ** 2
    assert benjamini_hochberg(p) == pytest.approx(multipletests(p, method="fdr_bh")[1])

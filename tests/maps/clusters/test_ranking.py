import numpy as np
import pytest

from immunomon.maps.clusters.ranking import Series, rank

VISITS = ("D-1", "W2", "W4", "W8", "W12", "W16")
LABELS = {"mc01": "CD3+", "mc02": "CD3-"}


def series(seed=1, *, width=0.08, medians=None, counts=None):
    rng = np.random.default_rng(seed)
    found = rng.poisson([6000.0, 400.0], (9, 6, 2)).astype(float) if counts is None else counts
    shape = found.shape
    state = 0.4 + 0.01 * rng.normal(size=shape) if medians is None else medians
    subjects = [f"S{n}" for n in range(9)]
    own_batch = np.arange(9)[:, None].repeat(6, axis=1)
    return Series(
        subjects, VISITS, found, found.sum(axis=2), {"HLA-DR": state}, {"HLA-DR": np.full(shape, width)}, own_batch
    )


def test_a_state_that_changes_in_some_subjects_is_first():
    medians = 0.4 + 0.01 * np.random.default_rng(3).normal(size=(9, 6, 2))
    medians[:4, 2:, 1] += 0.2
    ranked = rank(series(medians=medians), LABELS)
    first = ranked.iloc[0]
    assert (first["metacluster"], first["marker"], first["listed"]) == ("mc02", "HLA-DR", True)
    assert first["changed_up"] == 4
    assert first["largest_change"] == pytest.approx(0.2, abs=0.08)


def test_nothing_is_listed_where_nothing_happens():
    assert not rank(series(), LABELS)["listed"].any()


def test_a_median_between_two_kinds_of_cells_is_not_ranked():
    medians = np.where(np.random.default_rng(3).random((9, 6, 2)) < 0.5, 0.25, 0.75)
    ranked = rank(series(medians=medians, width=0.45), LABELS)
    assert ranked.loc[ranked["marker"] == "HLA-DR", "p"].isna().all()
    assert not ranked["listed"].any()


def test_a_subject_whose_cells_are_divided_is_left_out_of_the_comparison():
    whole = series()
    medians, widths = whole.medians["HLA-DR"], whole.widths["HLA-DR"]
    medians[0, :, 0] = [0.25, 0.75, 0.75, 0.75, 0.25, 0.25]
    widths[0, :, 0] = 0.5
    ranked = rank(whole, LABELS).query("marker == 'HLA-DR' and metacluster == 'mc01'")
    assert set(ranked["subjects"]) == {8}
    assert not ranked["listed"].any()


def test_a_median_of_few_cells_is_not_ranked():
    counts = np.random.default_rng(1).poisson([6000.0, 5.0], (9, 6, 2)).astype(float)
    ranked = rank(series(counts=counts), LABELS)
    states = ranked[ranked["marker"] == "HLA-DR"].set_index("metacluster")
    assert states.loc["mc02", "p"].isna().all()
    assert states.loc["mc01", "p"].notna().all()
    assert ranked.loc[ranked["quantity"] == "percent", "p"].notna().all()

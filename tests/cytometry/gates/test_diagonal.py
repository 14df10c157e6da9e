"""A tilted border where no valley shows: above the bulk of the events, or not at all."""

import numpy as np
import pytest

from immunomon.cytometry.gates.diagonal import Diagonal
from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.model.scales import Logicle
from immunomon.errors import GateNotPlaced
from immunomon.study.model.channels import Channel
from immunomon.study.model.trust import withholding

CHANNELS = (Channel("APC-A", "CD127"), Channel("PE-A", "CD25"))
SCALES = {"CD127": Logicle(w=0.7), "CD25": Logicle(w=0.7)}


def helper_cells(seed=1, *, conventional=5000, regulatory=250, cd25=1.0, cd127=1.0):
    """CD4 cells whose regulatory cells (the last ones) show no valley: CD25 is a continuum, CD127 overlaps."""
    rng = np.random.default_rng(seed)
    count = conventional + regulatory
    is_regulatory = np.arange(count) >= conventional
    bright = np.exp(rng.normal(np.where(is_regulatory, 7.6, 5.6), np.where(is_regulatory, 0.5, 0.65)))
    receptor = np.exp(rng.normal(np.where(is_regulatory, 6.2, 7.6), 0.55))
    values = np.column_stack([cd127 * receptor, cd25 * bright]) + rng.normal(0, 70, (count, 2))
    shown = np.column_stack([SCALES[channel.name].apply(values[:, at]) for at, channel in enumerate(CHANNELS)])
    return EventTable(shown, CHANNELS, Scale.DISPLAY), is_regulatory


def f1(events, truth):
    inside = Diagonal(x="CD127", y="CD25", spreads=3.1).fit(events, SCALES).regions["above"].contains(events)
    return 2 * np.count_nonzero(inside & truth) / (np.count_nonzero(inside) + np.count_nonzero(truth))


def test_without_a_valley_the_border_lies_above_the_bulk():
    events, truth = helper_cells()
    with pytest.raises(GateNotPlaced, match="no valley"):
        Diagonal(x="CD127", y="CD25").fit(events, SCALES)
    placement = Diagonal(x="CD127", y="CD25", spreads=3.1, fallback_offset=0.9).fit(events, SCALES)
    assert placement.placed_by == {"offset": "data"}
    assert withholding(placement.doubts) == ()
    assert "spreads above the middle of all" in placement.note
    assert f1(events, truth) > 0.8


@pytest.mark.parametrize("cd25", [0.3, 0.5, 2.0])
def test_a_weaker_or_brighter_stain_changes_few_cells(cd25):
    assert f1(*helper_cells(cd25=cd25)) == pytest.approx(f1(*helper_cells()), abs=0.05)


def test_how_many_cells_lie_above_hardly_moves_the_border():
    few, many = (
        Diagonal(x="CD127", y="CD25", spreads=3.1).fit(helper_cells(regulatory=count)[0], SCALES)
        for count in (50, 200)  # one to four in a hundred
    )
    assert many.facts["offset"] == pytest.approx(few.facts["offset"], abs=0.03)


@pytest.mark.parametrize("failed", [{"cd25": 0.0}, {"cd127": 0.0}])
def test_a_failed_stain_places_no_border_above_the_bulk(failed):
    events, _ = helper_cells(**failed)
    with pytest.raises(GateNotPlaced):
        Diagonal(x="CD127", y="CD25", spreads=3.1).fit(events, SCALES)
    placement = Diagonal(x="CD127", y="CD25", spreads=3.1, fallback_offset=0.2).fit(events, SCALES)
    assert placement.placed_by == {"offset": "fallback"}
    assert "fallback_alone" in [doubt.code for doubt in placement.doubts]


def test_the_error_of_a_border_above_the_bulk_is_that_of_fresh_samples():
    made = [
        Diagonal(x="CD127", y="CD25", spreads=3.1).fit(helper_cells(seed, conventional=2000, regulatory=60)[0], SCALES)
        for seed in range(60)
    ]
    scatter = np.std([placement.facts["offset"] for placement in made])
    assert np.mean([placement.errors["offset"] for placement in made]) == pytest.approx(scatter, rel=0.3)

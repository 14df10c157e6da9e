"""A dragged gate becomes the decision that a run will place at the same borders, with the gates that share them."""

import pytest

from immunomon.cytometry.model.gatetree import PlacedPopulation
from immunomon.cytometry.model.geometry import Boolean, Ellipse, Interval, Polygon, Rectangle
from immunomon.cytometry.model.scales import Identity, Logicle
from immunomon.errors import ImmunomonError
from immunomon.outputs.review.drafting import moved_together
from immunomon.runs.moved_borders import declared, placed

SCALES = {"CD4": Logicle(), "CD8": Logicle(w=0.8), "FSC-A": Identity(), "SSC-A": Identity()}


@pytest.mark.parametrize(
    "gate",
    [
        Interval("CD4", low=0.51),
        Interval("CD4", low=0.2, high=0.9),
        Rectangle((Interval("CD4", low=0.4), Interval("CD8", high=0.3))),
        Polygon("CD4", "CD8", ((0.1, 0.2), (0.8, 0.2), (0.5, 0.9))),
        Polygon("FSC-A", "SSC-A", ((1e4, 1e4), (9e4, 1e4), (5e4, 8e4))),
    ],
)
def test_a_decision_in_intensities_is_placed_where_the_gate_was_let_go(gate):
    again = placed(declared(gate, SCALES), SCALES)
    assert type(again) is type(gate)
    assert declared(again, SCALES) == declared(gate, SCALES)  # once rounded, it stays
    for side, other in zip(getattr(gate, "sides", ()), getattr(again, "sides", ()), strict=True):
        assert (other.low, other.high) == pytest.approx((side.low, side.high), abs=1e-5)
    for corner, other in zip(getattr(gate, "vertices", ()), getattr(again, "vertices", ()), strict=True):
        assert other == pytest.approx(corner, rel=1e-5)


def test_an_ellipse_stays_what_it_is():
    ellipse = Ellipse("FSC-A", "SSC-A", (5e4, 2e4), ((1e8, 0.0), (0.0, 4e7)), 2.0)
    assert placed(declared(ellipse, SCALES), SCALES) == ellipse


def test_a_gate_without_borders_cannot_be_moved():
    with pytest.raises(ImmunomonError, match="no borders to move"):
        declared(Boolean("not", ("cd4",)), SCALES)


def test_a_corner_at_infinity_is_refused():
    with pytest.raises(ImmunomonError, match="infinity"):
        declared(Polygon("CD4", "CD8", ((0.0, 0.0), (float("inf"), 0.0), (0.0, 1.0))), SCALES)


def population(name, gate, parent="cd4"):
    return PlacedPopulation(name, name, parent, f"/{parent}/{name}", "quadrants", gate)


def quadrant(x, y):
    return Rectangle((Interval("CXCR3", *x), Interval("CCR6", *y)))


INF = float("inf")
TH1 = population("th1", quadrant((0.5, INF), (-INF, 0.4)))
TH17 = population("th17", quadrant((-INF, 0.5), (0.4, INF)))
ELSEWHERE = population("elsewhere", Interval("CXCR3", low=0.5), parent="cd8")
APART = population("apart", quadrant((0.6, INF), (0.4, INF)))


def test_the_arms_of_a_cross_move_together_and_others_do_not():
    moved = moved_together("th1", quadrant((0.55, INF), (-INF, 0.4)), [TH1, TH17, ELSEWHERE, APART])
    assert moved == {"th1": quadrant((0.55, INF), (-INF, 0.4)), "th17": quadrant((-INF, 0.55), (0.4, INF))}


def test_both_arms_of_a_cross_move_at_once():
    moved = moved_together("th1", quadrant((0.55, INF), (-INF, 0.3)), [TH1, TH17])
    assert moved["th17"] == quadrant((-INF, 0.55), (0.3, INF))

import numpy as np
import pytest

from immunomon.cytometry.gates.density import Valley
from immunomon.cytometry.gates.diagonal import Diagonal
from immunomon.cytometry.gates.quadrants import QuadrantsGate
from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.model.scales import Identity, Logicle
from immunomon.errors import GateNotPlaced
from immunomon.study.model.channels import Channel

SCALES = {"CD25": Logicle(w=0.7), "CD127": Logicle(w=0.7)}


def table(**columns):
    channels = tuple(Channel(f"{name}-A", name) for name in columns)
    return EventTable(np.column_stack(list(columns.values())), channels, Scale.DISPLAY)


def levels(rng, *groups):
    return np.concatenate([rng.normal(center, 0.04, count) for center, count in groups])


def test_which_valley_is_meant_can_be_said():
    rng = np.random.default_rng(1)
    events = table(CD25=levels(rng, (0.2, 3000), (0.5, 800), (0.8, 3000)))
    thresholds = {
        w: Valley(axis="CD25", which=w).fit(events, SCALES).facts["threshold"] for w in ("first", "last", "deepest")
    }
    assert thresholds["first"] == pytest.approx(0.36, abs=0.06)
    assert thresholds["last"] == pytest.approx(0.64, abs=0.06)
    assert thresholds["deepest"] in (thresholds["first"], thresholds["last"])


def test_without_a_valley_the_fallback_is_used_and_said():
    rng = np.random.default_rng(2)
    placement = Valley(axis="CD25", fallback=1000.0).fit(table(CD25=levels(rng, (0.3, 2000))), SCALES)
    assert placement.facts["threshold"] == pytest.approx(float(SCALES["CD25"].apply(np.array([1000.0]))[0]))
    assert "one mode only" in placement.note
    assert "fallback used" in placement.note


def test_without_a_valley_and_without_a_fallback_the_gate_is_not_placed():
    rng = np.random.default_rng(3)
    with pytest.raises(GateNotPlaced, match=r"CD25: one mode only.*add 'fallback:'"):
        Valley(axis="CD25").fit(table(CD25=levels(rng, (0.3, 2000))), SCALES)


def test_too_few_events_place_nothing():
    with pytest.raises(GateNotPlaced, match="only 30 events in the parent, 100 are needed"):
        Valley(axis="CD25").fit(table(CD25=np.linspace(0, 1, 30)), SCALES)


def test_a_range_leaves_a_far_mode_out():
    rng = np.random.default_rng(4)
    events = table(CD25=levels(rng, (0.2, 3000), (0.5, 2000), (0.9, 3000)))
    top = float(SCALES["CD25"].inverse(np.array([0.7]))[0])
    assert Valley(axis="CD25", high=top).fit(events, SCALES).facts["threshold"] < 0.5


def test_events_that_are_no_numbers_do_not_move_a_valley():
    rng = np.random.default_rng(5)
    clean = levels(rng, (0.2, 3000), (0.7, 1000))
    odd = np.concatenate([clean, np.full(50, np.nan)])
    one, other = (Valley(axis="CD25").fit(table(CD25=v), SCALES).facts["threshold"] for v in (clean, odd))
    assert one == other


def test_a_diagonal_finds_the_cells_that_have_much_of_one_for_how_little_of_the_other():
    rng = np.random.default_rng(6)
    many = rng.multivariate_normal([0.6, 0.3], [[0.003, 0.001], [0.001, 0.004]], 4000)
    few = rng.multivariate_normal([0.3, 0.6], [[0.003, 0.0], [0.0, 0.002]], 150)
    both = np.vstack([many, few])
    events = table(CD127=both[:, 0], CD25=both[:, 1])
    placement = Diagonal(x="CD127", y="CD25").fit(events, SCALES)
    inside = placement.regions["above"].contains(events)
    assert inside[4000:].mean() > 0.98
    assert inside[:4000].mean() < 0.002


def test_a_diagonal_without_a_valley_uses_its_offset_and_says_so():
    rng = np.random.default_rng(7)
    events = table(CD127=rng.normal(0.6, 0.05, 1000), CD25=rng.normal(0.3, 0.05, 1000))
    placement = Diagonal(x="CD127", y="CD25", fallback_offset=0.1).fit(events, SCALES)
    assert placement.facts["offset"] == 0.1
    assert "fallback used" in placement.note
    with pytest.raises(GateNotPlaced, match="fallback_offset"):
        Diagonal(x="CD127", y="CD25").fit(events, SCALES)


def test_a_diagonal_on_a_linear_channel_is_refused():
    events = table(CD127=np.ones(200), CD25=np.ones(200))
    with pytest.raises(GateNotPlaced, match="needs a display scale"):
        Diagonal(x="CD127", y="CD25").fit(events, {"CD127": Identity(), "CD25": Identity()})


def test_declared_quadrants_need_no_data():
    events = table(CD127=np.array([0.1, 0.9]), CD25=np.array([0.9, 0.1]))
    gate = QuadrantsGate(x="CD127", y="CD25", x_threshold=0.5, y_threshold=0.5, units="display")
    regions = gate.fit(events, SCALES).regions
    assert regions["x- y+"].contains(events).tolist() == [True, False]
    assert regions["x+ y-"].contains(events).tolist() == [False, True]


def test_a_quadrant_axis_falls_back_alone():
    rng = np.random.default_rng(8)
    events = table(CD127=levels(rng, (0.2, 1000), (0.7, 1000)), CD25=rng.normal(0.3, 0.04, 2000))
    placement = QuadrantsGate(x="CD127", y="CD25", y_fallback=2000.0).fit(events, SCALES)
    assert placement.facts["x_threshold"] == pytest.approx(0.45, abs=0.05)
    assert placement.note.startswith("CD25")


def _four(rng):
    """Return four populations whose x level means another border on either side of y."""
    x = levels(rng, (0.2, 4000), (0.6, 400), (0.2, 400), (0.6, 400))
    y = levels(rng, (0.2, 4400), (0.7, 800))
    x[4400:4800] -= 0.1  # what is y+ is less bright on x, in both of its populations
    x[4800:] -= 0.1
    return table(CD127=x, CD25=y), np.repeat(["x- y-", "x+ y-", "x- y+", "x+ y+"], (4000, 400, 400, 400))


def test_with_one_threshold_first_the_other_is_placed_apart_on_either_side_of_it():
    events, kinds = _four(np.random.default_rng(3))
    placement = QuadrantsGate(x="CD127", y="CD25", first="y").fit(events, SCALES)
    assert placement.facts["x_threshold_low"] - placement.facts["x_threshold_high"] == pytest.approx(0.1, abs=0.04)
    assert {"y_threshold", "x_threshold_low", "x_threshold_high"} <= placement.errors.keys()
    held = {region: gate.contains(events) for region, gate in placement.regions.items()}
    assert np.sum(list(held.values()), axis=0).tolist() == [1] * events.count
    for region, mask in held.items():
        assert np.mean(kinds[mask] == region) > 0.99


@pytest.mark.parametrize(("first", "second"), [("x", "y"), ("y", "x")])
def test_either_threshold_may_come_first(first, second):
    events, _ = _four(np.random.default_rng(3))
    gate = QuadrantsGate(x="CD127", y="CD25", first=first)
    assert gate.coordinates == (f"{first}_threshold", f"{second}_threshold_low", f"{second}_threshold_high")
    assert gate.at(gate.fit(events, SCALES).facts, SCALES) == gate.fit(events, SCALES).regions
    assert set(gate.resolution) == set(gate.coordinates)


def test_a_side_that_shows_no_valley_takes_that_of_all_events_and_is_no_estimate():
    events, _ = _four(np.random.default_rng(3))
    few = table(CD127=events.column("CD127")[:4450], CD25=events.column("CD25")[:4450])  # 50 cells are y+
    placement = QuadrantsGate(x="CD127", y="CD25", first="y", y_threshold=0.45, units="display").fit(few, SCALES)
    whole = Valley(axis="CD127").fit(few, SCALES).facts["threshold"]
    assert placement.facts["x_threshold_high"] == pytest.approx(whole)
    assert placement.errors.keys() == {"x_threshold_low"}
    assert placement.note.startswith("CD25+: CD127: only 50 events in the parent")
    assert placement.note.endswith("placed on all events")


def test_what_is_placed_in_the_data_cannot_be_declared():
    with pytest.raises(ValueError, match="not declared"):
        QuadrantsGate(x="CD127", y="CD25", first="y", x_threshold=800.0)


def test_each_threshold_of_quadrants_goes_with_what_its_own_method_follows():
    by = {"x_by": Valley(axis="CD127", follow="peaks")}
    placed_first = QuadrantsGate(x="CD127", y="CD25", first="x", **by)
    assert placed_first.anchors == {"x_threshold": ("x_low_peak", "x_high_peak")}
    halves = QuadrantsGate(x="CD127", y="CD25", first="y", **by)
    assert halves.anchors["x_threshold_low"] == ("x_low_peak_low", "x_high_peak_low")
    assert set(halves.anchors) == {"x_threshold_low", "x_threshold_high"}
    assert set(QuadrantsGate(x="CD127", y="CD25", follow="peaks").anchors) == {"x_threshold", "y_threshold"}
    assert QuadrantsGate(x="CD127", y="CD25").anchors == {}

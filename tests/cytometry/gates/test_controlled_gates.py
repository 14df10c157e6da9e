import numpy as np
import pytest

from immunomon.cytometry.gates.control import Control
from immunomon.cytometry.gates.density import Valley
from immunomon.cytometry.gates.first_of import FirstOf
from immunomon.cytometry.gates.quadrants import QuadrantsGate
from immunomon.cytometry.gates.registry import gate_method
from immunomon.cytometry.gates.tail import Tail
from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.model.placement import ControlTube
from immunomon.cytometry.model.scales import Logicle
from immunomon.errors import GateNotPlaced
from immunomon.study.model.channels import Channel
from immunomon.study.model.strategy import GateDeclaration

SCALES = {"CD25": Logicle(w=0.7), "CCR4": Logicle(w=0.7)}


def table(**columns):
    channels = tuple(Channel(f"{name}-A", name) for name in columns)
    return EventTable(np.column_stack(list(columns.values())), channels, Scale.DISPLAY)


class Tubes:
    """Control tubes by (role, nearness)."""

    def __init__(self, **values):
        self.values = values
        self.asked = []

    def tubes(self, role, near):
        self.asked.append((role, near))
        found = self.values.get(near, ())
        return [ControlTube(f"{near}_{i}", near, table(CD25=v, CCR4=v)) for i, v in enumerate(found)]


def negative(seed, count=3000, center=0.3):
    return np.random.default_rng(seed).normal(center, 0.05, count)


SAMPLE = table(CD25=np.concatenate([negative(1), negative(2, 1500, 0.7)]), CCR4=negative(3, 4500))


def test_so_many_of_the_control_s_cells_lie_below_the_threshold_as_was_said():
    control = negative(4, 5000)
    placement = Control(axis="CD25", quantile=0.99).fit_with(SAMPLE, SCALES, Tubes(batch=[control]))
    assert (control < placement.facts["threshold"]).mean() == pytest.approx(0.99, abs=0.001)
    assert placement.source == "fmo:CD25, batch_0, same batch"


def test_the_nearest_tube_is_used_and_none_further_away_than_allowed():
    tubes = Tubes(run=[negative(5)], batch=[negative(6, center=0.5)], study=[negative(7, center=0.9)])
    assert "run_0" in Control(axis="CD25", near="study").fit_with(SAMPLE, SCALES, tubes).source
    with pytest.raises(GateNotPlaced, match="no control tube fmo:CD25 of the same run"):
        Control(axis="CD25", near="run").fit_with(SAMPLE, SCALES, Tubes(batch=[negative(6)]))


def test_a_tube_with_too_few_cells_gives_way_to_the_next():
    tubes = Tubes(run=[negative(5, 20)], batch=[negative(6)])
    assert "batch_0" in Control(axis="CD25").fit_with(SAMPLE, SCALES, tubes).source
    with pytest.raises(GateNotPlaced, match="run_0 has 20 events in the parent, 200 are needed"):
        Control(axis="CD25").fit_with(SAMPLE, SCALES, Tubes(run=[negative(5, 20)]))


def test_an_aligned_control_goes_with_the_sample_s_negative_cells():
    shifted = Tubes(batch=[negative(8, center=0.24)])
    plain = Control(axis="CD25").fit_with(SAMPLE, SCALES, Tubes(batch=[negative(8, center=0.30)]))
    aligned = Control(axis="CD25", align=True).fit_with(SAMPLE, SCALES, shifted)
    assert aligned.facts["threshold"] == pytest.approx(plain.facts["threshold"], abs=0.015)
    assert aligned.facts["shift"] == pytest.approx(0.06, abs=0.015)
    assert aligned.source.endswith("aligned")
    assert aligned.errors["threshold"] > plain.errors["threshold"]


def test_a_control_whose_negative_cells_are_nowhere_near_the_sample_s_is_not_aligned():
    with pytest.raises(GateNotPlaced, match="negative peak"):
        Control(axis="CD25", align=True).fit_with(SAMPLE, SCALES, Tubes(batch=[negative(8, center=1.2)]))


@pytest.mark.parametrize(("arguments", "role"), [({}, "fmo:CD25"), ({"marker": "CCR4"}, "fmo:CCR4")])
def test_an_fmo_is_that_of_the_axis_unless_another_is_named(arguments, role):
    assert Control(axis="CD25", **arguments).roles == (role,)
    assert Control(axis="CD25", tube="unstimulated").roles == ("unstimulated",)


def test_the_error_of_a_control_is_that_of_fresh_controls():
    made = [Control(axis="CD25").fit_with(SAMPLE, SCALES, Tubes(batch=[negative(s)])) for s in range(100, 180)]
    scatter = np.std([one.facts["threshold"] for one in made])
    assert np.mean([one.errors["threshold"] for one in made]) == pytest.approx(scatter, rel=0.3)


def test_without_controls_a_control_gate_says_what_to_do():
    with pytest.raises(GateNotPlaced, match="use 'first_of'"):
        Control(axis="CD25").fit(SAMPLE, SCALES)


def test_a_chain_uses_the_first_that_can_be_placed_and_says_why_not_those_before():
    chain = FirstOf(of=(Control(axis="CD25", near="run"), Valley(axis="CD25")))
    with_control = chain.fit_with(SAMPLE, SCALES, Tubes(run=[negative(9)]))
    assert with_control.source.startswith("fmo:CD25")
    assert with_control.note == ""
    without = chain.fit_with(SAMPLE, SCALES, Tubes())
    assert without.source == "valley"
    assert without.note == "CD25: no control tube fmo:CD25 of the same run"
    assert without.facts["threshold"] == Valley(axis="CD25").fit(SAMPLE, SCALES).facts["threshold"]
    assert chain.fit(SAMPLE, SCALES).source == "valley"


def test_a_chain_of_which_nothing_can_be_placed_says_all_reasons():
    chain = FirstOf(of=(Control(axis="CCR4"), Valley(axis="CCR4")))
    with pytest.raises(GateNotPlaced, match=r"no control tube fmo:CCR4 of the same batch; CCR4: one mode only"):
        chain.fit_with(SAMPLE, SCALES, Tubes())


def test_a_chain_from_a_strategy_is_made_of_its_methods():
    call = {"of": [{"method": "control", "axis": "CD25"}, {"method": "tail", "axis": "CD25", "spreads": 2.5}]}
    chain = gate_method(GateDeclaration("first_of", call))
    assert isinstance(chain, FirstOf)
    assert chain.of == (Control(axis="CD25"), Tail(axis="CD25", spreads=2.5))
    assert chain.roles == ("fmo:CD25",)


@pytest.mark.parametrize(
    ("of", "message"),
    [
        ([{"method": "valley", "axis": "CD25"}], "at least 2 gates"),
        ([{"method": "valley", "axis": "CD25"}, {"method": "valley", "axis": "CCR4"}], "the same axes"),
        ([{"method": "valley", "axis": "CD25"}, {"method": "interval", "axis": "CD25"}], "the same regions"),
        ([{"method": "valley", "axis": "CD25"}, {"method": "vally", "axis": "CD25"}], "did you mean 'valley'"),
        ([{"method": "valley", "axis": "CD25"}, 3], "a gate needs 'method"),
    ],
)
def test_a_chain_that_makes_no_sense_is_refused(of, message):
    with pytest.raises(GateNotPlaced, match=message):
        gate_method(GateDeclaration("first_of", {"of": of}))


def test_each_threshold_of_quadrants_may_have_its_own_method():
    gate = QuadrantsGate(x="CD25", y="CCR4", y_by=FirstOf(of=(Control(axis="CCR4"), Tail(axis="CCR4"))))
    placement = gate.fit_with(SAMPLE, SCALES, Tubes(batch=[negative(9)]))
    assert placement.source == "CD25 valley; CCR4 fmo:CCR4, batch_0, same batch"
    assert gate.roles == ("fmo:CCR4",)
    assert gate.fit(SAMPLE, SCALES).source == "CD25 valley; CCR4 tail above the highest peak"
    with pytest.raises(ValueError, match="y_by needs a gate with one threshold on CCR4"):
        QuadrantsGate(x="CD25", y="CCR4", y_by=Valley(axis="CD25"))


def tailed(seed, center=0.3, share=0.05):
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.normal(center, 0.05, 5000), rng.uniform(center, center + 0.4, round(5000 * share))])


@pytest.mark.parametrize("side", ["above", "below"])
def test_a_tail_ends_so_many_spreads_from_its_peak_whatever_is_in_the_tail(side):
    sign = 1 if side == "above" else -1
    for share in (0.0, 0.05, 0.2):
        events = table(CD25=0.3 + sign * (tailed(1, 0.0, share)))
        placement = Tail(axis="CD25", side=side, spreads=3.0).fit(events, SCALES)
        assert placement.facts["threshold"] == pytest.approx(0.3 + sign * 0.15, abs=0.03)
        assert placement.facts["spread"] == pytest.approx(0.05, abs=0.007)


def test_the_reference_peak_is_the_one_that_was_said():
    events = table(CD25=np.concatenate([negative(1, 1000, 0.2), negative(2, 4000, 0.6)]))
    found = {r: Tail(axis="CD25", reference=r).fit(events, SCALES).facts for r in ("first", "highest", "last")}
    assert found["first"]["peak"] == pytest.approx(0.2, abs=0.03)
    assert found["highest"]["peak"] == found["last"]["peak"] == pytest.approx(0.6, abs=0.03)
    for facts in found.values():
        assert facts["threshold"] > facts["peak"]
    below = Tail(axis="CD25", reference="last", side="below").fit(events, SCALES).facts
    assert below["threshold"] < below["peak"] == pytest.approx(0.6, abs=0.03)


def test_the_error_of_a_tail_is_that_of_fresh_samples():
    made = [Tail(axis="CD25").fit(table(CD25=tailed(seed)), SCALES) for seed in range(80)]
    scatter = np.std([one.facts["threshold"] for one in made])
    assert np.mean([one.errors["threshold"] for one in made]) == pytest.approx(scatter, rel=0.3)


@pytest.mark.parametrize("side", ["above", "below"])
@pytest.mark.parametrize("distance", [0.10, 0.15, 0.30])
def test_a_tail_says_how_many_of_the_cells_beyond_it_run_back_into_the_peak(side, distance):
    # Bright cells that make no peak of their own: those of them below the threshold are counted with the others.
    sign, rng = 1 if side == "above" else -1, np.random.default_rng(2)
    bright = rng.normal(distance, 0.05, 250)
    events = table(CD25=0.3 + sign * np.concatenate([rng.normal(0.0, 0.05, 5000), bright]))
    facts = Tail(axis="CD25", side=side, spreads=1.64).fit(events, SCALES).facts
    lost = float(np.mean(sign * (0.3 + sign * bright - facts["threshold"]) <= 0))
    own, others = ("low_crossing", "high_crossing") if side == "above" else ("high_crossing", "low_crossing")
    assert facts[own] == pytest.approx(0.05, abs=0.001)
    assert facts[others] == pytest.approx(lost, abs=0.25)
    assert facts[others] > 0.2 * lost


def test_a_tail_of_few_events_or_of_no_width_is_refused():
    with pytest.raises(GateNotPlaced, match="only 30 events"):
        Tail(axis="CD25").fit(table(CD25=negative(1, 30)), SCALES)
    with pytest.raises(GateNotPlaced, match="CD25: the channel is constant") as refused:
        Tail(axis="CD25").fit(table(CD25=np.full(500, 0.3)), SCALES)
    assert [doubt.code for doubt in refused.value.doubts] == ["dead_detector"]

import numpy as np
import pytest

from immunomon.cytometry.gates.cloud import Cloud
from immunomon.cytometry.gates.evidence import Evidence
from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.model.geometry import Polygon
from immunomon.cytometry.model.scales import Identity, Logicle
from immunomon.errors import GateNotPlaced
from immunomon.study.model.channels import Channel

CHANNELS = (Channel("FSC-A"), Channel("SSC-A"), Channel("V450-A", "CD3"), Channel("PE-A", "CD14"))
SCALES = {"FSC-A": Identity(), "SSC-A": Identity(), "CD3": Identity(), "CD14": Identity()}
T_CELLS = Evidence(positive=("CD3",))
LYMPHOCYTES = Evidence(positive=("CD3",), exclude=("CD14",))


def blood(
    seed=1,
    *,
    lymphocytes=6000,
    monocytes=2000,
    granulocytes=0,
    debris=600,
    t_cells=0.7,
    stain=5000.0,
    gain=(1.0, 1.0),
    top=np.inf,
):
    """Events with true lymphocytes: clouds of lymphocytes, monocytes (CD14+), granulocytes, and debris."""
    rng = np.random.default_rng(seed)

    def cloud(count, forward, side, spread):
        return np.exp(rng.normal(np.log([forward, side]), spread, (count, 2)))

    scatter = np.vstack(
        [
            cloud(lymphocytes, 60_000, 20_000, (0.12, 0.2)),
            cloud(monocytes, 100_000, 55_000, (0.12, 0.2)),
            cloud(granulocytes, 95_000, 130_000, (0.14, 0.2)),
            cloud(debris, 15_000, 9_000, (0.5, 0.6)),
        ]
    )
    count, truth = scatter.shape[0], np.arange(scatter.shape[0]) < lymphocytes
    has_cd3 = np.arange(count) < t_cells * lymphocytes
    has_cd14 = (np.arange(count) >= lymphocytes) & (np.arange(count) < lymphocytes + monocytes)
    stains = [np.where(has, stain * np.exp(rng.normal(0, 0.3, count)), 0.0) for has in (has_cd3, has_cd14)]
    noise = rng.normal(0, 80, (count, 2))
    values = np.column_stack([np.minimum(scatter * gain, top), np.column_stack(stains) + noise])
    return EventTable(values, CHANNELS, Scale.DISPLAY), truth


def scatter_gate(evidence=LYMPHOCYTES, **arguments):
    return Cloud(x="FSC-A", y="SSC-A", evidence=evidence, **arguments)


def f1(events, truth, gate=None):
    inside = (gate or scatter_gate()).fit(events, SCALES).regions["inside"].contains(events)
    return 2 * np.count_nonzero(inside & truth) / (np.count_nonzero(inside) + np.count_nonzero(truth))


@pytest.mark.parametrize("gain", [(0.21, 1.0), (0.55, 0.4), (1.0, 2.7), (3.7, 3.0)])
def test_scaling_the_scatter_of_all_events_changes_no_membership(gain):
    (events, _), (louder, _) = blood(), blood(gain=gain)
    inside, inside_too = (
        scatter_gate().fit(made, SCALES).regions["inside"].contains(made) for made in (events, louder)
    )
    assert (inside == inside_too).all()


@pytest.mark.parametrize("lymphocytes", [3000, 30_000])
def test_the_order_of_the_events_changes_no_membership(lymphocytes):
    events, _ = blood(lymphocytes=lymphocytes, monocytes=lymphocytes // 2)
    order = np.random.default_rng(2).permutation(events.count)
    inside = scatter_gate().fit(events, SCALES).regions["inside"].contains(events)
    swapped = events.take(order)
    inside_too = scatter_gate().fit(swapped, SCALES).regions["inside"].contains(swapped)
    assert (inside[order] == inside_too).all()


def test_the_display_scale_of_a_marker_changes_no_membership():
    events, _ = blood()
    inside = scatter_gate().fit(events, SCALES).regions["inside"].contains(events)
    scales = SCALES | {"CD3": Logicle(w=0.7), "CD14": Logicle(w=1.1)}
    values = events.values.copy()
    for place, name in ((2, "CD3"), (3, "CD14")):
        values[:, place] = scales[name].apply(values[:, place])
    shown = EventTable(values, CHANNELS, Scale.DISPLAY)
    assert (scatter_gate().fit(shown, scales).regions["inside"].contains(shown) == inside).all()


@pytest.mark.parametrize(
    "made",
    [
        {},
        {"monocytes": 9000},
        {"granulocytes": 4500},
        {"granulocytes": 14_000, "monocytes": 800},
        {"debris": 5000},
        {"t_cells": 0.4},
        {"lymphocytes": 600, "monocytes": 6000},
        {"lymphocytes": 700, "monocytes": 200, "debris": 90},
        {"gain": (2.9, 1.0), "top": 262_143.0},
    ],
)
def test_lymphocytes_are_found_whatever_lies_beside_them(made):
    events, truth = blood(seed=3, **made)
    assert f1(events, truth) > 0.96
    assert scatter_gate().fit(events, SCALES).doubts == ()


def test_markers_choose_the_right_one_of_two_clouds():
    events, truth = blood(seed=4, lymphocytes=4000, monocytes=4000)
    assert f1(events, truth, scatter_gate(T_CELLS)) > 0.97
    monocytes = (np.arange(events.count) >= 4000) & (np.arange(events.count) < 8000)
    assert f1(events, monocytes, scatter_gate(Evidence(positive=("CD14",)))) > 0.97


def test_events_at_the_top_belong_to_the_gate_but_do_not_shape_it():
    events, truth = blood(seed=5, gain=(3.7, 1.0), top=262_143.0)
    gate = scatter_gate().fit(events, SCALES)
    at_top = truth & (events.values[:, 0] == 262_143.0)
    assert at_top.sum() > 300
    assert gate.regions["inside"].contains(events)[at_top].mean() > 0.9


def test_without_evidence_the_gate_is_doubted():
    events, truth = blood(seed=6)
    placement = scatter_gate(None).fit(events, SCALES)
    assert [doubt.code for doubt in placement.doubts] == ["cloud_unconfirmed"]
    assert "no marker of the panel" in placement.note
    assert f1(events, truth, scatter_gate(None)) > 0.95


def test_a_failed_stain_is_no_evidence():
    events, truth = blood(seed=7, stain=0.0)
    placement = scatter_gate().fit(events, SCALES)
    assert [doubt.code for doubt in placement.doubts] == ["cloud_unconfirmed"]
    assert f1(events, truth) > 0.95


def test_a_cloud_that_the_markers_contradict_is_doubted():
    # What is bright lies in the cloud of granular cells only: a lineage marker under a wrong name.
    events, _ = blood(seed=8)
    (doubt,) = scatter_gate(Evidence(positive=("CD14",))).fit(events, SCALES).doubts
    assert doubt.code == "cloud_contradicted"
    assert "a less granular cloud lies apart" in doubt.detail
    few, _ = blood(seed=9, t_cells=0.1)
    (doubt,) = scatter_gate().fit(few, SCALES).doubts
    assert "of the gate are CD3+" in doubt.detail


def test_a_marker_that_all_clouds_have_alike_is_doubted():
    events, _ = blood(seed=13, lymphocytes=5000, monocytes=4000)
    values = events.values.copy()
    values[:, 2] = np.random.default_rng(1).permutation(values[:, 2])
    (doubt,) = scatter_gate(T_CELLS).fit(EventTable(values, CHANNELS, Scale.DISPLAY), SCALES).doubts
    assert "as many CD3+ cells outside" in doubt.detail


@pytest.mark.parametrize("noise", [30.0, 300.0, 3000.0])
def test_noise_of_any_width_is_no_evidence(noise):
    events, _ = blood(seed=14)
    values = events.values.copy()
    values[:, 2:] = np.random.default_rng(2).normal(0, noise, (events.count, 2))
    placement = scatter_gate().fit(EventTable(values, CHANNELS, Scale.DISPLAY), SCALES)
    assert [doubt.code for doubt in placement.doubts] == ["cloud_unconfirmed"]


def test_moving_a_gate_by_nothing_leaves_it_where_it_was_fitted():
    events, _ = blood(seed=10)
    gate = scatter_gate()
    placement = gate.fit(events, SCALES)
    assert gate.at(placement.facts, SCALES) == placement.regions
    assert isinstance(placement.regions["inside"], Polygon)
    louder = gate.at(placement.facts | {"center_x": placement.facts["center_x"] + np.log(2)}, SCALES)["inside"]
    (left, _), (moved, _) = placement.regions["inside"].vertices[0], louder.vertices[0]
    assert moved == pytest.approx(2 * left)


def test_the_standard_errors_are_those_of_fresh_samples():
    made = [scatter_gate().fit(blood(seed)[0], SCALES) for seed in range(60)]
    for name in ("center_x", "center_y"):
        scatter = np.std([placement.facts[name] for placement in made])
        assert np.mean([placement.errors[name] for placement in made]) == pytest.approx(scatter, rel=0.3)
    areas = [placement.facts["xx"] * placement.facts["yy"] - placement.facts["xy"] ** 2 for placement in made]
    # The determinant of a scatter grows with the fourth power of its size.
    assert np.mean([placement.errors["size"] for placement in made]) == pytest.approx(
        np.std(np.log(areas)) / 4, rel=0.3
    )


def test_events_that_show_no_cloud_are_refused():
    with pytest.raises(GateNotPlaced, match=r"only 6. events, 100 are needed"):
        scatter_gate().fit(blood(11, lymphocytes=60, monocytes=0, debris=0)[0], SCALES)
    flat = EventTable(np.ones((500, 4)), CHANNELS, Scale.DISPLAY)
    with pytest.raises(GateNotPlaced, match="at the top of an axis"):
        scatter_gate().fit(flat, SCALES)
    values = blood(12)[0].values.copy()
    values[:-1, 1] = 500.0
    with pytest.raises(GateNotPlaced, match="no extent"):
        scatter_gate().fit(EventTable(values, CHANNELS, Scale.DISPLAY), SCALES)
    nothing = EventTable(np.full((500, 4), np.nan), CHANNELS, Scale.DISPLAY)
    with pytest.raises(GateNotPlaced, match="only 0 events"):
        scatter_gate().fit(nothing, SCALES)


def test_arguments_that_mean_nothing_are_refused():
    with pytest.raises(ValueError, match="must lie between 0 and 1"):
        scatter_gate(mass=1.0)
    with pytest.raises(ValueError, match="a positive marker"):
        Evidence(positive=())

import numpy as np
import pytest

from immunomon.cytometry.kernels.quantiles import apply_map, earth_movers_distance
from immunomon.cytometry.steps.normalise import HALVES, TUBES, BridgeCells, learn_normalisation
from immunomon.study.model.steadiness import Normalisation, PanelNormalisation

PAIR = ("cd4", "CD25")
WANTED = PanelNormalisation("treg", ("cd4",), ("CD25",))


def cells(shift, count=2000, seed=0, stretch=1.0):
    rng = np.random.default_rng([seed, int(1000 * abs(shift)), count])
    dim, bright = rng.normal(0.3, 0.05, count - count // 10), rng.normal(0.7, 0.04, count // 10)
    return rng.permutation(np.concatenate([dim, bright])) * stretch + shift


def tube(batch, values, name=None):
    return BridgeCells(name or batch, batch, {PAIR: values})


def learned(*tubes, refused=None, **settings):
    return learn_normalisation(list(tubes), WANTED, settings=Normalisation((), **settings), refused=refused)


def shifted(*shifts):
    return [tube(f"b{number}", cells(shift)) for number, shift in enumerate(shifts)]


def test_batches_that_differ_by_staining_are_brought_together_on_cells_not_learned_from():
    found = learned(*shifted(-0.1, 0.0, 0.1))
    assert [one.status for one in found.judged] == ["applied"] * 3
    assert {one.held_out for one in found.judged} == {HALVES}
    for one in found.judged:
        assert one.emd_after < 0.2 * one.emd_before
        assert one.emd_after < 3 * one.emd_floor
    assert [round(one.median_shift, 2) for one in found.judged] == pytest.approx([0.1, 0.0, -0.1], abs=0.011)


def test_the_goal_may_be_a_batch_which_then_stays_as_it_is():
    found = learned(*shifted(-0.1, 0.0, 0.1), goal="b0")
    own, other = cells(-0.1), cells(0.1)
    assert apply_map(found.maps["b0", *PAIR], own) == pytest.approx(own, abs=1e-12)
    moved = apply_map(found.maps["b2", *PAIR], other)
    assert earth_movers_distance(moved, own) < 0.05 * earth_movers_distance(other, own)


def test_a_sample_that_differs_from_the_bridges_goes_on_differing_by_as_much():
    found = learned(*shifted(-0.1, 0.1))
    fewer = np.concatenate([np.full(95, 0.3), np.full(5, 0.7)])
    more = np.concatenate([np.full(60, 0.3), np.full(40, 0.7)])
    for batch, shift in (("b0", -0.1), ("b1", 0.1)):
        for biology in (fewer, more):
            moved = apply_map(found.maps[batch, *PAIR], biology + shift)
            assert np.mean(moved > 0.5) == np.mean(biology > 0.5)
            assert np.median(moved) == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize("count", [49, 10, 0])
def test_a_batch_with_too_few_bridge_cells_is_refused_alone(count):
    found = learned(*shifted(0.0, 0.1), tube("small", cells(0.2, 500)[:count]))
    assert [one.status for one in found.judged] == ["applied", "applied", "refused"]
    assert found.judged[2].reason == f"too few bridge cells: {count}, 50 are needed"
    assert ("small", *PAIR) not in found.maps


def test_fifty_cells_are_enough_and_have_few_levels():
    found = learned(*shifted(0.0, 0.3), tube("small", cells(-0.3, 500)[:50]))
    assert [one.status for one in found.judged] == ["applied"] * 3
    assert {one.levels for one in found.judged} == {5}


def test_a_batch_whose_bridge_lacks_the_marker_is_refused_with_the_reason():
    gone = BridgeCells("x", "b9", {}, {PAIR: "fcs/x.fcs has no channel for CD25"})
    found = learned(*shifted(0.0, 0.1), gone)
    assert found.judged[2].reason == "fcs/x.fcs has no channel for CD25"
    assert set(found.maps) == {("b0", *PAIR), ("b1", *PAIR)}


def of_donor(name, batch, shift, seed=0):
    return BridgeCells(f"{name}-{batch}", batch, {PAIR: cells(shift, seed=seed)}, donor=name)


def test_of_two_donors_each_is_compared_with_himself_and_one_in_few_batches_is_not_used():
    # The second donor is far from the first; were they one, the batches would be moved by what people differ.
    first = [of_donor("D1", batch, shift) for batch, shift in (("b0", 0.0), ("b1", 0.1), ("b2", 0.2))]
    second = [of_donor("D2", batch, shift, seed=9) for batch, shift in (("b2", 0.7), ("b3", 0.5))]
    result = learned(*first, *second)
    assert {row.donor for row in result.judged} == {"D1"}
    assert [row.status for row in result.judged] == ["applied", "applied", "applied", "refused"]
    assert (
        result.judged[3].reason == "the batch has no bridge sample of donor 'D1', on whose cells the maps are learned"
    )
    alone = learned(*first)
    assert [row.median_shift for row in result.judged[:3]] == [row.median_shift for row in alone.judged]


def test_batches_that_differ_by_nothing_but_counting_are_left_as_they_are():
    rng = np.random.default_rng(5)
    found = learned(*(tube(f"b{n}", rng.normal(0.4, 0.1, 300)) for n in range(6)))
    assert not found.maps
    for one in found.judged:
        assert one.reason.startswith(
            "the distance between the batches' held-out cells does not fall by at least 10 %: from 0.0"
        )


def test_equal_batches_have_maps_that_change_nothing():
    same = cells(0.0)
    found = learned(tube("a", same), tube("b", same), tube("c", same + 0.2), goal="a")
    assert apply_map(found.maps["b", *PAIR], same) == pytest.approx(same, abs=1e-12)


def test_a_single_batch_has_none_to_be_brought_to():
    assert learned(*shifted(0.0)).judged[0].reason == "there is no other batch to bring it to"


def test_a_goal_that_cannot_be_used_refuses_all():
    found = learned(*shifted(0.0, 0.1), tube("goal", cells(0.0)[:10]), goal="goal")
    said = "the batch 'goal', which is the goal, cannot be used: too few bridge cells: 10, 50 are needed"
    assert [one.reason for one in found.judged[:2]] == [said, said]
    assert not found.maps


def test_a_marker_that_must_not_be_normalised_is_refused_everywhere():
    found = learned(*shifted(0.0, 0.1), refused={PAIR: "the gate of 'cd4' is on it"})
    assert {one.reason for one in found.judged} == {"the gate of 'cd4' is on it"}
    assert not found.maps


def test_a_second_bridge_tube_is_what_a_batch_is_judged_on():
    tubes = [tube(f"b{n}", cells(n / 10, seed=s), name=f"b{n}_{s}") for n in range(3) for s in (1, 2)]
    found = learned(*tubes)
    assert {one.held_out for one in found.judged} == {TUBES}
    assert {one.cells for one in found.judged} == {4000}


def test_one_quantile_moves_everything_by_the_difference_of_medians():
    found = learned(*shifted(-0.1, 0.1), quantiles=1)
    there = found.maps["b0", *PAIR]
    moved = apply_map(there, np.array([0.0, 0.5, 1.0])) - np.array([0.0, 0.5, 1.0])
    assert moved == pytest.approx(np.full(3, moved[0]))
    assert moved[0] == pytest.approx(0.1, abs=0.01)

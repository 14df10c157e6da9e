"""No border inside the noise of the negatives, on any cytometer; fallbacks that hold on any."""

import numpy as np
import pytest

from immunomon.cytometry.gates import gate_method
from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.steps.measure_noise import book_of, measure_noise, pool_noise
from immunomon.cytometry.steps.transform import resolve_scales, transform
from immunomon.errors import GateNotPlaced
from immunomon.study.model.channels import Channel
from immunomon.study.model.strategy import GateDeclaration, GatingStrategy, ScaleDeclaration

NO_SCALES = GatingStrategy("s", "S", 1, None, ())


def shown(top=262144.0, book=None, declared=NO_SCALES, **columns):
    """Return compensated columns on the display scales that come from them, and these."""
    channels = tuple(Channel(f"{name}-A", name, top) for name in columns)
    events = EventTable(np.column_stack(list(columns.values())), channels, Scale.COMPENSATED, "a.fcs")
    names = list(columns)
    scales = resolve_scales(declared, names, events, book_of(events, names) if book is None else book)
    return transform(events, scales), scales


def method(name, **arguments):
    return gate_method(GateDeclaration(name, arguments))


def stained(seed, noise, positive=0.3, events=4000):
    rng = np.random.default_rng(seed)
    number = int(events * positive)
    return np.r_[rng.normal(0.2 * noise, noise, events - number), rng.lognormal(np.log(60 * noise), 0.4, number)]


@pytest.mark.parametrize("top", [2.0**18, 4.2e6, 1e7])
@pytest.mark.parametrize("noise", [50.0, 400.0, 2_500.0, 10_000.0])
@pytest.mark.parametrize(
    "gate",
    [
        method("valley", axis="CD4"),
        method("valley", axis="CD4", which="first"),
        method("quadrants", x="CD4", y="CD8"),
        method("diagonal", x="CD4", y="CD8"),
    ],
    ids=["valley", "first", "quadrants", "diagonal"],
)
def test_pure_noise_is_never_split(gate, noise, top):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        events, scales = shown(top, CD4=rng.normal(0, noise, 3000), CD8=rng.normal(0.2 * noise, noise, 3000))
        with pytest.raises(GateNotPlaced):
            gate.fit(events, scales)


@pytest.mark.parametrize("noise", [1_000.0, 4_000.0])
def test_noise_that_a_declared_scale_is_too_narrow_for_is_not_split_either(noise):
    narrow = {"fluorescence": ScaleDeclaration("logicle", (("t", 262144.0), ("w", 0.5)))}
    values = np.random.default_rng(1).normal(0, noise, 5000)
    events, scales = shown(declared=GatingStrategy("s", "S", 1, None, (), narrow), CD4=values, CD8=values[::-1])
    with pytest.raises(GateNotPlaced, match="no valley beyond the noise of the negatives"):
        method("valley", axis="CD4").fit(events, scales)
    with pytest.raises(GateNotPlaced, match="no valley beyond the noise"):
        method("diagonal", x="CD4", y="CD8").fit(events, scales)
    with pytest.raises(GateNotPlaced, match="lies within the noise of the negatives"):
        method("tail", axis="CD4", reference="first").fit(events, scales)


@pytest.mark.parametrize("factor", [4.0, 40.0])
def test_the_same_cells_on_another_range_are_gated_alike(factor):
    cd4, cd25 = stained(1, 100.0), stained(2, 150.0, positive=0.1)
    gates = [
        method("valley", axis="CD4"),
        method("quadrants", x="CD4", y="CD25"),
        method("valley", axis="CD25", which="first", fallback={"above_negative": 6}),
        method("diagonal", x="CD4", y="CD25", fallback_offset={"above_peak": 3}),
    ]
    for gate in gates:
        found = []
        for times in (1.0, factor):
            events, scales = shown(262144.0 * times, CD4=cd4 * times, CD25=cd25 * times)
            regions = gate.fit(events, scales).regions
            found.append({name: region.contains(events) for name, region in regions.items()})
        for name in found[0]:
            assert np.mean(found[0][name] != found[1][name]) < 0.002, name


def test_a_fallback_lies_so_many_spreads_above_the_negatives_and_says_so():
    values = np.random.default_rng(1).normal(300.0, 1000.0, 4000)
    events, scales = shown(1e7, CD25=values)
    placed = method("valley", axis="CD25", fallback={"above_negative": 8}).fit(events, scales)
    at = scales["CD25"].inverse(np.array([placed.facts["threshold"]]))[0]
    assert at == pytest.approx(300 + 8 * 1000, rel=0.15)
    assert placed.placed_by == {"threshold": "fallback"}
    assert [doubt.code for doubt in placed.doubts] == ["fallback_alone"]
    assert not placed.errors


def test_a_fallback_of_a_parent_without_negatives_is_said_from_those_of_the_panel():
    rng = np.random.default_rng(1)
    negatives = rng.normal(0.0, 100.0, 4000)
    channel = Channel("CD3-A", "CD3", 262144.0)
    book = book_of(EventTable(negatives[:, None], (channel,), Scale.COMPENSATED), ["CD3"])
    events, scales = shown(book=book, CD3=rng.lognormal(np.log(2e4), 0.3, 2000))
    placed = method("valley", axis="CD3", fallback={"above_negative": 10}).fit(events, scales)
    assert scales["CD3"].inverse(np.array([placed.facts["threshold"]]))[0] == pytest.approx(1000, rel=0.15)


def test_each_axis_of_quadrants_keeps_its_own_origin_and_doubt():
    events, scales = shown(CD4=stained(1, 100.0), CD8=np.random.default_rng(2).normal(0, 100.0, 4000))
    gate = method("quadrants", x="CD4", y="CD8", y_fallback={"above_negative": 8})
    placed = gate.fit(events, scales)
    assert placed.placed_by == {"x_threshold": "data", "y_threshold": "fallback"}
    assert [(doubt.code, doubt.axis) for doubt in placed.doubts] == [("fallback_alone", "CD8")]
    assert "CD8: one mode only" in placed.note
    assert set(placed.errors) == {"x_threshold"}


def test_where_noise_cannot_be_measured_a_border_that_it_may_explain_is_remarked_on():
    rng = np.random.default_rng(1)
    # Negatives made positive: their peak is cut off, and nothing says how far they scatter.
    cut = np.r_[np.maximum(rng.normal(0, 300, 3000), 1.0), rng.normal(1500, 200, 1500)]
    events, scales = shown(CD3=cut)
    placed = method("valley", axis="CD3").fit(events, scales)
    assert [(doubt.code, doubt.axis) for doubt in placed.doubts] == [("noise_not_judged", "CD3")]
    assert placed.placed_by == {"threshold": "data"}
    tail = method("tail", axis="CD3", reference="first", spreads=2).fit(events, scales)
    assert [doubt.code for doubt in tail.doubts] == ["noise_not_judged"]


@pytest.mark.parametrize("bright", [7.0, 8.0, 10.0])
def test_a_border_far_beyond_a_whole_lowest_peak_needs_no_noise_to_be_judged(bright):
    # A dye that all cells take up: nothing lies below 0, and the peak of the cells that are kept is seen on both sides.
    rng = np.random.default_rng(1)
    values = np.r_[rng.lognormal(5, 0.35, 5000), rng.lognormal(bright, 0.3, 500)]
    events, scales = shown(viability=values)
    placed = method("valley", axis="viability", which="last").fit(events, scales)
    assert placed.doubts == ()
    assert np.exp(5) < scales["viability"].inverse(np.array([placed.facts["threshold"]]))[0] < np.exp(bright)
    assert method("quadrants", x="viability", y="viability", x_which="last").fit(events, scales).doubts == ()


def test_a_diagonal_remarks_on_noise_that_nothing_bounds():
    rng = np.random.default_rng(2)
    x = np.maximum(rng.normal(0, 300, 4000), 1.0)
    y = np.where(np.arange(4000) < 3000, np.maximum(rng.normal(0, 300, 4000), 1.0), rng.normal(2500, 200, 4000))
    events, scales = shown(CD127=x, CD25=y)
    placed = method("diagonal", x="CD127", y="CD25").fit(events, scales)
    assert {str(doubt) for doubt in placed.doubts} == {"noise_not_judged(CD127)", "noise_not_judged(CD25)"}
    events, scales = shown(CD127=rng.lognormal(7, 0.3, 4000), CD25=rng.lognormal(np.repeat([6, 9], 2000), 0.3))
    assert method("diagonal", x="CD127", y="CD25").fit(events, scales).doubts == ()


def test_a_fallback_is_no_valley_that_noise_might_explain():
    rng = np.random.default_rng(1)
    alone, scales = shown(CD3=rng.lognormal(5, 0.2, 2000) + 1.0)
    placed = method("valley", axis="CD3", fallback={"above_negative": 10}).fit(alone, scales)
    assert scales["CD3"].inverse(np.array([placed.facts["threshold"]]))[0] == pytest.approx(440, rel=0.15)
    assert [doubt.code for doubt in placed.doubts] == ["fallback_alone"]
    few = shown(CD3=rng.lognormal(5, 0.2, 15))[0]
    with pytest.raises(GateNotPlaced, match="too few events to show a negative peak"):
        method("valley", axis="CD3", fallback={"above_negative": 10}).fit(few, scales)


def test_a_constant_channel_carries_no_gate():
    rng = np.random.default_rng(1)
    events, scales = shown(CD4=rng.normal(0, 100, 1000), CD8=np.zeros(1000))
    for gate in (
        method("valley", axis="CD8", fallback={"above_negative": 3}),
        method("quadrants", x="CD4", y="CD8", x_fallback=500, y_fallback=500),
        method("diagonal", x="CD4", y="CD8", fallback_offset=0.1),
    ):
        with pytest.raises(GateNotPlaced, match="CD8: the channel is constant") as refused:
            gate.fit(events, scales)
        assert [doubt.code for doubt in refused.value.doubts] == ["dead_detector"]


def test_one_file_more_moves_no_scale():
    rng = np.random.default_rng(4)

    def noise_of(seed):
        values = stained(seed, 100.0 * float(rng.lognormal(0, 0.05)))
        return measure_noise(EventTable(values[:, None], (Channel("A", "CD4"),), Scale.COMPENSATED), ["CD4"])

    files = [noise_of(seed) for seed in range(12)]
    books = {next(iter(pool_noise(files[:number]).values())).spread for number in range(6, 13)}
    assert len(books) == 1

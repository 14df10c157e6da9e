"""The fast path must give the exact computation's memberships, event for event."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immunomon.cytometry.gates.density import Valley
from immunomon.cytometry.gates.diagonal import AbovePeak, Diagonal
from immunomon.cytometry.gates.evidence import Evidence
from immunomon.cytometry.gates.negatives import ground_on
from immunomon.cytometry.kernels.spillover import inverse_of
from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.model.geometry import BinnedPolygon, Ellipse, Interval, Polygon, Rectangle
from immunomon.cytometry.model.lazy import DisplayTable
from immunomon.cytometry.model.members import members
from immunomon.cytometry.model.scales import Asinh, Hyperlog, Identity, Linear, Logicle
from immunomon.cytometry.model.spillover import SpilloverMatrix
from immunomon.cytometry.steps.compensate import compensate
from immunomon.cytometry.steps.transform import transform
from immunomon.study.model.channels import Channel

AXES = ("FSC-A", "A", "B", "C")
CHANNELS = tuple(map(Channel, AXES))
SPILLOVER = SpilloverMatrix(("A", "B", "C"), ((1.0, 0.2, 0.05), (0.1, 1.0, 0.3), (0.02, 0.15, 1.0)))
SCALES = {
    "FSC-A": Identity(),
    "A": Logicle(w=0.7),
    "B": Asinh(m=4.0, a=0.5),
    "C": Hyperlog(w=0.5, m=4.5),
}
COORDINATES = st.floats(-0.2, 1.1, allow_nan=False)


def raw_events(seed=1, count=3000, dtype=np.float32):
    rng = np.random.default_rng(seed)
    values = np.exp(rng.normal(7, 2.5, (count, 4))) - rng.uniform(0, 500, (count, 4))
    values[0] = 0.0
    values[1, 2] = np.nan
    values[2, 1] = np.inf
    values[3] = 1e12  # beyond every table
    values[4] = -3e6
    return EventTable(values.astype(dtype), CHANNELS)


def exact_display(raw):
    """Everything in float64 with plain numpy, a column at a time; the terms in the order that the product names."""
    inverse = inverse_of(SPILLOVER.array)
    columns = [raw.values[:, 0].astype(np.float64)]
    for target in range(3):
        total = np.zeros(raw.count)
        for source in range(3):
            total = total + raw.values[:, source + 1].astype(np.float64) * inverse[source, target]
        columns.append(total)
    values = np.column_stack([scale.apply(c) for scale, c in zip(SCALES.values(), columns, strict=True)])
    return EventTable(values, CHANNELS, Scale.DISPLAY)


def fast_display(raw, scales=SCALES, fast=True):
    return transform(compensate(raw, SPILLOVER), scales, fast=fast)


RAW = raw_events()
EXACT, FAST = exact_display(RAW), fast_display(RAW)
PLAIN = fast_display(RAW, fast=False)
PARENT = np.random.default_rng(5).random(RAW.count) < 0.8
FEW = PARENT & (np.random.default_rng(6).random(RAW.count) < 0.2)  # so few that they are looked at by their rows


def same(gate):
    with np.errstate(invalid="ignore"):
        inside = gate.contains(EXACT)
    for parent in (PARENT, FEW):
        np.testing.assert_array_equal(members(gate, FAST, parent), parent & inside)
        np.testing.assert_array_equal(members(gate, fast_display(RAW), parent), parent & inside)
        np.testing.assert_array_equal(members(gate, PLAIN, parent), parent & inside)


def test_exact_coordinates_are_those_of_plain_numpy_to_the_last_bit():
    np.testing.assert_array_equal(FAST.values, EXACT.values)


@pytest.mark.parametrize("axis", AXES)
def test_a_fast_coordinate_is_within_its_bound_or_not_a_number(axis):
    values, bound = FAST.rough(axis)
    assert bound < 2e-5
    known = ~np.isnan(values)
    assert known.mean() > 0.99
    assert (np.abs(values[known] - EXACT.column(axis)[known]) <= bound).all()


@given(st.sampled_from(AXES[1:]), COORDINATES, COORDINATES)
def test_intervals_hold_the_same_events(axis, one, other):
    same(Interval(axis, min(one, other), max(one, other)))


@given(st.sampled_from(AXES), st.lists(st.integers(0, RAW.count - 1), min_size=2, max_size=2))
def test_intervals_with_their_borders_on_events_hold_the_same_events(axis, rows):
    low, high = sorted(EXACT.column(axis)[rows].tolist())
    if np.isfinite(low) and np.isfinite(high):
        same(Interval(axis, low, high))
        same(Interval(axis, np.nextafter(low, 9e9), np.nextafter(high, 9e9)))


@given(st.lists(st.tuples(COORDINATES, COORDINATES), min_size=3, max_size=9))
def test_polygons_hold_the_same_events(vertices):
    same(Polygon("A", "B", tuple(vertices)))


@given(st.lists(st.integers(5, RAW.count - 1), min_size=3, max_size=9), st.sampled_from([("A", "C"), ("FSC-A", "B")]))
def test_polygons_with_their_corners_on_events_hold_the_same_events(rows, axes):
    x, y = (EXACT.column(axis) for axis in axes)
    same(Polygon(*axes, tuple((float(x[row]), float(y[row])) for row in rows)))


@given(st.integers(5, RAW.count - 1), COORDINATES, COORDINATES)
def test_polygons_with_upright_and_level_edges_through_an_event_hold_the_same_events(row, x, y):
    px, py = float(EXACT.column("A")[row]), float(EXACT.column("B")[row])
    same(Polygon("A", "B", ((px, py), (x, py), (x, y), (px, y))))


@given(COORDINATES, COORDINATES, st.floats(0.01, 0.5), st.floats(0.01, 0.5), st.floats(-0.9, 0.9))
def test_ellipses_hold_the_same_events(x, y, wide, high, tilt):
    cross = tilt * wide * high
    same(Ellipse("A", "C", (x, y), ((wide**2, cross), (cross, high**2)), 1.5))


@given(st.integers(5, RAW.count - 1), COORDINATES, COORDINATES, st.floats(-0.9, 0.9))
def test_ellipses_through_an_event_hold_the_same_events(row, x, y, tilt):
    covariance = np.array([[0.04, tilt * 0.02], [tilt * 0.02, 0.01]])
    offset = np.array([EXACT.column("B")[row] - x, EXACT.column("A")[row] - y])
    square = float(offset @ np.linalg.inv(covariance) @ offset)
    (a, b), (c, d) = covariance.tolist()
    same(Ellipse("B", "A", (x, y), ((a, b), (c, d)), square))


@given(COORDINATES, COORDINATES, st.floats(0, 3e5))
def test_rectangles_hold_the_same_events(one, other, scatter):
    same(Rectangle((Interval("A", high=one), Interval("C", low=other), Interval("FSC-A", low=scatter))))


def test_a_pile_of_events_on_an_edge_is_decided_exactly():
    raw = EventTable(np.repeat(RAW.values[100:101], 500, axis=0), CHANNELS)
    border = float(exact_display(raw).column("A")[0])
    fast = fast_display(raw)
    assert members(Interval("A", low=border), fast, np.ones(500, dtype=bool)).all()
    assert not members(Interval("A", high=border), fast, np.ones(500, dtype=bool)).any()


@settings(max_examples=10)
@given(st.integers(2, 5))
def test_the_result_does_not_depend_on_the_number_of_threads(threads):
    raw = raw_events(seed=3, count=70_001)
    one, several = fast_display(raw), fast_display(raw)
    with ThreadPoolExecutor(threads) as pool:
        shared = several.rough_columns(AXES, pool=pool)
    for axis, (values, bound) in zip(AXES, shared, strict=True):
        np.testing.assert_array_equal(one.rough(axis)[0], values)
        assert one.rough(axis)[1] == bound


def test_wide_numbers_and_linear_scales_take_the_same_way():
    raw = raw_events(dtype=np.float64)
    scales = {**SCALES, "A": Linear(t=1000.0)}
    fast = fast_display(raw, scales)
    assert isinstance(fast, DisplayTable)
    assert fast.rough("A")[1] == fast.rough("FSC-A")[1] == 0.0
    np.testing.assert_array_equal(fast.column("B"), exact_display(raw).column("B"))


def test_a_few_events_have_the_same_coordinates_alone_as_among_all():
    rows = np.array([7, 3, 2999])
    np.testing.assert_array_equal(FAST.take(rows).values, EXACT.values[rows])
    np.testing.assert_array_equal(FAST.take(rows).take(np.array([2])).column("C"), EXACT.column("C")[[2999]])


def test_computed_columns_cannot_be_written():
    table = fast_display(RAW)
    for values in (table.column("A"), table.values):
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 1.0


def test_workers_that_share_a_large_file_find_the_same_events():
    raw = raw_events(seed=9, count=170_003)
    fast, parent = fast_display(raw), np.random.default_rng(1).random(170_003) < 0.7
    shapes = (
        Interval("A", 0.3, 0.6),
        Polygon("A", "B", ((0.1, 0.1), (0.8, 0.3), (0.5, 0.9))),
        Ellipse("B", "C", (0.4, 0.5), ((0.04, 0.01), (0.01, 0.03)), 1.2),
        Rectangle((Interval("A", low=0.3), Interval("FSC-A", high=5e4))),
    )
    with ThreadPoolExecutor(2) as pool:
        for shape in shapes:
            shared = members(shape, fast, parent, pool=pool)
            np.testing.assert_array_equal(shared, members(shape, fast, parent))
            assert 0 < shared.sum() < parent.sum()


def test_what_will_be_asked_for_soon_changes_no_coordinate():
    one, other = fast_display(RAW), fast_display(RAW)
    members(Interval("A", low=0.5), one, PARENT, soon=("B", "FSC-A", "A"))
    for axis in AXES:
        np.testing.assert_array_equal(one.rough(axis)[0], other.rough(axis)[0])


def test_a_few_events_have_the_same_fast_coordinates_alone_as_among_all():
    rows = np.array([7, 3, 2999, 3, 2])
    for alone, axis in zip(fast_display(RAW).rough_rows(AXES, rows), AXES, strict=True):
        np.testing.assert_array_equal(alone[0], FAST.rough(axis)[0][rows])
        assert alone[1] == FAST.rough(axis)[1]


def test_a_kind_of_gate_without_fast_rules_is_asked_exactly():
    binned = BinnedPolygon("A", "B", ((0.1, 0.1), (0.8, 0.3), (0.5, 0.9)))
    finite = np.isfinite(EXACT.column("A")) & np.isfinite(EXACT.column("B"))
    np.testing.assert_array_equal(members(binned, FAST, PARENT & finite), PARENT & finite & binned.contains(EXACT))


def quick_and_plain(rng):
    """Return many events with and without fast coordinates, and their scales."""
    values = np.exp(rng.normal(6, 1, (40_000, 4)))
    values[::3, 1] = np.exp(rng.normal(9.5, 0.4, values[::3, 1].size))
    values[1::3, 1] = rng.normal(0, 200, values[1::3, 1].size)
    channels = tuple(Channel(f"{name}-A", name) for name in AXES)
    raw = EventTable(values.astype(np.float32), channels)
    spillover = SpilloverMatrix(tuple(c.detector for c in channels[1:]), SPILLOVER.values)
    scales = {"A": SCALES["A"], "B": SCALES["B"]}
    inside = rng.random(raw.count) < 0.9
    quick, plain = (transform(compensate(raw, spillover), scales, fast=fast).take(inside) for fast in (True, False))
    return quick, plain, scales


def test_a_valley_and_its_negatives_lie_where_exact_coordinates_put_them():
    """Of many events most are counted by fast coordinates; what is found is equal to the last bit."""
    quick, plain, scales = quick_and_plain(np.random.default_rng(3))
    assert quick.rough_values("A") is not None
    assert plain.rough_values("A") is None
    fits = [Valley(axis="A").fit(events, scales) for events in (quick, plain)]
    assert fits[0] == fits[1]
    assert fits[0].source == "valley"
    grounds = [ground_on(events, "A", scales) for events in (quick, plain)]
    assert len({(g.middle, g.limit, g.typical, g.spread, g.bound, g.parts(0.5), g.parts(0.3)) for g in grounds}) == 1


@pytest.mark.parametrize(("persistence", "source"), [(4.0, "valley"), (1e9, "fallback")])
def test_a_diagonal_lies_where_exact_coordinates_put_it(persistence, source):
    """Whether a valley shows or not, the border is equal to the last bit."""
    quick, plain, scales = quick_and_plain(np.random.default_rng(4))
    diagonal = Diagonal(x="B", y="A", slope=0.5, spreads=3.0, min_persistence=persistence, fallback_offset=AbovePeak(3))
    placements = [diagonal.fit(events, scales) for events in (quick, plain)]
    assert placements[0] == placements[1]
    assert placements[0].source == source


@pytest.mark.parametrize("beads", [0, 49, 50, 51, 400])
@pytest.mark.parametrize("share", [0.24, 0.25, 0.26, 0.9])
def test_beads_are_those_of_exact_coordinates(beads, share):
    """Some events are bright in all detectors, about as bright as counts as such."""
    rng = np.random.default_rng(beads)
    values = np.exp(rng.normal(5, 1, (15_000, 4)))
    for column in (1, 2, 3):  # cells are bright in one detector each
        values[column::4, column] = np.exp(rng.normal(9, 0.3, values[column::4, column].size))
    top = np.quantile(values[:, 1:], 0.999, axis=0)
    values[rng.permutation(15_000)[:beads], 1:] = share * top * np.exp(rng.normal(0, 1e-3, (beads, 3)))
    channels = tuple(Channel(f"{name}-A", name) for name in AXES)
    raw = EventTable(values.astype(np.float32), channels)
    unmixed = SpilloverMatrix(tuple(c.detector for c in channels[1:]), np.eye(3).tolist())
    evidence, core = Evidence(positive=("A",), exclude=("B",)), np.ones(raw.count, dtype=bool)
    quick, plain = (transform(compensate(raw, unmixed), SCALES, fast=fast) for fast in (True, False))
    ours, theirs = (evidence.flags(events.take(core), SCALES, core) for events in (quick, plain))
    assert np.array_equal(ours.beads, theirs.beads)
    assert np.array_equal(ours.positive, theirs.positive)
    assert np.array_equal(ours.excluded, theirs.excluded)
    if share != 0.25:  # where the beads lie about the border, those that are above it are few or many
        assert theirs.beads.any() == (beads >= 50 and share > 0.25)

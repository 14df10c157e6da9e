import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.model.geometry import BinnedPolygon, Polygon, gate_from_dict, gate_to_dict
from immunomon.study.model.channels import Channel

SQUARE = ((0.25, 0.25), (0.5, 0.25), (0.5, 0.5), (0.25, 0.5))


def shown(points):
    return EventTable(np.array(points, dtype=np.float64), (Channel("A"), Channel("B")), Scale.DISPLAY)


def test_events_in_the_bin_of_an_edge_are_inside():
    gate = BinnedPolygon("A", "B", SQUARE)
    points = [(0.25 - 0.4 / 256, 0.3), (0.25 - 0.6 / 256, 0.3), (0.5 + 0.4 / 256, 0.3), (0.5 + 0.6 / 256, 0.3)]
    assert gate.contains(shown(points)).tolist() == [True, False, True, False]


def test_events_beyond_the_ends_sit_in_the_outer_bins():
    whole = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    beyond = shown([(-9.0, 0.5), (9.0, 0.5), (0.5, 9.0)])
    assert BinnedPolygon("A", "B", whole).contains(beyond).all()
    assert not Polygon("A", "B", whole).contains(beyond).any()


@given(st.integers(0, 99), st.sampled_from([0.0, 0.5]))
def test_events_more_than_a_bin_from_the_edge_are_decided_as_by_the_polygon(seed, shift):
    points = np.random.default_rng(seed).random((200, 2))
    far = (np.abs(np.abs(points - 0.375) - 0.125) > 1.5 / 256).all(axis=1)
    events = shown(points[far])
    binned = BinnedPolygon("A", "B", SQUARE, shifts=(shift, shift)).contains(events)
    assert (binned == Polygon("A", "B", SQUARE).contains(events)).all()


def test_a_binned_polygon_written_and_read_is_the_same():
    gate = BinnedPolygon("A", "B", SQUARE, 512, (0.5, 0.0))
    assert gate_from_dict(gate_to_dict(gate)) == gate

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunomon.cytometry.gates.fixed import EllipseGate, IntervalGate, PolygonGate, RectangleGate, Side
from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.model.geometry import Interval
from immunomon.cytometry.model.scales import Identity, Logicle
from immunomon.study.model.channels import Channel

SCALES = {"CD3": Logicle(w=0.7), "FSC-A": Identity()}
CHANNELS = (Channel("V450-A", "CD3"), Channel("FSC-A"))


@given(st.floats(-1e3, 2e5), st.lists(st.floats(-1e4, 2e5), min_size=1, max_size=20))
def test_a_border_in_intensities_parts_the_same_events_as_on_the_raw_scale(border, values):
    raw = np.array(values)
    events = EventTable(np.column_stack([SCALES["CD3"].apply(raw), raw]), CHANNELS, Scale.DISPLAY)
    gate = IntervalGate(axis="CD3", low=border).fit(events, SCALES).regions["inside"]
    clear = np.abs(raw - border) > 1e-6
    assert (gate.contains(events)[clear] == (raw >= border)[clear]).all()


def test_a_missing_border_is_open():
    gate = IntervalGate(axis="CD3").fit(EventTable(np.ones((1, 2)), CHANNELS, Scale.DISPLAY), SCALES).regions["inside"]
    assert gate == Interval("CD3", -np.inf, np.inf)


def test_display_units_are_taken_as_they_are():
    events = EventTable(np.ones((1, 2)), CHANNELS, Scale.DISPLAY)
    gate = RectangleGate(sides=(Side(axis="CD3", low=0.2, high=0.4),), units="display").fit(events, SCALES)
    assert gate.regions["inside"].sides == (Interval("CD3", 0.2, 0.4),)


@pytest.mark.parametrize("declared", [IntervalGate, Side])
def test_borders_that_nothing_lies_between_are_refused(declared):
    with pytest.raises(ValueError, match="low must not be above high, got 1800 and 10 on CD4"):
        declared(axis="CD4", low=1800, high=10)


def test_a_polygon_of_two_corners_is_refused():
    with pytest.raises(ValueError, match="at least 3 vertices, got 2"):
        PolygonGate(x="CD3", y="FSC-A", vertices=((0, 0), (1, 1)))


def test_an_ellipse_that_is_none_is_refused_when_declared():
    with pytest.raises(ValueError, match="positive definite"):
        EllipseGate(x="CD3", y="FSC-A", center=(0, 0), covariance=((1, 2), (2, 1)))

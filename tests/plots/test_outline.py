"""Outlines follow the geometry: what lies inside the ring is what the gate contains."""

from __future__ import annotations

import numpy as np
import pytest

from immunomon.cytometry.kernels.membership import in_polygon
from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.model.geometry import Boolean, Ellipse, Interval, Polygon, Rectangle, gate_to_dict
from immunomon.plots.outline import Frame, outline
from immunomon.study.model.channels import Channel

FRAME = Frame("CD25", "CD127", (0.0, 1.0), (0.0, 1.0))
CORNERS = ((0.2, 0.1), (0.9, 0.3), (0.5, 0.8))
GATES = [
    Interval("CD25", low=0.4),
    Interval("cd127", high=0.6),
    Rectangle((Interval("CD25", 0.2, 0.7), Interval("CD127", low=0.3))),
    Polygon("CD25", "CD127", CORNERS),
    Polygon("CD127", "CD25", CORNERS),
    Ellipse("CD127", "CD25", (0.5, 0.4), ((0.03, 0.01), (0.01, 0.02)), 2.0),
]


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: f"{gate.kind}-{'-'.join(gate.axes)}")
def test_the_ring_holds_the_events_of_the_gate(gate):
    points = np.random.default_rng(3).random((4000, 2))
    events = EventTable(points, (Channel("PE-A", "CD25"), Channel("APC-A", "CD127")), Scale.DISPLAY)
    drawn = outline(gate_to_dict(gate), FRAME)
    assert drawn is not None
    inside = in_polygon(points[:, 0], points[:, 1], np.array(drawn.ring))
    # An ellipse is drawn by straight pieces: a few events lie between piece and arc.
    assert np.mean(inside != gate.contains(events)) < 0.005


def test_an_open_end_has_no_line():
    drawn = outline(gate_to_dict(Rectangle((Interval("CD25", low=0.4), Interval("CD127", high=0.6)))), FRAME)
    assert drawn is not None
    assert sorted(drawn.lines) == sorted((((0.4, 0.6), (0.4, 0.0)), ((1.0, 0.6), (0.4, 0.6))))


@pytest.mark.parametrize("gate", [Boolean("not", ("a",)), Interval("CD3", low=0.1), Polygon("CD3", "CD25", CORNERS)])
def test_a_gate_on_other_axes_has_no_outline(gate):
    assert outline(gate_to_dict(gate), FRAME) is None

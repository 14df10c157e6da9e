"""Ticks: on the scale, inside the axis, labels apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immunomon.cytometry.model.scales import Asinh, Identity, Linear, Logicle
from immunomon.plots.ticks import axis_ticks

SCALES = st.one_of(
    st.floats(0.1, 1.8).map(lambda w: Logicle(w=w)),
    st.floats(3.0, 5.0).map(lambda m: Asinh(m=m)),
    st.just(Linear()),
)


@settings(max_examples=40, deadline=None)
@given(SCALES, st.floats(-0.2, 0.2), st.floats(0.5, 1.1))
def test_ticks_ascend_inside_the_axis_and_their_labels_never_touch(scale, low, high):
    ticks = axis_ticks(scale, low, high)
    places = [tick.coordinate for tick in ticks]
    assert places == sorted(places)
    assert all(low - 1e-6 <= place <= high + 1e-6 for place in places)
    labelled = [tick.coordinate for tick in ticks if tick.label]
    assert len(labelled) >= 2
    assert all(gap >= 0.08 * (high - low) for gap in np.diff(labelled))


@pytest.mark.parametrize("exponent", [3, 4, 5])
def test_a_decade_is_marked_where_its_intensity_lies(exponent):
    scale = Logicle(w=0.5)
    marked = {tick.label: tick.coordinate for tick in axis_ticks(scale, -0.05, 1.05)}
    expected = float(scale.apply(np.array([10.0**exponent]))[0])
    assert marked["10" + "³⁴⁵"[exponent - 3]] == pytest.approx(expected)
    assert marked["0"] == pytest.approx(float(scale.apply(np.zeros(1))[0]))


def test_scatter_is_marked_in_thousands():
    assert [tick.label for tick in axis_ticks(Identity(), 0, 1024)] == ["0", "200", "400", "600", "800", "1K"]


def test_an_axis_without_extent_has_no_ticks():
    assert axis_ticks(Identity(), 1.0, 1.0) == ()

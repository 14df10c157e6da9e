"""Matplotlib plots: axes in, axes out, nothing else touched."""

from __future__ import annotations

import matplotlib.figure
import numpy as np
import pandas as pd
import pytest

from immunomon.model.geometry import Interval, gate_to_dict
from immunomon.plots import gating_plot, trajectories
from immunomon.plots.colours import dose_group_colours
from immunomon.plots.density import pack_density, unpack_density


@pytest.fixture
def ax():
    return matplotlib.figure.Figure().subplots()


def stored_plot():
    levels = np.random.default_rng(1).integers(0, 255, (72, 72)).astype(np.uint8)
    axes = {
        "x": {"axis": "CD3", "label": "CD3 (V450-A)", "range": [-0.05, 1.05], "scale": {"kind": "logicle", "w": 0.6}},
        "y": {"axis": "SSC-A", "label": "SSC-A", "range": [0.0, 262144.0], "scale": {"kind": "identity"}},
    }
    gate = {
        "population": "t",
        "label": "T cells",
        "gate": gate_to_dict(Interval("CD3", low=0.5)),
        "percent_of_parent": 61.2,
    }
    unplaced = {"population": "u", "label": "U", "gate": {"kind": "boolean", "operator": "not", "of": ["t"]}}
    return {**axes, **pack_density(levels), "gates": [gate, unplaced], "parent_label": "Lymphocytes"}


def test_a_gating_plot_shows_the_gate_with_its_percentage_and_the_decades(ax):
    assert gating_plot(ax, stored_plot()) is ax
    assert [text.get_text() for text in ax.texts] == ["T cells\n61.2 %"]
    assert {"10³", "10⁴", "10⁵"} <= {label.get_text() for label in ax.get_xticklabels()}
    assert ax.get_xlim() == (-0.05, 1.05)
    ax.figure.draw_without_rendering()


def test_a_density_comes_back_as_it_was_packed():
    levels = np.random.default_rng(2).integers(0, 256, (5, 7)).astype(np.uint8)
    np.testing.assert_array_equal(unpack_density(pack_density(levels)), levels)


def test_a_density_that_does_not_fill_its_shape_is_refused():
    with pytest.raises(ValueError, match="reshape"):
        unpack_density({**pack_density(np.zeros((2, 2), np.uint8)), "shape": [3, 3]})


def changes():
    rows = [
        {"subject": subject, "dose_group": group, "planned_day": day, "value": base + day / 100, "change": day / 100}
        for subject, group, base in (("S1", "A", 3.0), ("S2", "A", 4.0), ("S3", "B", 5.0))
        for day in (-1, 15, 29)
    ]
    frame = pd.DataFrame(rows).assign(
        population="treg", label="Treg", quantity="percent", denominator="cd4", status="ok", visit="x"
    )
    hidden = frame.iloc[:1].assign(value=999.0, status="not reportable")
    return pd.concat([frame, hidden], ignore_index=True).convert_dtypes()


def test_trajectories_draw_every_subject_and_each_groups_mean_in_its_colour(ax):
    trajectories(ax, changes(), "treg")
    drawn = [line for line in ax.lines if len(line.get_xdata()) and line.get_linestyle() == "-"]
    assert sum(line.get_linewidth() < 1 for line in drawn) == 3
    means = {line.get_color(): list(line.get_ydata()) for line in drawn if line.get_linewidth() > 2}
    assert len(means) == 2
    assert means[dose_group_colours("AB")["A"].light] == pytest.approx([3.49, 3.65, 3.79])


def test_what_is_not_reportable_is_not_drawn(ax):
    trajectories(ax, changes(), "treg")
    assert max(max(line.get_ydata()) for line in ax.lines if len(line.get_ydata())) < 10


def test_nothing_to_draw_is_an_error_that_names_the_population(ax):
    with pytest.raises(ValueError, match="nk"):
        trajectories(ax, changes(), "nk")


def test_a_dose_group_keeps_its_colour_when_others_are_added():
    assert dose_group_colours(["A", "B"])["B"] == dose_group_colours(["A", "B", "C"])["B"]
    lights = [colour.light for colour in dose_group_colours("ABCDEFG").values()]
    assert len(set(lights)) == len(lights)

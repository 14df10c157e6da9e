"""Matplotlib plots: axes in, axes out, nothing else touched."""

from __future__ import annotations

import matplotlib.figure
import numpy as np
import pandas as pd
import pytest

from immunomon.cytometry.model.geometry import Interval, gate_to_dict
from immunomon.errors import UnknownName
from immunomon.plots import (
    cluster_heatmap,
    cluster_tree,
    gating_plot,
    gating_tree,
    spider,
    trajectories,
)
from immunomon.plots.clusters import spanning_tree
from immunomon.plots.colours import dose_group_colours
from immunomon.plots.gating import pack_density, unpack_density


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


def test_at_a_single_visit_every_subject_is_a_dot_and_each_mean_has_its_interval(ax):
    first_visit = changes()
    trajectories(ax, first_visit[first_visit["planned_day"] == -1], "treg")
    dots, *intervals = ax.collections
    assert sorted(dots.get_offsets()[:, 1]) == pytest.approx([2.99, 3.99, 4.99])
    half = 12.7062 * 0.5  # Student's t of one degree of freedom, times the standard error of 2.99 and 3.99
    ends = [bar.get_segments()[0][:, 1].tolist() for bar in intervals]
    assert ends == [pytest.approx([3.49 - half, 3.49 + half], rel=1e-4), pytest.approx([4.99, 4.99])]


def test_what_is_not_reportable_is_not_drawn(ax):
    trajectories(ax, changes(), "treg")
    assert max(max(line.get_ydata()) for line in ax.lines if len(line.get_ydata())) < 10


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"population": "tregg"}, "no population 'tregg' among these values; did you mean 'treg'"),
        ({"quantity": "cells_per_ul"}, "no quantity 'cells_per_ul' of treg among these values; known are: percent"),
        ({"denominator": "cd44"}, "no denominator 'cd44' of treg among these values; did you mean 'cd4'"),
        ({"measure": "percent_chnge"}, "no measure 'percent_chnge'; did you mean 'percent_change'"),
    ],
)
def test_a_name_that_no_value_has_is_answered_with_the_nearest(ax, names, message):
    with pytest.raises(UnknownName, match=message):
        trajectories(ax, changes(), **{"population": "treg", **names})


def test_a_dose_group_keeps_its_colour_when_others_are_added():
    assert dose_group_colours(["A", "B"])["B"] == dose_group_colours(["A", "B", "C"])["B"]
    lights = [colour.light for colour in dose_group_colours("ABCDEFG").values()]
    assert len(set(lights)) == len(lights)


def test_a_spider_starts_at_zero_and_names_every_patient_without_touching(ax):
    rows = [
        {
            "subject": f"S{k}",
            "dose_group": "AB"[k % 2],
            "planned_day": day,
            "percent_change": 0.0 if day < 0 else 5 + 0.01 * k,
        }
        for k in range(6)
        for day in (-1, 29)
    ]
    table = pd.DataFrame(rows).assign(
        population="treg", denominator="cd4", quantity="percent", status="ok", label="Treg"
    )
    spider(ax, table, "treg")
    assert sorted(text.get_text() for text in ax.texts) == [f"S{k}" for k in range(6)]
    places = sorted(text.xyann[1] for text in ax.texts)
    # Letters of 8 points are 3 % of such an axis.
    assert min(np.diff(places)) >= 0.03 * np.diff(ax.get_ylim())[0]
    colours = {line.get_color() for line in ax.lines if len(line.get_xdata()) == 2 and line.get_marker() == "o"}
    assert colours == {dose_group_colours("AB")[name].light for name in "AB"}
    with pytest.raises(ValueError, match=r"no percent_change to draw for treg .*12 missing"):
        spider(ax, table.assign(status="missing"), "treg")


def test_a_tree_puts_parents_between_their_children(ax):
    rows = pd.DataFrame(
        {
            "sample_id": "s", "population": ["t", "a", "b", "c"], "parent": ["root", "t", "t", "t"],
            "label": ["T", "A", "B", "C"], "count": [8, 4, None, 2], "parent_count": [10, 8, 8, 8],
        }
    )  # fmt: skip
    gating_tree(ax, rows)
    at = {text.get_text().split("\n")[0]: text.get_position() for text in ax.texts}
    assert at["T"] == (0.0, at["B"][1])
    assert at["A"][0] == at["C"][0] == 1.0
    assert [text.get_text() for text in ax.texts][2] == "B\nnot gated"
    with pytest.raises(ValueError, match="one sample"):
        gating_tree(ax, rows.assign(sample_id=list("ssst")))


def test_a_spanning_tree_is_the_shortest_that_holds_all():
    points = np.random.default_rng(3).normal(size=(7, 3))
    edges = spanning_tree(points)
    assert len(edges) == 6
    joined = {0}
    while any((a in joined) != (b in joined) for a, b in edges):
        joined |= {k for a, b in edges if (a in joined) or (b in joined) for k in (a, b)}
    assert joined == set(range(7))
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    # Prim's way to the same tree, one shortest tie at a time.
    inside, total = [0], 0.0
    while len(inside) < 7:
        outside = [k for k in range(7) if k not in inside]
        step = min((apart[a, b], b) for a in inside for b in outside)
        inside.append(step[1])
        total += step[0]
    assert sum(apart[a, b] for a, b in edges) == pytest.approx(total)


def test_a_heat_map_goes_from_the_dimmest_to_the_brightest_and_puts_like_beside_like(ax):
    table = pd.DataFrame({"CD3": [0.1, 0.7, 0.12], "CD4": [0.2, 0.9, 0.2]}, index=["mc01", "mc02", "mc03"])
    cluster_heatmap(ax, table, notes={"mc02": "cd4"})
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert abs(names.index("mc01") - names.index("mc03")) == 1
    assert "mc02  cd4" in names
    shown = ax.images[0].get_array()
    assert (shown.min(), shown.max()) == (0.0, 1.0)


def test_dots_on_the_tree_do_not_lie_on_each_other(ax):
    points = pd.DataFrame(np.random.default_rng(1).normal(size=(15, 4)))
    cluster_tree(ax, points, np.arange(1.0, 16.0), colour=np.arange(15.0))
    places = np.asarray(ax.collections[0].get_offsets())
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)[np.triu_indices(15, 1)]
    assert apart.min() > 0.02 * apart.max()
    ax.figure.draw_without_rendering()

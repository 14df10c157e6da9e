"""Pictures for clinicians: every patient is in them, and what may not be compared is left out or marked."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from matplotlib.figure import Figure

from immunomon.errors import NothingToDraw
from immunomon.plots.clinical import concentration_time, platelet_change, platelet_waterfall, swimmer
from immunomon.plots.estimates import arrows
from immunomon.plots.figures import drawn_for_pages, svg_of
from immunomon.plots.matrix import change_heatmap, events_by_grade

NASTY = 'S$1$ <b> & "x"'


@pytest.fixture
def ax():
    return Figure().subplots()


def counts(
    subject="S1", *, group="A", days=(1, 8, 15), platelets=(10.0, 40.0, 120.0), states=("NR", "R", "CR"), rescued=()
):
    return pd.DataFrame(
        {
            "subject": subject,
            "dose_group": group,
            "study_day": list(days),
            "platelets_1e9_per_l": list(platelets),
            "baseline_1e9_per_l": 10.0,
            "state": list(states),
            "after_rescue": [day in rescued for day in days],
        }
    )


def lines_of_width(ax, width):
    return [
        (list(line.get_xdata()), line.get_color())
        for line in ax.lines
        if line.get_linewidth() == width and len(line.get_xdata())
    ]


def test_a_response_is_drawn_until_the_count_that_ends_it(ax):
    rows = counts(days=(1, 8, 15, 22, 29), platelets=(10, 50, 50, 10, 60), states=("NR", "R", "R", "loss", "R"))
    swimmer(ax, rows, {"infusion": {"S1": [1, 8]}})
    observed, first, last = lines_of_width(ax, 7)
    assert observed[0] == [1, 29]
    assert first[0] == [8, 22]
    assert last[0] == [29, 29]
    assert first[1] != observed[1]


def test_lanes_follow_the_doses_of_the_study_and_nobody_is_missing(ax):
    rows = pd.concat([counts("S3", group="A"), counts("S1", group="B"), counts("S2", group="A")])
    swimmer(ax, rows, {}, dose_groups=["B", "A"])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["S1", "S2", "S3"]


def test_who_was_treated_and_never_counted_keeps_a_lane_and_a_place(ax):
    treated = {"S1": "A", "S2": "B"}
    swimmer(ax, counts("S1"), {"infusion": {"S2": [1, 8]}}, subjects=treated)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["S1", "S2"]
    (given,) = [line for line in ax.lines if line.get_marker() == "^" and len(line.get_xdata())]
    assert list(given.get_xdata()) == [1, 8]
    other = Figure().subplots()
    platelet_waterfall(other, counts("S1"), subjects=treated)
    assert [label.get_text() for label in other.get_xticklabels()] == ["S1", "S2"]


def test_who_has_counts_is_drawn_though_not_named_among_the_treated():
    for draw in (lambda ax, rows, **named: swimmer(ax, rows, {}, **named), platelet_waterfall):
        ax = draw(Figure().subplots(), pd.concat([counts("S1"), counts("S2", group="B")]), subjects={"S1": "A"})
        labels = [*ax.get_xticklabels(), *ax.get_yticklabels()]
        assert {"S1", "S2"} <= {label.get_text() for label in labels}


def test_two_changes_of_one_patient_and_name_are_not_drawn_over_one_another(ax):
    rows = {
        "subject": "S1",
        "dose_group": pd.NA,
        "visit": "W4",
        "label": "CD4",
        "status": "ok",
        "log_odds_change": [0.5, 0.1],
    }
    with pytest.raises(NothingToDraw, match="CD4 of S1 has several changes at W4; choose one panel"):
        change_heatmap(ax, pd.DataFrame(rows), "W4")


def test_a_matrix_of_nothing_is_refused_with_what_there_is(ax):
    changes = pd.DataFrame({"subject": ["S1"], "dose_group": "A", "visit": "W12", "label": "CD4", "status": "ok"})
    with pytest.raises(NothingToDraw, match="there is no change at W-12 to draw; did you mean 'W12'"):
        change_heatmap(ax, changes, "W-12")
    worst = pd.DataFrame({"subject": ["S1"], "level": ["organ_class"], "term": ["General"]})
    with pytest.raises(NothingToDraw, match=r"no adverse event to draw; choose rows .* whose level is term"):
        events_by_grade(ax, worst, {"S1": "A"})


def test_a_count_after_rescue_therapy_is_nobodys_best(ax):
    rows = pd.concat([counts("S1", rescued=(15,)), counts("S2", platelets=(10.0, 20.0, 30.0))])
    platelet_waterfall(ax, rows)
    tops = {
        label.get_text(): patch.get_y() + patch.get_height()
        for label, patch in zip(ax.get_xticklabels(), ax.patches, strict=True)
    }
    assert tops == pytest.approx({"S1": 40.0, "S2": 30.0})


def test_a_patient_whose_counts_were_all_rescued_keeps_a_place(ax):
    platelet_waterfall(ax, pd.concat([counts("S1", rescued=(8, 15)), counts("S2")]))
    assert [label.get_text() for label in ax.get_xticklabels()] == ["S2", "S1"]
    assert len(ax.patches) == 1


def test_two_patients_have_lines_but_no_mean_of_their_dose(ax):
    platelet_change(ax, pd.concat([counts("S1"), counts("S2")]))
    assert sum(len(line.get_xdata()) > 0 for line in ax.lines if line.get_marker() == "s") == 0
    three = Figure().subplots()
    platelet_change(three, pd.concat([counts("S1"), counts("S2"), counts("S3", platelets=(10.0, 80.0, 60.0))]))
    (means,) = [line.get_ydata() for line in three.lines if line.get_marker() == "s" and len(line.get_xdata())]
    assert list(means) == pytest.approx([(4 * 4 * 8) ** (1 / 3), (12 * 12 * 6) ** (1 / 3)])


def test_what_is_below_quantification_stands_at_its_limit_as_an_open_mark(ax):
    rows = [
        {"subject": "S1", "planned_time_h": 2, "actual_time_h": None, "concentration_cells_per_ml": 90.0},
        {"subject": "S1", "planned_time_h": 48, "actual_time_h": 47.5, "below_quantification": True, "lloq": 10.0},
    ]
    concentration_time(ax, rows, {"S1": "A"})
    (below,) = [line for line in ax.lines if line.get_marker() == "v" and len(line.get_xdata())]
    assert (list(below.get_xdata()), list(below.get_ydata())) == ([47.5], [10.0])


def test_a_change_that_cannot_be_used_is_a_cross_not_a_colour(ax):
    rows = {
        "subject": ["S1", "S2", "S1", "S2"], "dose_group": "A", "visit": "W4", "label": ["Treg", "Treg", "NK", "NK"],
        "status": ["ok", "not reportable", "ok", "ok"], "log_odds_change": [0.5, 0.9, -0.1, None],
    }  # fmt: skip
    change_heatmap(ax, pd.DataFrame(rows), "W4")
    (crosses,) = [line for line in ax.lines if line.get_marker() == "x"]
    assert sorted(zip(crosses.get_xdata(), crosses.get_ydata(), strict=True)) == [(1, 0), (1, 1)]


def test_an_event_without_a_grade_says_so_and_those_without_events_have_a_column(ax):
    event = {"subject": "S2", "dose_group": "A", "level": "term", "term": "Pyrexia", "worst_grade": pd.NA}
    worst = pd.DataFrame([event | {"serious": pd.NA, "dose_limiting": pd.NA}])
    events_by_grade(ax, worst, {"S1": "A", "S2": "A", "S3": "B"})
    assert [text.get_text() for text in ax.texts] == ["?"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["S1", "S2", "S3"]


def test_every_patient_has_an_arrow_that_ends_at_the_own_change(ax):
    def row(group, subjects):
        one = {"endpoint": "treg", "label": "Treg", "quantity": "percent", "denominator": "cd4", "at": "W4", "n": 3}
        ends = {"mean": 0.1, "t_low": -5.0, "t_high": 0.3}
        return one | ends | {"dose_group": group, "subjects": json.dumps(subjects)}

    rows = [row("A", {"S1": 0.4, "S2": -0.3}), row("B", {"S3": 0.2}), row("all", {"S1": 0.4, "S2": -0.3, "S3": 0.2})]
    arrows(ax, pd.DataFrame(rows))
    assert [text.xy[0] for text in ax.texts if hasattr(text, "xy")] == [-0.3, 0.4, 0.2]
    assert "x1.11 (0.01 to 1.35), n = 3" in ax.texts[0].get_text()
    assert [line.get_marker() for line in ax.lines if line.get_marker() in "<>"] == ["<"]  # one end leaves the picture


def test_a_picture_in_a_page_keeps_names_as_they_are_and_shares_nothing_with_the_page():
    with drawn_for_pages():
        figures = [Figure(figsize=(3, 2)) for _ in range(2)]
        for figure in figures:
            swimmer(figure.subplots(), counts(NASTY), {})
        first, second = (svg_of(figure, NASTY) for figure in figures)
    assert first == second
    assert 'S$1$ &lt;b&gt; &amp; "x"' in first
    assert "<b>" not in first
    assert "<style" not in first
    assert "http" not in first
    assert "stroke: #000000" not in first.replace("var(--p000000, #000000)", "")

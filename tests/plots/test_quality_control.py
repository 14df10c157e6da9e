import matplotlib.figure
import numpy as np
import pandas as pd
import pytest

from immunomon.errors import NothingToDraw
from immunomon.plots.quality_control import levey_jennings, write_charts


def series(panel="treg", population="treg"):
    values = [5.0, 6.0, 5.5, 5.2, 9.0]
    return pd.DataFrame(
        {
            "panel": panel,
            "donor": None,
            "population": population,
            "label": population,
            "quantity": "percent_of_parent",
            "marker": None,
            "number": [1, 2, 3, 4, 5],
            "value": values,
            "unit": "%",
            "establishes": [True, True, True, True, False],
            "verdict": ["in control"] * 4 + ["out of control"],
        }
    )


def levels(ax):
    return sorted({round(float(line.get_ydata()[0]), 6) for line in ax.lines if len(set(line.get_ydata())) == 1})


def test_the_lines_are_the_mean_and_two_and_three_sd_of_the_samples_that_set_the_limits():
    ax = levey_jennings(matplotlib.figure.Figure().subplots(), series(), title="Treg")
    first = np.array([5.0, 6.0, 5.5, 5.2])
    wanted = [first.mean() + n * first.std(ddof=1) for n in (-3, -2, 0, 2, 3)]
    assert levels(ax) == pytest.approx(wanted)


def test_each_verdict_has_a_mark_of_its_own():
    ax = levey_jennings(matplotlib.figure.Figure().subplots(), series())
    assert [len(marks.get_offsets()) for marks in ax.collections] == [4, 1]
    assert len({marks.get_paths()[0].vertices.tobytes() for marks in ax.collections}) == 2


def test_a_series_without_values_is_refused():
    with pytest.raises(NothingToDraw, match="no value of Treg to draw; choose rows"):
        levey_jennings(matplotlib.figure.Figure().subplots(), series().assign(number=None), title="Treg")


def test_there_is_a_picture_a_panel_and_panel_names_make_no_paths(tmp_path):
    table = pd.concat([series(), series(panel="../nk", population="nk")])
    written = write_charts(table, tmp_path / "charts")
    assert [path.name for path in written] == ["___nk.png", "treg.png"]
    assert sorted(path.name for path in (tmp_path / "charts").iterdir()) == ["___nk.png", "treg.png"]
    assert written[1].read_bytes()[:4] == b"\x89PNG"

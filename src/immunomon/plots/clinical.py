"""What a clinician looks for, with every patient: who was treated and responded when, platelets, exposure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeGuard

import numpy as np

from immunomon.errors import NothingToDraw
from immunomon.plots.colours import BAD, FAINT, GOOD, INK, NEUTRAL, PAPER
from immunomon.plots.matrix import lanes_of, palette_of
from immunomon.plots.trajectories import LIMITS_OF_RESPONSE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["concentration_time", "platelet_change", "platelet_waterfall", "swimmer"]

Days = Mapping[str, Sequence[float]]
_PLATELETS = "platelets, 10⁹/L"
_FEWEST = 3  # patients of whom a mean is drawn with its interval


def _whole(ax: Axes) -> None:
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)


# Swimmer plot: a lane a patient.

_MARKS = {
    "infusion": ("^", 4.5, INK.light, INK.light),
    "rescue therapy": ("X", 8.0, BAD.light, PAPER.light),
    "serious event": ("D", 5.5, PAPER.light, BAD.light),
    "dose-limiting": ("D", 6.5, BAD.light, PAPER.light),
    "left early": ("|", 11.0, INK.light, INK.light),
}


def swimmer(
    ax: Axes, visits: pd.DataFrame, marks: Mapping[str, Days], *, subjects: Mapping[str, str] | None = None,
    dose_groups: Sequence[str] = (),
) -> Axes:  # fmt: skip
    """Draw a lane a patient over study days: observed (grey), in response (R) and complete response (CR), and marks.

    visits: the table ``platelet_visits``. marks: kind -> subject -> study days; kinds: infusion, rescue therapy,
    serious event, dose-limiting, left early. subjects: subject -> dose group, all who were treated; default: those with
    a count. dose_groups: in the study's order. Raises NothingToDraw without a count.

    >>> import matplotlib.figure, pandas as pd
    >>> rows = {"subject": "S1", "dose_group": "A", "study_day": [1, 8, 15], "state": ["NR", "R", "CR"]}
    >>> ax = swimmer(matplotlib.figure.Figure().subplots(), pd.DataFrame(rows), {"infusion": {"S1": [1]}})
    >>> [label.get_text() for label in ax.get_yticklabels()], ax.get_xlabel()
    (['S1'], 'study day')
    """
    dated = visits.dropna(subset=["study_day"])
    if dated.empty:
        raise NothingToDraw("there is no count with a study day to draw")
    lanes = lanes_of(dated, subjects, dose_groups)
    palette = palette_of(lanes, dose_groups)
    for height, subject in enumerate(lanes):
        own_rows = dated[dated["subject"] == subject].sort_values("study_day", kind="stable")
        if len(own_rows):
            _lane(ax, height, own_rows)
        for kind, days in marks.items():
            shape, size, face, edge = _MARKS[kind]
            own, shift = list(days.get(subject, ())), 0.34 if kind == "infusion" else 0.0
            ax.plot(own, [height + shift] * len(own), shape, ms=size, mfc=face, mec=edge, zorder=4)
    for kind in marks:
        shape, size, face, edge = _MARKS[kind]
        ax.plot([], [], shape, ms=size, mfc=face, mec=edge, label=kind)
    ax.plot([], [], "-", lw=7, color=_RESPONSES["R"], label="R")
    ax.plot([], [], "-", lw=7, color=_RESPONSES["CR"], label="CR")
    ax.set_yticks(range(len(lanes)), list(lanes))
    for label, group in zip(ax.get_yticklabels(), lanes.values(), strict=True):
        label.set_color(palette[group].light)
    ax.set(ylim=(len(lanes) - 0.3, -0.7), xlabel="study day")
    _whole(ax)
    _legend_above(ax)
    return ax


_RESPONSES = {"R": "#8fc7ab", "CR": GOOD.light}


def _lane(ax: Axes, height: int, rows: pd.DataFrame) -> None:
    """Draw what was observed, and from each count in response to the next count."""
    days, states = rows["study_day"].astype(float).to_numpy(), rows["state"].astype(object).to_numpy()
    ax.plot([min(1.0, days[0]), days[-1]], [height, height], "-", lw=7, color=NEUTRAL.light, solid_capstyle="butt")
    begin = 0
    for place in range(1, len(days) + 1):
        if place < len(days) and states[place] == states[begin]:
            continue
        if states[begin] in _RESPONSES:
            end = days[min(place, len(days) - 1)]
            colour = _RESPONSES[states[begin]]
            ax.plot([days[begin], end], [height, height], "-", lw=7, color=colour, solid_capstyle="butt", zorder=2)
        begin = place


# Platelets: the best count of each patient, and the change of all over the weeks.


def _evaluable(visits: pd.DataFrame) -> pd.DataFrame:
    """Return counts after the first infusion that no rescue therapy may have raised."""
    rescued = visits["after_rescue"].fillna(False).to_numpy(dtype=bool)
    after = (visits["study_day"] > 1).fillna(False).to_numpy(dtype=bool)
    return visits[~rescued & after].dropna(subset=["platelets_1e9_per_l", "study_day"])


def platelet_waterfall(
    ax: Axes, visits: pd.DataFrame, *, subjects: Mapping[str, str] | None = None, dose_groups: Sequence[str] = ()
) -> Axes:
    """Draw each patient's best count after the first infusion, from the highest down, beside the baseline (tick).

    visits: the table ``platelet_visits``; counts soon after rescue therapy are left out. subjects: subject -> dose
    group, all who were treated, default: those with a count; who has none that counts stands last without a bar. Lines:
    the limits of R and CR. Raises NothingToDraw without such a count.

    >>> import matplotlib.figure, pandas as pd
    >>> rows = {"subject": ["S1", "S2"], "dose_group": "A", "study_day": 8, "platelets_1e9_per_l": [20.0, 90.0],
    ...         "baseline_1e9_per_l": 10.0, "after_rescue": False}
    >>> ax = platelet_waterfall(matplotlib.figure.Figure().subplots(), pd.DataFrame(rows))
    >>> [label.get_text() for label in ax.get_xticklabels()]
    ['S2', 'S1']
    """
    counts = _evaluable(visits)
    if counts.empty:
        raise NothingToDraw("there is no evaluable count after the first infusion to draw")
    best = counts.groupby("subject")["platelets_1e9_per_l"].max().sort_values(ascending=False, kind="stable")
    lanes = lanes_of(visits, subjects, dose_groups)
    names = [*best.index, *(subject for subject in lanes if subject not in best.index)]
    palette = palette_of(lanes, dose_groups)
    known = visits.dropna(subset=["baseline_1e9_per_l"]).groupby("subject")["baseline_1e9_per_l"].first()
    baseline = {str(subject): float(count) for subject, count in known.items()}
    lowest = 0.7 * max(min(float(best.min()), *baseline.values(), 10.0), 0.1)
    for place, subject in enumerate(names):
        if subject in best.index:
            ax.bar(place, float(best[subject]) - lowest, bottom=lowest, width=0.75, color=palette[lanes[subject]].light)
        if subject in baseline:
            before = max(baseline[subject], lowest)
            ax.plot([place - 0.38, place + 0.38], [before, before], "-", lw=2, color=INK.light, zorder=3)
    _limits(ax)
    ax.set_xticks(range(len(names)), names, rotation=90)
    ax.set(ylabel=f"best {_PLATELETS}")
    for group in dict.fromkeys(lanes.values()):
        ax.plot([], [], "s", ms=8, color=palette[group].light, label=f"dose {group}")
    ax.legend(loc="upper right", ncols=2)
    return ax


def _limits(ax: Axes) -> None:
    ax.set_yscale("log")
    for limit in LIMITS_OF_RESPONSE:
        ax.axhline(limit, color=FAINT.light, linestyle="--", lw=0.9, zorder=0)
    ticks = [level for level in (1, 3, 10, 30, 100, 300, 1000) if ax.get_ylim()[0] <= level <= ax.get_ylim()[1]]
    ax.set_yticks(ticks, [str(level) for level in ticks])
    ax.yaxis.set_ticks([], minor=True)
    _whole(ax)


def platelet_change(ax: Axes, visits: pd.DataFrame, *, dose_groups: Sequence[str] = ()) -> Axes:
    """Draw platelets as a multiple of the baseline by week: every patient, each dose's geometric mean with interval.

    visits: the table ``platelet_visits``; counts soon after rescue therapy are left out, a week begins 3 days before
    its day. Intervals are Student's on the logarithm, from three patients on. Raises NothingToDraw without a count.

    >>> import matplotlib.figure, pandas as pd
    >>> rows = {"subject": ["S1", "S2"], "dose_group": "A", "study_day": 8, "platelets_1e9_per_l": [20.0, 90.0],
    ...         "baseline_1e9_per_l": 10.0, "after_rescue": False}
    >>> platelet_change(matplotlib.figure.Figure().subplots(), pd.DataFrame(rows)).get_xlabel()
    'week after the first infusion'
    """
    counts = _evaluable(visits).dropna(subset=["baseline_1e9_per_l"])
    counts = counts[(counts["baseline_1e9_per_l"] > 0) & (counts["platelets_1e9_per_l"] > 0)]
    if counts.empty:
        raise NothingToDraw("there is no evaluable count with a baseline to draw")
    fold = counts["platelets_1e9_per_l"].astype(float) / counts["baseline_1e9_per_l"].astype(float)
    table = counts.assign(logarithm=np.log(fold), week=((counts["study_day"].astype(float) - 1) / 7).round())
    lanes = lanes_of(visits, dose_groups=dose_groups)
    groups = dict.fromkeys(lanes.values())
    palette = palette_of(lanes, dose_groups)
    for subject, own in table.sort_values("study_day").groupby("subject"):
        days = (own["study_day"].astype(float) - 1) / 7
        ax.plot(days, np.exp(own["logarithm"]), "-", lw=0.8, alpha=0.5, color=palette[lanes[str(subject)]].light)
    for number, group in enumerate(groups):
        _means(ax, table[table["dose_group"] == group], palette[group].light, 0.16 * (number - (len(groups) - 1) / 2))
        ax.plot([], [], "-s", ms=5, color=palette[group].light, label=f"dose {group}")
    ax.axhline(1.0, color=FAINT.light, lw=0.9, zorder=0)
    lowest, highest = float(np.exp(table["logarithm"].min())), float(np.exp(table["logarithm"].max()))
    ax.set_ylim(0.8 * lowest, 1.25 * highest)  # an interval of three patients may leave it
    ax.set(yscale="log", xlabel="week after the first infusion", ylabel="platelets, multiple of baseline")
    low, high = ax.get_ylim()
    ticks = [step for step in (0.1, 0.3, 0.5, 1, 2, 3, 5, 10, 20, 50) if low <= step <= high]
    ax.set_yticks(ticks, [f"x{step:g}" for step in ticks])
    ax.yaxis.set_ticks([], minor=True)
    _whole(ax)
    _legend_above(ax)
    return ax


def _means(ax: Axes, table: pd.DataFrame, colour: str, shift: float) -> None:
    """Draw a dose's geometric mean and interval of each week; a patient with several counts in a week counts once."""
    from scipy import stats

    weeks: list[float] = []
    means: list[float] = []
    for week, own in table.groupby("week"):
        values = own.groupby("subject")["logarithm"].mean().to_numpy(dtype=float)
        if len(values) < _FEWEST:
            continue
        half = float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5)
        weeks.append(float(str(week)) + shift)
        means.append(float(values.mean()))
        ax.plot([weeks[-1]] * 2, np.exp([means[-1] - half, means[-1] + half]), "-", lw=1.1, color=colour, zorder=3)
    ax.plot(weeks, np.exp(means), "-s", ms=3.5, lw=1.6, color=colour, zorder=4)


# Exposure: concentrations over time.


def concentration_time(
    ax: Axes, rows: Sequence[Mapping[str, Any]] | pd.DataFrame, groups: Mapping[str, str], *, logarithmic: bool = False,
    dose_groups: Sequence[str] = (),
) -> Axes:  # fmt: skip
    """Draw every patient's concentrations over actual hours, planned ones where the actual were not recorded.

    rows: of ``msc_concentration.csv``; what is below quantification stands at its limit as an open triangle, at 0 if
    that is unknown. groups: subject -> dose group. logarithmic: of both axes; what is before the infusion or 0 is left
    out then. Raises NothingToDraw for no rows.

    >>> import matplotlib.figure
    >>> row = {"subject": "S1", "planned_time_h": 2, "actual_time_h": 2.1, "concentration_cells_per_ml": 90.0}
    >>> concentration_time(matplotlib.figure.Figure().subplots(), [row], {"S1": "A"}).get_ylabel()
    'cells per mL'
    """
    if not isinstance(rows, Sequence):
        rows = [{str(name): value for name, value in row.items()} for row in rows.to_dict("records")]
    if not rows:
        raise NothingToDraw("there is no concentration to draw")
    palette = palette_of(groups, dose_groups)
    for subject in dict.fromkeys(str(row["subject"]) for row in rows):
        points = sorted(_point(row) for row in rows if row["subject"] == subject)
        shown = [(hour, level, is_below) for hour, level, is_below in points if not logarithmic or min(hour, level) > 0]
        colour = palette[groups[subject]].light
        ax.plot([p[0] for p in shown], [p[1] for p in shown], "-", lw=1.0, alpha=0.7, color=colour)
        for below, shape, face in ((False, "o", colour), (True, "v", "none")):
            own = [(hour, level) for hour, level, is_below in shown if is_below == below]
            ax.plot([p[0] for p in own], [p[1] for p in own], shape, ms=4, mfc=face, mec=colour)
    for group in dict.fromkeys(groups.values()):
        ax.plot([], [], "-o", ms=4, color=palette[group].light, label=f"dose {group}")
    ax.plot([], [], "v", ms=4, mfc="none", mec=INK.light, label="below quantification")
    ax.set(xlabel="hours after the first infusion", ylabel="cells per mL")
    if logarithmic:
        ax.set(xscale="log", yscale="log")
        _plain_ticks(ax, "x")
        _plain_ticks(ax, "y")
    _whole(ax)
    _legend_above(ax)
    return ax


def _plain_ticks(ax: Axes, which: Literal["x", "y"]) -> None:
    """Mark a logarithmic axis at 1, 3 and 10 of each decade, in plain numbers."""
    low, high = ax.get_xlim() if which == "x" else ax.get_ylim()
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    known = [step * 10.0**decade for decade in decades for step in (1, 3)]
    ticks = [tick for tick in known if low <= tick <= high]
    axis = ax.xaxis if which == "x" else ax.yaxis
    axis.set_ticks(ticks, [f"{tick:,.10g}" for tick in ticks])
    axis.set_ticks([], minor=True)


def _legend_above(ax: Axes) -> None:
    ax.legend(loc="lower left", bbox_to_anchor=(-0.1, 1.0), ncols=4, handletextpad=0.4, columnspacing=1.0)


def _point(row: Mapping[str, Any]) -> tuple[float, float, bool]:
    actual, level, limit = (row.get(name) for name in ("actual_time_h", "concentration_cells_per_ml", "lloq"))
    hour = float(actual if _is_known(actual) else row["planned_time_h"])
    if row.get("below_quantification") is True or not _is_known(level):
        return hour, float(limit) if _is_known(limit) else 0.0, True
    return hour, float(level), False


def _is_known(value: Any) -> TypeGuard[float]:  # noqa: ANN401 - a cell of a file or of a table
    return value is not None and value == value  # not-a-number differs from itself

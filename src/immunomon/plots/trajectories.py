"""Courses over the study: a population's values with each dose group's mean, changes from baseline, platelet counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from immunomon.errors import NothingToDraw, UnknownName, listed, nearest
from immunomon.plots.colours import dose_group_colours
from immunomon.study.model.study import NO_GROUP

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = [
    "LABELS",
    "LIMITS_OF_RESPONSE",
    "chosen_rows",
    "light_colours",
    "name_groups",
    "platelet_course",
    "spider",
    "trajectories",
]

LABELS = {
    "change": "change from baseline",
    "percent_change": "change from baseline (%)",
    "log_odds_change": "change in log-odds from baseline",
}


def trajectories(
    ax: Axes,
    changes: pd.DataFrame,
    population: str,
    *,
    denominator: str | None = None,
    quantity: str = "percent",
    measure: str = "value",
) -> Axes:
    """Draw each subject's values over study days, thin, and each dose group's mean with its 95 % t interval.

    A subject with one value is a dot. changes: the table of changes; only rows with status ``ok`` are drawn; intervals
    far beyond the patients' own values are cut off. measure: value, change, percent_change or log_odds_change. Where a
    visit has no planned day, the visits stand side by side in the order of the rows. Raises UnknownName,
    NothingToDraw if no value is left.

    >>> import matplotlib.figure, pandas as pd
    >>> rows = {"subject": ["S1", "S1"], "dose_group": "A", "planned_day": [-1, 15], "population": "treg",
    ...         "denominator": "cd4", "quantity": "percent", "status": "ok", "value": [3.0, 4.0], "label": "Treg"}
    >>> trajectories(matplotlib.figure.Figure().subplots(), pd.DataFrame(rows), "treg").get_title()
    'Treg'
    """
    import seaborn as sns

    chosen = chosen_rows(changes, population, denominator=denominator, quantity=quantity, measure=measure)
    palette = light_colours(changes)
    data = chosen.assign(**{measure: chosen[measure].astype(float), "time": _times(changes, chosen)})
    data = data.assign(dose_group=data["dose_group"].astype(str), subject=data["subject"].astype(str))
    plain = {"data": data, "x": "time", "y": measure, "hue": "dose_group", "palette": palette, "ax": ax}
    sns.lineplot(**plain, units="subject", estimator=None, linewidth=0.8, alpha=0.6, legend=False)
    single = data[~data["subject"].duplicated(keep=False)]  # one value makes no line
    ax.scatter(single["time"], single[measure], s=9, color=single["dose_group"].map(palette).tolist(), alpha=0.6)
    sns.lineplot(**plain, estimator="mean", errorbar=None, linewidth=2.4, marker="o")
    for (time, group), values in data.groupby(["time", "dose_group"])[measure]:
        ax.vlines(float(str(time)), *_t_interval(values), color=palette[str(group)], linewidth=1.0)
    if measure != "value":
        ax.axhline(0.0, color="0.5", linewidth=0.8, zorder=0)
    label = _unit(chosen, quantity) if measure == "value" else LABELS[measure]
    ax.set(ylabel=label, title=str(chosen["label"].iloc[0]))
    _name_times(ax, changes)
    name_groups(ax)
    _keep_to_patients(ax, data[measure])
    return ax


def name_groups(ax: Axes, **where: Any) -> None:  # noqa: ANN401 - options of matplotlib's legend
    """Add the legend of the dose groups, if there are any: one group needs no name."""
    names = ax.get_legend_handles_labels()[1]
    if set(names) - {NO_GROUP}:
        ax.legend(title="dose group", frameon=False, **where)
    elif (legend := ax.get_legend()) is not None:
        legend.remove()


def _times(changes: pd.DataFrame, rows: pd.DataFrame) -> pd.Series[float]:
    """Return where rows stand in time: on their planned days, or by the order of visits if one has no day."""
    if changes["planned_day"].notna().all():
        return rows["planned_day"].astype(float)
    places = {visit: float(place) for place, visit in enumerate(changes["visit"].drop_duplicates())}
    return rows["visit"].map(places).astype(float)


def _name_times(ax: Axes, changes: pd.DataFrame) -> None:
    if changes["planned_day"].notna().all():
        ax.set_xlabel("study day")
        return
    visits = changes["visit"].drop_duplicates().tolist()
    ax.set_xticks(range(len(visits)), visits)
    ax.set_xlabel("visit")


def light_colours(changes: pd.DataFrame) -> dict[str, str]:
    """Return the colour of each dose group that a table of changes has."""
    groups = sorted(set(changes["dose_group"].dropna().astype(str)))
    colours = dose_group_colours(groups)
    return {name: colours[name].light for name in groups}


def chosen_rows(
    changes: pd.DataFrame, population: str, *, denominator: str | None, quantity: str, measure: str
) -> pd.DataFrame:
    """Return the rows of a population that have the measure; without a denominator, of the first one.

    Raises UnknownName for a population, quantity, denominator or measure that there is not, NothingToDraw if no value
    of them may be drawn.
    """
    if measure not in changes.columns:
        raise UnknownName(f"no measure '{measure}'; {nearest(measure, ['value', *LABELS], in_order=True)}")
    of_population = _named(changes, "population", population, "")
    of_quantity = _named(of_population, "quantity", quantity, f" of {population}")
    if denominator is not None:
        _named(of_quantity, "denominator", denominator, f" of {population}")
    rows = of_quantity[of_quantity["status"] == "ok"]
    known = list(dict.fromkeys(rows["denominator"].dropna()))
    used = denominator or (known[0] if known else None)
    chosen = (rows if used is None else rows[rows["denominator"] == used]).dropna(subset=[measure])
    if chosen.empty:
        counts = of_quantity["status"].value_counts()
        withheld = "; ".join(f"{count} {status}" for status, count in counts.items() if status != "ok")
        about = f" (values: {withheld}); the tables changes and frequencies say why" if withheld else ""
        raise NothingToDraw(f"no {measure} to draw for {population} ({quantity} of {denominator or 'any'}){about}")
    return chosen


def _named(rows: pd.DataFrame, column: str, name: str, of: str) -> pd.DataFrame:
    """Return the rows that have a name in a column; raises UnknownName with the nearest, or with all that there are."""
    known = list(dict.fromkeys(rows[column].dropna().astype(str)))
    if name not in known:
        raise UnknownName(f"no {column} '{name}'{of} among these values; {nearest(name, known)}")
    return rows[rows[column] == name]


def _keep_to_patients(ax: Axes, values: pd.Series[float]) -> None:
    """Cut off intervals that would press all lines flat: with two patients one may be ten times what they differ."""
    low, high = float(values.min()), float(values.max())
    room = 0.6 * max(high - low, 1e-9)
    bottom, top = ax.get_ylim()
    ax.set_ylim(max(bottom, low - room), min(top, high + room))


def _unit(chosen: pd.DataFrame, quantity: str) -> str:
    of = chosen["denominator"].iloc[0]
    return {"percent": f"% of {of}", "cells_per_ul": "cells/µL", "ratio": f"ratio to {of}"}.get(quantity, quantity)


def _t_interval(values: pd.Series[float]) -> tuple[float, float]:
    """Return the 95 % t interval of a mean over subjects; a single subject has none, and shows its own value."""
    from scipy import stats

    mean = float(values.mean())
    if len(values) < 2:
        return mean, mean
    half = float(stats.t.ppf(0.975, len(values) - 1)) * float(values.std(ddof=1)) / len(values) ** 0.5
    return mean - half, mean + half


# Spider plots: how far each patient has gone from his or her own baseline, by dose.

_APART = 0.045  # of the axis: nearer names would touch


def spider(
    ax: Axes,
    changes: pd.DataFrame,
    population: str,
    *,
    denominator: str | None = None,
    quantity: str = "percent",
    measure: str = "percent_change",
) -> Axes:
    """Draw every patient's change from baseline over study days: one line each, from zero, named at its end.

    changes: the table of changes; only rows with status ``ok`` are drawn. measure: percent_change, change or
    log_odds_change. Lines of a dose group have its colour. Raises UnknownName, NothingToDraw.

    >>> import matplotlib.figure, pandas as pd
    >>> rows = {"subject": "S1", "dose_group": "A", "planned_day": [-1, 15], "population": "treg", "label": "Treg",
    ...         "denominator": "cd4", "quantity": "percent", "status": "ok", "percent_change": [0.0, 20.0]}
    >>> [text.get_text() for text in spider(matplotlib.figure.Figure().subplots(), pd.DataFrame(rows), "treg").texts]
    ['S1']
    """
    rows = chosen_rows(changes, population, denominator=denominator, quantity=quantity, measure=measure)
    palette = light_colours(changes)
    ends: list[tuple[float, float, str, str]] = []
    named: set[str] = set()
    for (group, subject), own in rows.groupby(["dose_group", "subject"], observed=True):
        line = own.assign(time=_times(changes, own)).sort_values("time")
        x, y = line["time"].to_numpy(), line[measure].astype(float).to_numpy()
        colour = palette[str(group)]
        label = None if str(group) in named else str(group)
        named.add(str(group))
        ax.plot(x, y, "-o", color=colour, linewidth=1.3, markersize=3.2, label=label)
        ends.append((float(x[-1]), float(y[-1]), str(subject), colour))
    ax.axhline(0.0, color="0.35", linewidth=0.9, zorder=0)
    _name_times(ax, changes)
    _name_ends(ax, ends)
    ax.set(ylabel=LABELS[measure], title=str(rows["label"].iloc[0]))
    name_groups(ax, loc="upper left", fontsize="small")
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    return ax


def _name_ends(ax: Axes, ends: list[tuple[float, float, str, str]]) -> None:
    """Write each patient's name beside the end of the line, moved up or down where two would touch."""
    low, high = ax.get_ylim()
    right = max(x for x, *_ in ends)
    reach = max(right - ax.get_xlim()[0], 1.0)
    ax.set_xlim(right=right + 0.13 * reach)
    gap, last = _APART * (high - low), -float("inf")
    for x, y, name, colour in sorted(ends, key=lambda end: end[1]):
        height = max(y, last + gap)
        last = height
        ax.annotate(
            name, (x, y), xytext=(right + 0.03 * reach, height), fontsize=8, color=colour, va="center",
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.5, "alpha": 0.6, "shrinkA": 1, "shrinkB": 2},
        )  # fmt: skip
    ax.set_ylim(low, max(high, last + gap))


# One patient's platelet counts over the study, with the limits of response and every rescue therapy.

LIMITS_OF_RESPONSE = (30.0, 100.0)  # of R and CR, x 10^9/L: IWG 2009
_RESCUE = "#b8568c"


def platelet_course(ax: Axes, visits: pd.DataFrame, *, limits: tuple[float, ...] = LIMITS_OF_RESPONSE) -> Axes:
    """Draw one patient's rows of the table ``platelet_visits``: filled dots are responses, crosses rescue therapies.

    limits: dashed lines, x 10^9/L. Raises NothingToDraw for rows of several patients, or without a
    count.

    >>> import matplotlib.figure, pandas as pd
    >>> rows = {"subject": "S1", "dose_group": "A", "study_day": [1, 8], "platelets_1e9_per_l": [12.0, 110.0],
    ...         "state": ["NR", "CR"], "rescue_therapy": [True, False]}
    >>> platelet_course(matplotlib.figure.Figure().subplots(), pd.DataFrame(rows)).get_title()
    'S1, dose A'
    """
    rows = visits.dropna(subset=["platelets_1e9_per_l"]).sort_values("study_day")
    if rows.empty or len(set(rows["subject"])) != 1:
        subjects = sorted(map(str, set(rows["subject"])))
        remedy = f"choose one of them: {listed(subjects, 12)}" if subjects else "there is no count in these rows"
        raise NothingToDraw(f"a course is of one patient, got counts of {len(subjects)}; {remedy}")
    colour = dose_group_colours(())["all"].light
    day, count = rows["study_day"].astype(float), rows["platelets_1e9_per_l"].astype(float)
    responds = rows["state"].isin(["CR", "R"]).to_numpy()
    rescued = rows["rescue_therapy"].fillna(False).to_numpy(dtype=bool)
    ax.plot(day, count, color="0.7", linewidth=1)
    ax.scatter(
        day,
        count,
        s=16,
        facecolors=[colour if is_response else "white" for is_response in responds],
        edgecolors=colour,
        zorder=2,
    )
    ax.scatter(day[rescued], count[rescued], marker="x", s=42, color=_RESCUE, zorder=3)
    for limit in limits:
        ax.axhline(limit, color="0.5", linestyle="--", linewidth=0.8)
    ax.set(yscale="log", title=f"{rows['subject'].iloc[0]}, dose {rows['dose_group'].iloc[0]}")
    return ax

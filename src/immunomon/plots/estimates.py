"""Estimates with their intervals and patients: forest plots, and immune change beside platelets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from immunomon.arrays import Floats
from immunomon.errors import NothingToDraw
from immunomon.plots.colours import FAINT, INK, dose_group_colours

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["apart", "arrows", "arrows_height", "arrows_reach", "forest", "intervals", "together"]

_AXIS = {
    "log-odds": "change in log-odds",
    "log": "change of the logarithm",
    "clr": "change of the centred log-ratio",
}


def forest(ax: Axes, estimates: pd.DataFrame) -> Axes:
    """Draw estimates as a forest plot: mean (square), t interval (line), Hodges-Lehmann (bar), every patient (dot).

    estimates: rows of the ESTIMATES table that share a scale, drawn from the top down in their order. What has no
    patient has an empty row. Raises NothingToDraw for no rows, or rows of several scales.

    >>> import matplotlib.figure, pandas as pd
    >>> row = {"label": "Treg", "dose_group": "all", "at": "W4", "scale": "log-odds", "n": 2, "mean": 0.3,
    ...        "t_low": -0.1, "t_high": 0.7, "hl_estimate": 0.3, "subjects": '{"S1": 0.2, "S2": 0.4}'}
    >>> forest(matplotlib.figure.Figure().subplots(), pd.DataFrame([row])).get_xlabel()
    'change in log-odds'
    """
    scales = list(dict.fromkeys(estimates["scale"]))
    if len(scales) != 1:
        named = ", ".join(map(str, scales))
        remedy = "choose the rows of one" if scales else "choose rows of the table estimates"
        raise NothingToDraw(f"a forest plot has one scale, got {named or 'no rows'}; {remedy}")
    palette = dose_group_colours(dict.fromkeys(str(g) for g in estimates["dose_group"] if g != "all"))
    for height, (_, row) in enumerate(estimates.iterrows()):
        colour = palette[str(row["dose_group"])].light
        values = [] if _missing(row["subjects"]) else list(json.loads(str(row["subjects"])).values())
        ax.plot(values, [height + 0.22] * len(values), "o", ms=3.2, mec="none", mfc=colour, alpha=0.55, zorder=2)
        if not int(row["n"]):
            where: Any = ("axes fraction", "data")
            ax.annotate(
                "nobody has a change", (0.5, height), xycoords=where, ha="center", va="center", size=7, color="0.5"
            )
            continue
        if not _missing(row["t_low"]):
            ax.plot([float(row["t_low"]), float(row["t_high"])], [height, height], "-", lw=1.6, color=colour, zorder=3)
        ax.plot([float(row["mean"])], [height], "s", ms=6, color=colour, zorder=4)
        if not _missing(row["hl_estimate"]) and int(row["n"]) > 1:  # of one patient all estimates are its value
            ax.plot([float(row["hl_estimate"])], [height], "|", ms=11, mew=1.4, color="black", zorder=5)
    ax.axvline(0.0, color="0.5", lw=0.8, zorder=1)
    ax.set_yticks(range(len(estimates)))
    names = zip(estimates["label"], estimates["dose_group"], estimates["at"], estimates["n"], strict=True)
    ax.set_yticklabels([f"{label}, {group}, {visit_or_window} (n = {n})" for label, group, visit_or_window, n in names])
    ax.set_ylim(len(estimates) - 0.4, -0.6)
    ax.set_xlabel(_AXIS.get(str(scales[0]), str(scales[0])))
    return ax


def _missing(cell: object) -> bool:
    import pandas as pd

    return bool(pd.isna(cell))  # type: ignore[call-overload]


# The primary endpoints at a glance: one arrow a patient, from no change to the own one, and the estimate under them.

_HEAD, _ARROW, _FOOT = 17.0, 3.6, 13.0  # points that a line of text, an arrow and an estimate take


def arrows(ax: Axes, estimates: pd.DataFrame, *, dose_groups: Sequence[str] = (), reach: float | None = None) -> Axes:
    """Draw every patient's change as an arrow in the colour of the dose group, and mean and interval under them.

    estimates: rows of the ESTIMATES table, dose groups and ``all``; each endpoint and visit by itself; dose_groups: in
    the study's order; reach: of the axis to either side, from ``arrows_reach`` where several pictures share it,
    default: of these rows. Changes are ratios, of odds for a percentage. An interval that leaves the picture ends in a
    triangle. Raises ValueError for no rows.

    >>> import matplotlib.figure, pandas as pd
    >>> row = {"endpoint": "treg", "label": "Treg", "quantity": "percent", "denominator": "cd4", "at": "W4", "n": 2,
    ...        "mean": 0.3, "t_low": -0.1, "t_high": 0.7, "subjects": '{"S1": 0.2, "S2": 0.4}'}
    >>> rows = pd.DataFrame([row | {"dose_group": group} for group in ("A", "all")])
    >>> arrows(matplotlib.figure.Figure().subplots(), rows).texts[0].get_text()
    'Treg, % of cd4, at W4: x1.35 (0.90 to 2.01), n = 2'
    """
    endpoints = [rows for _, rows in estimates.groupby(["endpoint", "at"], sort=False)]
    if not endpoints:
        raise NothingToDraw("there is no endpoint to draw")
    groups = dose_groups or [str(group) for group in dict.fromkeys(estimates["dose_group"]) if group != "all"]
    palette = dose_group_colours(groups)
    changes = [_changes_of(rows, groups) for rows in endpoints]
    reach = reach or arrows_reach(estimates)
    top = 0.0
    for rows, patients in zip(endpoints, changes, strict=True):
        whole = rows[rows["dose_group"] == "all"].to_dict("records")[0]
        ax.text(-reach, top - 0.75 * _HEAD, _sentence(whole), va="baseline", ha="left")
        top -= _HEAD
        ax.plot([0.0, 0.0], [top, top - _ARROW * len(patients) - 0.8 * _FOOT], "-", lw=0.8, color=FAINT.light, zorder=0)
        for change, group in patients:
            style = {"arrowstyle": "-|>", "color": palette[group].light, "lw": 1.3, "mutation_scale": 5, "shrinkA": 0}
            ax.annotate("", (change, top - 2), xytext=(0.0, top - 2), arrowprops={**style, "shrinkB": 0})
            top -= _ARROW
        top -= 0.5 * _FOOT
        _estimate(ax, whole, top, reach)
        top -= 0.5 * _FOOT
    ax.set(xlim=(-reach, reach), ylim=(top, 0.0), yticks=[])
    _ratio_axis(ax, reach)
    return ax


def arrows_reach(estimates: pd.DataFrame) -> float:
    """Return how far the axis of ``arrows`` goes to either side: a little farther than any patient."""
    changes = [abs(change) for change, _ in _changes_of(estimates, sorted(set(estimates["dose_group"].astype(str))))]
    return 1.15 * max(changes, default=0.0) or 0.7


def arrows_height(estimates: pd.DataFrame) -> float:
    """Return how many points high the axes of ``arrows`` are to be."""
    whole = estimates[estimates["dose_group"] == "all"]
    return float((_HEAD + _FOOT) * len(whole) + _ARROW * whole["n"].fillna(0).sum())


def _changes_of(rows: pd.DataFrame, groups: Sequence[str]) -> list[tuple[float, str]]:
    """Return every patient's change and dose group, in the order of the groups and, in each, of the changes."""
    patients = [
        (float(change), str(row["dose_group"]))
        for row in rows.to_dict("records")
        if row["dose_group"] != "all" and not _missing(row["subjects"])
        for change in json.loads(str(row["subjects"])).values()
    ]
    return sorted(patients, key=lambda patient: (groups.index(patient[1]), patient[0]))


def _sentence(row: Mapping[Any, Any]) -> str:
    word = "to" if row["quantity"] == "ratio" else "of"
    of = "" if _missing(row["denominator"]) else f" {word} {row['denominator']}"
    unit = {"percent": f", %{of}", "cells_per_ul": ", cells/µL"}.get(str(row["quantity"]), f", {row['quantity']}{of}")
    name = f"{row['label']}{unit}, at {row['at']}"
    if _missing(row["mean"]):
        return f"{name}: nobody has a value at both visits"
    ends = "" if _missing(row["t_low"]) else f" ({np.exp(row['t_low']):.2f} to {np.exp(row['t_high']):.2f})"
    return f"{name}: x{np.exp(row['mean']):.2f}{ends}, n = {row['n']}"


def _estimate(ax: Axes, row: Mapping[Any, Any], height: float, reach: float) -> None:
    if _missing(row["mean"]):
        return
    if not _missing(row["t_low"]):
        low, high = float(row["t_low"]), float(row["t_high"])
        ends = [max(low, -0.98 * reach), min(high, 0.98 * reach)]
        ax.plot(ends, [height, height], "-", lw=1.8, color=INK.light, zorder=3)
        for marker, end, is_cut in (("<", ends[0], low < ends[0]), (">", ends[1], high > ends[1])):
            if is_cut:
                ax.plot([end], [height], marker, ms=5, color=INK.light, zorder=3)
    ax.plot([float(row["mean"])], [height], "s", ms=6, color=INK.light, zorder=4)


def _ratio_axis(ax: Axes, reach: float) -> None:
    """Mark a logarithmic axis with the ratios that a reader knows."""
    steps = (1.005, 1.01, 1.02, 1.05, 1.1, 1.25, 1.5, 2, 3, 5, 10, 30, 100, 1e3, 1e4, 1e6)
    shown = [step for step in steps if np.log(step) < 0.97 * reach][-3:]
    ratios = [*(1 / step for step in reversed(shown)), 1.0, *shown]
    ax.set_xticks(
        [float(np.log(ratio)) for ratio in ratios],
        [f"x{ratio:.2g}" if ratio < 0.9 else f"x{ratio:.3g}" for ratio in ratios],
    )
    for side in ("top", "left", "right"):
        ax.spines[side].set_visible(False)
    ax.set_xlabel("ratio to baseline (of odds, for a percentage)")


# Immune change and platelets side by side: by response, within patients, and with a visit's lag.

_RESPONDED, _OTHERS = "#008a64", "#6b6b6b"


def apart(ax: Axes, table: pd.DataFrame) -> Axes:
    """Draw every patient's change, responders (filled) above the others (open), with each side's mean (bar).

    table: rows of the BY_RESPONSE contract, one a row of the plot.

    >>> import matplotlib.figure, pandas as pd
    >>> row = {"label": "Treg", "visit": "W4", "subjects": '{"S1": 0.4, "S2": 0.1}', "who_responded": "S1"}
    >>> apart(matplotlib.figure.Figure().subplots(), pd.DataFrame([row])).get_yticklabels()[0].get_text()
    'Treg, W4'
    """
    for height, (_, row) in enumerate(table.iterrows()):
        changes = json.loads(str(row["subjects"]))
        responded = set() if _missing(row["who_responded"]) else set(str(row["who_responded"]).split())
        for subjects, shift, colour, filled in (
            (responded, -0.17, _RESPONDED, True),
            (set(changes) - responded, 0.17, _OTHERS, False),
        ):
            x = [value for subject, value in changes.items() if subject in subjects]
            ax.plot(x, [height + shift] * len(x), "o", ms=5, mec=colour, mfc=colour if filled else "none", alpha=0.8)
            if x:
                ax.plot([float(np.mean(x))], [height + shift], "|", ms=15, mew=2, color=colour)
    ax.plot([], [], "o", color=_RESPONDED, label="platelets responded")
    ax.plot([], [], "o", mec=_OTHERS, mfc="none", label="did not")
    ax.axvline(0.0, color="0.5", lw=0.8, zorder=0)
    ax.set_yticks(range(len(table)), [f"{a}, {b}" for a, b in zip(table["label"], table["visit"], strict=True)])
    ax.set_ylim(len(table) - 0.4, -0.6)
    ax.set_xlabel("change from baseline, each on its scale")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
    return ax


def together(ax: Axes, immune: Floats, platelets: Floats, *, colours: Sequence[str]) -> Axes:
    """Draw each patient's visits as points around the own mean, joined in their order, with the common slope.

    immune, platelets: (patients, visits), platelets as log2; colours: one a patient.

    >>> import matplotlib.figure
    >>> x = np.array([[0.0, 1.0, 2.0]])
    >>> len(together(matplotlib.figure.Figure().subplots(), x, x, colours=["black"]).lines)
    3
    """
    known = np.isfinite(immune) & np.isfinite(platelets)
    known &= (known.sum(axis=1) > 1)[:, None]
    points: list[tuple[Floats, Floats]] = []
    for x, y, there, colour in zip(immune, platelets, known, colours, strict=True):
        if there.any():
            points.append((x[there] - x[there].mean(), y[there] - y[there].mean()))
            ax.plot(*points[-1], "-", color=colour, lw=0.6, alpha=0.3)
            ax.plot(*points[-1], "o", color=colour, ms=3.2, mec="none", alpha=0.85)
    if points:
        x, y = (np.concatenate(parts) for parts in zip(*points, strict=True))
        if float(x @ x) > 0:
            ends = np.array([x.min(), x.max()])
            ax.plot(ends, ends * float(x @ y) / float(x @ x), "--", color="black", lw=1.4)
    return ax


def intervals(ax: Axes, rows: Mapping[str, Sequence[tuple[str, float, float, float]]]) -> Axes:
    """Draw estimates with intervals, one colour a kind, the kinds of one name under one another.

    rows: kind -> (name, estimate, low, high); what is not-a-number is left out.

    >>> import matplotlib.figure
    >>> rows = {"first": [("Treg", 0.5, 0.2, 0.8)], "later": [("Treg", 0.1, -0.2, 0.4)]}
    >>> [text.get_text() for text in intervals(matplotlib.figure.Figure().subplots(), rows).get_yticklabels()]
    ['Treg']
    """
    names = list(dict.fromkeys(name for estimates in rows.values() for name, *_ in estimates))
    cycle = ("#0072b2", "#d98200", "#4a4a4a", "#b8568c")
    for number, (kind, estimates) in enumerate(rows.items()):
        colour, shift = cycle[number % len(cycle)], 0.6 * ((number + 0.5) / len(rows) - 0.5)
        ax.plot([], [], "-s", color=colour, ms=5, label=kind)
        for name, estimate, low, high in estimates:
            height = names.index(name) + shift
            if np.isfinite([low, high]).all():
                ax.plot([low, high], [height, height], "-", color=colour, lw=1.6)
            ax.plot([estimate], [height], "s", color=colour, ms=5)
    ax.axvline(0.0, color="0.5", lw=0.8, zorder=0)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=max(len(rows), 1), frameon=False)
    return ax

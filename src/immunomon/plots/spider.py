"""Spider plots: how far each patient has gone from his or her own baseline, by dose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from immunomon.plots.trajectories import LABELS, chosen_rows, light_colours

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["spider"]

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
    log_odds_change. Lines of a dose group have its colour. Raises ValueError if nothing is left to draw.

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
        line = own.sort_values("planned_day")
        x, y = line["planned_day"].astype(float).to_numpy(), line[measure].astype(float).to_numpy()
        colour = palette[str(group)]
        label = None if str(group) in named else str(group)
        named.add(str(group))
        ax.plot(x, y, "-o", color=colour, linewidth=1.3, markersize=3.2, label=label)
        ends.append((float(x[-1]), float(y[-1]), str(subject), colour))
    ax.axhline(0.0, color="0.35", linewidth=0.9, zorder=0)
    _name_ends(ax, ends)
    ax.set(xlabel="study day", ylabel=LABELS[measure], title=str(rows["label"].iloc[0]))
    ax.legend(title="dose group", frameon=False, loc="upper left", fontsize="small")
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

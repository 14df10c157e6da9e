"""How a population goes over the visits: every subject's line, and the mean of each dose group with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

from immunomon.plots.colours import dose_group_colours

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["LABELS", "chosen_rows", "light_colours", "trajectories"]

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

    changes: the table of changes; only rows with status ``ok`` are drawn; intervals far beyond the patients' own
    values are cut off. measure: value, change, percent_change or
    log_odds_change. Raises ValueError if nothing is left to draw.

    >>> import matplotlib.figure, pandas as pd
    >>> rows = {"subject": ["S1", "S1"], "dose_group": "A", "planned_day": [-1, 15], "population": "treg",
    ...         "denominator": "cd4", "quantity": "percent", "status": "ok", "value": [3.0, 4.0], "label": "Treg"}
    >>> trajectories(matplotlib.figure.Figure().subplots(), pd.DataFrame(rows), "treg").get_title()
    'Treg'
    """
    import seaborn as sns

    chosen = chosen_rows(changes, population, denominator=denominator, quantity=quantity, measure=measure)
    palette = light_colours(changes)
    data = chosen.assign(**{measure: chosen[measure].astype(float), "planned_day": chosen["planned_day"].astype(float)})
    data = data.assign(dose_group=data["dose_group"].astype(str), subject=data["subject"].astype(str))
    plain = {"data": data, "x": "planned_day", "y": measure, "hue": "dose_group", "palette": palette, "ax": ax}
    sns.lineplot(**plain, units="subject", estimator=None, linewidth=0.8, alpha=0.6, legend=False)
    sns.lineplot(
        **plain,
        estimator="mean",
        errorbar=_t_interval,
        err_style="bars",
        err_kws={"linewidth": 1.0},
        linewidth=2.4,
        marker="o",
    )
    if measure != "value":
        ax.axhline(0.0, color="0.5", linewidth=0.8, zorder=0)
    label = _unit(chosen, quantity) if measure == "value" else LABELS[measure]
    ax.set(xlabel="study day", ylabel=label, title=str(chosen["label"].iloc[0]))
    ax.legend(title="dose group", frameon=False)
    _keep_to_patients(ax, data[measure])
    return ax


def light_colours(changes: pd.DataFrame) -> dict[str, str]:
    """Return the colour of each dose group that a table of changes has."""
    groups = sorted(set(changes["dose_group"].dropna().astype(str)))
    colours = dose_group_colours(groups)
    return {name: colours[name].light for name in groups}


def chosen_rows(
    changes: pd.DataFrame, population: str, *, denominator: str | None, quantity: str, measure: str
) -> pd.DataFrame:
    """Return the rows of a population that have the measure; without a denominator, of the first one.

    Raises ValueError if there are none.
    """
    rows = changes[
        (changes["population"] == population) & (changes["quantity"] == quantity) & (changes["status"] == "ok")
    ]
    known = list(dict.fromkeys(rows["denominator"].dropna()))
    used = denominator or (known[0] if known else None)
    chosen = (rows if used is None else rows[rows["denominator"] == used]).dropna(subset=[measure])
    if chosen.empty:
        raise ValueError(f"no value of {measure} to draw for {population} ({quantity} of {denominator or 'any'})")
    return chosen


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

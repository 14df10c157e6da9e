"""Forest plots: one row an estimate, with its interval and every patient's own value behind it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from immunomon.plots.colours import dose_group_colours

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["forest"]

_AXIS = {
    "log-odds": "change in log-odds",
    "log": "change of the logarithm",
    "clr": "change of the centred log-ratio",
}


def forest(ax: Axes, estimates: pd.DataFrame) -> Axes:
    """Draw estimates as a forest plot: mean (square), t interval (line), Hodges-Lehmann (bar), every patient (dot).

    estimates: rows of the ESTIMATES table that share a scale, drawn from the top down in their order. What has no
    patient has an empty row. Raises ValueError for no rows, or rows of several scales.

    >>> import matplotlib.figure, pandas as pd
    >>> row = {"label": "Treg", "dose_group": "all", "at": "W4", "scale": "log-odds", "n": 2, "mean": 0.3,
    ...        "t_low": -0.1, "t_high": 0.7, "hl_estimate": 0.3, "subjects": '{"S1": 0.2, "S2": 0.4}'}
    >>> forest(matplotlib.figure.Figure().subplots(), pd.DataFrame([row])).get_xlabel()
    'change in log-odds'
    """
    scales = list(dict.fromkeys(estimates["scale"]))
    if len(scales) != 1:
        raise ValueError(f"a forest plot has one scale, got {', '.join(map(str, scales)) or 'no rows'}")
    palette = dose_group_colours(dict.fromkeys(str(g) for g in estimates["dose_group"] if g != "all"))
    for height, (_, row) in enumerate(estimates.iterrows()):
        colour = palette[str(row["dose_group"])].light
        values = list(json.loads(str(row["subjects"])).values())
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

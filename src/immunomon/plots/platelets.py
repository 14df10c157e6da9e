"""One patient's platelet counts over the study, with the limits of response and every rescue therapy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from immunomon.plots.colours import dose_group_colours

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["platelet_course"]

_LIMITS = (30.0, 100.0)  # of R and CR, x 10^9/L: IWG 2009
_RESCUE = "#b8568c"


def platelet_course(ax: Axes, visits: pd.DataFrame, *, limits: tuple[float, ...] = _LIMITS) -> Axes:
    """Draw one patient's rows of the table ``platelet_visits``: filled dots are responses, crosses rescue therapies.

    limits: dashed lines, x 10^9/L. Raises ValueError for rows of several patients, or without a count.

    >>> import matplotlib.figure, pandas as pd
    >>> rows = {"subject": "S1", "dose_group": "A", "study_day": [1, 8], "platelets_1e9_per_l": [12.0, 110.0],
    ...         "state": ["NR", "CR"], "rescue_therapy": [True, False]}
    >>> platelet_course(matplotlib.figure.Figure().subplots(), pd.DataFrame(rows)).get_title()
    'S1, dose A'
    """
    rows = visits.dropna(subset=["platelets_1e9_per_l"]).sort_values("study_day")
    if rows.empty or len(set(rows["subject"])) != 1:
        raise ValueError(f"a course is of one patient, got counts of {len(set(rows['subject']))}")
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

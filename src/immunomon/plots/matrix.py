"""Patients side by side: a column a patient, a row a population or an adverse event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from immunomon.errors import NothingToDraw, nearest
from immunomon.plots.colours import BAD, FAINT, INK, PAPER, Colour, dose_group_colours
from immunomon.study.model.study import NO_GROUP

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["GRADES", "change_heatmap", "events_by_grade", "lanes_of", "palette_of", "subjects_by_dose"]

GRADES = {1: "#f3e3b3", 2: "#f0b96a", 3: "#dd7a4b", 4: "#b8434e", 5: "#5a2a4a"}
_UNKNOWN = "#c9ced6"  # an event without a grade
_REACH = 3.0  # times more or less, at which the colours of changes are full
_DOWN_TO_UP = ("#245a93", "#6fa0cd", "#f1f1ee", "#e8a06a", "#b4541a")


def subjects_by_dose(rows: pd.DataFrame, dose_groups: Sequence[str] = ()) -> dict[str, str]:
    """Return the subjects of rows with their dose groups, in the order of these (the study's, or as they come).

    >>> import pandas as pd
    >>> rows = pd.DataFrame({"subject": ["S2", "S1", "S3"], "dose_group": ["A", "B", "A"]})
    >>> subjects_by_dose(rows, ["B", "A"])
    {'S1': 'B', 'S2': 'A', 'S3': 'A'}
    """
    known = rows.dropna(subset=["subject"]).drop_duplicates("subject")
    groups = known["dose_group"].astype(object).where(known["dose_group"].notna(), NO_GROUP)
    group_of = {str(subject): str(group) for subject, group in zip(known["subject"], groups, strict=True)}
    order = list(dict.fromkeys([*dose_groups, *group_of.values()]))
    return dict(sorted(group_of.items(), key=lambda item: (order.index(item[1]), item[0])))


def lanes_of(
    rows: pd.DataFrame, subjects: Mapping[str, str] | None = None, dose_groups: Sequence[str] = ()
) -> dict[str, str]:
    """Return the subjects that are drawn, with their dose groups: those named, and after them all others with a row.

    >>> import pandas as pd
    >>> lanes_of(pd.DataFrame({"subject": ["S3", "S1"], "dose_group": ["B", "A"]}), {"S2": "A", "S1": "A"})
    {'S2': 'A', 'S1': 'A', 'S3': 'B'}
    """
    named = dict(subjects or {})
    others = subjects_by_dose(rows, dose_groups)
    return named | {subject: group for subject, group in others.items() if subject not in named}


def palette_of(subjects: Mapping[str, str], dose_groups: Sequence[str] = ()) -> dict[str, Colour]:
    """Return the colours of the study's dose groups, and after them of those that only subjects have.

    >>> palette_of({"S1": "B"}, ["A", "B"])["B"].light
    '#d98200'
    """
    return dose_group_colours(dict.fromkeys([*dose_groups, *subjects.values()]))


def _columns(ax: Axes, subjects: Mapping[str, str], dose_groups: Sequence[str]) -> None:
    """Name the columns by patient in the colour of the dose group, with a line between the groups."""
    palette = palette_of(subjects, dose_groups)
    ax.xaxis.tick_top()
    ax.set_xticks(range(len(subjects)), list(subjects), rotation=90)
    groups = list(subjects.values())
    for label, group in zip(ax.get_xticklabels(), groups, strict=True):
        label.set_color(palette[group].light)
    for place in range(1, len(groups)):
        if groups[place] != groups[place - 1]:
            ax.axvline(place - 0.5, color=FAINT.light, lw=1.0)
    ax.tick_params(length=0)
    for side in ax.spines.values():
        side.set_visible(False)


def change_heatmap(ax: Axes, changes: pd.DataFrame, visit: str, *, dose_groups: Sequence[str] = ()) -> Axes:
    """Draw each patient's change of each population at a visit: blue fell, orange rose; a cross: no usable value.

    changes: rows of the table of changes, one a patient and population at this visit, rows in their order; changes are
    ``log_odds_change``, colours full at a third and three times the odds of the baseline. dose_groups: in the study's
    order. Raises NothingToDraw if there is no row of the visit, or two of one patient and label.

    >>> import matplotlib.figure, pandas as pd
    >>> rows = {"subject": ["S1", "S2"], "dose_group": "A", "visit": "W4", "label": "Treg", "status": ["ok", "missing"],
    ...         "log_odds_change": [0.5, None]}
    >>> ax = change_heatmap(matplotlib.figure.Figure().subplots(), pd.DataFrame(rows), "W4")
    >>> [label.get_text() for label in ax.get_yticklabels()], len(ax.images)
    (['Treg'], 1)
    """
    from matplotlib.colors import LinearSegmentedColormap

    rows = changes[changes["visit"] == visit]
    if rows.empty:
        remedy = nearest(visit, changes["visit"].dropna().astype(str), in_order=True)
        raise NothingToDraw(f"there is no change at {visit} to draw; {remedy}")
    twice = rows[rows.duplicated(["subject", "label"])]
    if len(twice):
        who = f"{twice['label'].iloc[0]} of {twice['subject'].iloc[0]}"
        remedy = "choose one panel and denominator, or name them apart"
        raise NothingToDraw(f"{who} has several changes at {visit}; {remedy}")
    subjects, labels = subjects_by_dose(rows, dose_groups), list(dict.fromkeys(rows["label"].astype(str)))
    values = np.full((len(labels), len(subjects)), np.nan)
    columns = {subject: column for column, subject in enumerate(subjects)}
    for row in rows[rows["status"] == "ok"].dropna(subset=["log_odds_change"]).to_dict("records"):
        values[labels.index(str(row["label"])), columns[str(row["subject"])]] = row["log_odds_change"]
    reach = float(np.log(_REACH))
    colours = LinearSegmentedColormap.from_list("change", _DOWN_TO_UP)
    # Left to the browser to enlarge: a few hundred bytes, where a drawn cell takes some hundred.
    picture = ax.imshow(
        np.ma.masked_invalid(np.clip(values, -reach, reach)), cmap=colours, vmin=-reach, vmax=reach, aspect="auto",
        interpolation="none",
    )  # fmt: skip
    for place in range(1, len(labels)):
        ax.axhline(place - 0.5, color=PAPER.light, lw=1.2)
    for place in range(1, len(subjects)):
        ax.axvline(place - 0.5, color=PAPER.light, lw=1.2)
    absent = np.argwhere(~np.isfinite(values))
    ax.plot(absent[:, 1], absent[:, 0], "x", ms=3.5, mew=0.9, color=FAINT.light)
    ax.set_yticks(range(len(labels)), labels)
    ax.set(xlim=(-0.5, len(subjects) - 0.5), ylim=(len(labels) - 0.5, -0.5))
    _columns(ax, subjects, dose_groups)
    bar = ax.figure.colorbar(picture, ax=ax, location="bottom", fraction=0.03, pad=0.02, aspect=40)
    bar.set_ticks([-reach, 0.0, reach], labels=["1/3 or less", "as before", "x3 or more"])
    bar.outline.set_visible(False)
    return ax


def events_by_grade(
    ax: Axes, worst: pd.DataFrame, subjects: Mapping[str, str], *, dose_groups: Sequence[str] = ()
) -> Axes:
    """Draw each patient's worst grade of each adverse event; a frame: dose-limiting, an underline: serious.

    worst: the table ``adverse_event_worst``, of which its terms are drawn, the commonest first. subjects: subject ->
    dose group, all who were treated, also those without an event. Raises NothingToDraw without an event.

    >>> import matplotlib.figure, pandas as pd
    >>> row = {"subject": "S1", "dose_group": "A", "level": "term", "term": "Pyrexia", "worst_grade": 2,
    ...        "serious": False, "dose_limiting": True}
    >>> ax = events_by_grade(matplotlib.figure.Figure().subplots(), pd.DataFrame([row]), {"S1": "A", "S2": "A"})
    >>> [text.get_text() for text in ax.texts], ax.get_yticklabels()[0].get_text()
    (['2'], 'Pyrexia')
    """
    events = worst[worst["level"] == "term"]
    if events.empty:
        remedy = "choose rows of adverse_event_worst whose level is term"
        raise NothingToDraw(f"there is no adverse event to draw; {remedy}")
    terms = list(events["term"].astype(str).value_counts(sort=True).index)
    subjects = lanes_of(events, subjects, dose_groups)
    columns = {subject: column for column, subject in enumerate(subjects)}
    from matplotlib.patches import Rectangle

    for row in events.to_dict("records"):
        x, y = columns[str(row["subject"])], terms.index(str(row["term"]))
        grade = row["worst_grade"]
        known = grade is not None and grade == grade and int(grade) in GRADES  # not-a-number differs from itself
        limiting = row["dose_limiting"] is True or row["dose_limiting"] == 1
        edge = BAD.light if limiting else PAPER.light
        box = Rectangle((x - 0.45, y - 0.42), 0.9, 0.84, fc=GRADES[int(grade)] if known else _UNKNOWN, ec=edge,
                        lw=2.2 if limiting else 0.6)  # fmt: skip
        ax.add_patch(box)
        dark = known and int(grade) >= 4
        ax.text(x, y, str(int(grade)) if known else "?", ha="center", va="center_baseline",
                color="#fdfdfd" if dark else "#1c2430")  # fmt: skip
        if row["serious"] is True or row["serious"] == 1:
            ax.plot([x - 0.3, x + 0.3], [y + 0.34] * 2, "-", lw=1.6, color="#fdfdfd" if dark else "#1c2430")
    for y in range(len(terms)):
        ax.axhline(y + 0.5, color=FAINT.light, lw=0.4, zorder=0)
    names = [_shortened(term) for term in terms]
    ax.set_yticks(range(len(terms)), names, color=INK.light)
    ax.set(xlim=(-0.5, len(subjects) - 0.5), ylim=(len(terms) - 0.5, -0.5))
    _columns(ax, subjects, dose_groups)
    return ax


def _shortened(term: str, most: int = 24) -> str:
    return term if len(term) <= most else f"{term[: most - 1]}…"

"""The pictures of efficacy: who was treated and responded when, the best counts, the course of all, and exposure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd
from markupsafe import Markup

from immunomon.outputs.report.drawing import Source, first_section, picture
from immunomon.outputs.report.told import ToldPage, ToldSection, ToldSheet
from immunomon.plots.clinical import concentration_time, platelet_change, platelet_waterfall, swimmer
from immunomon.plots.matrix import subjects_by_dose
from immunomon.trial.assessments.page_parts import number

__all__ = ["efficacy_sections"]

Row = Mapping[str, Any]


def efficacy_sections(source: Source, page: ToldPage) -> Iterator[ToldSection]:
    """Yield the sections of the page of efficacy, with pictures first and at its kinetics."""
    for section in first_section("Every patient at a glance", list(_platelets(source)), page):
        if section.heading == "Kinetics of the cells":
            pictures, sheets = _kinetics(source)
            remark = (
                () if pictures else ("Not drawn: the study's msc_concentration.csv is not at hand as it was read.",)
            )
            yield replace(section, pictures=pictures, sheets=(*section.sheets, *sheets),
                          paragraphs=(*section.paragraphs, *remark))  # fmt: skip
        else:
            yield section


def _platelets(source: Source) -> Iterator[Markup]:
    visits = source.visits.dropna(subset=["subject", "dose_group", "study_day"])
    if visits.empty:
        return
    groups = source.groups(visits["dose_group"])
    treated = source.treated(subjects_by_dose(visits))
    yield picture(
        lambda ax: swimmer(ax, visits, _marks(source, visits), subjects=treated, dose_groups=groups),
        90 + 16 * len(treated), "Who, when",
        sentence="A lane a patient: in grey until the last count, in green while in confirmed response.",
    )  # fmt: skip
    after = visits[(visits["study_day"] > 1) & visits["platelets_1e9_per_l"].notna()]
    usable = after[~after["after_rescue"].fillna(False).astype(bool)]
    if usable.empty:
        return
    yield picture(
        lambda ax: platelet_waterfall(ax, visits, subjects=treated, dose_groups=groups), 270, "Best platelet count",
        sentence="The highest count after the first infusion, but for those soon after rescue therapy; tick: "
        "baseline, lines: 30 and 100. One count is no confirmed response.",
    )  # fmt: skip
    if usable["baseline_1e9_per_l"].gt(0).any():
        yield picture(
            lambda ax: platelet_change(ax, visits, dose_groups=groups), 290, "Platelets by week and dose",
            sentence="Multiples of the baseline: each patient thin; geometric mean and 95 % t interval of a dose "
            "from 3 patients on; an interval may leave the picture. Counts soon after rescue therapy are left out.",
        )  # fmt: skip


def _marks(source: Source, visits: pd.DataFrame) -> dict[str, dict[str, list[float]]]:
    rescued: list[dict[Any, Any]] = visits[visits["rescue_therapy"].fillna(False).astype(bool)].to_dict("records")
    courses = [row for row in source.files.get("medications", ()) if row.get("purpose") == "rescue"]
    rescues = [*rescued, *({**row, "study_day": row["start_day"]} for row in courses)]
    events: Iterable[Mapping[Any, Any]] | None = source.files.get("adverse_events")
    if events is None:
        events = [{**row, "start_day": row["first_day"]} for row in source.events.to_dict("records")
                  if row["level"] == "term"]  # fmt: skip
    ended = [row for row in source.files.get("disposition", ()) if row.get("of") == "study"]
    return {
        "infusion": {name: [float(day) for day in days] for name, days in source.infusions.items()},
        "rescue therapy": source.days(rescues, "study_day"),
        "serious event": source.days([row for row in events if row.get("serious") is True], "start_day"),
        "dose-limiting": source.days([row for row in events if row.get("dose_limiting") is True], "start_day"),
        "left early": source.days([row for row in ended if row.get("event") != "completed"], "study_day"),
    }  # fmt: skip


def _kinetics(source: Source) -> tuple[tuple[Markup, ...], tuple[ToldSheet, ...]]:
    group_of = {str(s.get("id")): str(s.get("dose_group")) for s in source.subjects}
    rows = [row for row in source.files.get("msc_concentration", ()) if row["subject"] in group_of]
    if not rows:
        return (), ()
    subjects = {str(row["subject"]) for row in rows}
    groups = source.groups(group_of.values())
    order = {name: group_of[name] for name in sorted(subjects, key=lambda name: (groups.index(group_of[name]), name))}
    pictures = tuple(
        picture(
            partial(concentration_time, rows=rows, groups=order, logarithmic=is_log, dose_groups=groups),
            270, f"Concentration over time, {'logarithmic' if is_log else 'linear'}",
            sentence="Every patient, at actual times." + (" Before the infusion is left out." if is_log else ""),
        )
        for is_log in (False, True)
    )  # fmt: skip
    return pictures, (_by_time(rows, order),)


def _by_time(rows: Sequence[Row], order: Mapping[str, str]) -> ToldSheet:
    """Return the concentrations by nominal time and dose: medians and ranges, which need no value below the limit."""
    cells: dict[tuple[float, str], list[float]] = {}
    for row in rows:
        level = row.get("concentration_cells_per_ml")
        known = float("-inf") if row.get("below_quantification") or level is None else float(level)
        cells.setdefault((float(row["planned_time_h"]), order[str(row["subject"])]), []).append(known)
    groups = list(dict.fromkeys(order.values()))
    body = tuple(
        (f"{hour:g}", *(_levels(cells.get((hour, group), [])) for group in groups))
        for hour in sorted({hour for hour, _ in cells})
    )
    caption = "Cells per mL by nominal time and dose: median (lowest to highest), patients; BLQ: below quantification"
    return ToldSheet(caption, ("hours", *(f"dose {group}" for group in groups)), body)


def _levels(values: list[float]) -> str:
    if not values:
        return "-"
    ordered = sorted(values)
    low, high, below = ordered[0], ordered[-1], sum(value == float("-inf") for value in ordered)
    middle = [ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]]
    median = "BLQ" if middle[0] == float("-inf") else number(sum(middle) / 2)
    ends = [number(end) if end > float("-inf") else "BLQ" for end in (low, high)]
    return f"{median} ({ends[0]} to {ends[1]}), n = {len(ordered)}" + (f", {below} BLQ" if below else "")

"""The report's pictures: drawn by ``immunomon.plots``, set into the page as SVG, each with a sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd
from markupsafe import Markup

from immunomon.outputs.report.answer import primary_changes
from immunomon.outputs.report.drawing import Source, first_section, picture, svg
from immunomon.outputs.report.run_folder import ReportedRun
from immunomon.outputs.report.told import ToldPage, ToldSection, ToldSheet
from immunomon.plots.clinical import concentration_time, platelet_change, platelet_waterfall, swimmer
from immunomon.plots.estimates import apart, arrows, arrows_height, arrows_reach, forest, intervals
from immunomon.plots.matrix import change_heatmap, events_by_grade, subjects_by_dose
from immunomon.trial.assessments.page_parts import number
from immunomon.trial.mechanism.within import LAG_NAMES
from immunomon.trial.mechanism.words import NO_R
from immunomon.trial.model.tables import BY_RESPONSE, LAGS

__all__ = ["efficacy_sections", "primary_picture", "with_pictures"]

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


_MOST_BELOW = 2  # endpoints below one another; more stand in two columns


def primary_picture(run: ReportedRun) -> Markup | None:
    """Return the primary endpoints with every patient's arrow, None if nothing was compared or nobody has a value."""
    estimates = primary_changes(run)
    if estimates is None or not estimates["n"].fillna(0).any():
        return None
    groups = Source(run).groups(estimates["dose_group"].dropna())
    estimates = estimates.assign(denominator=estimates["denominator"].map(_labels(run)))
    reach, names = arrows_reach(estimates), list(dict.fromkeys(estimates["endpoint"]))
    half = len(names) if len(names) <= _MOST_BELOW else -(-len(names) // 2)
    parts = [estimates[estimates["endpoint"].isin(names[begin : begin + half])] for begin in range(0, len(names), half)]
    words = "Primary endpoints: every patient's change, mean and interval"
    draws = [(partial(arrows, estimates=part, dose_groups=groups, reach=reach), part) for part in parts]
    return Markup("").join(svg(draw, arrows_height(part) + 50, words) for draw, part in draws)


def _labels(run: ReportedRun) -> Callable[[Any], Any]:
    """Return what gives a population its label, and leaves what has none as it is."""
    populations = run.tables["populations"].dropna(subset=["population", "label"]).drop_duplicates("population")
    labels = dict(zip(populations["population"], populations["label"], strict=True))
    return lambda name: name if pd.isna(name) else labels.get(name, name)


def with_pictures(run: ReportedRun, pages: Iterable[ToldPage]) -> list[ToldPage]:
    """Return pages with their pictures: a first section of a page, or within the section of the same heading."""
    source = Source(run)
    return [
        replace(page, sections=(*_PAGES[page.name](source, page),)) if page.name in _PAGES else page for page in pages
    ]


# Safety, what changed, and mechanism.


def _safety(source: Source, page: ToldPage) -> Iterator[ToldSection]:
    terms = source.events[source.events["level"] == "term"]
    if terms.empty:
        yield from page.sections
        return
    treated = source.treated(subjects_by_dose(terms))
    groups = source.groups(treated.values())
    yield from first_section("Every patient at a glance", [picture(
        lambda ax: events_by_grade(ax, terms, treated, dose_groups=groups), 60 + 18 * terms["term"].nunique(),
        "Adverse events by grade and dose",
        sentence="Worst grade of each patient and term, all who were treated; red frame: "
        "dose-limiting, underlined: serious, ?: no grade was recorded.",
    )], page)  # fmt: skip


def _compare(source: Source, page: ToldPage) -> Iterator[ToldSection]:
    estimates = primary_changes(source.run)
    pictures: list[Markup] = []
    if estimates is not None and estimates["n"].fillna(0).any():
        order = list(dict.fromkeys(estimates["endpoint"]))
        ordered = estimates.sort_values("endpoint", kind="stable", key=lambda names: names.map(order.index))
        for scale, rows in ordered.groupby("scale", sort=False):
            pictures.append(picture(
                partial(forest, estimates=rows), 50 + 18 * len(rows), f"Primary endpoints, {scale}",
                sentence="By dose group and all together: mean (square) with t interval, Hodges-Lehmann (bar), a dot a "
                "patient.",
            ))  # fmt: skip
        pictures += _heatmap(source, str(estimates["at"].iloc[0]))
    yield from first_section("The primary endpoints, drawn with every patient", pictures, page)


def _heatmap(source: Source, visit: str) -> list[Markup]:
    changes = source.run.tables["changes"]
    rows = changes[(changes["quantity"] == "percent") & (changes["visit"] == visit)].dropna(subset=["subject"])
    reported = {
        (str(panel), str(name)) for panel, names in (source.run.record.get("reported") or {}).items() for name in names
    }
    if reported:  # gates on the way there, such as singlets, are nobody's answer
        rows = rows[[pair in reported for pair in zip(rows["panel"], rows["population"], strict=True)]]
    rows = rows.assign(label=rows["label"].fillna(rows["population"]))
    rows = rows.drop_duplicates(["subject", "panel", "population"])
    kinds = rows.drop_duplicates(["panel", "population"])
    shared = set(
        kinds.loc[kinds["label"].duplicated(keep=False), "label"]
    )  # what several panels measure, each by itself
    rows = rows.assign(label=[
        f"{label} ({panel})" if label in shared else label
        for label, panel in zip(rows["label"], rows["panel"], strict=True)
    ])  # fmt: skip
    if rows.empty or rows["log_odds_change"].isna().all():
        return []
    groups = source.groups(rows["dose_group"].dropna())
    return [picture(
        lambda ax: change_heatmap(ax, rows, visit, dose_groups=groups), 100 + 13.5 * rows["label"].nunique(),
        f"All populations at {visit}",
        sentence="Change of the odds from baseline, a column a patient; a cross: no usable "
        "value. Each of its first denominator, as in Trajectories. To look further into, not tests.",
    )]  # fmt: skip


def _number(cell: Any) -> float:  # noqa: ANN401 - of a table
    return float("nan") if pd.isna(cell) else float(cell)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _mechanism(source: Source, page: ToldPage) -> Iterator[ToldSection]:
    spoken = {text.partition(":")[0]: _sentence(text.partition(": ")[2]) for section in page.sections
              if section.heading == "In short" for text in section.paragraphs}  # fmt: skip
    within = next((s for s in page.sections if s.heading == "Within the same patients, visit by visit"), None)
    pictures: list[Markup] = []
    split = source.run.held_if_there(BY_RESPONSE, "mechanism")
    if split is not None and split["difference"].notna().any():
        shown = split[split["difference"].notna()]
        pictures.append(picture(lambda ax: apart(ax, shown), 70 + 30 * len(shown), "By response",
                                 sentence=spoken.get("By response", "")))  # fmt: skip
    lags = source.run.held_if_there(LAGS, "mechanism")
    if lags is not None and lags["r"].notna().any():
        known = lags[lags["r"].notna()].to_dict("records")
        rows = {
            lag: [
                (str(row["label"]), _number(row["r"]), _number(row["low"]), _number(row["high"]))
                for row in known
                if row["lag"] == lag
            ]
            for lag in LAG_NAMES[:3]
        }
        height = 90 + 42 * len({row["label"] for row in known})
        pictures.append(picture(lambda ax: intervals(ax, rows).set_xlabel("correlation within patients"), height,
                                 "Which comes first", sentence=spoken.get("Order", "")))  # fmt: skip
    if within and (within.pictures or any(NO_R in text for text in within.paragraphs)):
        unshown = (text for text in within.paragraphs if NO_R in text)
        caption = Markup("<figcaption><b>Within patients.</b> {}</figcaption>").format(
            " ".join([spoken.get("Within patients", ""), *unshown])
        )
        pictures += [caption + (within.pictures or [Markup()])[0], *within.pictures[1:]]
    bare = replace(page, sections=tuple(replace(section, pictures=()) for section in page.sections))
    yield from first_section("In pictures", pictures, bare)


_PAGES: Mapping[str, Callable[[Source, ToldPage], Iterator[ToldSection]]] = {
    "efficacy": efficacy_sections,
    "safety": _safety,
    "compare": _compare,
    "mechanism": _mechanism,
}

"""The safety page: viruses, adverse events, dose-limiting toxicities, escalation, and the doses side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from immunomon.study.model.endpoints import AssessmentRules
from immunomon.trial.assessments.page_parts import Page, Section, Sheet, column_of, records, share, sheet

__all__ = ["alarms", "rule_says_now", "safety_page"]

Tables = Mapping[str, pd.DataFrame]
_Kind = tuple[str, str, str]  # measure, system organ class, term
_KINDS = {
    "any": "any event",
    "related": "related to the treatment",
    "serious": "serious",
    "serious and related": "serious and related",
    "grade >= 3": "grade 3 or higher",
    "dose-limiting": "dose-limiting toxicity",
    "at infusion": "begun on an infusion's day or the day after",
    "during infusion": "begun during an infusion",
    "after infusion, on its day": "begun after an infusion, on its day",
}
_SAYS = {
    "escalate": "escalate",
    "more at this dose": "more patients at this dose",
    "stop": "stop: this dose has too many toxicities",
    "wait": "wait: not all are through the toxicity window",
}


def alarms(tables: Tables) -> tuple[str, ...]:
    """Return what must stand at the top of everything: every virus that was not found before treatment and is now."""
    return tuple(
        f"{row['virus']} in {row['subject']} (dose group {row['dose_group']}): {row['baseline_result']} before the "
        f"first infusion, positive at {row['visit']} (day {row['study_day']}"
        + (f", {row['date']})." if row["date"] else ").")
        for row in records(tables["virus_conversions"])
    )


def safety_page(tables: Tables, facts: Mapping[str, Any], rules: AssessmentRules) -> Page:
    """Return the safety page; a file that the study does not have is said to be absent."""
    present = set(facts["present"])
    sections = [
        _viruses(tables, facts) if "viruses" in present else _absent("Viruses", "viruses"),
        _events(tables, facts, rules) if "adverse_events" in present else _absent("Adverse events", "adverse_events"),
    ]
    if "adverse_events" in present:
        sections.append(_toxicities(tables, facts, rules))
    if not facts["highest_dose"]:
        sections.append(
            Section("Doses", ("The study states no dose of cells: none is escalated or set beside another.",))
        )
        return Page("safety", "Safety", tuple(sections))
    if "adverse_events" in present:
        sections.append(_escalation(tables, facts, rules))
    sections.append(_candidates(tables, facts))
    return Page("safety", "Safety", tuple(sections))


def _absent(heading: str, file: str) -> Section:
    return Section(heading, (f"The study has no {file}.csv: nothing is known of it here.",))


def _viruses(tables: Tables, facts: Mapping[str, Any]) -> Section:
    shifts = records(tables["virus_shifts"])
    conversions = alarms(tables)
    counted = tables["incidence"]
    rows = records(counted[(counted["topic"] == "viruses") & (counted["dose_group"] == "all")])
    paragraphs = [f"CONVERSION: {conversion}" for conversion in conversions] or [
        "No virus was found after the first infusion in anyone in whom it was not found before: "
        + "; ".join(share(row) for row in rows)
        + "."
    ]
    undone = sum(row["n"] for row in shifts if "no result" in (row["baseline_result"], row["result"]))
    paragraphs += (
        [f"Tests that lack a result, before or at a visit: {undone}; they are in the table."] if undone else []
    )
    if facts["undated"].get("viruses"):
        paragraphs.append(f"Tests without a study day or date, left out: {facts['undated']['viruses']}.")
    table = sheet(
        "Result before the first infusion and at each visit",
        ("virus", "visit", "before", "then", "subjects", "who"),
        ((row["virus"], row["visit"], row["baseline_result"], row["result"], row["n"],
          row["subjects"] if "positive" in (row["baseline_result"], row["result"]) or row["n"] < 3 else None)
         for row in shifts),
    )  # fmt: skip
    return Section("Viruses", tuple(paragraphs), (table,))


def _groups(rows: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(map(column_of, rows)))


def _by_group(rows: list[dict[str, Any]], caption: str, names: Mapping[_Kind, tuple[str, ...]]) -> Sheet:
    """Return a table, a column for each group and cohort; names: key (measure, class, term) -> first cells."""
    groups = _groups(rows)
    kinds = [(row["measure"], row["system_organ_class"] or "", row["term"] or "") for row in rows]
    cells = {(kind, column_of(row)): row for kind, row in zip(kinds, rows, strict=True)}
    width = max((len(first) for first in names.values()), default=1)
    heads = ("", "term")[:width] if width == 1 else ("system organ class", "term")
    body = [
        (*first, *(_cell(cells[key, group], group) for group in groups))
        for key, first in names.items()
        if (key, groups[0]) in cells
    ]
    return sheet(caption, (*heads, *groups), body)


def _cell(row: Mapping[str, Any], group: str) -> str:
    return share(row) if group == "all" else f"{row['subjects_with']} of {row['n']}"


def _events(tables: Tables, facts: Mapping[str, Any], rules: AssessmentRules) -> Section:
    counted = tables["incidence"]
    rows = records(counted[counted["topic"] == "adverse events"])
    events = facts["events"]
    after = rules.adverse_events.days_after_last_infusion
    until = "the end of follow-up" if after is None else f"{after} days after the last infusion"
    paragraphs = [
        f"{events['emergent']} treatment-emergent events: begun from the first infusion (Day 1) until {until}. A "
        "subject counts once for each term and class, at the worst grade. Intervals are exact (Clopper-Pearson, 95 %)."
    ]
    if events["others"]:
        paragraphs.append(
            f"{events['others']} events were not treatment-emergent, or of subjects without a first infusion, and are "
            "left out."
        )
    if events["undated"]:
        paragraphs.append(f"{events['undated']} events have no first day and count as treatment-emergent.")
    if events["on_day_1"]:
        paragraphs.append(
            f"{events['on_day_1']} began on Day 1; the data do not say whether before or after the infusion, and they "
            "count as treatment-emergent."
        )
    if events["untimed"]:
        paragraphs.append(
            f"{events['untimed']} of the events on an infusion's day cannot be told apart into during and after it: "
            "their time, or the infusion's, was not recorded."
        )
    unsaid = [f"{number} without '{name.replace('_', '-')}'" for name, number in events["unsaid"].items() if number]
    if unsaid:
        paragraphs.append(f"Events that do not say all, and count as if it were not so: {', '.join(unsaid)}.")
    if not rows:
        return Section("Adverse events", tuple(paragraphs))
    kinds: dict[_Kind, tuple[str, ...]] = {(measure, "", ""): (name,) for measure, name in _KINDS.items()}
    terms: dict[_Kind, tuple[str, ...]] = {
        (row["measure"], row["system_organ_class"], row["term"] or ""): (
            (row["system_organ_class"], "any") if row["measure"] == "class" else ("", row["term"])
        )
        for row in rows
        if row["measure"] in {"class", "term"}
    }
    sheets = [_by_group(rows, "Subjects with treatment-emergent adverse events", kinds)]
    sheets += [_by_group(rows, "By system organ class and preferred term", terms)] if terms else []
    return Section("Adverse events", tuple(paragraphs), (*sheets, _worst(tables)))


def _worst(tables: Tables) -> Sheet:
    rows = [row for row in records(tables["adverse_event_worst"]) if row["level"] == "term"]
    return sheet(
        "Worst grade of each subject and term",
        ("subject", "dose", "term", "worst grade", "events", "first day", "related", "serious", "dose-limiting"),
        (
            (
                *(row[name] for name in ("subject", "dose_group", "term", "worst_grade", "events", "first_day")),
                *("yes" if row[name] else "no" for name in ("related", "serious", "dose_limiting")),
            )
            for row in rows
        ),
    )


def _toxicities(tables: Tables, facts: Mapping[str, Any], rules: AssessmentRules) -> Section:
    first, last = rules.escalation.window_days
    rows = [row for row in records(tables["adverse_event_worst"]) if row["level"] == "term" and row["dose_limiting"]]
    paragraphs = [f"Dose-limiting is what the data call so, if it began on study days {first} to {last}, as declared."]
    paragraphs += [
        f"{row['subject']} (dose group {row['dose_group']}): {row['term']}, grade {row['worst_grade'] or 'unknown'}, "
        f"from day {row['first_day'] or 'unknown'}."
        for row in rows
    ] or ["None was recorded."]
    if facts["events"]["undated_toxicities"]:
        paragraphs.append(
            f"{facts['events']['undated_toxicities']} dose-limiting events have no first day: they count here, and the "
            "escalation rule takes them as begun within the window and known from Day 1. Complete the dates."
        )
    return Section("Dose-limiting toxicities", tuple(paragraphs))


def _escalation(tables: Tables, facts: Mapping[str, Any], rules: AssessmentRules) -> Section:
    rows = records(tables["escalation"])
    declared = rules.escalation
    rule = (
        f"Rule 3+3 with cohorts of {declared.cohort_size}: without a toxicity the dose rises; with one, as many more "
        "are entered at this dose; with two or more it stops."
        if declared.rule == "3+3"
        else f"Fixed cohorts of {declared.cohort_size}: the dose rises unless more than {declared.most_toxicities} "
        "have a toxicity."
    )
    paragraphs = [
        rule + f" The data reach {facts['last_date']}. The program applies the rule and lays out; people decide.",
        "A toxicity is taken to be known from the day it began: when it was reported is not in the data.",
    ]
    paragraphs += [f"Step {row['step']}, dose group {row['dose_group']}: {row['note']}." for row in rows if row["note"]]
    table = sheet(
        "What was known when",
        (
            *("step", "dose", "subjects", "entered", "windows over", "toxicities now", "the rule says now"),
            *("next entry", "what followed", "known on that day", "the rule said then"),
        ),
        (
            (
                *(row["step"], row["dose_group"], row["subjects"], f"{row['first_infusion']} to {row['last_entry']}"),
                *(row["window_complete"], f"{row['toxicities']} of {row['evaluable']}" + _who(row)),
                *(rule_says_now(row, facts["highest_dose"]), row["next_entry"], row["followed_by"]),
                None if row["next_entry"] is None else f"{row['toxicities_then']} of {row['evaluable_then']}",
                None if row["next_entry"] is None else _SAYS[row["rule_said_then"]],
            )
            for row in rows
        ),
    )
    return Section("Dose escalation", tuple(paragraphs), (table,) if rows else ())


def rule_says_now(row: Mapping[Any, Any], highest_dose: float) -> str:
    """Return what the escalation rule says of a row of the table, and at the top that no higher dose is declared."""
    at_the_top = row["rule_says"] == "escalate" and row["cells_per_kg"] >= highest_dose
    return _SAYS[row["rule_says"]] + (": the toxicities allow it, but no higher dose is declared" if at_the_top else "")


def _who(row: Mapping[str, Any]) -> str:
    return f" ({row['who']})" if row["who"] else ""


def _candidates(tables: Tables, facts: Mapping[str, Any]) -> Section:
    rows = records(tables["candidates"])
    groups = _groups(rows)
    cells = {(row["aspect"], row["measure"], row["dose_group"]): row["text"] for row in rows}
    measures = list(dict.fromkeys((row["aspect"], row["measure"], row["unit"]) for row in rows))
    paragraphs = (
        "Safety, response, exposure and immune change of each dose, side by side. Intervals: exact for shares, "
        "Student's t for immune changes (log-odds, change from baseline). With so few patients at each dose the "
        "intervals overlap widely, and no dose is chosen here: people decide.",
        *_basis(facts),
    )
    table = sheet(
        "Candidates for expansion",
        ("", "measure", "unit", *groups),
        (
            (aspect, measure, unit, *(cells.get((aspect, measure, group)) for group in groups))
            for aspect, measure, unit in measures
        ),
    )
    return Section("The doses side by side", paragraphs, (table,) if rows else ())


def _basis(facts: Mapping[str, Any]) -> Iterator[str]:
    if facts.get("expansion_began"):
        yield (
            f"The expansion began on {facts['expansion_began']}: the doses are compared on the patients treated before "
            "it, and on what was known of them on that day. The patients of the expansion are not among them."
        )

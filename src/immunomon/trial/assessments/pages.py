"""What the assessments say: pages of headings, plain sentences and tables, for Markdown and for the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from immunomon.study.model.endpoints import AssessmentRules
from immunomon.trial.assessments.analytes import laboratory_page
from immunomon.trial.assessments.efficacy_page import efficacy_page
from immunomon.trial.assessments.page_parts import Page, Section, page_parts, plain, records, sheet
from immunomon.trial.assessments.safety_page import alarms, safety_page
from immunomon.trial.model.planned import DONE, INFUSIONS, MISSING, NOT_DONE, NOT_DUE, OUTSIDE, SCHEDULED

__all__ = ["alarms", "markdown", "pages", "schedule_page"]

# The page of what was planned, done, missing and done outside its window, and whom the denominators leave out.

_KINDS = (DONE, OUTSIDE, NOT_DONE, MISSING, NOT_DUE)


def schedule_page(tables: Mapping[str, pd.DataFrame], facts: Mapping[str, Any]) -> Page:
    """Return the page; what the study declares no schedule of is said to be unknown."""
    sections = (_planned(tables, facts), _denominators(tables), *_queries(facts))
    return Page("schedule", "Planned and done", sections)


def _queries(facts: Mapping[str, Any]) -> Iterator[Section]:
    """Yield the section of the queries between laboratory and sponsor, the open ones first; none without any."""
    queries = sorted(facts.get("queries", ()), key=lambda query: query["answer"] is not None)
    if not queries:
        return
    still_open = sum(query["answer"] is None for query in queries)
    body = (
        tuple(query[name] or "-" for name in ("query", "subject", "visit", "question", "opened", "opened_by", "answer"))
        for query in queries
    )
    table = sheet("Queries", ("query", "subject", "visit", "question", "opened", "by", "answer"), body)
    yield Section("Queries", (f"{still_open} of {len(queries)} queries are open (queries.csv).",), (table,))


def _planned(tables: Mapping[str, pd.DataFrame], facts: Mapping[str, Any]) -> Section:
    rows = records(tables["planned"])
    counted = Counter((row["assessment"], row["status"]) for row in rows)
    names = list(dict.fromkeys(row["assessment"] for row in rows))
    body = (
        (name, sum(counted[name, kind] for kind in _KINDS), *(counted[name, kind] for kind in _KINDS)) for name in names
    )
    overview = sheet("Assessments of treated patients", ("assessment", "planned", *_KINDS), body)
    lacking = [row for row in rows if row["status"] in {MISSING, NOT_DONE, OUTSIDE}]
    each = sheet(
        "Each that is missing, without a result, or outside its window",
        ("subject", "dose", "assessment", "planned", "planned day", "study day", "status"),
        (
            (row["subject"], row["dose_group"], _named(row), row["planned"], row["planned_day"], row["study_day"],
             row["status"])
            for row in lacking
        ),
    )  # fmt: skip
    return Section(
        "What became of the plan", tuple(_sentences(names, lacking, facts)), (overview, each) if rows else ()
    )


def _named(row: Mapping[str, Any]) -> str:
    return f"{row['assessment']}: {row['test']}" if row["test"] else str(row["assessment"])


def _sentences(names: list[str], lacking: list[dict[str, Any]], facts: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"As study.yaml plans it (schedule in assessments, infusion_days of the dose groups), until "
        f"{facts['last_date'] or 'the data begin'}, the last date in the data. Windows are days around the planned one."
    )
    unknown = [name for name in SCHEDULED if name in facts["present"] and name not in names]
    if unknown:
        yield f"No schedule is declared for {', '.join(unknown)}: what is missing of it cannot be told."
    absent = [name for name in names if name not in facts["present"] and name != INFUSIONS]
    if absent:
        yield f"Planned, but the study has no file of it: {', '.join(f'{name}.csv' for name in absent)}."
    if names and not lacking:
        yield f"Nothing of what is planned here ({', '.join(names)}) is missing or outside its window."


def _denominators(tables: Mapping[str, pd.DataFrame]) -> Section:
    """Say who is in no denominator: a share of those who were assessed is not one of all who were treated."""
    rows = records(tables["incidence"])
    body = [
        (row["topic"], row["measure"], row["n"], row["left_out"])
        for row in rows
        if row["dose_group"] == "all" and row["left_out"] and row["measure"] not in {"class", "term"}
    ]
    words = "Treated patients who are not counted in a share, as they were not assessed or could not be judged."
    none = "Every share is of all treated patients."
    table = sheet("Left out of denominators", ("topic", "measure", "n", "left out"), body)
    return Section("Whom the denominators leave out", (words if body else none,), (table,) if body else ())


_LIMITS = (
    "With so few patients an event seen in nobody may still be common: 0 of 9 is compatible with up to 33.6 %.",
    "Doses were given one after the other, and an expansion last: differences between doses are confounded with "
    "calendar time and with who was enrolled when.",
    "Patients differ in prior therapy; subgroups of them were not compared.",
)


def pages(tables: Mapping[str, pd.DataFrame], facts: Mapping[str, Any], rules: AssessmentRules) -> tuple[Page, ...]:
    """Return a study's pages: safety, efficacy, laboratory values if it has any, and what of the plan was done."""
    laboratory = (laboratory_page(tables),) if "laboratory" in facts["present"] else ()
    safety, efficacy = safety_page(tables, facts, rules), efficacy_page(tables, facts, rules)
    return safety, efficacy, *laboratory, schedule_page(tables, facts)


def markdown(tables: Mapping[str, pd.DataFrame], facts: Mapping[str, Any], rules: AssessmentRules) -> str:
    """Return all pages as one Markdown text, conversions of viruses first."""
    parts = [f"# Other assessments: {plain(facts['study'])}", *_raised(alarms(tables))]
    for page in pages(tables, facts, rules):
        parts += page_parts(page)
    limits = (f"{facts['about_control']}: what follows treatment need not come from it.", *_LIMITS)
    parts += ["## What this cannot say", "\n".join(f"- {limit}" for limit in limits)]
    return "\n\n".join(parts) + "\n"


def _raised(alarms: tuple[str, ...]) -> Iterator[str]:
    if alarms:
        yield "**VIRUS CONVERSION. Act on this before reading on:**"
        yield "\n".join(f"- **{plain(alarm)}**" for alarm in alarms)

"""What the assessments say: pages of headings, plain sentences and tables, for Markdown and for the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from immunomon.study.model.endpoints import AssessmentRules
from immunomon.trial.assessments.efficacy_page import efficacy_page
from immunomon.trial.assessments.markdown import page_parts, plain
from immunomon.trial.assessments.safety_page import alarms, safety_page
from immunomon.trial.assessments.schedule_page import schedule_page
from immunomon.trial.assessments.words import Page

__all__ = ["alarms", "markdown", "pages"]

_LIMITS = (
    "There is no control arm: what follows treatment need not come from it.",
    "With so few patients an event seen in nobody may still be common: 0 of 9 is compatible with up to 33.6 %.",
    "Doses were given one after the other, and an expansion last: differences between doses are confounded with "
    "calendar time and with who was enrolled when.",
    "Patients differ in prior therapy; subgroups of them were not compared.",
)


def pages(tables: Mapping[str, pd.DataFrame], facts: Mapping[str, Any], rules: AssessmentRules) -> tuple[Page, ...]:
    """Return the pages of a study's assessments: safety, efficacy, and what of the plan was done."""
    return safety_page(tables, facts, rules), efficacy_page(tables, facts, rules), schedule_page(tables, facts)


def markdown(tables: Mapping[str, pd.DataFrame], facts: Mapping[str, Any], rules: AssessmentRules) -> str:
    """Return all pages as one Markdown text, conversions of viruses first."""
    parts = [f"# Other assessments: {plain(facts['study'])}", *_raised(alarms(tables))]
    for page in pages(tables, facts, rules):
        parts += page_parts(page)
    parts += ["## What this cannot say", "\n".join(f"- {limit}" for limit in _LIMITS)]
    return "\n\n".join(parts) + "\n"


def _raised(alarms: tuple[str, ...]) -> Iterator[str]:
    if alarms:
        yield "**VIRUS CONVERSION. Act on this before reading on:**"
        yield "\n".join(f"- **{plain(alarm)}**" for alarm in alarms)

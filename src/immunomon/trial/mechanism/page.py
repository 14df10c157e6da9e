"""The mechanism page: plain sentences and tables that a clinician can read, ending with what the data cannot say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from immunomon.trial.assessments.markdown import page_parts, plain
from immunomon.trial.assessments.words import Page, Section, records
from immunomon.trial.mechanism.caveats import cannot_say
from immunomon.trial.mechanism.joined import Joined
from immunomon.trial.mechanism.path_words import balance_section, leave_out_section, path_section
from immunomon.trial.mechanism.together_words import order_section, response_section, within_section
from immunomon.trial.mechanism.words import excludes_0, listed

__all__ = ["markdown", "mechanism_page"]

Row = Mapping[str, Any]


def mechanism_page(joined: Joined, tables: Mapping[str, pd.DataFrame]) -> Page:
    """Return the page; tables: by name, as ``mechanism`` makes them."""
    sections = (
        _about(joined),
        _in_short(joined, tables),
        response_section(joined, tables),
        within_section(joined, tables),
        order_section(joined, tables),
        path_section(joined, tables),
        balance_section(joined, tables),
        leave_out_section(tables),
        Section("What the data cannot say", tuple(cannot_say(joined))),
    )
    return Page("mechanism", "Mechanism", sections)


def _about(joined: Joined) -> Section:
    plan = joined.measured.plan
    subjects = np.array(joined.subjects, dtype=object)
    responders = [str(subject) for subject in subjects[joined.responder == 1]]
    absent = [endpoint.name for endpoint in joined.measured.absent if endpoint.name in plan.primary.endpoints]
    paragraphs = [
        "Does the immune change go with the platelet response, does it come before it, does it follow the cells in "
        "blood? Everything on this page is exploratory: no plan declares an analysis of mechanism.",
        f"{len(subjects)} patients; {len(responders)} with a platelet response ({listed(responders)}), "
        f"{int((joined.responder == 0).sum())} without, {int(np.isnan(joined.responder).sum())} not evaluable. The "
        f"plan's primary endpoints at {listed(list(joined.visits))}, and the balance Th17/Treg; levels as the plan "
        f"declares (alpha {plan.alpha:g}; below the limits of what is reported: {plan.not_reportable.value}).",
    ]
    if absent:
        paragraphs.append(f"Not in this run: {listed(absent)}.")
    return Section("What this is", tuple(paragraphs))


def _in_short(joined: Joined, tables: Mapping[str, pd.DataFrame]) -> Section:
    """Return the section that says the most in the fewest words; a p below alpha is no finding here."""
    alpha = joined.measured.plan.alpha
    apart, within, lags, counts, path = (
        records(tables[name]) for name in ("by_response", "within_patients", "lags", "order_counts", "path")
    )
    differ = [row["label"] for row in apart if excludes_0(row)]
    tied = [row for row in within if _is_tied(row, alpha)]
    tested = sum(row["p_swapped"] is not None for row in within)
    leads = [row["label"] for row in lags if row["p_swapped"] is not None and row["p_swapped"] <= alpha]
    first = sum(row["immune_first"] for row in counts), sum(row["platelets_first"] for row in counts)
    whole = [row["label"] for row in path if row["step"] == "product" and excludes_0(row)]
    paragraphs = (
        f"By response: the interval of the difference excludes 0 for {listed(differ)}.",
        "Within patients: goes with the platelets more than the common course after treatment does: "
        f"{listed([_with_p(row) for row in tied])}. Of {tested} populations tested, {tested * alpha:.1f} would be "
        "named by chance alone if nothing were there.",
        f"Order: one lag is stronger than the other for {listed(leads)}. Over all populations and responders, "
        f"the immune change was first {first[0]} times, the platelets {first[1]} times; the rest cannot be told.",
        f"From dose to platelets through the immune change: the product's interval excludes 0 for "
        f"{listed(list(dict.fromkeys(whole)))}.",
        "None of this shows that the treatment or the immune change did it: see the end of the page.",
    )
    return Section("In short", paragraphs)


def _is_tied(row: Row, alpha: float) -> bool:
    """Say whether own courses stand out among swapped ones, and patients agree that there is a tie at all."""
    return row["p_swapped"] is not None and row["p_swapped"] <= alpha and excludes_0(row, "patient_low", "patient_high")


def _with_p(row: Row) -> str:
    return f"{row['label']} (p {row['p_swapped']:.2g}, adjusted {row['p_adjusted']:.2g})"


def markdown(page: Page, study: str, plan_digest: str) -> str:
    """Return the page as Markdown; study: its name."""
    parts = [f"# Mechanism: {plain(study)}", f"Digest of the plan: `{plan_digest}`.", *page_parts(page)]
    return "\n\n".join(part.rstrip() for part in parts) + "\n"

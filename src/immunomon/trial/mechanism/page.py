"""The mechanism page: plain sentences and tables that a clinician can read, ending with what the data cannot say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from immunomon.errors import counted
from immunomon.trial.assessments.page_parts import Page, Section, page_parts, plain, records
from immunomon.trial.mechanism.joined import AFTER_DAYS, NEAR_DAYS, Joined
from immunomon.trial.mechanism.path_words import balance_section, leave_out_section, path_section
from immunomon.trial.mechanism.words import excludes_0, listed, order_section, response_section, within_section

__all__ = ["cannot_say", "markdown", "mechanism_page"]

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
        f"the immune change was first {counted(first[0], 'time')}, the platelets {counted(first[1], 'time')}; the rest "
        "cannot be told.",
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


# What the data cannot say about a mechanism; none of it may be left out.

_OF_CONTROL = (
    "so what came after may be the disease's own course, other therapy, or regression to the mean (patients enter when "
    "they are at their worst, and platelets and blood cells then move back by themselves, together)."
)
_ALWAYS = (
    "Whether the immune change caused the response. Comparing responders with the others conditions on the outcome: "
    "platelets that recover for any reason may change the blood cells, and both may follow from something third, such "
    "as the dose, a steroid stopped, or an infection.",
    "Which dose did it. Dose groups were treated one after the other, and an expansion last: dose is confounded with "
    "calendar time, reagent lots, instrument settings, and with who was enrolled when.",
    "What came first within weeks. Blood was drawn for immune cells two to twelve weeks apart: a change that leads "
    "platelets by days, or follows them by days, looks simultaneous. A correlation with a lag is no proof of an order "
    "either: both courses are smooth, so each one's past resembles its present.",
    "Whether the path from dose to platelets is one. Its steps are straight lines through very few patients; their "
    "product is an effect through the immune change only if nothing else joins dose and platelets, which nobody knows.",
    "Anything about single patients: an interval of a mean says where the mean is, not what the next patient does.",
    "Anything confirmed. No analysis on this page is in the plan: all are exploratory, and p-values here are not "
    "adjusted for their number. They raise questions for the next study and answer none.",
)


def cannot_say(joined: Joined) -> Iterator[str]:
    """Yield what these data cannot say: what always holds, and what this run adds."""
    n = len(joined.subjects)
    responders, non_responders = (int((joined.responder == value).sum()) for value in (1, 0))
    unknown = int(np.isnan(joined.responder).sum())
    yield (
        f"Anything that needs more than {n} patients. There are {responders} responders and {non_responders} others"
        + (f" ({unknown} not evaluable)" if unknown else "")
        + ": an interval that holds 0 is not evidence of no difference, and one patient can carry an estimate."
    )
    yield f"Whether the treatment did it. {joined.measured.facts.about_control}, {_OF_CONTROL}"
    yield from _ALWAYS
    for cohort, group in joined.measured.facts.expansions:
        yield f"In this study cohort {cohort} expands dose group {group}: what was said of expansions holds of it."
    measured = int(np.isfinite(joined.exposure).sum())
    yield (
        f"Anything about the exposure of patients in whom it was not measured: it is known in {measured} of {n}, and "
        "only around the first of the infusions."
    )
    yield (
        f"Choices that are the program's and not the protocol's [M]: a count belongs to a visit if taken within "
        f"{NEAR_DAYS} days; the platelets that follow a visit are the geometric mean of {AFTER_DAYS} days after it; "
        "counts soon after rescue therapy are left out; reference changes rest on the plan's figures of variation."
    )

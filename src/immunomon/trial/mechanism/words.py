"""The sections about response, patients and order, and the numbers of a mechanism as they are read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from immunomon.trial.assessments.page_parts import Section, Sheet, records, sheet
from immunomon.trial.mechanism.joined import Joined
from immunomon.trial.mechanism.within import LAG_NAMES

__all__ = [
    "NO_R",
    "by_chance",
    "excludes_0",
    "fold_words",
    "interval",
    "listed",
    "order_section",
    "p_words",
    "response_section",
    "signed",
    "within_section",
]

Row = Mapping[str, Any]
NO_R = "no correlation within patients"  # what is said of a population where r cannot be worked out
_UNIT = {"log-odds": "odds", "log": "the value", "clr": "its share against the other parts"}


def excludes_0(row: Row, low: str = "low", high: str = "high") -> bool:
    """Say whether a row has an interval, and it excludes 0; low, high: the columns of its ends."""
    return row[low] is not None and (row[low] > 0 or row[high] < 0)


def by_chance(rows: Sequence[Row], alpha: float, *, low: str = "low", high: str = "high") -> str:
    """Return how many of the rows' intervals exclude 0, and how many would if nothing were there."""
    tests = sum(row[low] is not None for row in rows)
    if not tests:
        return "No interval can be given."
    apart = sum(excludes_0(row, low, high) for row in rows)
    return (
        f"Of {tests} intervals {apart} {'excludes' if apart == 1 else 'exclude'} 0; {tests * alpha:.1f} would by "
        "chance alone if nothing were there."
    )


def interval(low: float | None, high: float | None) -> str:
    """Return an interval as it is read.

    >>> interval(-0.123, 0.5), interval(None, None)
    ('-0.12 to +0.50', 'no interval')
    """
    return "no interval" if low is None or high is None else f"{low:+.2f} to {high:+.2f}"


def fold_words(row: Row) -> str:
    """Return a difference as a fold, with its interval."""
    ends = "" if row["low"] is None else f" ({math.exp(row['low']):.2f} to {math.exp(row['high']):.2f})"
    return f"{_UNIT[row['scale']]} times {math.exp(row['difference']):.2f}{ends}"


def p_words(p: float | None, floor: float | None) -> str:
    """Return a p, or the floor that stands in its place.

    >>> p_words(0.031, 0.008), p_words(None, 0.1), p_words(None, None)
    ('0.031', 'none: smallest possible 0.1', '-')
    """
    if p is not None:
        return f"{p:.2g}"
    return "-" if floor is None else f"none: smallest possible {floor:.2g}"


def listed(names: list[str]) -> str:
    """Return names joined by commas, or ``none``."""
    return ", ".join(names) or "none"


def signed(value: float | None) -> str | None:
    """Return a number with its sign; None stays None."""
    return None if value is None else f"{value:+.2f}"


# What is said of immune change and platelets going together: by response, within patients, and in order.

Tables = Mapping[str, pd.DataFrame]


def response_section(joined: Joined, tables: Tables) -> Section:
    """Return the section about responders and the others."""
    rows = records(tables["by_response"])
    paragraphs = [
        "Change from baseline of patients whose platelets responded (CR or R, confirmed) against that of the others. "
        "Read the difference and its interval first: it says how large the difference may be. Choosing patients by "
        "their outcome and looking back is no comparison of treatments.",
        *(_difference(row) for row in rows),
        by_chance(rows, joined.measured.plan.alpha),
    ]
    return Section(
        "Does the immune change go with the platelet response?", tuple(paragraphs), (_differences(joined, rows),)
    )


def _difference(row: Row) -> str:
    if row["difference"] is None:
        return f"{row['label']} at {row['visit']}: {row['note']}."
    sides = f"{row['mean_responders']:+.2f} in {row['responders']} responders, {row['mean_others']:+.2f} in "
    text = f"{row['label']} at {row['visit']}: mean change {sides}{row['others']} others; difference "
    text += f"{row['difference']:+.2f} ({interval(row['low'], row['high'])}), that is {fold_words(row)}."
    return f"{text} {'Not evaluable for response: ' + str(row['not_evaluable']) + '.' if row['not_evaluable'] else ''}"


def _differences(joined: Joined, rows: list[dict[str, Any]]) -> Sheet:
    level = f"{100 * joined.confidence:g} %"
    heads = ("population", "visit", "responders", "others", "difference", f"{level} (Welch)", "exact interval", "p")
    body = (
        (
            *(row["label"], row["visit"], row["responders"], row["others"], signed(row["difference"])),
            *(interval(row["low"], row["high"]), _exact(row), p_words(row["p"], row["p_floor"])),
        )
        for row in rows
    )
    return sheet("Responders less others, on the scale of each population", heads, body)


def _exact(row: Row) -> str:
    if row["exact_confidence"] is None:
        return "-"
    if row["exact_low"] is None:
        return f"none: at most {100 * row['exact_confidence']:.0f} % confidence"
    return f"{interval(row['exact_low'], row['exact_high'])} ({100 * row['exact_confidence']:.1f} %)"


def within_section(joined: Joined, tables: Tables) -> Section:
    """Return the section about correlation within patients."""
    rows = records(tables["within_patients"])
    paragraphs = [
        "When a population is high in a patient, are that patient's platelets high too? r is the repeated-measures "
        "correlation: each patient's own level is taken out, so that it compares visits of one patient, never "
        "patients. Counts soon after rescue therapy are left out.",
        "The first interval takes a patient's visits as independent, which they are not; the second takes patients as "
        "the replicates. 'r swapped' is what remains when each immune course is laid beside another patient's "
        "platelets: the part that is there merely because everyone changes after treatment. Only what goes beyond it "
        "speaks for a tie within the patient, and p is that of the own courses among swapped ones.",
        *(_correlation(row) for row in rows),
        by_chance(rows, joined.measured.plan.alpha, low="patient_low", high="patient_high")
        + " A common course after treatment is enough to make one do so.",
    ]
    heads = ("population", "patients", "visits", "r", "by visits", "by patients", "r swapped", "p", "p adjusted")
    body = (
        (
            *(row["label"], row["patients"], row["points"], signed(row["r"]), interval(row["low"], row["high"])),
            *(interval(row["patient_low"], row["patient_high"]), signed(row["r_swapped"])),
            *(p_words(row["p_swapped"], row["p_floor"]), p_words(row["p_adjusted"], None)),
        )
        for row in rows
    )
    level = f"{100 * joined.confidence:g} % intervals"
    return Section(
        "Within the same patients, visit by visit",
        tuple(paragraphs),
        (sheet(f"Correlation with the logarithm of the platelet count, {level}", heads, body),),
    )


def _correlation(row: Row) -> str:
    if row["r"] is None:
        return f"{row['label']}: {NO_R}, and there is no picture of it. {row['note']}."
    way = "rise" if row["r"] > 0 else "fall"
    text = f"{row['label']}: platelets {way} where it rises, r = {row['r']:+.2f} "
    text += f"({interval(row['patient_low'], row['patient_high'])} by patients)"
    if row["r_swapped"] is not None:
        text += f"; with another patient's platelets it is {row['r_swapped']:+.2f} on average"
    return text + "."


def order_section(joined: Joined, tables: Tables) -> Section:
    """Return the section about which came first."""
    lagged = records(tables["lags"])
    counts = records(tables["order_counts"])
    by_label: dict[str, dict[str, Row]] = {}
    for row in lagged:
        by_label.setdefault(row["label"], {})[row["lag"]] = row
    paragraphs = [
        "If the immune change leads, a visit's immune value should go with the platelets of the next visit more than "
        "a visit's platelets go with the next immune value. Both lags stand side by side, on the same pairs of visits. "
        f"A visit is {_weeks(lagged)} weeks after the one before: a lag of days cannot be seen.",
        *(_lead(by_lag, joined.measured.plan.alpha) for by_lag in by_label.values()),
        "Strength is |r|, whatever its sign; p is that of the difference of the two |r| among courses swapped between "
        "patients. A course that all patients have in common makes one lag stronger in the swapped ones too.",
        "The second table asks each patient: was the first immune change beyond the reference change there before the "
        "platelets can have responded? Both are known only to lie between two looks; where these stretches overlap, "
        "the order cannot be told. Several looks make some patient cross the reference change by chance alone: see how "
        "many of the others, who did not respond, did.",
    ]
    return Section("Which comes first?", tuple(paragraphs), (_lag_sheet(joined, lagged), _counts(counts), _who(tables)))


def _weeks(rows: list[dict[str, Any]]) -> str:
    known = [row for row in rows if row["most_weeks"] is not None]
    if not known:
        return "an unknown number of"
    return f"{min(row['fewest_weeks'] for row in known):.0f} to {max(row['most_weeks'] for row in known):.0f}"


def _lead(by_lag: Mapping[str, Row], alpha: float) -> str:
    first, later, gap = (by_lag[lag] for lag in LAG_NAMES[1:])
    if gap["r"] is None:
        return f"{gap['label']}: {NO_R} with a visit's lag, so that nothing can be said of which comes first."
    text = f"{gap['label']}: r = {first['r']:+.2f} with the immune change first, {later['r']:+.2f} with the platelets "
    text += f"first; difference of |r| {gap['r']:+.2f}"
    stronger = "immune change" if gap["r"] > 0 else "platelets"
    is_told = gap["p_swapped"] is not None and gap["p_swapped"] <= alpha
    finding = f"stronger with the {stronger} first" if is_told else "which is stronger cannot be told"
    return f"{text} (p {p_words(gap['p_swapped'], gap['p_floor'])}): {finding}."


def _lag_sheet(joined: Joined, rows: list[dict[str, Any]]) -> Sheet:
    names = dict.fromkeys(row["lag"] for row in rows)
    cells = {(row["label"], row["lag"]): row for row in rows}
    labels = dict.fromkeys(row["label"] for row in rows)
    body = (
        (
            label,
            *(cells[label, "difference"][name] for name in ("patients", "points")),
            *(_r(cells[label, name]) for name in names),
        )
        for label in labels
    )
    caption = f"r within patients, with {100 * joined.confidence:g} % intervals over patients"
    caption += "; of the difference of |r|, p among swapped courses"
    return sheet(caption, ("population", "patients", "pairs of visits", *names), body)


def _r(row: Row) -> str:
    if row["r"] is None:
        return "-"
    if row["lag"] == "difference":
        return f"{row['r']:+.2f} (p {p_words(row['p_swapped'], row['p_floor'])})"
    return f"{row['r']:+.2f} ({interval(row['low'], row['high'])})"


def _counts(rows: list[dict[str, Any]]) -> Sheet:
    heads = (
        *("population", "responders", "immune first", "platelets first", "cannot tell", "never beyond"),
        *("others", "of them beyond", "p (sign test)"),
    )
    names = (
        *("label", "responders", "immune_first", "platelets_first", "cannot_tell", "response_only"),
        *("others", "others_beyond"),
    )
    body = ((*(row[name] for name in names), p_words(row["p"], row["p_floor"])) for row in rows)
    return sheet("How many patients had which first", heads, body)


def _who(tables: Tables) -> Sheet:
    rows = [row for row in records(tables["time_order"]) if row["responder"]]
    labels = dict.fromkeys(row["label"] for row in rows)
    people = dict.fromkeys((row["subject"], row["response_after_day"], row["response_day"]) for row in rows)
    cells = {(row["subject"], row["label"]): row for row in rows}
    body = (
        (subject, f"day {after} to {until}", *(_stretch(cells[subject, label]) for label in labels))
        for subject, after, until in people
    )
    caption = "Each responder: between which days the response came, and each immune change"
    return sheet(caption, ("subject", "platelets", *labels), body)


def _stretch(row: Row) -> str:
    if row["immune_day"] is None:
        return "never beyond" if row["which_first"] != "not evaluable" else "not evaluable"
    return f"day {row['immune_after_day']} to {row['immune_day']}, {row['direction']}: {row['which_first']}"

"""One page of plain sentences: what was planned, what came out, and what it does not show."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from immunomon.trial.model.analysis import AssayVariation, NotReportable, Scale
from immunomon.trial.statistics.facts import ALL
from immunomon.trial.statistics.measured import Measured
from immunomon.trial.statistics.over_time import over_time_words
from immunomon.trial.statistics.testing import REPEATED, given_again

__all__ = ["caveats", "summary"]

_MEASURES = {"rate_per_week": "change a week", "mean_height": "mean change over the window"}
_UNIT = {Scale.LOG_ODDS: "odds ratio", Scale.LOG: "fold", Scale.CLR: "fold of the parts' geometric mean"}


def summary(measured: Measured, tables: Mapping[str, pd.DataFrame], *, study: str, first_sample: str | None) -> str:
    """Return the page as Markdown.

    tables: by name, as ``analyse`` makes them; study: its name; first_sample: the date of the first sample, ISO.
    """
    parts = [
        f"# What changed: {study}",
        _plan_words(measured, first_sample),
        "## Primary endpoints",
        *_primary(measured, tables),
        "## Dose, visits, and single patients",
        *_listed(_trend_words(tables["trends"])),
        *_listed(_patient_words(measured, tables["patient_changes"])),
        "## Courses, and all visits in one model",
        *_listed(_course_words(tables["estimates"])),
        *_listed(over_time_words(measured, tables["over_time"]) if "over_time" in tables else iter(())),
        "## What is missing",
        *_listed(_missing_words(measured, tables["missing"])),
        "## Exploratory: not in the plan",
        _exploratory_words(measured, tables["families"]),
        "## What this cannot say",
        *_listed(caveats(measured)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _listed(sentences: Iterator[str]) -> list[str]:
    lines = [f"- {sentence}" for sentence in sentences]
    return ["\n".join(lines)] if lines else []


def _plan_words(measured: Measured, first_sample: str | None) -> str:
    plan = measured.plan
    if plan.source == "default":
        origin = "No plan was given: the default one of the software was used, which nobody declared for this study."
    elif plan.declared_on is None:
        origin = f"Plan '{plan.name}' ({plan.source}); it does not say when it was declared."
    else:
        late = first_sample is not None and plan.declared_on.isoformat() > first_sample
        when = "AFTER the first sample was taken: it was not written before the data" if late else "before or on it"
        known = f" The first sample is of {first_sample}; the plan is dated {when}." if first_sample else ""
        origin = f"Plan '{plan.name}' ({plan.source}), declared on {plan.declared_on.isoformat()}.{known}"
    absent = f" Not in this run: {', '.join(endpoint.name for endpoint in measured.absent)}." if measured.absent else ""
    level = f"Level {plan.alpha:g}; values below the limits of what is reported: {plan.not_reportable.value}."
    return f"{origin} {level} Digest of the plan: `{plan.digest}`.{absent}"


def _primary(measured: Measured, tables: Mapping[str, pd.DataFrame]) -> Iterator[str]:
    table = tables["estimates"]
    chosen = table[(table["role"] == "primary") & (table["measure"] == "change")]
    if chosen.empty:
        yield "None of the primary endpoints is in this run."
        return
    lines = []
    for _, row in chosen[chosen["dose_group"] == ALL].iterrows():
        lines.append("- " + _estimate_words(row, measured, tables["families"]))
        of_groups = chosen[(chosen["endpoint"] == row["endpoint"]) & (chosen["dose_group"] != ALL)]
        lines += [f"  - dose group {row['dose_group']}: {_group_words(row)}" for _, row in of_groups.iterrows()]
    groups = ", all dose groups together, then each by itself" if len(measured.facts.groups) > 1 else ""
    yield f"Change from {measured.facts.baseline} on the scale named{groups}."
    yield "\n".join(lines)


def _estimate_words(row: pd.Series[Any], measured: Measured, families: pd.DataFrame) -> str:
    name = f"**{row['label']}** ({_what(row)}, {row['at']}, {row['scale']})"
    if not row["n"]:
        return f"{name}: nobody has a change."
    level = f"{100 * (1 - measured.plan.alpha):g} %"
    unit = _UNIT[Scale(str(row["scale"]))]
    times = f"{unit} {math.exp(row['mean']):.2f}"
    if pd.isna(row["t_low"]):
        return f"{name}: one patient, {row['mean']:+.2f} ({times}); no interval."
    ends = f"{math.exp(row['t_low']):.2f} to {math.exp(row['t_high']):.2f}"
    text = f"{name}: mean {row['mean']:+.2f} in {row['n']} patients, {times} ({level} t interval {ends})"
    moderated = f"; moderated interval {row['moderated_low']:+.2f} to {row['moderated_high']:+.2f}"
    return f"{text}{'' if pd.isna(row['moderated_low']) else moderated}. {_test_words(row, families)}"


def _test_words(row: pd.Series[Any], families: pd.DataFrame) -> str:
    if pd.isna(row["p_sign_flip"]):
        return f"{str(row['note']).capitalize()}."
    mine = families[(families["endpoint"] == row["endpoint"]) & (families["visit"] == row["at"]) & families["declared"]]
    adjusted = ""
    if len(mine):
        first = mine.iloc[0]
        adjusted = f", in its family of {first['tests']}: {_p(first['p_max_t'])} (max-T), {_p(first['p_bh'])} (BH)"
    return f"Sign-flip p {_p(row['p_sign_flip'])}{adjusted}."


def _group_words(row: pd.Series[Any]) -> str:
    if not row["n"]:
        return "nobody has a change"
    text = f"mean {row['mean']:+.2f} ({row['n']} patients"
    if not pd.isna(row["t_low"]):
        text += f", t interval {row['t_low']:+.2f} to {row['t_high']:+.2f}"
    return f"{text}); {row['note'] if pd.isna(row['p_sign_flip']) else 'sign-flip p ' + _p(row['p_sign_flip'])}"


def _p(value: Any) -> str:  # noqa: ANN401 - a cell
    return "none" if pd.isna(value) else f"{float(value):.2g}"


def _what(row: pd.Series[Any]) -> str:
    word = "to" if row["quantity"] == "ratio" else "of"
    of = "" if pd.isna(row["denominator"]) else f" {word} {row['denominator']}"
    return f"{row['quantity']}{of}"


def _trend_words(trends: pd.DataFrame) -> Iterator[str]:
    dose = trends[(trends["kind"] == "dose") & (trends["role"] == "primary")]
    for _, row in dose.iterrows():
        if pd.isna(row["statistic"]):
            yield f"{row['label']} over dose at {row['at']}: {row['note']}."
            continue
        p = row["note"] if pd.isna(row["p"]) else f"permutation p {_p(row['p'])}"
        where = f"{row['label']} over dose at {row['at']} ({row['groups']})"
        yield f"{where}: mean change {row['means']}: {_over_dose(row)}; {row['alternative']} {p}."
    visits = trends[(trends["kind"] == "visits") & (trends["dose_group"] == ALL)]
    for _, row in visits.iterrows():
        where = f"{row['label']} ({row['endpoint']}) over visits ({row['groups']})"
        if pd.isna(row["statistic"]):
            yield f"{where}: {row['note']}."
            continue
        p = row["note"] if pd.isna(row["p"]) else f"Page's {row['alternative']} p {_p(row['p'])}"
        direction = "no direction" if row["direction"] == "none" else row["direction"]
        yield f"{where}: {direction}, {p}, n = {row['n']}."


def _over_dose(row: pd.Series[Any]) -> str:
    """Return what higher doses do to a change: a fall that is smaller at higher doses is no rise."""
    if row["direction"] == "none":
        return "no direction over dose"
    signs = {float(part.split()[-1]) > 0 for part in str(row["means"]).split(", ")}
    is_higher = row["direction"] == "rising"
    if len(signs) > 1:
        return f"changes are {'higher' if is_higher else 'lower'} at higher doses"
    rises = signs.pop()
    return f"the {'rise' if rises else 'fall'} is {'larger' if rises == is_higher else 'smaller'} at higher doses"


def _course_words(estimates: pd.DataFrame) -> Iterator[str]:
    """Yield what patients' rates and mean heights over the windows come to, all dose groups together."""
    chosen = estimates[(estimates["measure"] != "change") & (estimates["dose_group"] == ALL) & (estimates["n"] > 0)]
    for (_, window), rows in chosen.groupby(["endpoint", "at"], sort=False):
        parts = []
        for _, row in rows.iterrows():
            ends = "" if pd.isna(row["t_low"]) else f" ({row['t_low']:+.2f} to {row['t_high']:+.2f})"
            parts.append(f"{_MEASURES[str(row['measure'])]} {row['mean']:+.2f}{ends}")
        first = rows.iloc[0]
        yield f"{first['label']} ({first['endpoint']}), window {window}: {', '.join(parts)}; n = {first['n']}."


def _patient_words(measured: Measured, changes: pd.DataFrame) -> Iterator[str]:
    primary = changes[changes["role"] == "primary"]
    for endpoint, rows in primary.groupby("endpoint", sort=False):
        beyond = {word: list(rows.loc[rows["beyond_reference"] == word, "subject"]) for word in ("above", "below")}
        known = int(rows["change"].notna().sum())
        named = "; ".join(f"{word}: {', '.join(subjects)}" for word, subjects in beyond.items() if subjects) or "nobody"
        label = rows["label"].iloc[0]
        limits = f"x{rows['reference_low'].iloc[0]:.2f} to x{rows['reference_high'].iloc[0]:.2f}"
        by_chance = f"{100 * measured.plan.alpha:g} of 100 unchanged patients would be"
        yield f"{label} ({endpoint}), beyond the reference change ({limits}) among {known}: {named} ({by_chance})."


def _missing_words(measured: Measured, table: pd.DataFrame) -> Iterator[str]:
    chosen = table[(table["role"] == "primary") & (table["dose_group"] == ALL)]
    lacking = chosen[chosen["n"] < chosen["patients"]]
    if lacking.empty:
        yield "Every patient has a change in every primary endpoint."
    for _, row in lacking.iterrows():
        text = f"{row['label']} at {row['visit']}: {row['n']} of {row['patients']} patients have a change"
        if not pd.isna(row["mean"]):
            ends = f"{row['mean_if_lowest']:+.2f} and {row['mean_if_highest']:+.2f}"
            text += f"; the mean {row['mean']:+.2f} could lie between {ends} with all of them, and would be 0 if the "
            text += f"missing had changed by {row['turns']:+.2f}"
        if row["n_with_counts"] > row["n"] and measured.plan.not_reportable is NotReportable.LEAVE_OUT:
            text += f"; with the counts below the limits of what is reported, {row['n_with_counts']} patients have a "
            text += f"mean of {row['mean_with_counts']:+.2f}"
        yield f"{text} ({row['missing']})."


def _exploratory_words(measured: Measured, families: pd.DataFrame) -> str:
    return " ".join([_discoveries(families), *_not_counted(measured, families)])


def _not_counted(measured: Measured, families: pd.DataFrame) -> Iterator[str]:
    """Yield which populations no test was made of, and which tests are of one thing that several panels measure."""
    steps = {series.endpoint.population for series in measured.series} - {
        series.endpoint.population
        for series in measured.series
        if series.declared or not measured.facts.is_technical(series.endpoint.panel, series.endpoint.population)
    }
    if steps:
        yield f"Steps of the gating that no strategy reports are not tested: {', '.join(sorted(steps))}."
    if twice := ", ".join(endpoint.name for endpoint in given_again(measured)):
        yield f"Not tested a second time, as another strategy gives them of the same tubes: {twice}."
    rest = families[~families["declared"]]
    again = rest["note"].str.contains(REPEATED, regex=False).fillna(False)
    if again.any():
        names = ", ".join(dict.fromkeys(rest.loc[again, "endpoint"]))
        yield f"{int(again.sum())} of the {len(rest)} are of what several panels measure, not independent: {names}."


def _discoveries(families: pd.DataFrame) -> str:
    rest = families[~families["declared"]]
    tested = rest[rest["p_bh"].notna()].sort_values("p_bh", kind="stable")
    if tested.empty:
        return "No exploratory test can reach alpha with so few patients."
    first = tested[tested["p_bh"] <= 0.1]
    named = (f"{row['endpoint']} at {row['visit']} ({row['mean']:+.2f})" for _, row in first.head(10).iterrows())
    number = len(np.asarray(first.index))
    finding = f"{number} of {len(tested)} exploratory tests have a false-discovery rate up to 0.1"
    return f"{finding}: {', '.join(named)}{', ...' if number > 10 else ''}." if number else f"{finding}."


# What must be said with every figure of these statistics; none of it may be left out.

_OF_CONTROL = (
    "a change from baseline may be regression to the mean (patients are enrolled when they are at their worst), other "
    "therapy, or the disease's own course. It is not by itself an effect of the treatment."
)
_ALWAYS = (
    "Patients are the replicates, cells are not: a test that pools cells finds an effect in about 78 of 100 trials "
    "without one. Everything here is over patients.",
    "With three patients read each one's line and the interval. The smallest p that an exact paired test can give is "
    "0.25 for 3 patients, 0.031 for 6, 0.0039 for 9; where that is above alpha it stands in place of p, and no p is "
    "given by any other test either.",
    "An expansion cohort is treated after the others: its difference from earlier cohorts, and with it part of the "
    "trend over dose, is confounded with calendar time, reagent lots and instrument settings. The same holds of dose "
    "groups treated one after the other.",
    "Comparing responders with non-responders conditions on the outcome: it is no comparison of treatments.",
    "Clusters tested on the data that made them are exploratory; so is everything here that the plan does not declare.",
    "An adjusted p holds within its own family only. What is labelled exploratory raises questions for the next study, "
    "it answers none.",
    "Parts of one parent move together: if one rises, the others fall. Only the centred log-ratio within one parent "
    "takes account of that, and parents and children are never mixed.",
    "MixedLM has no small-sample degrees of freedom, and maximum likelihood is approximate with few patients: models "
    "over time are a check of the estimates at single visits, not a verdict.",
    "A missing visit stays missing: nothing is imputed. Patients may be missing because of how they fare; the table "
    "'missing' says what that could change.",
)


def caveats(measured: Measured) -> Iterator[str]:
    """Yield what must be said with these results: what always holds, and what this run and plan add."""
    yield f"{measured.facts.about_control}: {_OF_CONTROL}"
    yield from _ALWAYS
    for cohort, group in measured.facts.expansions:
        yield f"In this study cohort {cohort} expands dose group {group}: what was just said of expansions holds of it."
    figures = measured.plan.assay
    default = (figures.assay_cv_percent, figures.person_cv_percent) == (10.0, 15.0)
    origin = (
        "These are working figures that nobody has confirmed for your laboratory: put your own into the plan."
        if default and figures == AssayVariation()
        else "They are as good as the figures declared in the plan."
    )
    yield (
        f"Reference change values and the patients' intervals rest on an assay CV of {figures.assay_cv_percent:g} % "
        f"and a person's CV of {figures.person_cv_percent:g} %, unless the plan gives a population its own. {origin}"
    )
    yield (
        "Which values are below the limits of what is reported is decided by the limits of the run's panels. The "
        "shipped ones (20 events to detect, 50 to quantify) are working rules that nobody has confirmed for your assay."
    )
    if not any((series.gate_se > 0).any() for series in measured.planned):
        yield (
            "This run does not say how sure the position of each gate is: the patients' intervals do not cover that "
            "error, and are too narrow by it."
        )
    populations = {series.endpoint.population for series in measured.series}
    if populations & {"th1", "th17", "th_dn"}:
        yield (
            "Th1, Th17 and Th17.1 are defined by surface CXCR3 and CCR6: activated and regulatory T cells contaminate "
            "these gates, and the double-negative rest contains Th2 cells but is not a measure of them."
        )

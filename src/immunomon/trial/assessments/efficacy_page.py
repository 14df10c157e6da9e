"""The efficacy page: platelet response, the cells' kinetics, and antibody to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from immunomon.study.model.endpoints import AssessmentRules, PlateletRules
from immunomon.trial.assessments.page_parts import (
    Page,
    Section,
    Sheet,
    column_of,
    number,
    records,
    share,
    sheet,
)

__all__ = ["efficacy_page"]

Tables = Mapping[str, pd.DataFrame]
_SHOWN = ("CMAX", "TMAX", "AUCLST", "AUCIFO", "AUCPEO", "LAMZHL", "LAMZNPT")
_BELOW = {"zero": "taken as 0", "half": "taken as half the limit", "omit": "left out"}
_SHORT = {"CMAX": "Cmax", "AUCLST": "AUClast", "AUCIFO": "AUC to infinity"}


def efficacy_page(tables: Tables, facts: Mapping[str, Any], rules: AssessmentRules) -> Page:
    """Return the efficacy page; a file that the study does not have is said to be absent."""
    present = set(facts["present"])
    sections = (
        _platelets(tables, facts, rules.platelets) if "platelets" in present else _absent("Platelets", "platelets"),
        _kinetics(tables, facts, rules)
        if "msc_concentration" in present
        else _absent("Kinetics of the cells", "msc_concentration"),
        _antibodies(tables, facts, rules)
        if "antibodies" in present
        else _absent("Antibody to the cells", "antibodies"),
    )
    return Page("efficacy", "Efficacy", sections)


def _absent(heading: str, file: str) -> Section:
    return Section(heading, (f"The study has no {file}.csv: nothing is known of it here.",))


def _shares(tables: Tables, topic: str, caption: str) -> Sheet:
    rows = [row for row in records(tables["incidence"]) if row["topic"] == topic]
    groups = list(dict.fromkeys(map(column_of, rows)))
    cells = {(row["measure"], column_of(row)): share(row) for row in rows}
    measures = dict.fromkeys(row["measure"] for row in rows)
    body = ((measure, *(cells.get((measure, group)) for group in groups)) for measure in measures)
    return sheet(caption, ("", *groups), body)


def _not_evaluable(rows: list[dict[str, Any]], facts: Mapping[str, Any]) -> Iterator[str]:
    """Say who is left out of the shares, and which counts have no day: leaving out patients who left flatters."""
    for name, outcome in (("responder", "response"), ("durable", "a durable response")):
        subjects = [row["subject"] for row in rows if row[name] is None]
        if subjects:
            names = ", ".join(subjects)
            yield f"Not evaluable for {outcome}, left out of its share: {names}; the reasons are in the table."
    if facts["undated"].get("platelets"):
        yield f"Counts without a study day or date, left out: {facts['undated']['platelets']}."


def _platelets(tables: Tables, facts: Mapping[str, Any], rules: PlateletRules) -> Section:
    rows = records(tables["platelet_response"])
    yes_no = {True: "yes", False: "no", None: None}
    paragraphs = (
        f"IWG 2009 (Rodeghiero, Blood 2009;113:2386): CR at least {rules.complete_response_1e9_per_l:g} x10^9/L, R at "
        f"least {rules.response_1e9_per_l:g} and {rules.response_fold:g} times the baseline ({rules.baseline} count "
        f"before the infusion), both without bleeding; confirmed by counts {rules.confirm_response_days} or more days "
        f"apart, a loss by counts {rules.confirm_loss_days} or more days apart. Days are counted from the first "
        "infusion.",
        f"The protocol's choices: counts up to {rules.rescue_days} days after rescue therapy are no response; a "
        f"response is durable if at least {100 * rules.durable_share:g} % of the counts of days "
        f"{rules.durable_first_day} to {rules.durable_last_day} are CR or R by themselves"
        + (", without rescue therapy then." if rules.durable_without_rescue else "."),
        f"{facts['about_control']}: platelets rise and fall in this disease by themselves and with other therapy.",
        *_not_evaluable(rows, facts),
    )
    each = sheet(
        "Each subject",
        (
            *("subject", "dose", "baseline", "best", "days to response", "response lost on day"),
            *("duration of response, days", "days to CR", "CR lost on day", "duration of CR, days"),
            *("in response, % of time", "rescues", "durable", "remark"),
        ),
        (
            (
                *(row["subject"], row["dose_group"], number(row["baseline_1e9_per_l"]), row["best_response"]),
                *(row["days_to_response"], row["loss_day"], _duration(row, "duration")),
                *(row["days_to_complete_response"], row["complete_loss_day"], _duration(row, "complete_duration")),
                None if row["share_in_response"] is None else f"{100 * row['share_in_response']:.0f}",
                *(row["rescue_courses"], yes_no[row["durable"]], row["reason"]),
            )
            for row in rows
        ),
    )
    return Section("Platelets", paragraphs, (_shares(tables, "platelets", "Subjects, with exact 95 % intervals"), each))


def _duration(row: Mapping[str, Any], name: str) -> str | None:
    """Return how long a response lasted; with ``>`` if it was not lost by the last count."""
    days = row[f"{name}_days"]
    return None if days is None else f"{'> ' * row[f'{name}_censored']}{days}"


def _kinetics(tables: Tables, facts: Mapping[str, Any], rules: AssessmentRules) -> Section:
    rows = records(tables["kinetics"])
    declared = rules.kinetics
    sexes = ", ".join({"F": "women", "M": "men", "U": "sex unknown"}[sex] for sex in declared.sexes)
    paragraphs = [
        f"Non-compartmental, actual times from the first infusion; as declared, of: {sexes}. AUClast linear up, "
        "logarithmic down; the last slope is the best by adjusted R2 through 3 or more points after Cmax. Below "
        f"quantification: before the first quantifiable value {_BELOW[declared.leading]}, between two "
        f"{_BELOW[declared.embedded]}, after the last {_BELOW[declared.trailing]}."
    ]
    if facts["kinetics_left_out"]:
        paragraphs.append(f"Left out, as declared: {', '.join(facts['kinetics_left_out'])}.")
    reasons = {(row["subject"], row["reason"]) for row in rows if row["parameter"] == "LAMZHL" and row["reason"]}
    paragraphs += [f"Half-life of {subject}: {reason}." for subject, reason in sorted(reasons)]
    far = sorted(
        row["subject"]
        for row in rows
        if row["parameter"] == "AUCPEO" and (row["value"] or 0) > declared.extrapolated_percent
    )
    if far:
        limit = f"{declared.extrapolated_percent:g} %"
        paragraphs.append(
            f"More than {limit} of the area to infinity is extrapolated in {', '.join(far)}: rely on AUClast."
        )
    paragraphs += [_proportional(row, declared.confidence) for row in records(tables["proportionality"])]
    return Section("Kinetics of the cells", tuple(paragraphs), (_parameters(rows),) if rows else ())


def _parameters(rows: list[dict[str, Any]]) -> Sheet:
    values = {(row["subject"], row["parameter"]): row for row in rows}
    named = {row["parameter"]: f"{row['name']}, {row['unit']}" for row in rows}
    people = dict.fromkeys((row["subject"], row["dose_group"]) for row in rows)
    body = ((subject, group, *(_value(values[subject, code]) for code in _SHOWN)) for subject, group in people)
    return sheet("Each subject's parameters", ("subject", "dose", *(named[code] for code in _SHOWN)), body)


def _value(row: Mapping[str, Any]) -> str:
    return "not estimable" if row["value"] is None else number(row["value"])


def _proportional(row: Mapping[str, Any], confidence: float) -> str:
    if row["slope"] is None:
        return f"{_SHORT[row['parameter']]} over dose: no slope ({row['reason']})."
    return (
        f"{_SHORT[row['parameter']]} rises as dose to the power of {row['slope']:.2f} ({100 * confidence:g} % interval "
        f"{row['low']:.2f} to {row['high']:.2f}, n = {row['n']}); proportional would be {row['proportional_low']:.2f} "
        f"to {row['proportional_high']:.2f} over this {row['dose_ratio']:g}-fold range: {row['finding']}."
    )


def _antibodies(tables: Tables, facts: Mapping[str, Any], rules: AssessmentRules) -> Section:
    rows = records(tables["antibody_response"])
    paragraphs = [
        "Induced: negative before the first infusion, positive after it. Boosted: positive before, and the titre after "
        f"is {rules.antibodies.boost_factor:g} times as high or more; this factor is a common choice that is not "
        "confirmed by the protocol [M]."
    ]
    if facts["undated"].get("antibodies"):
        paragraphs.append(f"Tests without a study day or date, left out: {facts['undated']['antibodies']}.")
    formed = [row for row in rows if row["category"] in {"induced", "boosted"}]
    not_formed = [row for row in rows if row["category"] in {"negative", "unchanged"}]
    if formed:
        paragraphs.append(_relation(formed, "with") + " " + _relation(not_formed, "without"))
        paragraphs.append(
            "So few subjects cannot say whether antibody goes with exposure or response: it is shown, not tested."
        )
    else:
        paragraphs.append(
            "No antibody was induced or boosted: a relation to kinetics and response cannot be looked at."
        )
    each = sheet(
        "Each subject",
        ("subject", "dose", "before", "after", "times", "category", "platelets", "Cmax", "AUClast", "remark"),
        (
            (
                *(row["subject"], row["dose_group"], _result(row, "before"), _result(row, "after")),
                *(None if row["fold"] is None else number(row["fold"]), row["category"], row["best_response"]),
                *(number(row["cmax_cells_per_ml"]), number(row["auclast_h_cells_per_ml"]), row["reason"]),
            )
            for row in rows
        ),
    )
    sheets = (_shares(tables, "antibodies", "Subjects, with exact 95 % intervals"), each)
    return Section("Antibody to the cells", tuple(paragraphs), sheets)


def _result(row: Mapping[str, Any], when: str) -> str | None:
    result, titre = row[f"{when}_result"], row[f"{when}_titre"]
    return f"{result} 1:{titre:g}" if result == "positive" and titre else result


def _relation(rows: list[dict[str, Any]], word: str) -> str:
    responders = sum(row["best_response"] in {"CR", "R"} for row in rows)
    known = sum(row["best_response"] in {"CR", "R", "NR"} for row in rows)
    areas = [row["auclast_h_cells_per_ml"] for row in rows if row["auclast_h_cells_per_ml"] is not None]
    exposure = (
        f", median AUClast {number(float(pd.Series(areas).median()))} h*cells/mL (n = {len(areas)})" if areas else ""
    )
    return f"Subjects {word} an antibody response: {responders} of {known} responded{exposure}."

"""Laboratory values (cytokines, immunoglobulins): each against its baseline, censored where a limit hides it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from immunomon.study.model.endpoints import Analyte
from immunomon.study.model.visits import Visit, in_order
from immunomon.trial.assessments.page_parts import Page, Section, Sheet, number, records, sheet
from immunomon.trial.assessments.people import ALL, People
from immunomon.trial.kernels.signflip import sign_flip_floor
from immunomon.trial.model.laboratory import ABOVE, BELOW, MEASURED, NOT_DONE

__all__ = ["change_rows", "laboratory_page", "result_of", "value_rows"]

Row = Mapping[str, Any]
UP, DOWN, SAME, UNDECIDED = "up", "down", "same", "undecided"


def value_rows(
    people: People, rows: Sequence[Row], analytes: Sequence[Analyte], *, visits: Sequence[Visit]
) -> list[Row]:
    """Return each result with what is known of its change from baseline (the LABORATORY_VALUES contract).

    rows: of ``laboratory.csv``, as read; visits: the study's. A result beyond a limit of quantification has no value:
    it lies between ``low`` and ``high``, and so does its fold. Rows of analytes that are not declared are left out, as
    the files' reader says them.

    >>> from immunomon.trial.assessments.people import Person
    >>> people = People({"S01": Person("S01", "A", 1e6)}, {"A": 1e6})
    >>> row = {"subject": "S01", "analyte": "il10", "study_day": None, "date": None, "unit": "pg/mL"}
    >>> rows = [{**row, "visit": "D-1", "result": "12"}, {**row, "visit": "W4", "result": "<4"}]
    >>> visits = [Visit("D-1", -1, baseline=True), Visit("W4", 29)]
    >>> after = value_rows(people, rows, [Analyte("il10", "IL-10", "pg/mL", lloq=4)], visits=visits)[1]
    >>> after["value"], after["low"], after["high"], after["direction"], round(after["fold_high"], 2)
    (None, 0.0, 4.0, 'down', 0.33)
    """
    declared = {analyte.name: analyte for analyte in analytes}
    baseline = next((visit.label for visit in visits if visit.baseline), None)
    order = {visit.label: index for index, visit in enumerate(in_order(visits))}
    results = [
        {**people.whose(row["subject"]), **result_of(row, declared[row["analyte"]])}
        for row in rows
        if row["analyte"] in declared and row["subject"] in people.persons
    ]
    bases = {
        (row["subject"], row["analyte"]): row
        for row in results
        if row["visit"] == baseline and row["visit"] is not None and row["status"] != NOT_DONE
    }
    places = {name: index for index, name in enumerate(declared)}
    subjects = {name: index for index, name in enumerate(people.persons)}
    results.sort(key=lambda row: (places[row["analyte"]], subjects[row["subject"]], _when(row, order)))
    return [
        {**row, **_change(row, bases.get((row["subject"], row["analyte"])), baseline, is_visit=row["visit"] in order)}
        for row in results
    ]


def _when(row: Row, order: Mapping[str, int]) -> tuple[float, float]:
    day = math.inf if row["study_day"] is None else float(row["study_day"])
    return float(order.get(row["visit"], len(order))), day


def result_of(row: Row, analyte: Analyte) -> dict[str, Any]:
    """Return what a row of the file says: value, limits, and between which numbers it lies."""
    text = row["result"] or ""
    lloq, uloq = row.get("lloq") or analyte.lloq, row.get("uloq") or analyte.uloq
    status = {"": NOT_DONE, "<": BELOW, ">": ABOVE}.get(text[:1], MEASURED)
    limit = {"<LLOQ": lloq, ">ULOQ": uloq}.get(text)
    if status in {BELOW, ABOVE} and limit is None and text[1:] not in {"LLOQ", "ULOQ"}:
        limit = float(text[1:])
    value = float(text) if status == MEASURED else None
    low, high = {MEASURED: (value, value), BELOW: (0.0, limit), ABOVE: (limit, None)}.get(status, (None, None))
    return {
        **{name: row[name] for name in ("visit", "study_day", "date", "analyte")},
        **{"label": analyte.label, "unit": analyte.unit, "specimen": analyte.specimen},
        **{"status": status, "value": value, "low": low, "high": high},
        "lloq": limit if status == BELOW else lloq,
        "uloq": limit if status == ABOVE else uloq,
        **{"reference_low": analyte.reference_low, "reference_high": analyte.reference_high},
        "in_reference": _in_reference(low, high, analyte),
        "reason": _why(status, limit, analyte.unit, row.get("reason")),
    }


def _why(status: str, limit: float | None, unit: str, reason: str | None) -> str:
    if status == NOT_DONE:
        return reason or "no result"
    if status == MEASURED:
        return ""
    side = "below the lower" if status == BELOW else "above the upper"
    return f"{side} limit of quantification{'' if limit is None else f', {limit:g} {unit}'}"


def _in_reference(low: float | None, high: float | None, analyte: Analyte) -> str | None:
    """Say where a result lies against the reference range; None where there is none, or a limit hides it."""
    start, end = analyte.reference_low, analyte.reference_high
    if (low is None and high is None) or (start is None and end is None):
        return None
    if start is not None and high is not None and (high < start or (high == start and low != high)):
        return "below"
    if end is not None and low is not None and (low > end or (low == end and low != high)):
        return "above"
    within_start = start is None or (low is not None and low >= start)
    within_end = end is None or (high is not None and high <= end)
    return "within" if within_start and within_end else None


def _change(row: Row, base: Row | None, baseline: str | None, *, is_visit: bool) -> dict[str, Any]:
    """Return the fold of baseline, or between what it lies, and whether the value went up or down."""
    if row["visit"] == baseline or row["status"] == NOT_DONE:
        return {}
    if not is_visit:
        return {"reason": row["reason"] or "unscheduled, or a visit of its own: not compared with baseline"}
    if base is None:
        return {"reason": row["reason"] or f"no result at {baseline or 'a baseline visit'}"}
    low, high = _ratio(row["low"], base["high"], 0.0), _ratio(row["high"], base["low"], math.inf)
    is_exact = row["status"] == MEASURED == base["status"]
    fold = low if is_exact and 0 < low < math.inf else None
    return {
        "baseline": base["value"],
        "fold": fold,
        "fold_low": low,
        "fold_high": None if math.isinf(high) else high,
        "log_change": None if fold is None else math.log(fold),
        "direction": _direction(row, base),
        "reason": row["reason"] or (f"at {baseline}: {base['reason']}" if base["reason"] else ""),
    }


def _ratio(value: float | None, base: float | None, unknown: float) -> float:
    """Return value / base; what is not known, or divided by 0, is the open end of the interval."""
    if value is None or base is None or (base == 0 and unknown):
        return unknown
    return value / base if base else 0.0


def _direction(row: Row, base: Row) -> str:
    # By the values, not their ratio: from 0 on there is a way up, and no fold.
    if row["status"] == MEASURED == base["status"]:
        return UP if row["value"] > base["value"] else DOWN if row["value"] < base["value"] else SAME
    # A limit is never reached: below a limit that is the baseline's own value is less than it. A 0 may be.
    if base["low"] and row["high"] is not None and row["high"] <= base["low"]:
        return DOWN
    return UP if row["low"] and base["high"] is not None and row["low"] >= base["high"] else UNDECIDED


def change_rows(people: People, rows: Sequence[Row], visits: Sequence[Visit]) -> Iterator[dict[str, Any]]:
    """Yield how many went up and down, of each analyte, visit and dose group (the LABORATORY_CHANGES contract).

    rows: as ``value_rows`` returns them. The sign test takes each patient whose direction is known, censored ones as
    well: it needs no value below a limit.
    """
    labels = [visit.label for visit in in_order(visits) if not visit.baseline]
    by_analyte: dict[str, list[Row]] = {}
    for row in rows:
        by_analyte.setdefault(row["analyte"], []).append(row)
    for analyte, results in by_analyte.items():
        seen = list(dict.fromkeys(row["subject"] for row in results))
        for visit in labels:
            at_visit = {row["subject"]: row for row in results if row["visit"] == visit and row["status"] != NOT_DONE}
            for group, members in people.groups(seen).items():
                chosen = [at_visit[subject] for subject in members if subject in at_visit]
                if chosen:
                    about = {"analyte": analyte, "label": results[0]["label"], "unit": results[0]["unit"]}
                    yield {**about, "visit": visit, "dose_group": group, **_counted(chosen)}


def _counted(rows: Sequence[Row]) -> dict[str, Any]:
    from scipy.special import bdtr

    ways = [row.get("direction") for row in rows]
    up, down = ways.count(UP), ways.count(DOWN)
    folds = sorted(row["log_change"] for row in rows if row.get("log_change") is not None)
    decided = up + down
    return {
        "n": len(rows),
        "measured": sum(row["status"] == MEASURED for row in rows),
        "below": sum(row["status"] == BELOW for row in rows),
        "above": sum(row["status"] == ABOVE for row in rows),
        "with_fold": len(folds),
        "geometric_mean_fold": math.exp(sum(folds) / len(folds)) if folds else None,
        **{"up": up, "down": down, "same": ways.count(SAME), "undecided": ways.count(UNDECIDED)},
        "p_floor": sign_flip_floor(decided) if decided else None,
        "p_sign": min(1.0, 2 * float(bdtr(min(up, down), decided, 0.5))) if decided else None,
    }


def laboratory_page(tables: Mapping[str, pd.DataFrame]) -> Page:
    """Return the page of the laboratory values: counts of directions, and every result."""
    values, counted = records(tables["laboratory_values"]), records(tables["laboratory_changes"])
    hidden = sum(row["status"] in {BELOW, ABOVE} for row in values)
    alone = sum(str(row["reason"] or "").startswith("unscheduled") for row in values)
    paragraphs = [
        f"{len(values)} results, {hidden} of them beyond a limit of quantification. Such a result is censored: it is "
        "known to lie below (or above) the limit and has no value, neither 0 nor the limit nor half of it. It is left "
        "out of means of folds, which therefore tell of those who could be measured at both visits; up and down count "
        "it wherever the limit leaves no doubt, and so does the exact sign test.",
        "Folds are of the baseline visit. Several analytes and visits are looked at, and none is corrected for that "
        "here; immunomon compare has the intervals and the adjusted p.",
    ]
    if alone:
        paragraphs.append(f"Results of no visit of study.yaml, shown and not compared: {alone}.")
    return Page(
        "laboratory", "Laboratory values", (Section("From baseline", tuple(paragraphs), (*_sheets(counted, values),)),)
    )


def _sheets(counted: Sequence[Row], values: Sequence[Row]) -> Iterator[Sheet]:
    heads = ("", "visit", "dose group", "patients", "below LLOQ", "up", "down", "undecided", "fold", "of", "p (sign)")
    yield sheet(
        "Up and down against baseline; fold: geometric mean of those measured at both visits",
        heads,
        (
            (
                *(f"{row['label']}, {row['unit']}", row["visit"], row["dose_group"], row["n"], row["below"]),
                *(row["up"], row["down"], row["undecided"], number(row["geometric_mean_fold"]), row["with_fold"]),
                _p(row),
            )
            for row in counted
            if row["dose_group"] == ALL
        ),
    )
    yield sheet(
        "Each result",
        ("", "subject", "visit", "day", "result", "fold of baseline", "reference range", "remark"),
        (
            (
                *(f"{row['label']}, {row['unit']}", row["subject"], row["visit"], row["study_day"], _shown(row)),
                *(_fold(row), row["in_reference"], row["reason"] if row["status"] in {MEASURED, NOT_DONE} else None),
            )
            for row in values
        ),
    )


def _p(row: Row) -> str:
    if row["p_sign"] is None:
        return "-"
    return f"{row['p_sign']:.2g}" if row["p_floor"] <= 0.05 else f"none: smallest possible {row['p_floor']:.2g}"


def _shown(row: Row) -> str:
    if row["status"] == BELOW:
        return f"<{number(row['high'])}"
    return f">{number(row['low'])}" if row["status"] == ABOVE else number(row["value"])


def _fold(row: Row) -> str | None:
    if row["fold"] is not None or row["direction"] is None:
        return None if row["fold"] is None else number(row["fold"])
    low, high = row["fold_low"] or 0.0, row["fold_high"]
    if high is None:
        return f"> {number(low)}" if low else "unknown"
    if high == 0:
        return "0"
    return f"{number(low)} to {number(high)}" if low else f"< {number(high)}"

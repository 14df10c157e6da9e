"""ADaM's basic data structure: values by parameter and visit, with baseline, change, and which record is analysed."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from dataclasses import dataclass

from immunomon.outputs.delivery.dataset import Dataset, Value, as_long_as_fits
from immunomon.outputs.delivery.trial import PlannedVisit

__all__ = ["BdsRow", "analysed", "sas_date"]

_EPOCH = datetime.date(1960, 1, 1)


@dataclass(frozen=True)
class BdsRow:
    """A value as it comes into an analysis dataset.

    baseline: whether it is of the baseline visit; doubled: whether the visit has another of the same parameter;
    derived: whether it was worked out from delivered values; source: domain, variable, number of its SDTM record;
    denominator_sequence: of a ratio, the number of the denominator's record.
    """

    usubjid: str
    paramcd: str
    param: str
    category: str
    unit: str
    value: float | None
    visit: PlannedVisit
    date: str | None
    day: int | None
    reason: str = ""
    baseline: bool = False
    baseline_type: str = ""
    doubled: bool = False
    derived: bool = False
    source: tuple[str, str, int | None] = ("", "", None)
    denominator_sequence: int | None = None
    number: int = 0


def sas_date(date: str | None) -> int | None:
    """Return a date as SAS counts it: days since 1960-01-01.

    >>> sas_date("1960-01-02"), sas_date(None)
    (1, None)
    """
    return None if date is None else (datetime.date.fromisoformat(date) - _EPOCH).days


def analysed(rows: Sequence[BdsRow], subjects: Dataset, limits: tuple[float, float] | None) -> list[dict[str, Value]]:
    """Return the records of a BDS dataset.

    subjects: ADSL. limits: ratios to baseline below and above which a change is beyond the reference change; None if
    the criterion is not applied. A baseline is the one usable record of its kind; a value of a visit that has two is
    not used, as in the run's table of changes.
    """
    bases = _bases(rows)
    about = {str(record["USUBJID"]): record for record in subjects.records()}
    records: list[dict[str, Value]] = []
    for row in rows:
        subject = about[row.usubjid]
        base = bases.get((row.usubjid, row.paramcd))
        is_baseline = base is row
        why_not = _not_analysed(row)
        change = None if row.doubled else _change(row, base)
        records.append(
            {
                **{name: subject.get(name) for name in ("STUDYID", "USUBJID", "SUBJID", "SEX", "TRT01A", "TRT01AN")},
                **{name: subject.get(name) for name in ("TRTSDT", "SAFFL", "COHORT")},
                "TRTP": subject["TRT01P"],
                "PARAM": row.param,
                "PARAMCD": row.paramcd,
                "PARAMN": row.number,
                "PARCAT1": row.category,
                "PARAMTYP": "DERIVED" if row.derived else None,
                "AVAL": row.value,
                "AVALU": row.unit,
                "BASE": None if base is None else base.value,
                "BASETYPE": row.baseline_type,
                "CHG": change,
                "PCHG": _percent(change, base, row.category),
                "ABLFL": "Y" if is_baseline else None,
                "ANL01FL": None if why_not else "Y",
                "ANLREAS": why_not or None,
                **_criterion(row, base, (change, limits)),
                "AVISIT": row.visit.label,
                "AVISITN": row.visit.number,
                "VISIT": row.visit.label,
                "VISITNUM": row.visit.number,
                "ADT": sas_date(row.date),
                "ADY": row.day,
                "SRCDOM": row.source[0],
                "SRCVAR": row.source[1],
                "SRCSEQ": row.source[2],
                **({} if row.denominator_sequence is None else {"SRCSEQD": row.denominator_sequence}),
            }
        )
    return records


def _bases(rows: Sequence[BdsRow]) -> dict[tuple[str, str], BdsRow]:
    usable = [row for row in rows if row.baseline and row.value is not None and not row.doubled]
    return {(row.usubjid, row.paramcd): row for row in usable}


def _not_analysed(row: BdsRow) -> str:
    if row.value is None:
        return as_long_as_fits(row.reason or "no value")
    if row.doubled:
        return "more than one tube of the panel at the visit"
    window = row.visit.window_days
    if window and row.day is not None and not window[0] <= row.day <= window[1]:
        return f"study day {row.day} is outside the window {window[0]} to {window[1]}"
    return ""


def _change(row: BdsRow, base: BdsRow | None) -> float | None:
    if base is None or base is row or row.value is None or base.value is None:
        return None
    return row.value - base.value


def _percent(change: float | None, base: BdsRow | None, category: str) -> float | None:
    if change is None or base is None or not base.value or category == "LOG-ODDS":
        return None
    return 100 * change / base.value


def _criterion(
    row: BdsRow, base: BdsRow | None, applied: tuple[float | None, tuple[float, float] | None]
) -> dict[str, Value]:
    change, limits = applied
    if (
        limits is None
        or change is None
        or base is None
        or not base.value
        or row.value is None
        or row.category == "LOG-ODDS"
    ):
        return {}
    if row.category == "RATIO":  # both populations vary
        limits = (limits[0] ** math.sqrt(2), limits[1] ** math.sqrt(2))
    ratio = row.value / base.value
    text = f"Ratio to baseline below {limits[0]:.2f} or above {limits[1]:.2f}"
    return {"CRIT1": text, "CRIT1FL": "N" if limits[0] <= ratio <= limits[1] else "Y"}

"""SDTM's findings beside the cytometer: LB (platelets, lymphocytes), PC and PP (cells in blood), IS, MB."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from immunomon.errors import DeliveryFailed
from immunomon.outputs.delivery.assessments import Assessments
from immunomon.outputs.delivery.cp import number_text
from immunomon.outputs.delivery.dataset import Value
from immunomon.outputs.delivery.special import base, flagged_last, timing
from immunomon.outputs.delivery.trial import Trial
from immunomon.study.model.endpoints import Analyte
from immunomon.trial.assessments.analytes import result_of
from immunomon.trial.model.laboratory import ABOVE, BELOW

__all__ = ["assays_without_codes", "concentrations", "immunogenicity", "laboratory", "microbiology", "parameters"]

Record = dict[str, Value]
_YES = {True: "Y", False: "N", None: None}
_PK_UNITS = {"1/h": "/h"}  # as CDISC writes it (C85494)


def laboratory(trial: Trial, assessments: Assessments, samples: Iterable[Mapping[str, Any]]) -> list[Record]:
    """Return LB: platelet counts, the lymphocyte counts that the absolute counts rest on, and laboratory values.

    samples: rows of the run's table of samples; tubes of one visit and day share one lymphocyte count.
    """
    records = [
        {
            **base(trial, "LB", row["subject"]),
            **_count("PLAT", "Platelets", row["platelets_1e9_per_l"], "not recorded"),
            **timing(trial, row, "LB"),
            "+BLEED": _YES[row["bleeding"]],
            "+BLEEDGR": None if row.get("bleeding_grade") is None else str(row["bleeding_grade"]),
            "+RESCUE": _YES[row["rescue_therapy"]],
        }
        for row in assessments.rows("platelets")
    ]
    counted: set[tuple[Any, ...]] = set()
    for row in samples:
        count = row["lymphocytes_per_ul"]
        whose = (row["subject"], row["visit"], row["collection_date"], count)
        if row["subject"] is None or count is None or row["role"] != "sample" or whose in counted:
            continue
        counted.add(whose)
        when = {"subject": row["subject"], "visit": row["visit"], "date": row["collection_date"]}
        reference = {"LBREFID": f"{row['subject']}.{row['visit']}.{row['collection_date'] or 'undated'}"}
        result = _count("LYM", "Lymphocytes", float(count) / 1000, "")
        records.append({**base(trial, "LB", row["subject"]), **reference, **result, **timing(trial, when, "LB")})
    return flagged_last([*records, *_soluble(trial, assessments)], trial, "LB")


# The same units as CDISC writes them (C71620): a picogram a millilitre is a nanogram a litre.
_LB_UNITS = {
    "pg/mL": "ng/L",
    "ng/mL": "ug/L",
    "ug/mL": "mg/L",
    "\u00b5g/mL": "mg/L",
    "\u00b5g/L": "ug/L",
    "mg/mL": "g/L",
}
_IN_REFERENCE = {"below": "LOW", "within": "NORMAL", "above": "HIGH"}


def _soluble(trial: Trial, assessments: Assessments) -> Iterator[Record]:
    """Yield the laboratory values; one beyond a limit of quantification is ``<LLOQ`` or ``>ULOQ`` and has no number."""
    declared = {analyte.name: analyte for analyte in assessments.analytes}
    for row in assessments.rows("laboratory"):
        code, name = _assay(trial, str(row["analyte"]))
        analyte = declared.get(row["analyte"]) or Analyte(row["analyte"], row["analyte"], row["unit"])
        value = result_of(row, analyte)
        limit = value["high"] if value["status"] == BELOW else value["low"]
        sign = {BELOW: "<", ABOVE: ">"}.get(value["status"], "")
        result = None if limit is None else f"{sign}{number_text(limit)}"
        low, high = _number(analyte.reference_low), _number(analyte.reference_high)
        yield {
            **base(trial, "LB", row["subject"]),
            **{"LBTESTCD": code, "LBTEST": name, "LBCAT": "IMMUNOLOGY"},
            **_results("LB", result, _LB_UNITS.get(analyte.unit, analyte.unit)),
            **{"LBORNRLO": low, "LBORNRHI": high},
            **{"LBSTNRLO": analyte.reference_low, "LBSTNRHI": analyte.reference_high},
            "LBNRIND": _IN_REFERENCE.get(str(value["in_reference"])),
            "LBSTAT": None if result else "NOT DONE",
            "LBREASND": None if result else value["reason"],
            "LBSPEC": analyte.specimen.upper(),
            **timing(trial, row, "LB"),
            "+LLOQ": _number(value["lloq"]),
            "+ULOQ": _number(value["uloq"]),
        }


def _count(code: str, name: str, value: float | None, why_not: str) -> Record:
    result = None if value is None else number_text(value)
    return {
        "LBTESTCD": code,
        "LBTEST": name,
        "LBCAT": "HEMATOLOGY",
        **_results("LB", result, "10^9/L"),
        "LBSTAT": None if result else "NOT DONE",
        "LBREASND": None if result else why_not,
        "LBSPEC": "BLOOD",
    }


def _results(prefix: str, result: str | None, unit: str) -> Record:
    return {
        f"{prefix}ORRES": result,
        f"{prefix}ORRESU": unit if result else None,
        f"{prefix}STRESC": result,
        f"{prefix}STRESN": _as_number(result),
        f"{prefix}STRESU": unit if result else None,
    }


def _as_number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def concentrations(trial: Trial, assessments: Assessments) -> list[Record]:
    """Return PC: cells in blood around the first infusion. Below quantification is ``<LLOQ``, never 0."""
    rows = assessments.rows("msc_concentration")
    code, name = _assay(trial, "msc_concentration") if rows else ("", "")
    numbers = {hours: number for number, hours in enumerate(sorted({row["planned_time_h"] for row in rows}), start=1)}
    records: list[Record] = []
    for row in rows:
        person, hours = trial.person(row["subject"]), row["planned_time_h"]
        value, lloq = row["concentration_cells_per_ml"], row["lloq"]
        below = bool(row["below_quantification"])
        limit = "LLOQ" if lloq is None else number_text(lloq)
        result = f"<{limit}" if below else None if value is None else number_text(value)
        date = _date_of(person.first, hours) if person.first else None
        day = None if date is None else person.day(date)
        records.append(
            {
                **base(trial, "PC", row["subject"]),
                "PCTESTCD": code,
                "PCTEST": name,
                "PCCAT": "ANALYTE",
                **_results("PC", result, "cells/mL"),
                "PCSTAT": None if result else "NOT DONE",
                "PCREASND": None if result else "no concentration recorded",
                "PCSPEC": "BLOOD",
                "PCLLOQ": lloq,
                **trial.when(trial.infusion()),
                "EPOCH": "SCREENING" if hours < 0 else "TREATMENT",
                "PCDTC": date,
                "PCDY": day,
                "PCTPT": f"{number_text(abs(hours))} h {'before' if hours < 0 else 'after'}",
                "PCTPTNUM": numbers[hours],
                "PCELTM": _elapsed(hours),
                "PCTPTREF": "FIRST INFUSION",
                "PCRFTDTC": person.first,
                "+ACTHOURS": None if row["actual_time_h"] is None else number_text(row["actual_time_h"]),
            }
        )
    return records


def _date_of(first: str, hours: float) -> str | None:
    """Return the date of a time after an infusion of which only the date is known; None where the clock decides."""
    if hours > 8 and hours % 24:
        return None
    days = int(hours // 24) if hours > 0 else 0
    return (datetime.date.fromisoformat(first) + datetime.timedelta(days=days)).isoformat()


def _elapsed(hours: float) -> str:
    """Return hours as an ISO 8601 duration.

    >>> _elapsed(-0.5), _elapsed(16)
    ('-PT30M', 'PT16H')
    """
    minutes = round(abs(hours) * 60)
    text = f"PT{minutes // 60}H" if minutes % 60 == 0 else f"PT{minutes}M"
    return ("-" if hours < 0 else "") + text


def parameters(trial: Trial, rows: Sequence[Mapping[str, Any]]) -> list[Record]:
    """Return PP: parameters of the cells' kinetics; one that could not be estimated has its reason.

    rows: subject, parameter, name, value, unit, reason.
    """
    return [
        {
            **base(trial, "PP", row["subject"]),
            "PPTESTCD": row["parameter"],
            "PPTEST": row["name"],
            "PPCAT": "hUC-MSC" if trial.sponsor.treatment == "STUDY TREATMENT" else trial.sponsor.treatment,
            **_results("PP", _number(row["value"]), _PK_UNITS.get(row["unit"], row["unit"])),
            "PPSTAT": "NOT DONE" if row["value"] is None else None,
            "PPREASND": (row["reason"] or "not estimable") if row["value"] is None else None,
            "PPSPEC": "BLOOD",
            "PPRFTDTC": trial.person(row["subject"]).first,
        }
        for row in rows
    ]


def _number(value: float | None) -> str | None:
    return None if value is None else number_text(value)


def immunogenicity(trial: Trial, assessments: Assessments) -> list[Record]:
    """Return IS: antibody to the cells, found or not; the titre of the positive ones. A negative has no titre."""
    rows = assessments.rows("antibodies")
    code, name = _assay(trial, "antibodies") if rows else ("", "")
    order = {point: number for number, point in enumerate(dict.fromkeys(row["timepoint"] for row in rows), start=1)}
    records: list[Record] = []
    for row in rows:
        point = str(row["timepoint"])
        when = {**row, "visit": trial.infusion(last="last" in point)}
        common = {
            **base(trial, "IS", row["subject"]),
            "ISTESTCD": code,
            "ISTEST": name,
            "ISBDAGNT": trial.sponsor.treatment,
            "ISCAT": "ANTIDRUG ANTIBODIES",
            "ISSPEC": "SERUM",
            **timing(trial, when, "IS"),
            **_before(trial, row),
            "ISTPT": point.replace("-", " ").upper(),
            "ISTPTNUM": order[point],
        }
        result = str(row["result"]).upper() if row["result"] else None
        reason = {"ISSTAT": None if result else "NOT DONE", "ISREASND": None if result else "no result recorded"}
        records.append({**common, "ISTSTOPO": "SCREEN", "ISORRES": result, "ISSTRESC": result, **reason})
        if result == "POSITIVE" and row["titre"]:
            records.append({**common, "ISTSTOPO": "QUANTIFY", **_results("IS", number_text(row["titre"]), "titer")})
    return flagged_last(records, trial, "IS")


def _before(trial: Trial, row: Mapping[str, Any]) -> Record:
    """Return the epoch of a sample drawn before the first infusion on its day, which the date alone does not tell."""
    first = trial.person(str(row["subject"])).first
    before = str(row["timepoint"]).upper().startswith("PRE") and row["date"] == first
    return {"EPOCH": "SCREENING"} if before and first else {}


def microbiology(trial: Trial, assessments: Assessments) -> list[Record]:
    """Return MB: viruses and other agents, detected or not."""
    records: list[Record] = []
    for row in assessments.rows("viruses"):
        code, name = _assay(trial, str(row["virus"]))
        result = str(row["result"]).upper() if row["result"] else None
        records.append(
            {
                **base(trial, "MB", row["subject"]),
                "MBTESTCD": code,
                "MBTEST": name,
                "MBTSTDTL": "DETECTION",
                "MBORRES": result,
                "MBSTRESC": result,
                "MBSPEC": "BLOOD",
                **timing(trial, row, "MB"),
            }
        )
    return flagged_last(records, trial, "MB")


def _assay(trial: Trial, name: str) -> tuple[str, str]:
    assay = trial.assay(name)
    if assay is None:
        raise DeliveryFailed(_no_codes(name))
    return assay


def _no_codes(name: str) -> str:
    return (
        f"export/cp-map.yaml: sponsor.assays names no codes for '{name}'; "
        f"add {{name: {name}, testcd: ..., test: ...}}, or take its rows out of the study"
    )


def assays_without_codes(trial: Trial, assessments: Assessments) -> list[str]:
    """Return a sentence for each assay of the study that the map gives no codes, with what to do."""
    assays = [name for name in ("msc_concentration", "antibodies") if assessments.rows(name)]
    assays += sorted({str(row["virus"]) for row in assessments.rows("viruses")})
    assays += sorted({str(row["analyte"]) for row in assessments.rows("laboratory")})
    return [_no_codes(name) for name in assays if trial.assay(name) is None]

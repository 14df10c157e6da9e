"""SDTM's events: adverse events (AE), biospecimens collected (BE) and what was found of these (BS)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from immunomon.outputs.delivery.assessments import Assessments
from immunomon.outputs.delivery.cp import number_text
from immunomon.outputs.delivery.dataset import Value
from immunomon.outputs.delivery.special import base
from immunomon.outputs.delivery.trial import Trial

__all__ = ["adverse_events", "biospecimens", "specimen_findings"]

Record = dict[str, Value]
_YES = {True: "Y", False: "N", None: None}


def adverse_events(trial: Trial, assessments: Assessments) -> list[Record]:
    """Return AE: the reporter's words beside the coded term; dictionary codes are not known here and stay missing.

    Where the words were not recorded, AETERM is the coded term.
    """
    records: list[Record] = []
    for row in assessments.rows("adverse_events"):
        person = trial.person(row["subject"])
        start, end = person.date(row["start_day"]), person.date(row["end_day"])
        records.append(
            {
                **base(trial, "AE", row["subject"]),
                "AETERM": row.get("reported_term") or row["term"],
                "AEDECOD": row["term"],
                "AEBODSYS": row["system_organ_class"],
                "AESOC": row["system_organ_class"],
                "AESER": _YES[row["serious"]],
                "AEREL": {True: "RELATED", False: "NOT RELATED", None: None}[row["related"]],
                "AETOXGR": None if row["grade"] is None else str(row["grade"]),
                "EPOCH": person.epoch(start),
                "AESTDTC": start,
                "AEENDTC": end,
                "AESTDY": row["start_day"],
                "AEENDY": row["end_day"],
                "+DLT": _YES[row["dose_limiting"]],
            }
        )
    return records


def biospecimens(trial: Trial, samples: Iterable[Mapping[str, Any]]) -> list[Record]:
    """Return BE: the blood of each subject, visit and day that tubes were filled from, once."""
    specimens: dict[str, Record] = {}
    for row in samples:
        if row["subject"] is None or row["role"] != "sample":
            continue
        person, date = trial.person(row["subject"]), row["collection_date"]
        reference = f"{row['subject']}.{row['visit']}.{date or 'undated'}"
        specimens[reference] = {
            **base(trial, "BE", row["subject"]),
            "BEREFID": reference,
            "BETERM": "Collected",
            "BEDECOD": "COLLECTING",
            "BECAT": "COLLECTION",
            "BEPARTY": "SITE",
            **trial.when(row["visit"]),
            "BEDTC": date,
            "BESTDTC": date,
            "BESTDY": person.day(date),
        }
    return list(specimens.values())


def specimen_findings(
    trial: Trial, frequencies: Iterable[Mapping[str, Any]], samples: Mapping[str, Mapping[str, Any]]
) -> list[Record]:
    """Return BS: the percent of viable cells among the single cells of each tube."""
    records: list[Record] = []
    for row in frequencies:
        if (row["population"], row["is_parent"], row["role"]) != ("live", True, "sample") or row["subject"] is None:
            continue
        if row["percent"] is None or not row["reportable"]:
            continue
        person, date = trial.person(row["subject"]), samples[str(row["sample_id"])]["collection_date"]
        result = number_text(float(row["percent"]))
        records.append(
            {
                **base(trial, "BS", row["subject"]),
                "BSREFID": f"{row['subject']}.{row['visit']}.{date or 'undated'}",
                "BSSPID": row["sample_id"],
                "BSTESTCD": "VIABCELL",
                "BSTEST": "Viable Cells/Total Cells",
                "BSCAT": "SPECIMEN QUALITY",
                "BSORRES": result,
                "BSORRESU": "%",
                "BSSTRESC": result,
                "BSSTRESN": float(result),
                "BSSTRESU": "%",
                "BSSPEC": "BLOOD",
                "BSMETHOD": "FLOW CYTOMETRY",
                **trial.when(row["visit"]),
                "BSDTC": date,
                "BSDY": person.day(date),
            }
        )
    return records

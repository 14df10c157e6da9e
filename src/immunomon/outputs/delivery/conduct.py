"""SDTM's domains of what was done with subjects: infusions (EX), weight (VS), medication (CM), how it ended (DS)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from immunomon.outputs.delivery.assessments import Assessments
from immunomon.outputs.delivery.cp import number_text
from immunomon.outputs.delivery.dataset import Value
from immunomon.outputs.delivery.special import base, flagged_last
from immunomon.outputs.delivery.trial import Person, Trial

__all__ = ["dispositions", "exposures", "medications", "moment", "weights"]

Record = dict[str, Value]
_YES = {True: "Y", False: "N", None: None}


def moment(date: str | None, time: str | None) -> str | None:
    """Return a date with its time of day, as far as they are known.

    >>> moment("2025-01-13", "09:30"), moment("2025-01-13", None), moment(None, "09:30")
    ('2025-01-13T09:30', '2025-01-13', None)
    """
    return f"{date}T{time}" if date and time else date


def exposures(trial: Trial, assessments: Assessments) -> list[Record]:
    """Return EX: one record an infusion of the study file, with what ``infusions.csv`` records of it.

    Where the dose given was not recorded, EXDOSE is the dose of the subject's group, and a qualifier says so.
    """
    labels = {visit.infusion: visit.label for visit in trial.visits if visit.infusion}
    recorded = {(row["subject"], row["infusion"]): row for row in assessments.rows("infusions")}
    return [
        {
            **base(trial, "EX", person.id),
            "EXTRT": trial.sponsor.treatment,
            "EXDOSFRM": trial.sponsor.dose_form,
            "EXDOSFRQ": "ONCE",
            "EXROUTE": trial.sponsor.route,
            **trial.when(labels.get(number)),
            "EPOCH": "TREATMENT",
            "EXSTDY": person.day(date),
            "EXENDY": person.day(date),
            **_given(trial, person, (date, recorded.get((person.id, number), {}))),
        }
        for person in trial.persons
        for number, date in enumerate(person.infusions, start=1)
    ]


def _given(trial: Trial, person: Person, infusion: tuple[str, Mapping[str, Any]]) -> Record:
    date, row = infusion
    given = row.get("dose_1e6_per_kg")
    dose = trial.dose(person) if given is None else given
    viability = row.get("viability_percent")
    return {
        "EXDOSE": dose,
        "EXDOSU": None if dose is None else "10^6 CELLS/kg",
        "EXLOT": row.get("lot"),
        "EXSTDTC": moment(date, row.get("start_time")),
        "EXENDTC": moment(date, row.get("end_time")),
        "+DOSEPLN": "Y" if given is None and dose is not None else None,
        "+CELLS": None if row.get("cells_1e6") is None else number_text(row["cells_1e6"]),
        "+VIAB": None if viability is None else number_text(viability),
        "+INTRPT": _YES[row.get("interrupted")],
        "+INTRSN": row.get("reason"),
    }


def weights(trial: Trial, assessments: Assessments) -> list[Record]:
    """Return VS: the body weight that each infusion was dosed by, taken before it."""
    labels = {visit.infusion: visit.label for visit in trial.visits if visit.infusion}
    records: list[Record] = []
    for row in assessments.rows("infusions"):
        person, number = trial.person(str(row["subject"])), int(row["infusion"])
        if row["weight_kg"] is None or number > len(person.infusions):
            continue
        date, result = person.infusions[number - 1], number_text(row["weight_kg"])
        records.append(
            {
                **base(trial, "VS", person.id),
                "VSTESTCD": "WEIGHT",
                "VSTEST": "Weight",
                "VSORRES": result,
                "VSORRESU": "kg",
                "VSSTRESC": result,
                "VSSTRESN": float(result),
                "VSSTRESU": "kg",
                **trial.when(labels.get(number)),
                "EPOCH": "SCREENING" if number == 1 else "TREATMENT",
                "VSDTC": date,
                "VSDY": person.day(date),
                "VSTPT": "PRE-INFUSION",
                "VSTPTNUM": 1,
            }
        )
    return flagged_last(records, trial, "VS")


def medications(trial: Trial, assessments: Assessments) -> list[Record]:
    """Return CM: other medication, with what it was given for; one without a first day began before the trial."""
    records: list[Record] = []
    for row in assessments.rows("medications"):
        person = trial.person(str(row["subject"]))
        start, end = person.date(row["start_day"]), person.date(row["end_day"])
        records.append(
            {
                **base(trial, "CM", person.id),
                "CMTRT": row["medication"],
                "CMDECOD": row.get("standard_name"),
                "CMCAT": str(row["purpose"]).upper(),
                "CMINDC": row.get("indication"),
                "CMDOSE": row.get("dose"),
                "CMDOSU": row.get("dose_unit"),
                "CMROUTE": row.get("route"),
                "EPOCH": person.epoch(start),
                "CMSTDTC": start,
                "CMENDTC": end,
                "CMSTDY": row["start_day"],
                "CMENDY": row["end_day"],
                "CMSTRF": "BEFORE" if row["start_day"] is None else None,
            }
        )
    return records


def dispositions(trial: Trial, assessments: Assessments) -> list[Record]:
    """Return DS: informed consent, and how each subject's treatment and participation ended."""
    consent = "INFORMED CONSENT OBTAINED"
    records = [
        {
            **base(trial, "DS", person.id),
            "DSTERM": consent,
            "DSDECOD": consent,
            "DSCAT": "PROTOCOL MILESTONE",
            **_on(person, person.consent),
        }
        for person in trial.persons
        if person.consent
    ]
    for row in assessments.rows("disposition"):
        person, event = trial.person(str(row["subject"])), str(row["event"]).upper()
        date = row["date"] or person.date(row["study_day"])
        records.append(
            {
                **base(trial, "DS", person.id),
                "DSTERM": row.get("reason") or event,
                "DSDECOD": event,
                "DSCAT": "DISPOSITION EVENT",
                "DSSCAT": {"study": "STUDY PARTICIPATION", "treatment": "STUDY TREATMENT"}[str(row["of"])],
                **_on(person, date),
            }
        )
    return records


def _on(person: Person, date: str | None) -> Record:
    return {"EPOCH": person.epoch(date), "DSSTDTC": date, "DSSTDY": person.day(date)}

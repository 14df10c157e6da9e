"""ADaM of events and kinetics: adverse events (ADAE), concentrations (ADPC), kinetic parameters (ADPP)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from immunomon.outputs.delivery.bds import sas_date
from immunomon.outputs.delivery.dataset import Dataset, Value
from immunomon.outputs.delivery.sdtm import Sdtm

__all__ = ["adverse_event_analysis", "concentration_analysis", "parameter_analysis"]

Record = dict[str, Value]
_OF_SUBJECT = ("STUDYID", "USUBJID", "SUBJID", "SEX", "TRT01A", "TRT01AN", "TRTSDT", "SAFFL", "COHORT")
_OF_EVENT = ("AESEQ", "AETERM", "AEDECOD", "AEBODSYS", "AESER", "AEREL", "AETOXGR")
# Of each of a subject's events, of each class, of each term: the flag of the first.
_FIRST = (("AOCCFL", ()), ("AOCCSFL", ("AEBODSYS",)), ("AOCCPFL", ("AEBODSYS", "AEDECOD")))


def _subjects(subjects: Dataset) -> dict[str, Record]:
    return {
        str(record["USUBJID"]): {name: record.get(name) for name in _OF_SUBJECT} | {"TRTP": record["TRT01P"]}
        for record in subjects.records()
    }


def _qualifiers(supplement: Dataset | None) -> dict[tuple[str, str, str], str]:
    return {
        (str(record["USUBJID"]), str(record["IDVARVAL"]), str(record["QNAM"])): str(record["QVAL"])
        for record in (supplement.records() if supplement else ())
    }


def adverse_event_analysis(sdtm: Sdtm, subjects: Dataset, days_after: int | None) -> list[Record]:
    """Return ADAE: one record an event of AE, with flags of what is treatment-emergent and what occurred first.

    days_after: until so many days after the last infusion an event is treatment-emergent; None: to the end. An event
    without a first day is treatment-emergent, so that none is overlooked.
    """
    events, about = sdtm.dataset("AE"), _subjects(subjects)
    said = _qualifiers(sdtm.dataset("SUPPAE"))
    ends = {str(record["USUBJID"]): record.get("TRTEDT") for record in subjects.records()}
    records: list[Record] = []
    for event in events.records() if events else ():
        whose = str(event["USUBJID"])
        start, end = (None if event.get(name) is None else str(event[name])[:10] for name in ("AESTDTC", "AEENDTC"))
        onset = said.get((whose, str(event["AESEQ"]), "INFONSET"))
        grade = event.get("AETOXGR")
        record: Record = {
            **about[whose],
            **{name: event.get(name) for name in _OF_EVENT},
            "TRTA": about[whose]["TRT01A"],
            "AETOXGRN": None if grade is None else int(grade),
            "ASTDT": sas_date(start),
            "ASTDY": event.get("AESTDY"),
            "AENDT": sas_date(end),
            "AENDY": event.get("AEENDY"),
            "DLTFL": said.get((whose, str(event["AESEQ"]), "DLT")),
            "INFONSET": onset,
        }
        record["TRTEMFL"] = _emergent(record, ends[whose], days_after)
        records.append({name: value for name, value in record.items() if name != "TRTP"})
    return _first_of_each(records)


def _emergent(record: Mapping[str, Value], last: Value, days_after: int | None) -> str | None:
    if last is None:
        return None
    start, day = record["ASTDT"], record["ASTDY"]
    if start is None or day is None:
        return "Y"
    before = int(day) < 1 or (int(day) == 1 and record["INFONSET"] == "BEFORE")
    late = days_after is not None and int(start) > int(last) + days_after
    return None if before or late else "Y"


def _first_of_each(records: Iterable[Record]) -> list[Record]:
    flagged: list[Record] = []
    met: set[tuple[Value, ...]] = set()
    for record in records:
        flags: Record = {}
        for flag, names in _FIRST:
            key = (flag, record["USUBJID"], *(record[name] for name in names))
            if record["TRTEMFL"] == "Y" and key not in met:
                met.add(key)
                flags[flag] = "Y"
        flagged.append({**record, **flags})
    return flagged


def concentration_analysis(sdtm: Sdtm, subjects: Dataset) -> list[Record]:
    """Return ADPC: one record a sample of PC; below quantification there is no number, and AVALC says the limit."""
    samples, about = sdtm.dataset("PC"), _subjects(subjects)
    said = _qualifiers(sdtm.dataset("SUPPPC"))
    records: list[Record] = []
    for sample in samples.records() if samples else ():
        whose = str(sample["USUBJID"])
        actual = said.get((whose, str(sample["PCSEQ"]), "ACTHOURS"))
        records.append(
            {
                **about[whose],
                "PARAM": f"{sample['PCTEST']} in Blood (cells/mL)",
                "PARAMCD": sample["PCTESTCD"],
                "PARAMN": 1,
                "AVAL": sample["PCSTRESN"],
                "AVALC": sample["PCSTRESC"],
                "AVALU": "cells/mL",
                "ATPT": sample["PCTPT"],
                "ATPTN": sample["PCTPTNUM"],
                "ARELTM": None if actual is None else float(actual),
                "ADT": sas_date(None if sample["PCDTC"] is None else str(sample["PCDTC"])[:10]),
                "ADY": sample.get("PCDY"),
                "SRCDOM": "PC",
                "SRCVAR": "PCSTRESN",
                "SRCSEQ": sample["PCSEQ"],
            }
        )
    return records


def parameter_analysis(sdtm: Sdtm, subjects: Dataset) -> list[Record]:
    """Return ADPP: one record a kinetic parameter of PP; one that was not estimable has its reason."""
    parameters, about = sdtm.dataset("PP"), _subjects(subjects)
    rows = list(parameters.records()) if parameters else []
    units = {row["PPTESTCD"]: row["PPSTRESU"] for row in rows if row["PPSTRESU"]}
    numbers = {code: number for number, code in enumerate(sorted({str(row["PPTESTCD"]) for row in rows}), start=1)}
    return [
        {
            **about[str(row["USUBJID"])],
            "PARAM": row["PPTEST"],
            "PARAMCD": row["PPTESTCD"],
            "PARAMN": numbers[str(row["PPTESTCD"])],
            "AVAL": row["PPSTRESN"],
            "AVALU": units.get(row["PPTESTCD"]),
            "ANLREAS": row.get("PPREASND"),
            "SRCDOM": "PP",
            "SRCVAR": "PPSTRESN",
            "SRCSEQ": row["PPSEQ"],
        }
        for row in rows
    ]

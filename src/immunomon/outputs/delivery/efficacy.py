"""ADaM of response: each subject's (ADEFF) and what each platelet count is (flags of ADLB), both worked out from LB."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from immunomon.outputs.delivery.bds import sas_date
from immunomon.outputs.delivery.dataset import Dataset, Value, as_long_as_fits
from immunomon.outputs.delivery.sdtm import Sdtm
from immunomon.study.model.endpoints import PlateletRules
from immunomon.study.model.study import NO_GROUP
from immunomon.trial.assessments.people import People, Person
from immunomon.trial.assessments.platelets import Course, course_of, days_of, response_row, visit_rows

__all__ = ["Responses", "efficacy", "responses_of", "with_response"]

Record = dict[str, Value]
_TRUTH = {"Y": True, "N": False}


@dataclass(frozen=True)
class Responses:
    """The course of each subject's platelets by USUBJID; its rows know the number of their record in LB (``seq``)."""

    courses: Mapping[str, Course]
    rules: PlateletRules

    @property
    def people(self) -> People:
        """The subjects, of whom nothing else is asked here."""
        return People({whose: Person(whose, NO_GROUP, None) for whose in self.courses}, {})


def responses_of(sdtm: Sdtm, rules: PlateletRules) -> Responses:
    """Return the courses of the platelet counts in LB, with bleeding and rescue of SUPPLB and the rescue of CM."""
    laboratory, supplement = sdtm.dataset("LB"), sdtm.dataset("SUPPLB")
    said = {
        (record["USUBJID"], str(record["IDVARVAL"]), record["QNAM"]): record["QVAL"]
        for record in (supplement.records() if supplement else ())
    }
    rows: dict[str, list[dict[str, Any]]] = {}
    for record in laboratory.records() if laboratory else ():
        if record["LBTESTCD"] != "PLAT":
            continue
        key = (record["USUBJID"], str(record["LBSEQ"]))
        row = {
            "seq": record["LBSEQ"],
            "date": record["LBDTC"],
            "visit": record["VISIT"],
            "study_day": record.get("LBDY"),
            "platelets_1e9_per_l": record["LBSTRESN"],
            "bleeding": _TRUTH.get(str(said.get((*key, "BLEED")))),
            "rescue_therapy": _TRUTH.get(str(said.get((*key, "RESCUE")))),
        }
        rows.setdefault(str(record["USUBJID"]), []).append(row)
    rescues = _rescue_days(sdtm.dataset("CM"))
    courses = {whose: course_of(counts, rules, rescues.get(whose, ())) for whose, counts in rows.items()}
    return Responses(courses, rules)


def _rescue_days(medication: Dataset | None) -> dict[str, list[int]]:
    days: dict[str, list[int]] = {}
    for record in medication.records() if medication else ():
        start, end = (None if record.get(name) is None else int(str(record[name])) for name in ("CMSTDY", "CMENDY"))
        if record.get("CMCAT") == "RESCUE" and start is not None:
            days.setdefault(str(record["USUBJID"]), []).extend(days_of(start, end))
    return days


def with_response(records: Iterable[Record], responses: Responses) -> list[Record]:
    """Return records of ADLB; a platelet count says what it is by itself, and the state that was confirmed then."""
    states = {
        (whose, row["seq"]): state
        for whose, course in responses.courses.items()
        for row, state in zip(course.rows, visit_rows(responses.people, whose, course), strict=True)
    }
    flagged = []
    for record in records:
        state = states.get((str(record["USUBJID"]), record["SRCSEQ"])) if record["PARAMCD"] == "PLAT" else None
        flagged.append({**record, **(_flags(state) if state else {})})
    return flagged


def _flags(row: Mapping[str, Any]) -> Record:
    level, state = str(row["level"]), str(row["state"])
    judged = level not in {"NE", "baseline"}
    return {
        "RSPLEVEL": level.upper(),
        "RSPSTATE": state.upper(),
        "CRFL": ("Y" if level == "CR" else "N") if judged else None,
        "RSPFL": ("Y" if level in {"CR", "R"} else "N") if judged else None,
        "CRSPFL": ("Y" if state in {"CR", "R"} else "N") if judged else None,
        "RESCFL": "Y" if row["after_rescue"] else "N",
    }


_PARAMETERS = (
    ("BOR", "Best Confirmed Platelet Response", "RESPONSE"),
    ("RESP", "Response (CR or R)", "RESPONSE"),
    ("CRESP", "Complete Response", "RESPONSE"),
    ("TTR", "Time to Response (days)", "TIME TO EVENT"),
    ("DOR", "Duration of Response (days)", "TIME TO EVENT"),
    ("TTCR", "Time to Complete Response (days)", "TIME TO EVENT"),
    ("DOCR", "Duration of Complete Response (days)", "TIME TO EVENT"),
    ("LOSS", "Loss of Response", "RESPONSE"),
    ("CLOSS", "Loss of Complete Response", "RESPONSE"),
    ("DURABLE", "Durable Response", "RESPONSE"),
)
_BEST = {"NE": None, "NR": 0.0, "R": 1.0, "CR": 2.0}


def efficacy(responses: Responses, subjects: Dataset) -> list[Record]:
    """Return ADEFF: for each subject with counts one record a parameter, and the record of LB that it hangs on."""
    about = {str(record["USUBJID"]): record for record in subjects.records()}
    people, rules = responses.people, responses.rules
    return [
        record
        for whose, course in responses.courses.items()
        for record in _of_subject(about[whose], course, response_row(people, whose, course, rules=rules))
    ]


def _of_subject(subject: Mapping[str, Value], course: Course, row: Mapping[str, Any]) -> list[Record]:
    names = ("STUDYID", "USUBJID", "SUBJID", "SEX", "TRT01A", "TRT01AN", "TRTSDT", "SAFFL", "COHORT")
    common: Record = {**{name: subject.get(name) for name in names}, "TRTP": subject["TRT01P"]}
    records: list[Record] = []
    for number, (code, name, category) in enumerate(_PARAMETERS, start=1):
        value = _value(code, row, course)
        if value is not None:
            parameter: Record = {"PARAMCD": code, "PARAM": name, "PARAMN": number, "PARCAT1": category}
            records.append({**common, **parameter, "PARAMTYP": "DERIVED", **value})
    return records


def _value(code: str, row: Mapping[str, Any], course: Course) -> Record | None:
    """Return the value of a parameter and its source; None for a duration of what there was not."""
    if not course.rows:
        return None
    best = str(row["best_response"])
    first, complete = row.get("response_day"), row.get("complete_response_day")
    last = course.days[-1] if course.days else None
    if code == "BOR":
        day = complete if best == "CR" else first if best == "R" else last
        return {
            "AVAL": _BEST[best],
            "AVALC": best,
            **_source(course, day),
            **_why(row["reason"] if best == "NE" else ""),
        }
    if code == "DURABLE":
        why = row["reason"] if row["durable"] is None else ""
        return {**_answer(row["durable"]), **_source(course, last), **_why(why)}
    if code in {"RESP", "CRESP"}:
        met = None if best == "NE" else best in ({"CR", "R"} if code == "RESP" else {"CR"})
        day = (first if code == "RESP" else complete) or last
        return {**_answer(met), **_source(course, day), **_why(row["reason"] if met is None else "")}
    if code in {"TTR", "TTCR"}:
        return _time_to(first if code == "TTR" else complete, last, course)
    kind = "" if code in {"DOR", "LOSS"} else "complete_"
    start = first if not kind else complete
    if start is None:
        return None
    lost = row.get(f"{kind}loss_day")
    if code in {"LOSS", "CLOSS"}:
        return {**_answer(lost is not None), **_source(course, lost or last)}
    event = "loss" if lost is not None else "no loss until the last count"
    duration: Record = {"AVAL": float(row[f"{kind}duration_days"]), "AVALU": "DAYS", "CNSR": int(lost is None)}
    return {**duration, "EVNTDESC": event, **_source(course, lost or last)}


def _time_to(day: int | None, last: int | None, course: Course) -> Record | None:
    reached = day if day is not None else last
    if reached is None:
        return None
    event = "response" if day is not None else "no response until the last count"
    waited: Record = {"AVAL": float(reached - 1), "AVALU": "DAYS", "CNSR": int(day is None)}
    return {**waited, "EVNTDESC": event, **_source(course, reached)}


def _answer(met: bool | None) -> Record:
    return {"AVAL": None if met is None else float(met), "AVALC": {True: "Y", False: "N", None: "NE"}[met]}


def _why(reason: object) -> Record:
    return {"ANLREAS": as_long_as_fits(str(reason))} if reason else {}


def _source(course: Course, day: int | None) -> Record:
    """Return the record of LB that a value hangs on: the count of its day; the last one where no day is meant."""
    evaluable: Sequence[Mapping[str, Any]] = [course.rows[index] for index in course.after] or course.rows
    row = next((row for row in evaluable if row["study_day"] == day), evaluable[-1])
    source: Record = {"SRCDOM": "LB", "SRCVAR": "LBSTRESN", "SRCSEQ": row["seq"]}
    return {"ADT": sas_date(row["date"]), "ADY": row["study_day"], **source}

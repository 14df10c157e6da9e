"""SDTM's tables of the trial and its subjects: planned visits (TV), demographics (DM), visits (SV)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from immunomon.outputs.delivery.dataset import Dataset, Value
from immunomon.outputs.delivery.trial import PlannedVisit, Trial

__all__ = ["base", "demographics", "demographics_of", "flagged_last", "subject_visits", "timing", "trial_visits"]

Record = dict[str, Value]


def trial_visits(trial: Trial) -> list[Record]:
    """Return TV: every visit of the plan, for all arms alike."""
    return [
        {"STUDYID": trial.name, "DOMAIN": "TV", **trial.when(visit.label), **_rules(visit, trial)}
        for visit in trial.visits
    ]


def _rules(visit: PlannedVisit, trial: Trial) -> dict[str, str]:
    if visit.infusion:
        start = f"Infusion {visit.infusion}, planned on study day {visit.planned_day}"
        return {"TVSTRL": start, "TVENRL": "The last sample of the infusion's time points"}
    if visit.window_days:
        first, last = visit.window_days
        return {"TVSTRL": f"Study day {first}", "TVENRL": f"The end of study day {last}"}
    infusion = trial.infusion()
    if visit.planned_day is not None:
        start = f"Study day {visit.planned_day}"
    elif infusion is not None and visit.number < trial.visit(infusion).number:
        start = "Before the first infusion"
    else:
        start = f"The day of visit {visit.label}, for which no study day is planned"
    return {"TVSTRL": start, "TVENRL": "The end of the day of the visit"}


def demographics(trial: Trial) -> list[Record]:
    """Return DM: one record a subject. What the study file does not know is missing, never made up.

    An arm is a planned way through the trial, which patients who expand a dose share with those before them: the cohort
    is a supplemental qualifier.
    """
    records: list[Record] = []
    for person in trial.persons:
        treated, actual = person.first is not None, trial.is_in_arm(person)
        arm, code = trial.arm(person), person.dose_group
        last = person.infusions[-1] if treated else None
        records.append(
            {
                "STUDYID": trial.name,
                "DOMAIN": "DM",
                "USUBJID": trial.usubjid(person.id),
                "SUBJID": person.id,
                "RFSTDTC": person.first,
                "RFENDTC": last,
                "RFXSTDTC": person.first,
                "RFXENDTC": last,
                "RFICDTC": person.consent,
                "RFPENDTC": person.participation_end,
                "DTHDTC": person.death,
                "DTHFL": "Y" if person.died else None,
                "SITEID": trial.sponsor.site,
                "SEX": person.sex,
                **demographics_of(person.about),
                "ARMCD": code,
                "ARM": arm,
                "ACTARMCD": code if actual else None,
                "ACTARM": arm if actual else None,
                "ARMNRS": None if actual else "NOT ASSIGNED" if code is None else "ASSIGNED, NOT TREATED",
                "COUNTRY": trial.sponsor.country,
                "+COHORT": person.cohort or None,
            }
        )
    return records


def demographics_of(about: Mapping[str, Any]) -> Record:
    """Return age, race and ethnicity as recorded; age is that at informed consent."""
    age, race, ethnicity = (about.get(name) for name in ("age_years", "race", "ethnicity"))
    return {
        "AGE": age,
        "AGEU": None if age is None else "YEARS",
        "RACE": race.upper() if race else None,
        "ETHNIC": ethnicity.upper() if ethnicity else None,
    }


def subject_visits(trial: Trial, datasets: Iterable[Dataset]) -> list[Record]:
    """Return SV: visits at which anything was measured or given, and the cytometry's planned ones that were missed."""
    dates: dict[tuple[str, str], set[str]] = {}
    missed: set[tuple[str, str]] = set()
    for dataset in datasets:
        for record in dataset.records():
            label = record.get("VISIT")
            if not label:
                continue
            key = (str(record["USUBJID"]), str(label))
            date = record.get(f"{dataset.name}DTC") or record.get("EXSTDTC")
            if date:
                dates.setdefault(key, set()).add(str(date)[:10])
            else:
                missed.add(key)
    by_id = {trial.usubjid(person.id): person for person in trial.persons}
    records: list[Record] = []
    for usubjid, label in sorted(dates.keys() | missed):
        on = dates.get((usubjid, label), set())
        person = by_id[usubjid]
        first, last = (min(on), max(on)) if on else (None, None)
        records.append(
            {
                "STUDYID": trial.name,
                "DOMAIN": "SV",
                "USUBJID": usubjid,
                **trial.when(label),
                "SVPRESP": "Y",
                "SVOCCUR": "Y" if on else "N",
                "SVSTDTC": first,
                "SVENDTC": last,
                "SVSTDY": person.day(first),
                "SVENDY": person.day(last),
            }
        )
    return records


def flagged_last(records: list[Record], trial: Trial, prefix: str) -> list[Record]:
    """Return findings with --LOBXFL on each test's last record with a result before the first infusion.

    prefix: the domain, such as ``LB``. On the day of the infusion a record counts as before only if its planned time
    point says so (``PRE...``).
    """
    firsts = {trial.usubjid(person.id): person.first for person in trial.persons}
    latest: dict[tuple[Value, ...], tuple[str, int]] = {}
    for index, record in enumerate(records):
        first, date = firsts.get(str(record["USUBJID"])), record.get(f"{prefix}DTC")
        if not first or not date or record.get(f"{prefix}STRESC") is None:
            continue
        before = str(date) < first or (str(date) == first and str(record.get(f"{prefix}TPT") or "").startswith("PRE"))
        key = (record["USUBJID"], record[f"{prefix}TESTCD"], record.get(f"{prefix}TSTOPO"))
        if before and (str(date), index) > latest.get(key, ("", -1)):
            latest[key] = (str(date), index)
    chosen = {index for _, index in latest.values()}
    return [{**record, f"{prefix}LOBXFL": "Y" if index in chosen else None} for index, record in enumerate(records)]


def base(trial: Trial, domain: str, subject: str) -> dict[str, Any]:
    """Return STUDYID, DOMAIN and USUBJID of a subject's record."""
    return {"STUDYID": trial.name, "DOMAIN": domain, "USUBJID": trial.usubjid(subject)}


def timing(trial: Trial, row: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return visit, epoch, date and day of a finding; where only its study day was recorded, the date of that day."""
    person = trial.person(str(row["subject"]))
    date = row.get("date") or person.date(row.get("study_day"))
    return {
        **trial.when(row.get("visit")),
        "EPOCH": person.epoch(date),
        f"{prefix}DTC": date,
        f"{prefix}DY": person.day(date),
    }

"""SDTM's trial design and what subjects went through of it: TS, TA, TE, TI, SE, and how datasets hang together."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from immunomon.outputs.delivery.dataset import Dataset, Value, as_long_as_fits
from immunomon.outputs.delivery.trial import Person, Trial
from immunomon.study.model.protocol import summary_parameters

__all__ = ["criteria", "related_records", "subject_elements", "trial_arms", "trial_elements", "trial_summary"]

Record = dict[str, Value]
_SCREENING, _FOLLOW_UP = ("SCRN", "Screening"), ("FU", "Follow-up")


def trial_summary(trial: Trial) -> list[Record]:
    """Return TS: what the study's section ``protocol`` states, and what the rest of the study file says by itself.

    A statement of the protocol stands in place of what could be worked out. What neither says is not there.
    """
    codes = summary_parameters()
    declared = {entry.code for entry in trial.protocol.summary}
    rows = [(entry.code, entry.name, entry.value, entry.null_flavor) for entry in trial.protocol.summary]
    known = ((code, value) for code, value in _known(trial) if code not in declared)
    rows += [(code, codes[code].name, value, "") for code, value in known]
    return [
        {
            "STUDYID": trial.name,
            "DOMAIN": "TS",
            "TSPARMCD": code,
            "TSPARM": name,
            "TSVAL": value or None,
            "TSVALNF": null_flavor or None,
            **_reference(code, value),
        }
        for code, name, value, null_flavor in rows
    ]


def _known(trial: Trial) -> Iterator[tuple[str, str]]:
    """Yield what a study says of the trial by itself: counts of subjects, arms and cohorts, dates, country."""
    sponsor = trial.sponsor
    if trial.title != trial.name:
        yield "TITLE", trial.title
    if sponsor.treatment != "STUDY TREATMENT":
        yield "TRT", sponsor.treatment
    if sponsor.country:
        yield "FCNTRY", sponsor.country
    if trial.dose_groups:
        yield "NARMS", str(len(trial.dose_groups))
    if trial.planned_subjects:
        yield "NCOHORT", str(len(trial.planned_subjects))
        yield "PLANSUB", str(sum(trial.planned_subjects))
    if trial.gives_cells:
        yield "ROUTE", sponsor.route
        yield "DOSFRM", sponsor.dose_form
    yield "ACTSUB", str(len(trial.persons))
    if consents := [person.consent for person in trial.persons if person.consent]:
        yield "SSTDTC", min(consents)
    yield "SDTIGVER", "3.4"
    yield "SDTMVER", "2.0"


def _reference(code: str, value: str) -> Record:
    """Return where a value's form or terms are published."""
    form = summary_parameters()[code].form if code in summary_parameters() else "text"
    if not value:
        return {}
    if form in {"date", "duration"}:
        return {"TSVCDREF": "ISO 8601"}
    if code == "FCNTRY":
        return {"TSVCDREF": "ISO 3166-1 alpha-3"}
    if form == "yes/no":
        return {"TSVALCD": {"Y": "C49488", "N": "C49487"}.get(value), "TSVCDREF": "CDISC CT"}
    return {}


def _element(trial: Trial, group: Mapping[str, Any]) -> tuple[str, str]:
    return f"TRT{trial.arm_number(str(group['name']))}", as_long_as_fits(trial.dose_text(group))


def trial_elements(trial: Trial) -> list[Record]:
    """Return TE: screening, the infusions of each arm, follow-up; none where no infusion is planned or was given."""
    if not trial.gives_cells:
        return []
    consent = any(person.consent for person in trial.persons)
    screening = "Informed consent" if consent else "The start of screening, which the study file does not date"
    records = [_rule(trial, _SCREENING, (screening, "The first infusion", None))]
    for group in _arms(trial):
        days = [int(day) for day in group.get("infusion_days") or ()]
        duration = f"P{max(days) - min(days) + 1}D" if days else None
        rules = ("The first infusion", "The end of the day of the last infusion", duration)
        records.append(_rule(trial, _element(trial, group), rules))
    last = ("The day after the last infusion", "The end of the subject's participation", None)
    return [*records, _rule(trial, _FOLLOW_UP, last)]


def _arms(trial: Trial) -> list[Mapping[str, Any]]:
    return sorted(trial.dose_groups, key=lambda group: trial.arm_number(str(group["name"])))


def _rule(trial: Trial, element: tuple[str, str], rules: tuple[str, str, str | None]) -> Record:
    start, end, duration = rules
    names = {"STUDYID": trial.name, "DOMAIN": "TE", "ETCD": element[0], "ELEMENT": element[1]}
    return {**names, "TESTRL": start, "TEENRL": end, "TEDUR": duration}


def trial_arms(trial: Trial) -> list[Record]:
    """Return TA: the elements of each arm in their order."""
    if not trial.gives_cells:
        return []
    records: list[Record] = []
    for group in _arms(trial):
        arm, planned = as_long_as_fits(trial.dose_text(group)), _planned(trial, group)
        for order, (element, epoch) in enumerate(planned, start=1):
            records.append(
                {
                    "STUDYID": trial.name,
                    "DOMAIN": "TA",
                    "ARMCD": str(group["name"]),
                    "ARM": arm,
                    "TAETORD": order,
                    "ETCD": element[0],
                    "ELEMENT": element[1],
                    "TABRANCH": as_long_as_fits(f"Assigned to {arm}") if epoch == "SCREENING" else None,
                    "EPOCH": epoch,
                }
            )
    return records


def _planned(trial: Trial, group: Mapping[str, Any]) -> tuple[tuple[tuple[str, str], str], ...]:
    return ((_SCREENING, "SCREENING"), (_element(trial, group), "TREATMENT"), (_FOLLOW_UP, "FOLLOW-UP"))


def criteria(trial: Trial) -> list[Record]:
    """Return TI: the criteria of inclusion and exclusion that the protocol section lists."""
    return [
        {
            "STUDYID": trial.name,
            "DOMAIN": "TI",
            "IETESTCD": criterion.id,
            "IETEST": criterion.text,
            "IECAT": criterion.category,
            "TIVERS": trial.protocol.version or None,
        }
        for criterion in trial.protocol.criteria
    ]


def subject_elements(trial: Trial) -> list[Record]:
    """Return SE: the elements that each subject entered, with their dates as far as they were recorded."""
    if not trial.gives_cells:
        return []
    return [record for person in trial.persons for record in _entered(trial, person)]


def _entered(trial: Trial, person: Person) -> Iterator[Record]:
    group = next((group for group in trial.dose_groups if group["name"] == person.dose_group), None)
    last = person.infusions[-1] if person.infusions else None
    treated_or_left = person.first or person.participation_end
    yield _dated(trial, person, (1, _SCREENING, "SCREENING"), (person.consent, treated_or_left))
    if person.first is None or last is None or group is None:
        return
    yield _dated(trial, person, (2, _element(trial, group), "TREATMENT"), (person.first, last))
    after = (datetime.date.fromisoformat(last) + datetime.timedelta(days=1)).isoformat()
    if person.participation_end is None or person.participation_end >= after:
        yield _dated(trial, person, (3, _FOLLOW_UP, "FOLLOW-UP"), (after, person.participation_end))


def _dated(
    trial: Trial, person: Person, of: tuple[int, tuple[str, str], str], dates: tuple[str | None, str | None]
) -> Record:
    order, element, epoch = of
    return {
        "STUDYID": trial.name,
        "DOMAIN": "SE",
        "USUBJID": trial.usubjid(person.id),
        "ETCD": element[0],
        "ELEMENT": element[1],
        "TAETORD": order,
        "EPOCH": epoch,
        "SESTDTC": dates[0],
        "SEENDTC": dates[1],
        "SESTDY": person.day(dates[0]),
        "SEENDY": person.day(dates[1]),
    }


def related_records(trial: Trial, datasets: Iterable[Dataset]) -> list[Record]:
    """Return RELREC: datasets whose records name the blood that they are of, each with BE, where it was drawn."""
    present = {dataset.name: dataset for dataset in datasets}
    specimens = set(present["BE"].column("BEREFID")) if "BE" in present else set()
    records: list[Record] = []
    for name in ("BS", "CP", "LB"):
        dataset, variable = present.get(name), f"{name}REFID"
        if dataset is None or variable not in dataset.names or not specimens.intersection(dataset.column(variable)):
            continue
        pair: Sequence[tuple[str, str, str]] = (("BE", "BEREFID", "ONE"), (name, variable, "MANY"))
        for domain, identity, kind in pair:
            related: Record = {"STUDYID": trial.name, "RDOMAIN": domain, "IDVAR": identity, "RELTYPE": kind}
            records.append({**related, "RELID": f"BE{name}"})
    return records

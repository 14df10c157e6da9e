"""All assessments of a study beside the cytometer's, worked out into tables."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from immunomon.study.model.arms import about_control
from immunomon.study.model.study import Study
from immunomon.trial.assessments.analytes import change_rows, value_rows
from immunomon.trial.assessments.candidates import candidate_rows, known_before, known_changes
from immunomon.trial.assessments.kinetics import analysed, kinetic_rows, parameters_of, proportionality_rows
from immunomon.trial.assessments.laboratory import (
    antibody_incidence,
    antibody_rows,
    conversion_rows,
    shift_rows,
    virus_incidence,
    virus_tests,
)
from immunomon.trial.assessments.people import People, people_of
from immunomon.trial.assessments.platelets import courses, response_incidence, response_row, visit_rows
from immunomon.trial.assessments.safety import (
    Events,
    adverse_event_incidence,
    emergent,
    escalation_rows,
    worst_rows,
)
from immunomon.trial.assessments.tabulate import Row
from immunomon.trial.model.analysis import AnalysisPlan, default_plan
from immunomon.trial.model.assessment_inputs import ASSESSMENT_INPUTS
from immunomon.trial.model.planned import planned_assessments
from immunomon.trial.model.tables import ASSESSMENT_TABLES, contracted

__all__ = ["Assessed", "assess"]

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, eq=False)
class Assessed:
    """What was worked out: the tables by name, and facts about them that a page needs.

    facts: study, present (files that the study has), last_date (until which the data reach), and what was left out.
    """

    tables: Mapping[str, pd.DataFrame]
    facts: Mapping[str, Any]


def assess(
    study: Study,
    files: Mapping[str, Rows],
    *,
    changes: pd.DataFrame | None = None,
    plan: AnalysisPlan | None = None,
) -> Assessed:
    """Return the tables of all assessments of a study; those of a file that it does not have are empty.

    files: rows by table, as ``specs.assessment_tables`` reads them; changes: a run's table of changes, for the immune
    changes beside safety and response; plan: whose primary endpoints they are, default the default plan. The candidates
    for an expansion are compared on the patients who were there to choose by, and on what was known of them on the day
    the expansion began.
    """
    people = people_of(study)
    last_date = _last_date(people, files)
    tables, events = _tables(study, people, files, last_date)
    first, began = people.escalation, people.first_expansion
    known = {name: known_before(first, rows, began) for name, rows in files.items()}
    basis = tables if began is None else _tables(study, first, known, began)[0]
    in_use = (plan or default_plan(study.visits)).on(study.panels)
    rows = candidate_rows(first, basis, in_use, changes=known_changes(first, changes, began))
    planned = planned_assessments(study, files, last_date) if last_date else ()
    tables["planned"] = contracted(
        ({**people.whose(assessment.subject), **asdict(assessment)} for assessment in planned),
        ASSESSMENT_TABLES["planned"],
    )
    tables["candidates"] = contracted(rows, ASSESSMENT_TABLES["candidates"])
    return Assessed(tables, _facts(study, people, files, events=events, last_date=last_date))


def _tables(
    study: Study, people: People, files: Mapping[str, Rows], last_date: datetime.date | None
) -> tuple[dict[str, pd.DataFrame], Events]:
    """Return the tables of these people, all but the candidates, and their adverse events."""
    rules = study.assessments
    responses, platelet_rows = _platelets(people, files, study)
    sampled = analysed(people, files.get("msc_concentration", ()), rules.kinetics)
    kinetics = {subject: parameters_of(samples, rules.kinetics) for subject, samples in sampled.items()}
    beside = _beside(people, responses, kinetics)
    antibodies = antibody_rows(people, files.get("antibodies", ()), rules.antibodies, beside=beside)
    viruses = virus_tests(people, files.get("viruses", ()), rules.viruses)
    conversions = list(conversion_rows(people, viruses))
    events = emergent(people, files.get("adverse_events", ()), rules, files.get("infusions", ()))
    measured = value_rows(people, files.get("laboratory", ()), rules.laboratory, visits=study.visits)
    counted: list[Row] = []
    counted += response_incidence(people, responses) if "platelets" in files else []
    counted += antibody_incidence(people, antibodies) if "antibodies" in files else []
    counted += virus_incidence(people, viruses, conversions) if "viruses" in files else []
    counted += adverse_event_incidence(people, events) if "adverse_events" in files else []
    steps = escalation_rows(people, events.toxicities, rules.escalation, last_date=last_date) if last_date else ()
    rows: dict[str, Any] = {
        "platelet_visits": platelet_rows,
        "platelet_response": responses.values(),
        "kinetics": kinetic_rows(people, kinetics),
        "proportionality": proportionality_rows(people, kinetics, rules.kinetics.confidence) if kinetics else (),
        "antibody_response": antibodies,
        "laboratory_values": measured,
        "laboratory_changes": change_rows(people, measured, study.visits),
        "virus_shifts": shift_rows(viruses),
        "virus_conversions": conversions,
        "adverse_event_worst": worst_rows(people, events),
        "incidence": counted,
        "escalation": steps if "adverse_events" in files else (),
    }
    return {name: contracted(content, ASSESSMENT_TABLES[name]) for name, content in rows.items()}, events


def _platelets(people: People, files: Mapping[str, Rows], study: Study) -> tuple[dict[str, Row], list[Row]]:
    rules = study.assessments.platelets
    by_subject = courses(files.get("platelets", ()), rules, files.get("medications", ()))
    ordered = {subject: by_subject[subject] for subject in people.persons if subject in by_subject}
    visits = [row for subject, course in ordered.items() for row in visit_rows(people, subject, course)]
    return {subject: response_row(people, subject, course, rules=rules) for subject, course in ordered.items()}, visits


def _beside(
    people: People, responses: Mapping[str, Row], kinetics: Mapping[str, Mapping[str, tuple[float | None, str]]]
) -> dict[str, Row]:
    """Return what stands beside a subject's antibody: platelet response and exposure."""
    beside: dict[str, Row] = {}
    for subject in people.persons:
        parameters = kinetics.get(subject, {})
        beside[subject] = {
            "best_response": responses.get(subject, {}).get("best_response"),
            "cmax_cells_per_ml": parameters["CMAX"][0] if parameters else None,
            "auclast_h_cells_per_ml": parameters["AUCLST"][0] if parameters else None,
        }
    return beside


def _last_date(people: People, files: Mapping[str, Rows]) -> datetime.date | None:
    """Return the last date that the data name: of an infusion, a test, a count or an event."""
    dates = [date for subject in people.treated for date in people[subject].infusions]
    for rows in files.values():
        for row in rows:
            if row.get("date"):
                dates.append(datetime.date.fromisoformat(row["date"]))
            days = [row.get(name) for name in ("study_day", "start_day", "end_day")]
            of_days = (people[row["subject"]].date_of(day) for day in days if day is not None)
            dates += [date for date in of_days if date is not None]
    return max(dates, default=None)


def _facts(
    study: Study, people: People, files: Mapping[str, Rows], *, events: Events, last_date: datetime.date | None
) -> dict[str, Any]:
    samples = files.get("msc_concentration", ())
    left_out = sorted({row["subject"] for row in samples} - set(_analysed_ids(people, study)))
    return {
        "study": study.name,
        "present": [name for name in ASSESSMENT_INPUTS if name in files],
        "queries": [dict(row) for row in files.get("queries", ())],
        "last_date": None if last_date is None else last_date.isoformat(),
        "treated": len(people.treated),
        "undated": {
            name: sum(row["study_day"] is None for row in files.get(name, ()))
            for name in ("platelets", "antibodies", "viruses")
        },
        "about_control": about_control({s.dose_group: people.doses[s.dose_group] for s in study.subjects}),
        "highest_dose": max((dose for dose in people.doses.values() if dose is not None), default=None),
        "expansion_began": None if (began := people.first_expansion) is None else began.isoformat(),
        "kinetics_left_out": left_out,
        "events": {
            "emergent": len(events.emergent),
            "others": len(events.not_emergent),
            "undated": events.undated,
            "unsaid": events.unsaid,
            "on_day_1": sum(e["start_day"] == 1 and e["onset"] == "unknown" for e in events.emergent),
            "untimed": events.untimed if "infusions" in files else None,
            "undated_toxicities": sum(e["limiting"] and e["start_day"] is None for e in events.emergent),
        },
    }


def _analysed_ids(people: People, study: Study) -> list[str]:
    return [person.id for person in people.persons.values() if person.sex in study.assessments.kinetics.sexes]

"""Nine made-up patients with counts at five visits and weekly platelets, as tables: no files, no events."""

from __future__ import annotations

import numpy as np
import pandas as pd

from immunomon.study.model.endpoints import PlateletRules
from immunomon.trial.assessments.people import People, Person
from immunomon.trial.assessments.platelets import courses, response_row, visit_rows
from immunomon.trial.model.tables import KINETICS, PLATELET_RESPONSE, PLATELET_VISITS, contracted
from support.made_up_run import counted_tables

VISITS = (("D-1", -1), ("W2", 15), ("W4", 29), ("W8", 57), ("W12", 85))
SUBJECTS = tuple(f"S{number}" for number in range(1, 10))
GROUPS = dict(zip(SUBJECTS, "AAABBBCCC", strict=True))
DOSES = {"A": 5e5, "B": 1e6, "C": 2e6}
RESPONDERS = ("S4", "S5", "S7", "S8")
RECORD = {
    "digest": "d" * 64,
    "study": {
        "name": "MADE-UP <b>",
        "visits": [{"label": label, "planned_day": day, "baseline": day < 0} for label, day in VISITS],
        "dose_groups": [{"name": name, "cells_per_kg": dose} for name, dose in DOSES.items()],
        "subjects": [{"id": subject, "dose_group": group} for subject, group in GROUPS.items()],
        "cohorts": [{"name": "more", "dose_group": "C", "expansion": True}],
    },
}
POPULATIONS = (
    ("treg", "treg", "cd4", 0.04, 0.6),
    ("thelper", "th1", "cd4", 0.12, 0.0),
    ("thelper", "th17", "cd4", 0.1, -0.5),
    ("bcell", "b_cells", "lymphocytes", 0.15, 0.0),
    ("nk", "nk", "lymphocytes", 0.1, 0.0),
)


def run_tables(seed: int = 1, *, only: tuple[str, ...] = ()) -> dict[str, pd.DataFrame]:
    """Return changes and frequencies of a run: responders change by what stands in POPULATIONS, others do not."""
    return counted_tables(
        [one for one in POPULATIONS if not only or one[1] in only],
        GROUPS,
        VISITS,
        rng=np.random.default_rng(seed),
        events=9000,
        spread=0.08,
        grown=lambda effect, subject, day: effect * (subject in RESPONDERS) * min(max(day, 0) / 29, 1),
        beside=lambda subject, visit, day, population: {"study_day": day, "status": "ok"},
    )


def platelet_counts(seed: int = 1) -> list[dict]:
    """Return weekly counts: responders rise from 10 to 120 in weeks 3 to 4, S9 has a rescued count at week 4."""
    rng = np.random.default_rng([seed, 2])
    rows = []
    for subject in SUBJECTS:
        for week in range(14):
            day = 7 * week + 1 if week else -1
            level = 120 if subject in RESPONDERS and week > 3 else 40 if subject in RESPONDERS and week == 3 else 10
            rescued = subject == "S9" and week == 4
            count = round(200 if rescued else level * float(np.exp(rng.normal(0, 0.05))))
            row = {"subject": subject, "visit": None, "study_day": day, "platelets_1e9_per_l": float(count)}
            rows.append(row | {"bleeding": False, "rescue_therapy": rescued})
    return rows


def assessed(seed: int = 1) -> dict[str, pd.DataFrame]:
    """Return the tables of ``immunomon assess`` that a mechanism needs; S1 and S2 have no exposure."""
    people = People({one: Person(one, GROUPS[one], DOSES[GROUPS[one]], "F") for one in SUBJECTS}, DOSES)
    rules = PlateletRules()
    found = courses(platelet_counts(seed), rules)
    rng = np.random.default_rng([seed, 3])
    area = [
        {"subject": one, "dose_group": GROUPS[one], "parameter": "AUCLST", "value": 1e3 * DOSES[GROUPS[one]] / 1e6 * e}
        for one, e in zip(SUBJECTS, np.exp(rng.normal(0, 0.2, 9)), strict=True)
    ]
    return {
        "platelet_visits": contracted(
            (row for one, course in found.items() for row in visit_rows(people, one, course)), PLATELET_VISITS
        ),
        "platelet_response": contracted(
            (response_row(people, one, course, rules=rules) for one, course in found.items()), PLATELET_RESPONSE
        ),
        "kinetics": contracted(area[2:], KINETICS),
    }

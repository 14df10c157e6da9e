"""A trial as trials go: a dose-limiting toxicity, a cohort that it enlarges, an expansion, visits late and missed.

Of nobody's data: who stops, who leaves and who comes late is drawn, so that what reads the trial meets all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

from immunomon.assurance.simulate.biology import draw_donor
from immunomon.assurance.simulate.protocol import DOSE_GROUPS, INFUSION_DAYS, VISITS, Patient, Scenario
from immunomon.assurance.simulate.seeding import generator

__all__ = ["ANALYSIS_PANELS", "ANALYSIS_PLAN", "with_expansion"]

_ADDED = 3  # patients who are entered at the dose of a toxicity, by the rule 3+3
_TOXICITY_DAY, _STOPPED_AFTER = 10, 2
_LEFT_ON_DAY = 60
_WEEKS_BETWEEN = 6

ANALYSIS_PANELS = frozenset({"treg", "thelper", "bcell", "nk"})
ANALYSIS_PLAN = """\
# The plan of analysis, written before the first patient was entered: five populations, week 4 first.
schema: immunomon.analysis/1
name: primary-analysis
declared_on: 2024-12-02
primary: {visit: W4, endpoints: [treg, th1, th17, b_cells, nk]}
endpoints:
  - {name: treg, panel: treg, population: treg, of: cd4, expected: up}
  - {name: th1, panel: thelper, population: th1, of: cd4}
  - {name: th17, panel: thelper, population: th17, of: cd4}
  - {name: b_cells, panel: bcell, population: b_cells, of: lymphocytes}
  - {name: nk, panel: nk, population: nk, of: lymphocytes}
windows:
  - {name: onset, first: D-1, last: W4}
  - {name: whole, first: D-1, last: W28}
not_reportable: leave out
"""


def with_expansion(
    patients: Sequence[Patient], expansion: int, scenario: Scenario, *, seed: int
) -> tuple[Patient, ...]:
    """Return the patients with those of an enlarged last cohort and of an expansion, and with what went otherwise.

    The first patient of the highest dose has a dose-limiting toxicity and two infusions; three more are entered at that
    dose, then it is expanded. One patient of the middle dose misses a visit and comes late to others, one of the
    expansion leaves the trial on his or her own wish. Without an expansion the patients are returned as they are.
    """
    if expansion < 1:
        return tuple(patients)
    highest = DOSE_GROUPS[-1]
    planned = [_as_went(patient, patients) for patient in patients]
    last = max(patient.first_infusion for patient in patients)
    more = [
        _entered(number, scenario, seed, start=last + timedelta(weeks=_WEEKS_BETWEEN, days=number))
        for number in range(_ADDED)
    ]
    expanded = [
        _entered(_ADDED + number, scenario, seed, start=last + timedelta(weeks=2 * _WEEKS_BETWEEN, days=2 * number))
        for number in range(expansion)
    ]
    more = [replace(patient, id=_name(len(planned) + n), wave=f"{highest.name}2") for n, patient in enumerate(more, 1)]
    expanded = [
        replace(patient, id=_name(len(planned) + _ADDED + n), cohort="expansion", wave="X", expansion=True)
        for n, patient in enumerate(expanded, 1)
    ]
    expanded[0] = replace(expanded[0], leaves=(_LEFT_ON_DAY, "withdrawal by subject"))
    return (*planned, *more, *expanded)


def _name(number: int) -> str:
    return f"S{number:02d}"


def _as_went(patient: Patient, patients: Sequence[Patient]) -> Patient:
    """Return a patient of the escalation as it went: the toxicity, the missed visit, the late ones."""
    first_of = {group.name: next(p.id for p in patients if p.group == group) for group in {p.group for p in patients}}
    if patient.id == first_of.get(DOSE_GROUPS[-1].name):
        return replace(patient, toxicity_day=_TOXICITY_DAY, infusions=_STOPPED_AFTER)
    if patient.id == first_of.get(DOSE_GROUPS[-2].name):
        return replace(patient, missed=frozenset({VISITS[3].label}), late={VISITS[2].label: 3, VISITS[4].label: 4})
    return patient


def _entered(number: int, scenario: Scenario, seed: int, *, start: date) -> Patient:
    """Return one more patient of the highest dose; each is the same whatever the others are."""
    name, dose = f"more-{number}", len(DOSE_GROUPS) - 1
    rng = generator(seed, "more patients", name)
    responder, rituximab = bool(rng.random() < 0.5), bool(rng.random() < 0.7)
    donor = draw_donor(
        name, dose, scenario.factor(responder=responder), b_depleted=False, rng=generator(seed, "donor", name)
    )
    flags = {"prior_rituximab": rituximab, "recent_rituximab": False, "splenectomy": bool(rng.random() < 0.55)}
    if scenario is Scenario.NOVEL:
        donor = replace(donor, novel=responder)
    sex = "M" if rng.random() < 1 / 6 else "F"
    return Patient(name, DOSE_GROUPS[dose], sex, start, flags, responder, donor, infusions=len(INFUSION_DAYS))

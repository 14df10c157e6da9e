"""The column contracts of what ``immunomon assess`` writes: names, types, meaning."""

from __future__ import annotations

from immunomon.cytometry.model.populations import contract

__all__ = [
    "ADVERSE_EVENT_WORST",
    "ANTIBODY_RESPONSE",
    "ASSESSMENT_TABLES",
    "CANDIDATES",
    "ESCALATION",
    "INCIDENCE",
    "KINETICS",
    "PLANNED",
    "PLATELET_RESPONSE",
    "PLATELET_VISITS",
    "PROPORTIONALITY",
    "VIRUS_CONVERSIONS",
    "VIRUS_SHIFTS",
]


PLATELET_VISITS = contract("platelet_visits", "one platelet count", "subject", "study_day", "visit")
PLATELET_RESPONSE = contract("platelet_response", "one subject with platelet counts", "subject")
KINETICS = contract("kinetics", "one subject x kinetic parameter", "subject", "parameter")
PROPORTIONALITY = contract("proportionality", "one kinetic parameter over the doses", "parameter")
ANTIBODY_RESPONSE = contract("antibody_response", "one subject tested for antibody to the cells", "subject")
VIRUS_SHIFTS = contract(
    "virus_shifts", "one virus x visit x result before and then", "virus", "visit", "baseline_result", "result"
)
VIRUS_CONVERSIONS = contract(
    "virus_conversions",
    "one subject x virus that was not positive before the first infusion and is after it",
    "subject",
    "virus",
    "visit",
)
ADVERSE_EVENT_WORST = contract(
    "adverse_event_worst",
    "one subject x term, or x system organ class, or altogether: treatment-emergent events at the worst grade",
    "subject",
    "level",
    "system_organ_class",
    "term",
)
INCIDENCE = contract(
    "incidence",
    "one kind of event x dose group, or x cohort of a dose that was expanded: how many subjects of how many",
    "topic",
    "measure",
    "system_organ_class",
    "term",
    "dose_group",
    "cohort",
)
ESCALATION = contract("escalation", "one step of the dose escalation: a cohort looked at", "step")
CANDIDATES = contract(
    "candidates",
    "one dose group x measure: what speaks for and against its expansion, side by side",
    "dose_group",
    "aspect",
    "measure",
)
PLANNED = contract(
    "planned", "one planned assessment of one treated subject", "subject", "assessment", "planned", "test"
)
ASSESSMENT_TABLES = {
    table.name: table
    for table in (
        *(PLATELET_VISITS, PLATELET_RESPONSE, KINETICS, PROPORTIONALITY, ANTIBODY_RESPONSE),
        *(VIRUS_SHIFTS, VIRUS_CONVERSIONS, ADVERSE_EVENT_WORST, INCIDENCE, ESCALATION, CANDIDATES, PLANNED),
    )
}

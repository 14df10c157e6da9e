"""The files of a simulated trial beside its FCS files: study.yaml, panels, and the sample list."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from immunomon.assurance.simulate.conditions import ORDINARY_CONDITION
from immunomon.assurance.simulate.layouts import LAYOUTS, Layout
from immunomon.assurance.simulate.plan import Plan
from immunomon.assurance.simulate.protocol import DOSE_GROUPS, INFUSION_DAYS, Patient, Scenario, date_of_study_day
from immunomon.assurance.simulate.serum import laboratory_yaml
from immunomon.assurance.simulate.tables import Row
from immunomon.assurance.simulate.tubes import Tube

__all__ = [
    "panel_yaml",
    "sample_rows",
    "study_yaml",
]

_OPENING = """\
# A simulated trial of hUC-MSC in refractory immune thrombocytopenia: SYNTHETIC, no person's data.
# Made by: immunomon simulate --scenario {scenario} --events {events} --seed {seed}{options}
# What each event really is stands in truth/; nothing there is read by an analysis.
schema: immunomon.study/1
name: DEMO-ITP
title: hUC-MSC in refractory ITP (simulated, scenario {scenario})
site: "001"
country: CHN                     # as of the trial that this one imitates
"""

_CLOSING = """\

# file: each FCS file's own spillover keyword. Others: {source: matrix, path: matrix.csv}, {source: none}.
compensation: {source: SOURCE}
samples: samples.csv

# When a frequency may be reported. Working rules, not a guideline's: change them to your laboratory's.
reportability:
  min_parent_events: 100         # a frequency of an emptier parent is not reported
  lod_events: 20
  lloq_events: 50
"""

_SCHEDULE = """\
# When the other assessments are planned: what is missing of them is said by immunomon check and assess.
assessments:
  schedule:
    platelets:
      visits: [D-1, {weeks}]
      days: [-1, {days}]
    msc_concentration: {{hours: [-0.5, 0.5, 1, 2, 4, 8, 16, 24, 48, 96], sexes: [F]}}
    # The first nine patients: not those of an expansion.
    antibodies:
      visits: [pre-first-infusion, 48h-post-last-infusion]
      days: [1, 24]
      within_days: 1
      expansion: false
    viruses:
      visits: [screening, W4, W16]
      days: [-14, 29, 113]
      within_days: 7
      tests: [HBV, HCV, HIV, syphilis]
  # Soluble factors in serum, of laboratory.csv. Limits of quantification in their unit.
{laboratory}
"""
_PROTOCOL = """
# What the protocol says of the trial, for deliveries in CDISC's formats (TS, TI). Of the simulated one: made up.
protocol:
  version: "1.0"
  summary:
    - {parameter: TPHASE, value: PHASE I TRIAL}
    - {parameter: STYPE, value: INTERVENTIONAL}
    - {parameter: TTYPE, value: SAFETY}
    - {parameter: TTYPE, value: EFFICACY}
    - {parameter: TINDTP, value: TREATMENT}
    - {parameter: INDIC, value: Refractory immune thrombocytopenia}
    - {parameter: TDIGRP, value: Refractory immune thrombocytopenia}
    - {parameter: REGID, null_flavor: NA}
    - {parameter: SPONSOR, value: Simulated sponsor}
    - {parameter: OBJPRIM, value: To find the dose of hUC-MSC that is tolerated}
    - {parameter: OBJSEC, value: To describe the response of the platelets and the change of immune cells}
    - {parameter: OUTMSPRI, value: Dose-limiting toxicity to study day 28}
    - {parameter: TRT, value: hUC-MSC}
    - {parameter: PCLAS, value: Mesenchymal stem cells}
    - {parameter: ADDON, value: Y}
    - {parameter: INTTYPE, value: BIOLOGIC}
    - {parameter: INTMODEL, value: SEQUENTIAL}
    - {parameter: RANDOM, value: N}
    - {parameter: TBLIND, value: OPEN LABEL}
    - {parameter: TCNTRL, value: NONE}
    - {parameter: ADAPT, value: Y}
    - {parameter: AGEMIN, value: P18Y}
    - {parameter: AGEMAX, value: P65Y}
    - {parameter: SEXPOP, value: BOTH}
    - {parameter: HLTSUBJI, value: N}
    - {parameter: LENGTH, value: P28W}
    - {parameter: STOPRULE, value: Two or more dose-limiting toxicities at a dose}
    - {parameter: SENDTC, null_flavor: NI}
    - {parameter: DCUTDTC, null_flavor: NI}
    - {parameter: DCUTDESC, null_flavor: NI}
  criteria:
    - {id: INCL01, category: inclusion, text: Immune thrombocytopenia that did not respond to two lines of therapy}
    - {id: INCL02, category: inclusion, text: "Platelets below 30 x 10^9/L"}
    - {id: INCL03, category: inclusion, text: Aged 18 to 65 years}
    - {id: EXCL01, category: exclusion, text: "Infection with HIV, HBV, HCV or syphilis"}
    - {id: EXCL02, category: exclusion, text: Pregnancy or breast feeding}
"""
_NO_EXPANSION = "\n# An expansion would be: {name: expansion, dose_group: C, planned_subjects: 6, expansion: true}"
_RARE = "  populations: {plasmablasts: {lloq_events: 20}}   # rare: a counting CV of 22 % will do\n"


def study_yaml(plan: Plan, scenario: Scenario) -> str:
    """Return study.yaml, with comments for the person who reads it."""
    groups = [
        f"  - {{name: {g.name}, cells_per_kg: {g.cells_per_kg / 1e6:.1f}e6, infusion_days: {list(INFUSION_DAYS)}}}"
        for g in DOSE_GROUPS
    ]
    cohorts = _cohorts(plan.patients)
    closing = _CLOSING.replace("SOURCE", "none" if plan.condition.instrument.unmixed else "file")
    sections = [
        _OPENING.format(scenario=scenario.value, events=plan.events, seed=plan.seed, options=_options(plan)).rstrip(),
        "\n# One infusion a week for four weeks; study days count from the first infusion = Day 1, there is no Day 0.",
        *("dose_groups:", *groups),
        *([] if any(patient.expansion for patient in plan.patients) else [_NO_EXPANSION]),
        *("cohorts:", *cohorts),
        "\nsubjects:",
        *(_subject(patient) for patient in plan.patients),
        "\n# window_days: the first and last study day that still count as the visit",
        *("visits:", *_visits(plan)),
        "\n# The panels in use, and the gating strategy of each.",
        *("panels:", *(f"  - {{panel: {layout.name}, strategy: {_strategies(layout)}}}" for layout in plan.layouts)),
        closing + (_RARE if "bcell" in {layout.name for layout in plan.layouts} else ""),
        _SCHEDULE.format(
            weeks=", ".join(f"W{week}" for week in range(1, 29)),
            days=", ".join(str(7 * week + 1) for week in range(1, 29)),
            laboratory=laboratory_yaml(),
        ).rstrip(),
        _PROTOCOL,
    ]
    return "\n".join(sections)


def _options(plan: Plan) -> str:
    """Return the options of ``immunomon simulate`` that are not as they are by default; each begins with a blank."""
    names = [layout.name for layout in plan.layouts]
    panels = [] if names == [*LAYOUTS] else [f"--panel {name}" for name in names]
    condition = [] if plan.condition is ORDINARY_CONDITION else [f"--condition {plan.condition.name}"]
    expanding = sum(patient.expansion for patient in plan.patients)
    expansion = [f"--expansion {expanding}"] if expanding else []
    return "".join(f" {option}" for option in (*panels, *condition, *expansion))


def _cohorts(patients: Sequence[Patient]) -> list[str]:
    lines = []
    for name in dict.fromkeys(patient.cohort or patient.group.name for patient in patients):
        members = [patient for patient in patients if (patient.cohort or patient.group.name) == name]
        expansion = ", expansion: true" if members[0].expansion else ""
        of = f"name: {name}, dose_group: {members[0].group.name}, planned_subjects: {len(members)}"
        lines.append(f"  - {{{of}{expansion}}}")
    return lines


def _strategies(layout: Layout) -> str:
    names = layout.strategies or (layout.name,)
    return names[0] if len(names) == 1 else f"[{', '.join(names)}]"


def panel_yaml(layout: Layout) -> str:
    """Return the panel of a tube that is none of the shipped ones."""
    kinds = {"viability": "viability", "HLA-DR": "state", "CD38": "state"}
    stains = zip(layout.markers, layout.optics.detectors, layout.optics.fluorochromes, strict=True)
    lines = [
        "schema: immunomon.panel/1",
        f"name: {layout.name}",
        f"label: {len(layout.markers)} colours (simulated)",
        "scatter: [FSC-A, FSC-H, SSC-A]",
        "time: Time",
        "markers:",
        *(
            f"  - {{marker: {marker}, detector: {detector}, fluorochrome: {dye}, kind: {kinds.get(marker, 'type')}}}"
            for marker, detector, dye in stains
        ),
    ]
    return "\n".join(lines) + "\n"


def _subject(patient: Patient) -> str:
    days = INFUSION_DAYS[: patient.infusions]
    infusions = ", ".join(date_of_study_day(patient.first_infusion, day).isoformat() for day in days)
    flags = ", ".join(f"{name}: {str(value).lower()}" for name, value in patient.flags.items())
    return "\n".join(
        (
            f"  - id: {patient.id}",
            f"    dose_group: {patient.group.name}",
            f"    cohort: {patient.cohort or patient.group.name}",
            f"    sex: {patient.sex}",
            f"    infusion_dates: [{infusions}]",
            f"    flags: {{{flags}}}",
        )
    )


def _visits(plan: Plan) -> list[str]:
    lines = []
    for visit in plan.visits:
        baseline = ", baseline: true" if visit.planned_day < 0 else ""
        window = f"[{visit.window[0]}, {visit.window[1]}]"
        lines.append(f"  - {{label: {visit.label}, planned_day: {visit.planned_day}, window_days: {window}{baseline}}}")
    return lines


def sample_rows(tubes: list[Tube], seed: int) -> list[Row]:
    """Return the rows of samples.csv; subject and visit are blank for tubes that belong to no patient."""
    return [_sample_row(tube, seed) for tube in tubes]


_BLOOD_UL = 50  # of blood in a tube with counting beads


def _sample_row(tube: Tube, seed: int) -> Row:
    collected: date = tube.batch.run_date
    lymphocytes = ""
    if tube.patient and tube.visit:
        collected = tube.patient.collection_date(tube.visit, seed)
        lymphocytes = str(tube.patient.lymphocytes_per_ul(tube.visit, seed))
    return {
        "file": tube.file,
        "subject": tube.patient.id if tube.patient else "",
        "visit": tube.visit.label if tube.visit else "",
        "panel": tube.layout.name,
        "role": tube.role,
        "batch": tube.batch.name,
        "collection_date": collected.isoformat(),
        "lymphocytes_per_ul": lymphocytes,
        "beads_counted": "",
        "beads_added": f"{_BLOOD_UL * beads:.0f}" if (beads := tube.layout.beads_per_ul) else "",
        "sample_volume_ul": f"{_BLOOD_UL}" if beads else "",
    }

"""The list of every tube in the trial: patients' samples, bridges, FMO and compensation controls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta

from immunomon.assurance.simulate.biology import Frequencies, healthy_donor, visit_frequencies
from immunomon.assurance.simulate.conditions import ORDINARY_CONDITION, Condition
from immunomon.assurance.simulate.layouts import Layout
from immunomon.assurance.simulate.protocol import Patient, Visit
from immunomon.assurance.simulate.seeding import generator
from immunomon.assurance.simulate.stimulation import STIMULATED, cytokine_frequencies, with_cytokines
from immunomon.assurance.simulate.t_cells import T_TUBES, subset_frequencies, with_subsets
from immunomon.assurance.simulate.tubes import BRIDGE_DONOR, Batch, Tube

__all__ = ["Plan", "all_tubes"]

_FMO_EVENTS, _SINGLE_STAIN_EVENTS, _BRIDGE_SHARE = 3000, 2000, 0.35


@dataclass(frozen=True)
class Plan:
    """What decides the tubes: patients, visits, panels, the size of a sample file, the seed, and the condition.

    controls: whether there are tubes besides the patients': compensation controls, bridges and FMO.
    """

    patients: tuple[Patient, ...]
    visits: tuple[Visit, ...]
    layouts: tuple[Layout, ...]
    events: int
    seed: int
    condition: Condition = ORDINARY_CONDITION
    controls: bool = True

    @property
    def opened(self) -> date:
        """The day before the first blood sample: compensation controls are run, and staining drifts from here on."""
        dates = (patient.collection_date(visit, self.seed) for patient in self.patients for visit in self.visits)
        return min(dates) - timedelta(days=1)


def all_tubes(plan: Plan) -> list[Tube]:
    """Return every tube, in the order they are run.

    >>> from immunomon.assurance.simulate.layouts import LAYOUTS
    >>> from immunomon.assurance.simulate.protocol import draw_patients, visits_named
    >>> from immunomon.assurance.simulate.protocol import Scenario
    >>> patients = draw_patients(Scenario.NULL, 1, seed=1)
    >>> tubes = all_tubes(Plan(patients, visits_named(["W4"]), (LAYOUTS["thelper"],), 1000, seed=1))
    >>> [tube.stem for tube in tubes][9:13]
    ['S01_W4_thelper', 'A-W4_bridge_thelper', 'A-W4_fmo-CXCR3_thelper', 'A-W4_fmo-CCR6_thelper']
    """
    tubes = [replace(tube, condition=plan.condition) for tube in _compensation_tubes(plan)] if plan.controls else []
    for wave in dict.fromkeys(_wave(patient) for patient in plan.patients):
        for visit in plan.visits:
            tubes += _batch_tubes(plan, wave, visit)
    return tubes


def _wave(patient: Patient) -> str:
    return patient.wave or patient.group.name


def _compensation_tubes(plan: Plan) -> Iterator[Tube]:
    donor, batch = healthy_donor(BRIDGE_DONOR), Batch("COMP", plan.opened, 0)
    roles = (
        (layout, role)
        for layout in plan.layouts
        for role in (*(f"single-stain:{name}" for name in layout.optics.fluorochromes), "unstained")
    )
    for number, (layout, role) in enumerate(roles):
        yield Tube(
            layout,
            role,
            batch,
            stem=f"{role.replace('-stain:', '-')}_{layout.name}",
            events=_SINGLE_STAIN_EVENTS,
            donor=BRIDGE_DONOR if role == "unstained" else "COMPENSATION-BEADS",
            frequencies=_in_tube(donor.frequencies(), layout, "unstained", BRIDGE_DONOR, seed=plan.seed),
            place_in_batch=number,
        )


def _batch_tubes(plan: Plan, wave: str, visit: Visit) -> list[Tube]:
    """Those entered together are stained and run as one batch a visit, the day after the last of them came."""
    entered = [patient for patient in plan.patients if _wave(patient) == wave]
    members = [patient for patient in entered if patient.comes_to(visit, plan.seed)]
    if not members:
        return []
    run_date = max(patient.collection_date(visit, plan.seed) for patient in members) + timedelta(days=1)
    batch = Batch(f"{wave}-{visit.label}", run_date, (run_date - plan.opened).days)
    tubes = [tube for patient in members for tube in _patient_tubes(plan, patient, visit, batch=batch)]
    if plan.controls:
        tubes += _control_tubes(plan, batch)
    tubes.sort(key=lambda tube: plan.layouts.index(tube.layout))
    condition = plan.condition
    if condition.last_visit_only and visit != plan.visits[-1]:
        condition = replace(condition, stains={})
    return [replace(tube, place_in_batch=position, condition=condition) for position, tube in enumerate(tubes)]


def _patient_tubes(plan: Plan, patient: Patient, visit: Visit, *, batch: Batch) -> Iterator[Tube]:
    # Drawn once a visit, so that CD3 and CD4 agree between the tubes of one blood sample.
    rng = generator(plan.seed, "frequencies", patient.id, visit.label)
    frequencies, effect = visit_frequencies(patient.donor, visit.label, rng)
    for layout in plan.layouts:
        for role in ("sample", "unstimulated") if layout.name == STIMULATED else ("sample",):
            twin = "" if role == "sample" else "_unstimulated"
            yield Tube(
                layout,
                role,
                batch,
                stem=f"{patient.id}_{visit.label}{twin}_{layout.name}",
                events=plan.condition.events or round(plan.events * layout.run_length),
                donor=patient.id,
                frequencies=_in_tube(frequencies, layout, role, patient.id, visit.label, seed=plan.seed),
                effect=effect,
                patient=patient,
                visit=visit,
            )


def _in_tube(frequencies: Frequencies, layout: Layout, role: str, *labels: str, seed: int) -> Frequencies:
    """Return the fractions of parent in a tube: some tubes have populations that the others have not."""
    donor, visit = labels[0], labels[-1]
    if layout.name in T_TUBES:
        return with_subsets(frequencies, subset_frequencies(donor, visit, seed=seed))
    if layout.name != STIMULATED:
        return frequencies
    made = cytokine_frequencies(donor, visit, stimulated=role in ("sample", "bridge"), seed=seed)
    return with_cytokines(frequencies, made)


def _control_tubes(plan: Plan, batch: Batch) -> Iterator[Tube]:
    donor = healthy_donor(BRIDGE_DONOR)
    for layout in plan.layouts:
        events = {"bridge": round(_BRIDGE_SHARE * plan.events * layout.run_length)}
        events |= {f"fmo:{marker}": min(_FMO_EVENTS, plan.events) for marker in layout.fmo}
        for role, count in events.items():
            stem = f"{batch.name}_{role.replace(':', '-')}_{layout.name}"
            held = _in_tube(donor.frequencies(), layout, role, BRIDGE_DONOR, seed=plan.seed)
            yield Tube(layout, role, batch, stem, count, BRIDGE_DONOR, held)

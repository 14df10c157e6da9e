"""A whole simulated trial in a folder: FCS files, study files, other assessments, and the truth."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from functools import partial
from pathlib import Path

from immunomon.assurance.simulate import assessments, conduct
from immunomon.assurance.simulate.claim import MANIFEST, claim_folder
from immunomon.assurance.simulate.conditions import ORDINARY_CONDITION, Condition
from immunomon.assurance.simulate.expansion import ANALYSIS_PANELS, ANALYSIS_PLAN, with_expansion
from immunomon.assurance.simulate.fcs import fcs_bytes
from immunomon.assurance.simulate.layouts import LAYOUTS, layout_named
from immunomon.assurance.simulate.plan import Plan, all_tubes
from immunomon.assurance.simulate.protocol import Scenario, draw_patients, visits_named
from immunomon.assurance.simulate.serum import laboratory_rows
from immunomon.assurance.simulate.study_files import panel_yaml, sample_rows, study_yaml
from immunomon.assurance.simulate.tables import Row, csv_bytes
from immunomon.assurance.simulate.truth_tables import (
    BRIDGE_COLUMNS,
    Outcome,
    bridge_frequency_rows,
    frequency_rows,
    quality_rows,
    subject_rows,
)
from immunomon.assurance.simulate.tubes import Tube, keywords, run_tube
from immunomon.files import write_whole

__all__ = ["is_simulated", "simulate_trial"]


def simulate_trial(
    folder: Path,
    *,
    scenario: Scenario = Scenario.MECHANISM,
    events: int = 20_000,
    seed: int = 1,
    jobs: int = 0,
    progress: Callable[[int, int], None] | None = None,
    visits: Sequence[str] | None = None,
    subjects_per_group: int = 3,
    panels: Sequence[str] | None = None,
    condition: Condition = ORDINARY_CONDITION,
    subjects: int | None = None,
    controls: bool = True,
    expansion: int = 0,
) -> Path:
    """Write a simulated trial and return its folder; the same arguments give the same bytes, whatever ``jobs``.

    events: in a patient's file, before a panel's own run length; jobs: threads, 0 for one a processor; progress is
    called with the number of files done and of all; condition: what is otherwise than ordinary; subjects: only the
    first so many patients; controls: whether tubes besides the patients' are made; expansion: how many patients expand
    the highest dose, of a trial in which not all goes as planned (``with_expansion``). Raises FolderNotEmpty unless the
    folder is new, empty, or an earlier simulated trial, whose files are replaced; UnknownName for a visit or panel that
    does not exist; ValueError if nothing is left to simulate.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as name:
    ...     trial = simulate_trial(Path(name), events=200, visits=["D-1"], subjects_per_group=1, panels=["nk"])
    ...     sorted(path.name for path in (trial / "fcs" / "nk").glob("S0*"))
    ['S01_D-1_nk.fcs', 'S02_D-1_nk.fcs', 'S03_D-1_nk.fcs']
    """
    if events < 1 or subjects_per_group < 1:
        raise ValueError(f"at least one event and one subject a group are needed; got {events=} {subjects_per_group=}")
    layouts = tuple(layout_named(name) for name in dict.fromkeys(LAYOUTS if panels is None else panels))
    drawn = with_expansion(draw_patients(scenario, subjects_per_group, seed=seed), expansion, scenario, seed=seed)
    patients = tuple(
        replace(patient, donor=patient.donor.with_percents(condition.percents)) for patient in drawn[:subjects]
    )
    plan = Plan(patients, visits_named(visits), layouts, events, seed, condition, controls)
    if not plan.patients or not plan.visits or not plan.layouts:
        raise ValueError("at least one patient, one visit and one panel are needed")
    tubes = all_tubes(plan)
    panel_files = {f"panels/{tube.name}.yaml": panel_yaml(tube).encode() for tube in layouts if not tube.is_shipped}
    study = {"study.yaml": study_yaml(plan, scenario).encode(), **panel_files, **_tables(plan, tubes, scenario)}
    if expansion and {layout.name for layout in layouts} >= ANALYSIS_PANELS and visits is None:
        study["analysis.yaml"] = ANALYSIS_PLAN.encode()
    about: dict[str, object] = {"scenario": scenario.value, "events": events, "seed": seed}
    if expansion:
        about["expansion"] = expansion
    if condition is not ORDINARY_CONDITION:
        about["condition"] = condition.name
    claim_folder(folder, about, [*study, *_TRUTH_TABLES, *(name for tube in tubes for name in _files_of(tube))])
    outcomes = _run_all(folder, tubes, seed, jobs=jobs, progress=progress)
    truth = {name: csv_bytes(rows(outcomes), columns) for name, (rows, columns) in _TRUTH_TABLES.items()}
    for name, content in {**study, **truth}.items():
        write_whole(folder / name, content)
    return folder


# The rows of each table, and its columns where there may be no row.
_TRUTH_TABLES: dict[str, tuple[Callable[[Sequence[Outcome]], list[Row]], Sequence[str]]] = {
    "truth/frequencies.csv": (frequency_rows, ()),
    "truth/bridge_frequencies.csv": (bridge_frequency_rows, BRIDGE_COLUMNS),
    "truth/quality.csv": (quality_rows, ()),
}


def is_simulated(folder: Path) -> bool:
    """Say whether a folder holds a simulated trial to its end; one that was stopped on the way has no last table."""
    return (folder / MANIFEST).exists() and (folder / [*_TRUTH_TABLES][-1]).exists()


def _tables(plan: Plan, tubes: list[Tube], scenario: Scenario) -> dict[str, bytes]:
    patients, seed = plan.patients, plan.seed
    factors = {patient.id: scenario.factor(responder=patient.responder) for patient in patients}
    platelets = [row for patient in patients for row in assessments.platelet_rows(patient, seed)]
    tables = {
        "samples.csv": sample_rows(tubes, seed),
        "platelets.csv": platelets,
        "demographics.csv": conduct.demographic_rows(patients, seed),
        "infusions.csv": conduct.infusion_rows(patients, seed),
        "disposition.csv": conduct.disposition_rows(patients),
        "antibodies.csv": [row for patient in patients for row in assessments.antibody_rows(patient, seed)],
        "viruses.csv": [row for patient in patients for row in assessments.virus_rows(patient)],
        "laboratory.csv": list(laboratory_rows(patients, plan.visits, factors, seed=seed)),
        "truth/subjects.csv": subject_rows(patients, factors),
    }
    out = {name: csv_bytes(rows) for name, rows in tables.items()}
    # Of these there may be none at all.
    msc = [row for patient in patients for row in assessments.msc_rows(patient, seed)]
    adverse = assessments.adverse_event_rows(patients, seed)
    return out | {
        "medications.csv": csv_bytes(conduct.medication_rows(patients, platelets), conduct.MEDICATION_COLUMNS),
        "msc_concentration.csv": csv_bytes(msc, assessments.MSC_COLUMNS),
        "adverse_events.csv": csv_bytes(adverse, assessments.ADVERSE_EVENT_COLUMNS),
    }


def _files_of(tube: Tube) -> list[str]:
    return [tube.file, tube.truth_file] if tube.has_truth else [tube.file]


def _run_all(
    folder: Path, tubes: list[Tube], seed: int, *, jobs: int, progress: Callable[[int, int], None] | None
) -> list[Outcome]:
    """Make every file, in threads; the outcomes come back in the tubes' order."""
    workers = jobs if jobs > 0 else os.cpu_count() or 1
    with ThreadPoolExecutor(max_workers=workers) as pool:
        pending = [pool.submit(partial(_write_tube, folder, tube, seed)) for tube in tubes]
        try:
            for done, finished in enumerate(as_completed(pending), start=1):
                finished.result()
                if progress is not None:
                    progress(done, len(tubes))
        except BaseException:  # an interrupted person does not wait for the files that have not begun
            pool.shutdown(cancel_futures=True)
            raise
    return [outcome for task in pending if (outcome := task.result()) is not None]


def _write_tube(folder: Path, tube: Tube, seed: int) -> Outcome | None:
    run = run_tube(tube, seed)
    write_whole(folder / tube.file, fcs_bytes(run.events, keywords(tube, float(run.events[-1, -1]), seed)))
    if run.truth is None:
        return None
    write_whole(folder / tube.truth_file, run.truth.archive())
    return Outcome.of(tube, run.truth, run.expected)

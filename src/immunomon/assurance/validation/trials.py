"""The simulated trials that a validation rests on: made, or used again if the same simulator made them, and run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from immunomon.assurance.simulate.claim import MANIFEST
from immunomon.assurance.simulate.conditions import ORDINARY_CONDITION, condition_named
from immunomon.assurance.simulate.protocol import Scenario
from immunomon.assurance.simulate.trial import simulate_trial
from immunomon.cytometry.model.populations import TABLES
from immunomon.files import write_whole
from immunomon.runs.opened import open_run
from immunomon.runs.provenance import source_digest
from immunomon.runs.run import run_study

__all__ = ["MADE_BY", "Design", "Progress", "Trial", "make_trial"]

Progress = Callable[[str, int, int, int], None]
MADE_BY = "truth/validated_with.json"


@dataclass(frozen=True)
class Design:
    """The size of the simulated trials: events a file, seed, and what of the whole trial is simulated.

    visits, panels, subjects (the first so many): None for all of them; condition: see ``immunomon simulate
    --list-conditions``; controls: whether tubes besides the patients' are made.
    """

    events: int = 20_000
    seed: int = 1
    subjects_per_group: int = 3
    visits: tuple[str, ...] | None = None
    panels: tuple[str, ...] | None = None
    condition: str = ORDINARY_CONDITION.name
    subjects: int | None = None
    controls: bool = True


@dataclass(frozen=True, eq=False)
class Trial:
    """A simulated trial with its run: where the files are, the truth of each file, and the tables of the run."""

    scenario: Scenario
    folder: Path
    truth: pd.DataFrame
    subjects: pd.DataFrame
    tables: Mapping[str, pd.DataFrame]
    manifest: Mapping[str, Any]

    @property
    def baseline(self) -> str:
        """The label of the baseline visit."""
        return next(str(visit["label"]) for visit in self.manifest["study"]["visits"] if visit["baseline"])

    @property
    def run(self) -> Path:
        """The run folder."""
        return self.folder / "run"

    def truth_mask_file(self, file: str) -> Path:
        """Return where the true members of each population of an FCS file are kept."""
        return self.folder / "truth" / f"{Path(file).stem}.npz"


def make_trial(scenario: Scenario, folder: Path, *, design: Design, jobs: int, progress: Progress) -> Trial:
    """Simulate a trial into a folder, run it, and return it with its truth; what is there already is used again.

    Files are simulated again unless this simulator made them with this design. Raises FolderNotEmpty if the folder
    holds something else.
    """
    made_by = {"design": _plain(design), "scenario": scenario.value, "simulator": _simulator_digest()}
    if _read(folder / MADE_BY) != made_by or not (folder / MANIFEST).is_file():
        (folder / MADE_BY).unlink(missing_ok=True)
        simulate_trial(
            folder,
            scenario=scenario,
            events=design.events,
            seed=design.seed,
            jobs=jobs,
            visits=design.visits,
            subjects_per_group=design.subjects_per_group,
            panels=design.panels,
            condition=condition_named(design.condition),
            subjects=design.subjects,
            controls=design.controls,
            progress=lambda done, total: progress(f"simulating {scenario.value}", done, total, 0),
        )
        write_whole(folder / MADE_BY, json.dumps(made_by, indent=1) + "\n")
    run = folder / "run"
    run_study(folder, run, jobs=jobs, progress=lambda stage, *numbers: progress(f"{scenario.value}: {stage}", *numbers))
    opened = open_run(run)
    return Trial(
        scenario,
        folder,
        truth=pd.read_csv(folder / "truth" / "frequencies.csv"),
        subjects=pd.read_csv(folder / "truth" / "subjects.csv"),
        tables={name: opened.table(name) for name in TABLES},
        manifest=opened.record,
    )


def _plain(design: Design) -> dict[str, Any]:
    def listed(names: Iterable[str] | None) -> list[str] | None:
        return None if names is None else list(names)

    return {
        "events": design.events,
        "seed": design.seed,
        "subjects_per_group": design.subjects_per_group,
        "visits": listed(design.visits),
        "panels": listed(design.panels),
        "condition": design.condition,
        "subjects": design.subjects,
        "controls": design.controls,
    }


def _simulator_digest() -> str:
    return source_digest(["assurance/simulate"])


def _read(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None

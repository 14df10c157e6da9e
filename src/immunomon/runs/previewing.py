"""One sample of a finished run gated as a run would gate it with a person's gates, and nothing written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from immunomon.cytometry.gates import gate_method
from immunomon.cytometry.model.measured import Measured
from immunomon.cytometry.model.settled import Settled
from immunomon.errors import ImmunomonError, UnknownName, nearest
from immunomon.runs.folder import RunFolder
from immunomon.runs.jobs import Crew, default_jobs
from immunomon.runs.journal import Journal
from immunomon.runs.plan import make_plan
from immunomon.runs.run import overridden_plan, settled_plan
from immunomon.runs.scaling import with_scales
from immunomon.runs.settling import Bench, control_shelf
from immunomon.runs.unchanged import Memory
from immunomon.study.model.strategy import GateDeclaration

__all__ = ["Preview", "open_preview"]


@dataclass(frozen=True, eq=False)
class Preview:
    """A finished run with all that its samples were gated with, read and not written."""

    bench: Bench

    def measure(self, sample: str, gates: Mapping[str, Mapping[str, Any]]) -> Measured:
        """Return what a run would measure of a sample with these gates in place of its own.

        gates: population id -> the gate as it stands in a file of overrides; what persons moved before stays moved.
        Raises UnknownName for a sample that was not gated, and what gating the file raises.
        """
        tasks = {task.sample.id: task for task in self.bench.plan.tasks if task.strategy}
        if sample not in tasks:
            raise UnknownName(f"no gated sample '{sample}'; {nearest(sample, tasks)}")
        moved = {population: _settled(gate) for population, gate in gates.items()}
        settled = {sample: {**self.bench.settled.get(sample, {}), **moved}}
        measured: Measured = replace(self.bench, settled=settled).analysed(tasks[sample]).measured
        return measured


def _settled(gate: Mapping[str, Any]) -> Settled:
    arguments = {name: value for name, value in gate.items() if name != "method"}
    instead = GateDeclaration(str(gate["method"]), arguments)
    keep = gate_method(instead).regions[0]
    return Settled(source="moved", instead=instead, keep=keep, placed_by={"": "person"})


def open_preview(study: Path, run: Path) -> Preview:
    """Return a run ready to be gated anew, sample by sample.

    Raises ImmunomonError if the study's files or decisions are no longer those that the run was made from: a preview
    would mix that change with the moved gate.
    """
    folder = RunFolder(run)
    plan = make_plan(study, jobs=default_jobs(), digest=Memory.of(run).inputs.digest)
    own_keys = {task.sample.id: task.key for task in plan.tasks}
    record = folder.read_json(folder.manifest) or {}
    before = {file["sample_id"]: file.get("own_key") for file in record.get("files", ())}
    again = (
        f"{run}: its study or the software has changed since the run; bring it up to date first: immunomon run {study}"
    )
    if own_keys != before:
        raise ImmunomonError(again)
    crew = Crew(default_jobs(), Journal())
    plan = with_scales(replace(overridden_plan(plan), own_keys=own_keys), folder, crew)
    plan, settled = settled_plan(plan, folder, crew)
    if plan.digest != record.get("digest"):
        raise ImmunomonError(again)
    return Preview(Bench(plan, folder, control_shelf(plan), settled))

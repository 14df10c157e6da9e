"""What persons decided on single samples, brought into a plan: it changes the samples it is about, and no other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from immunomon.cytometry.gates import GATE_METHODS
from immunomon.cytometry.model.settled import MOVED_BY, Settled
from immunomon.cytometry.specs.overrides import load_overrides
from immunomon.cytometry.specs.strategy import load_in_use
from immunomon.files import is_there
from immunomon.runs.plan import Plan, Task
from immunomon.runs.provenance import digest_of
from immunomon.study.model.overrides import Override
from immunomon.study.model.quality import Check, Quality, Verdict
from immunomon.study.model.strategy import GatingStrategy
from immunomon.study.model.study import Sample, Study
from immunomon.study.specs.samples import load_samples
from immunomon.study.specs.study import load_study

__all__ = ["OVERRIDES_FILE", "accepted", "check_overrides", "moved_gates", "overridden", "read_overrides"]

OVERRIDES_FILE = "overrides.yaml"


def read_overrides(
    study: Study, samples: Sequence[Sample], strategies: Mapping[str, GatingStrategy]
) -> tuple[Override, ...]:
    """Return the decisions in a study's file of overrides, none if there is no such file.

    Raises BadSpec with every problem found.
    """
    path = Path(study.folder) / OVERRIDES_FILE
    if not is_there(path):
        return ()
    gated = {s.id: strategies.get(s.panel) if s.role.is_gated else None for s in samples}
    return load_overrides(path, methods=GATE_METHODS, samples=gated)


def check_overrides(folder: Path) -> None:
    """Read a study's file of overrides and all that it refers to; raises BadSpec for problems."""
    study = load_study(folder)
    samples = load_samples(study.folder / study.samples_file, study)
    read_overrides(study, samples, load_in_use(study, methods=GATE_METHODS)[1])


def overridden(tasks: Sequence[Task], overrides: Sequence[Override]) -> tuple[Task, ...]:
    """Return the tasks, those of dropped samples so marked, those with moved gates keyed by them."""
    by_sample: dict[str, list[Override]] = {}
    for override in overrides:
        by_sample.setdefault(override.sample, []).append(override)
    return tuple(_with(task, by_sample.get(task.sample.id, [])) for task in tasks)


def _with(task: Task, overrides: Sequence[Override]) -> Task:
    dropped = next((override for override in overrides if override.action == "drop-sample"), None)
    moved = [override for override in overrides if override.action == "move-gate"]
    if moved:
        task = replace(task, key=digest_of(task.key, [override.to_dict() for override in moved]))
    return task if dropped is None else replace(task, dropped=f"dropped {dropped.said}")


def moved_gates(plan: Plan) -> dict[str, dict[str, Settled]]:
    """Return where persons put gates: sample -> population -> settled."""
    gates_by_sample: dict[str, dict[str, Settled]] = {}
    for override in plan.overrides:
        if override.action == "move-gate":
            settled = Settled(
                source=f"{MOVED_BY}{override.by}",
                note=f"moved {override.said}",
                instead=override.gate,
                keep=override.keep,
                placed_by={"": "person"},
            )
            gates_by_sample.setdefault(override.sample, {})[override.population] = settled
    return gates_by_sample


def accepted(quality: Quality, overrides: Sequence[Override], sample: str) -> Quality:
    """Return a sample's quality with the failures that a person accepted turned into warnings that say so."""
    for override in overrides:
        if override.action == "accept-warning" and override.sample == sample:
            quality = replace(quality, checks=tuple(_accepted(check, override) for check in quality.checks))
    return quality


def _accepted(check: Check, override: Override) -> Check:
    if check.verdict is Verdict.FAIL and override.check in ("", check.check):
        return replace(check, verdict=Verdict.WARN, reason=f"{check.reason or check.check}, accepted {override.said}")
    return check

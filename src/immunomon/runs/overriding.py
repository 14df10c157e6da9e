"""What persons decided on single samples, brought into a plan: it changes the samples it is about, and no other."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from immunomon.cytometry.gates import GATE_METHODS
from immunomon.cytometry.model.settled import MOVED_BY, Settled
from immunomon.cytometry.specs.overrides import SCHEMA, load_overrides
from immunomon.cytometry.specs.strategy import load_in_use
from immunomon.errors import BadSpec, ImmunomonError
from immunomon.files import is_there, read_input, write_whole
from immunomon.runs.plan import Plan, Task
from immunomon.runs.provenance import digest_of
from immunomon.study.model.overrides import Override
from immunomon.study.model.quality import Check, Quality, Verdict
from immunomon.study.model.strategy import GatingStrategy
from immunomon.study.model.study import Sample, Study, tubes_of
from immunomon.study.specs.samples import load_samples
from immunomon.study.specs.study import load_study

__all__ = [
    "OVERRIDES_FILE",
    "accepted",
    "check_overrides",
    "moved_gates",
    "overridden",
    "read_overrides",
    "record_decisions",
    "with_decisions",
]

OVERRIDES_FILE = "overrides.yaml"
_WAIT_SECONDS = 60.0  # reading and writing the file takes one


def read_overrides(
    study: Study, samples: Sequence[Sample], strategies: Mapping[str, GatingStrategy], *, file: Path | None = None
) -> tuple[Override, ...]:
    """Return the decisions in a study's file of overrides, none if there is no such file.

    file: another one in its place. Raises BadSpec with every problem found.
    """
    path = file or Path(study.folder) / OVERRIDES_FILE
    if not is_there(path):
        return ()
    gated = {s.id: strategies.get(s.panel) if s.role.is_gated else None for s in samples}
    return load_overrides(path, methods=GATE_METHODS, samples=gated, tubes=tubes_of(samples))


def with_decisions(
    folder: Path, entries: Sequence[Mapping[str, Any]], withdrawn: Sequence[Mapping[str, Any]] = ()
) -> bytes:
    """Return a study's file of overrides as it would be with decisions added and taken out; nothing is written."""
    path = folder / OVERRIDES_FILE
    return _with_entries(read_input(path) if is_there(path) else None, entries, path, withdrawn)


def check_overrides(folder: Path) -> tuple[Override, ...]:
    """Return the decisions in a study's file of overrides, held against all that it refers to.

    Raises BadSpec for problems.
    """
    study = load_study(folder)
    samples = load_samples(study.folder / study.samples_file, study)
    return read_overrides(study, samples, load_in_use(study, methods=GATE_METHODS)[1])


def record_decisions(
    folder: Path, entries: Sequence[Mapping[str, Any]], *, withdrawn: Sequence[Mapping[str, Any]] = ()
) -> Path:
    """Add decisions to a study's file of overrides, each in place of one on the same target; return the file.

    entries: as they stand in the file. withdrawn: decisions that are taken out; only what names their target counts.
    Nothing is written if the file would have a problem then. Whoever decides at the same time waits, so that no
    decision is lost under another. Raises BadSpec, ImmunomonError.
    """
    path = folder / OVERRIDES_FILE
    try:
        with FileLock(folder / f".{OVERRIDES_FILE}.lock", timeout=_WAIT_SECONDS):
            return _recorded(folder, path, entries, withdrawn)
    except Timeout as error:
        raise ImmunomonError(f"{path}: another program is deciding on this study; try again") from error


def _recorded(
    folder: Path, path: Path, entries: Sequence[Mapping[str, Any]], withdrawn: Sequence[Mapping[str, Any]]
) -> Path:
    before = read_input(path) if is_there(path) else None
    write_whole(path, _with_entries(before, entries, path, withdrawn))
    try:
        check_overrides(folder)
    except (BadSpec, ImmunomonError):
        # The file stays as it was: a decision that cannot be carried out is none.
        if before is None:
            path.unlink()
        else:
            write_whole(path, before)
        raise
    return path


def _with_entries(
    before: bytes | None, entries: Sequence[Mapping[str, Any]], path: Path, withdrawn: Sequence[Mapping[str, Any]]
) -> bytes:
    yaml = YAML()
    yaml.width = 200
    try:
        document = yaml.load(before.decode("utf-8")) if before else {"schema": SCHEMA, "overrides": []}
    except (YAMLError, UnicodeDecodeError) as error:
        raise ImmunomonError(f"{path}: not readable: {str(error).splitlines()[0]}; correct it first") from error
    if not isinstance(document, dict) or not isinstance(document.setdefault("overrides", []), list):
        raise ImmunomonError(f"{path}: no file of overrides; correct it first, or put it aside")
    gone = {_target(decision) for decision in (*entries, *withdrawn)}
    kept = [
        decision for decision in document["overrides"] if not (isinstance(decision, dict) and _target(decision) in gone)
    ]
    document["overrides"] = [*kept, *(deepcopy(dict(entry)) for entry in entries)]  # no aliases where a gate is shared
    text = io.StringIO()
    yaml.dump(document, text)
    return text.getvalue().encode("utf-8")


def _target(decision: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(decision.get(name) or "") for name in ("action", "sample", "population", "check"))


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
                note=f"moved {override.said}{'; heard among the other samples' if override.in_consensus else ''}",
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

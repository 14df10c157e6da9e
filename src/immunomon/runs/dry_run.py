"""What a run would do, without doing it: which files are new or changed, which cannot be read, what refuses it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from immunomon.errors import ImmunomonError, counted
from immunomon.runs.accounting import refuse_before_looking
from immunomon.runs.audit_inputs import digests_beside
from immunomon.runs.folder import RunFolder
from immunomon.runs.jobs import default_jobs
from immunomon.runs.plan import Plan, make_plan
from immunomon.runs.provenance import code_digest
from immunomon.runs.run import overridden_plan
from immunomon.runs.unchanged import Memory, asked_of

__all__ = ["DryRun", "dry_run"]

_SHOWN = 10


@dataclass(frozen=True)
class DryRun:
    """What a run would do.

    to_gate: samples that are new, or whose bytes, panel, strategy, matrix, or the code changed. as_before: gated before
    from the same things; they are kept, unless gates or scales that they share with others move. failing: samples that
    cannot be read, with the reason. is_current: nothing would be done. refused: why the run would be refused.
    is_of_other_code: the last run was made by another version's code, so that nothing of it is kept.
    """

    folder: Path
    to_gate: tuple[str, ...]
    as_before: tuple[str, ...]
    controls: int
    dropped: int
    failing: tuple[tuple[str, str], ...]
    is_current: bool
    refused: str = ""
    is_of_other_code: bool = False

    @property
    def lines(self) -> tuple[str, ...]:
        """It in words."""
        if self.is_current:
            return (f"Nothing has changed since the run in {self.folder}: nothing would be done.",)
        dropped = f", {self.dropped} dropped" if self.dropped else ""
        files = (
            f"{len(self.to_gate)} to gate, {len(self.as_before)} gated before, {counted(self.controls, 'control')}, "
            f"{len(self.failing)} that cannot be gated{dropped}"
        )
        shared = "Those gated before are kept, unless gates or scales that they share with others move."
        lines = [f"Into {self.folder}: {files}.", *([shared] if self.as_before and self.to_gate else [])]
        lines += ["The code that gates is not the last run's: all is gated anew."] if self.is_of_other_code else []
        lines += [f"  to gate: {', '.join(self.to_gate[:_SHOWN])}" + _more(self.to_gate)] if self.to_gate else []
        lines += [f"  cannot be gated: {name}: {reason}" for name, reason in self.failing[:_SHOWN]]
        return (*lines, *([f"It would be refused: {self.refused}"] if self.refused else []), "Nothing was written.")


def _more(names: tuple[str, ...]) -> str:
    return f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""


def dry_run(
    study: str | Path,
    out: str | Path | None = None,
    *,
    jobs: int | None = None,
    rehash: bool = False,
    overrides: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> DryRun:
    """Return what ``run_study`` would do with a study; files are read, and nothing is written.

    progress: called with files digested and of how many. Raises BadSpec for problems in the study's files.
    """
    path = Path(study)
    root = Path(out) if out is not None else (path if path.is_dir() else path.parent) / "run"
    folder, memory = RunFolder(root), Memory.of(root, rehash=rehash)
    plan = make_plan(path, jobs=jobs or default_jobs(), progress=progress, digest=memory.inputs.digest)
    own_keys = {task.sample.id: task.key for task in plan.tasks}
    plan = replace(overridden_plan(plan, overrides), own_keys=own_keys)
    record = folder.read_json(folder.manifest) or {}
    before = {file["sample_id"]: file.get("own_key") for file in record.get("files", ()) if file["status"] == "gated"}
    gated = [task for task in plan.tasks if task.strategy and not task.dropped]
    ready = [task.sample.id for task in gated if not task.problem]
    is_known = {name: before.get(name) == own_keys[name] for name in ready}
    return DryRun(
        root,
        tuple(name for name in ready if not is_known[name]),
        tuple(name for name in ready if is_known[name]),
        sum(1 for task in plan.tasks if task.strategy is None and not task.problem),
        sum(1 for task in plan.tasks if task.dropped),
        tuple((task.sample.id, task.problem) for task in plan.tasks if task.problem),
        root.is_dir() and memory.stands(asked_of(plan, digests_beside(plan.study.folder))),
        _refusal(folder, plan),
        bool(record) and (record.get("software") or {}).get("code_digest") != code_digest(),
    )


def _refusal(folder: RunFolder, plan: Plan) -> str:
    """Return why a run into a folder would be refused, '' if it would not be."""
    if not folder.root.is_dir():
        return ""
    try:
        folder.refuse_imported()
        refuse_before_looking(folder, plan)
    except ImmunomonError as error:
        return str(error)
    return ""

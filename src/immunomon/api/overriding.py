"""Override: a person's decision on a run, checked, and written where the next run reads it."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from immunomon.errors import ImmunomonError
from immunomon.runs.folder import RunFolder
from immunomon.runs.imported_override import CountDecision, decide_count
from immunomon.runs.overriding import check_overrides, record_decisions
from immunomon.study.specs.study import load_study

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Asked", "is_imported", "preview_override", "set_imported_count", "write_override"]


@dataclass(frozen=True)
class Asked:
    """A decision that a person asks for, on each of the samples; gate: in YAML, as ``immunomon trace`` prints it."""

    action: str
    samples: Sequence[str]
    by: str
    reason: str
    population: str | None = None
    gate: str | None = None
    keep: str | None = None
    check: str | None = None
    in_consensus: bool = False
    undo: bool = False

    def targets(self) -> list[dict[str, Any]]:
        """Return what the decisions are about, as it stands in the file of overrides."""
        about = {name: getattr(self, name) for name in ("population", "check") if getattr(self, name)}
        return [{"action": self.action, "sample": sample, **about} for sample in dict.fromkeys(self.samples)]

    def entries(self) -> list[dict[str, Any]]:
        """Return the entries for the file of overrides; raises ImmunomonError for a gate that is no mapping."""
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        gate = {} if self.gate is None else {"gate": _gate(self.gate)}
        keep = {"keep": self.keep} if self.keep else {}
        say = {"in_consensus": True} if self.in_consensus else {}
        attribution = {"reason": self.reason, "by": self.by, "when": now}
        return [{**target, **keep, **gate, **say, **attribution} for target in self.targets()]


def _gate(text: str) -> dict[str, Any]:
    try:
        gate = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise ImmunomonError(f"--gate: not readable: {str(error).splitlines()[0]}") from error
    if not isinstance(gate, dict):
        raise ImmunomonError("--gate: not a mapping; write such as '{method: interval, axis: CD4, low: 1800}'")
    return gate


def is_imported(run: Path) -> bool:
    """Say whether a run's values were imported: it has counts to set, and no gates to move."""
    return RunFolder(run).is_imported


def write_override(run: Path, asked: Asked, *, study: Path | None = None, will_run: bool = True) -> tuple[Path, Path]:
    """Add decisions to the study's overrides, each in place of one on the same target; return study and file.

    will_run: the run is brought up to date next, which enters into the audit trail who took a decision back.
    Nothing is written if the file would have a problem then. Raises ImmunomonError for a study's folder in place of a
    run's, and for a decision to take back that there is not; BadSpec for one that does not fit the run.
    """
    folder = _study_folder(run, study)
    if asked.undo and not will_run:
        raise ImmunomonError("--undo: the run enters into the audit trail who took it back and why; leave out --no-run")
    return folder, record_decisions(folder, _entries(asked), withdrawn=_withdrawn(folder, asked))


def preview_override(run: Path, asked: Asked, *, study: Path | None = None, jobs: int | None = None) -> pd.DataFrame:
    """Return every value that decisions would move: table, about, value, before, after; nothing is written."""
    from immunomon.runs.previewing import preview_decisions

    folder = _study_folder(run, study)
    return preview_decisions(folder, run, _entries(asked), withdrawn=_withdrawn(folder, asked), jobs=jobs)


def set_imported_count(
    run: Path, asked: Asked, count: int | None, *, study: Path | None = None
) -> tuple[int | None, int | None] | None:
    """Put a person's count in the place of an imported one, or take that back (None); return it before and after.

    Return None if it has this count already. Raises ImmunomonError for a run with gates, or for more than one sample.
    """
    if not is_imported(run):
        raise ImmunomonError(f"{run}: --count is for imported values; here move the gate: --gate")
    if len(asked.samples) != 1 or asked.population is None or asked.gate is not None:
        raise ImmunomonError("--count: name one --sample and its --population, without --gate and --preview")
    decision = CountDecision(asked.samples[0], asked.population, count, asked.by, asked.reason)
    summary, before, after = decide_count(run, load_study(study or run.resolve().parent), decision)
    return None if summary.unchanged else (before, after)


def _study_folder(run: Path, study: Path | None) -> Path:
    if (run / "study.yaml").is_file() and not (run / "run.json").is_file():
        raise ImmunomonError(f"{run}: this is the study's folder; name the run folder instead, such as {run / 'run'}")
    if is_imported(run):
        remedy = (
            "set a count (--population ID --count N), or correct the table and import it again with --reason and --by"
        )
        raise ImmunomonError(f"{run}: its values were imported, and there are no gates to move; {remedy}")
    folder = study or run.resolve().parent
    if not (folder / "study.yaml").is_file():
        raise ImmunomonError(f"{folder}: there is no study.yaml; say where the study is with --study")
    return folder


def _entries(asked: Asked) -> list[dict[str, Any]]:
    return [] if asked.undo else asked.entries()


def _withdrawn(folder: Path, asked: Asked) -> list[dict[str, Any]]:
    """Return the decisions that are taken back; raises ImmunomonError if one is not there."""
    if not asked.undo:
        return []
    standing = [decision.target for decision in check_overrides(folder)]
    for target in asked.targets():
        name = " ".join(str(value) for value in target.values())
        if name not in standing:
            of_sample = [known for known in standing if f" {target['sample']}" in known]
            known = f"there is: {'; '.join(of_sample)}" if of_sample else "there is none on this sample"
            raise ImmunomonError(f"--undo: there is no decision '{name}'; {known}")
    return asked.targets()

"""``immunomon override``: a person's decision, checked, and written where the next run reads it."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from immunomon.cli.app import ByOption, Jobs, ReasonOption, RunArgument, StudyOption, app, one_of
from immunomon.cli.saying import say_json
from immunomon.errors import ImmunomonError, counted
from immunomon.runs.folder import RunFolder
from immunomon.runs.imported_override import CountDecision, decide_count
from immunomon.runs.overriding import check_overrides, record_decisions
from immunomon.study.specs.study import load_study

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Asked", "override", "record_override"]


@dataclass(frozen=True)
class Asked:
    """What was asked for on the command line, for each of the samples."""

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


Action = Literal["move-gate", "drop-sample", "accept-warning"]


@app.command()
def override(
    run: RunArgument,
    samples: Annotated[
        list[str], typer.Option("--sample", help="The sample's id, as in the tables; several times for several.")
    ],
    reason: ReasonOption,
    by: ByOption,
    population: Annotated[
        str | None, typer.Option("--population", help="Move this population's gate; needs --gate.")
    ] = None,
    gate: Annotated[
        str | None,
        typer.Option("--gate", help="Where to, as `trace` prints it: '{method: interval, axis: CD4, low: 1800}'."),
    ] = None,
    keep: Annotated[str | None, typer.Option("--keep", help="Which region of that gate, if it has several.")] = None,
    action: Annotated[Action, typer.Option("--action", help="What is done.", **one_of(Action))] = "move-gate",
    count: Annotated[
        int | None, typer.Option("--count", min=0, help="Of imported values: how many events the population has.")
    ] = None,
    check: Annotated[
        str | None, typer.Option("--check", help="accept-warning: which quality check; default: all.")
    ] = None,
    in_consensus: Annotated[
        bool, typer.Option("--in-consensus", help="The moved border has a say in where the other samples' lie.")
    ] = False,
    preview: Annotated[
        bool, typer.Option("--preview", help="Show every value that would move; nothing is written.")
    ] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take the decision back; the audit trail keeps both.")] = False,
    study: StudyOption = None,
    run_now: Annotated[bool, typer.Option("--run/--no-run", help="Bring the run up to date at once.")] = True,
    jobs: Jobs = None,
    as_json: Annotated[bool, typer.Option("--json", help="With --preview: print JSON.")] = False,
) -> int:
    """Move a gate, drop samples, accept a warning or set an imported count; only what it touches is done again."""
    if as_json and not preview:
        raise ImmunomonError("--json: it prints the values that would move; add --preview")
    asked = Asked(action, samples, by, reason, population, gate, keep, check, in_consensus, undo)
    if count is not None or (undo and RunFolder(run).is_imported):
        return _set_count(run, asked, count, study=study, preview=preview)
    if preview:
        return _show_preview(run, asked, study=study, jobs=jobs, as_json=as_json)
    return record_override(run, asked, study=study, run_now=run_now, jobs=jobs)


def record_override(run: Path, request: Asked, *, study: Path | None, run_now: bool, jobs: int | None) -> int:
    """Add decisions to the study's overrides, each in place of one on the same target; return 0, or the run's status.

    Nothing is written if the file would have a problem then.
    Raises ImmunomonError for a study's folder in place of a run's, and for a decision to take back that there is not.
    """
    folder = _study_folder(run, study)
    if request.undo and not run_now:
        raise ImmunomonError("--undo: the run enters into the audit trail who took it back and why; leave out --no-run")
    path = record_decisions(folder, _entries(request), withdrawn=_withdrawn(folder, request))
    typer.echo(f"Written: {path}")
    if not run_now:
        typer.echo(f"Bring the run up to date with: immunomon run {folder} --out {run}")
        return 0
    from immunomon.cli.run import run as run_command

    return run_command(folder, run, jobs=jobs, reason=request.reason, by=request.by)


def _set_count(run: Path, request: Asked, count: int | None, *, study: Path | None, preview: bool) -> int:
    """Put a person's count in the place of an imported one, or take that back."""
    if not RunFolder(run).is_imported:
        raise ImmunomonError(f"{run}: --count is for imported values; here move the gate: --gate")
    if len(request.samples) != 1 or request.population is None or request.gate is not None or preview:
        raise ImmunomonError("--count: name one --sample and its --population, without --gate and --preview")
    declared = load_study(study or run.resolve().parent)
    decision = CountDecision(request.samples[0], request.population, count, request.by, request.reason)
    summary, before, after = decide_count(run, declared, decision)
    if summary.unchanged:
        typer.echo(f"{run}: it has this count already; nothing was written")
        return 0
    old, new = ("none" if number is None else f"{number}" for number in (before, after))
    typer.echo(
        f"{request.population} of {request.samples[0]}: {old} -> {new} events. The old tables are below set-aside."
    )
    return 0


def _study_folder(run: Path, study: Path | None) -> Path:
    if (run / "study.yaml").is_file() and not (run / "run.json").is_file():
        raise ImmunomonError(f"{run}: this is the study's folder; name the run folder instead, such as {run / 'run'}")
    if RunFolder(run).is_imported:
        remedy = (
            "set a count (--population ID --count N), or correct the table and import it again with --reason and --by"
        )
        raise ImmunomonError(f"{run}: its values were imported, and there are no gates to move; {remedy}")
    folder = study or run.resolve().parent
    if not (folder / "study.yaml").is_file():
        raise ImmunomonError(f"{folder}: there is no study.yaml; say where the study is with --study")
    return folder


def _entries(request: Asked) -> list[dict[str, Any]]:
    return [] if request.undo else request.entries()


def _withdrawn(folder: Path, request: Asked) -> list[dict[str, Any]]:
    """Return the decisions that are taken back; raises ImmunomonError if one is not there."""
    if not request.undo:
        return []
    standing = [decision.target for decision in check_overrides(folder)]
    for target in request.targets():
        name = " ".join(str(value) for value in target.values())
        if name not in standing:
            of_sample = [known for known in standing if f" {target['sample']}" in known]
            known = f"there is: {'; '.join(of_sample)}" if of_sample else "there is none on this sample"
            raise ImmunomonError(f"--undo: there is no decision '{name}'; {known}")
    return request.targets()


def _show_preview(run: Path, request: Asked, *, study: Path | None, jobs: int | None, as_json: bool) -> int:
    from immunomon.runs.previewing import preview_decisions

    folder = _study_folder(run, study)
    moved = preview_decisions(folder, run, _entries(request), withdrawn=_withdrawn(folder, request), jobs=jobs)
    if as_json:
        say_json("override", rows=moved)
        return 0
    for line in _lines(moved):
        typer.echo(line)
    typer.echo(f"{counted(len(moved), 'value')} would move; nothing was written.")
    return 0


def _lines(moved: pd.DataFrame) -> Iterator[str]:
    rows = [
        [str(row["table"]), str(row["about"]), str(row["value"]), *_sides(row["before"], row["after"])]
        for _, row in moved.iterrows()
    ]
    if not rows:
        return
    head = list(map(str, moved.columns))
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _sides(*values: Any) -> list[str]:  # noqa: ANN401 - cells
    return ["none" if v is None else f"{v:.6g}" if isinstance(v, float) else str(v) for v in values]

"""``immunomon override``: a person's decision, checked, and written where the next run reads it."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from immunomon.cli.app import ByOption, Jobs, ReasonOption, RunArgument, StudyOption, app, one_of
from immunomon.errors import ImmunomonError
from immunomon.runs.overriding import record_decisions

__all__ = ["Asked", "override", "record_override"]


@dataclass(frozen=True)
class Asked:
    """What was asked for on the command line."""

    action: str
    sample: str
    by: str
    reason: str
    population: str | None = None
    gate: str | None = None
    keep: str | None = None
    check: str | None = None

    def entry(self) -> dict[str, Any]:
        """Return the entry for the file of overrides; raises ImmunomonError for a gate that is no mapping."""
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        about = {name: getattr(self, name) for name in ("population", "keep", "check") if getattr(self, name)}
        gate = {} if self.gate is None else {"gate": _gate(self.gate)}
        attribution = {"reason": self.reason, "by": self.by, "when": now}
        return {"action": self.action, "sample": self.sample, **about, **gate, **attribution}


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
    sample: Annotated[str, typer.Option("--sample", help="The sample's id, as in the tables.")],
    reason: ReasonOption,
    by: ByOption,
    population: Annotated[
        str | None, typer.Option("--population", help="Move this population's gate; needs --gate.")
    ] = None,
    gate: Annotated[
        str | None,
        typer.Option("--gate", help="Where to, as in a strategy: '{method: interval, axis: CD4, low: 1800}'."),
    ] = None,
    keep: Annotated[str | None, typer.Option("--keep", help="Which region of that gate, if it has several.")] = None,
    action: Annotated[Action, typer.Option("--action", help="What is done.", **one_of(Action))] = "move-gate",
    check: Annotated[
        str | None, typer.Option("--check", help="accept-warning: which quality check; default: all.")
    ] = None,
    study: StudyOption = None,
    run_now: Annotated[bool, typer.Option("--run/--no-run", help="Bring the run up to date at once.")] = True,
    jobs: Jobs = None,
) -> int:
    """Move one gate, drop one sample or accept one warning, with who and why; only what it touches is done again."""
    request = Asked(action, sample, by, reason, population, gate, keep, check)
    return record_override(run, request, study=study, run_now=run_now, jobs=jobs)


def record_override(run: Path, request: Asked, *, study: Path | None, run_now: bool, jobs: int | None) -> int:
    """Add the decision to the study's overrides, in place of one on the same target; return 0, or the run's status.

    Nothing is written if the file would have a problem then.
    Raises ImmunomonError for a study's folder in place of a run's.
    """
    if (run / "study.yaml").is_file() and not (run / "run.json").is_file():
        raise ImmunomonError(f"{run}: this is the study's folder; name the run folder instead, such as {run / 'run'}")
    folder = study or run.resolve().parent
    if not (folder / "study.yaml").is_file():
        raise ImmunomonError(f"{folder}: there is no study.yaml; say where the study is with --study")
    path = record_decisions(folder, [request.entry()])
    typer.echo(f"Written: {path}")
    if not run_now:
        typer.echo(f"Bring the run up to date with: immunomon run {folder} --out {run}")
        return 0
    from immunomon.cli.run import run as run_command

    return run_command(folder, run, jobs=jobs, reason=request.reason, by=request.by)

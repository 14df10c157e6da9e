"""``immunomon override``: a person's decision, checked, and written where the next run reads it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from immunomon.api.overriding import Asked, is_imported, preview_override, set_imported_count, write_override
from immunomon.cli.app import ByOption, Jobs, ReasonOption, RunArgument, StudyOption, app, one_of
from immunomon.cli.saying import say_json
from immunomon.errors import ImmunomonError, counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["override", "record_override"]


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
    if count is not None or (undo and is_imported(run)):
        return _set_count(run, asked, count, study=study, preview=preview)
    if preview:
        return _show_preview(run, asked, study=study, jobs=jobs, as_json=as_json)
    return record_override(run, asked, study=study, run_now=run_now, jobs=jobs)


def record_override(run: Path, request: Asked, *, study: Path | None, run_now: bool, jobs: int | None) -> int:
    """Write decisions into the study's overrides, say where, and bring the run up to date; return the exit status.

    Raises what ``write_override`` does.
    """
    folder, path = write_override(run, request, study=study, will_run=run_now)
    typer.echo(f"Written: {path}")
    if not run_now:
        typer.echo(f"Bring the run up to date with: immunomon run {folder} --out {run}")
        return 0
    from immunomon.cli.run import run as run_command

    return run_command(folder, run, jobs=jobs, reason=request.reason, by=request.by)


def _set_count(run: Path, request: Asked, count: int | None, *, study: Path | None, preview: bool) -> int:
    if preview:
        raise ImmunomonError("--count: name one --sample and its --population, without --gate and --preview")
    decided = set_imported_count(run, request, count, study=study)
    if decided is None:
        typer.echo(f"{run}: it has this count already; nothing was written")
        return 0
    old, new = ("none" if number is None else f"{number}" for number in decided)
    typer.echo(
        f"{request.population} of {request.samples[0]}: {old} -> {new} events. The old tables are below set-aside."
    )
    return 0


def _show_preview(run: Path, request: Asked, *, study: Path | None, jobs: int | None, as_json: bool) -> int:
    moved = preview_override(run, request, study=study, jobs=jobs)
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

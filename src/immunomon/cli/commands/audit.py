"""Commands about what persons decided, and about what can be proven of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from immunomon.cli.app import Jobs, app, one_of

__all__ = ["audit", "lock", "override", "trace"]

Run = Annotated[Path, typer.Argument(help="The run folder.")]
By = Annotated[str, typer.Option("--by", help="Who decides.")]
Why = Annotated[str, typer.Option("--reason", help="Why; it goes into the audit trail.")]
StudyFolder = Annotated[
    Path | None, typer.Option("--study", help="The study's folder; default: the folder above the run.")
]

Action = Literal["move-gate", "drop-sample", "accept-warning"]


@app.command()
def override(
    run: Run,
    sample: Annotated[str, typer.Option("--sample", help="The sample's id, as in the tables.")],
    reason: Why,
    by: By,
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
    study: StudyFolder = None,
    run_now: Annotated[bool, typer.Option("--run/--no-run", help="Bring the run up to date at once.")] = True,
    jobs: Jobs = None,
) -> None:
    """Move one gate, drop one sample or accept one warning, with who and why; only what it touches is done again."""
    from immunomon.cli.override import Asked
    from immunomon.cli.override import override as work

    asked = Asked(action, sample, by, reason, population, gate, keep, check)
    raise typer.Exit(work(run, asked, study=study, run_now=run_now, jobs=jobs))


@app.command()
def audit(
    source: Annotated[str, typer.Argument(help="The run folder, or the URL of a database that runs were exported to.")],
    entries: Annotated[
        bool, typer.Option("--list", help="Print every entry of the trail, or every seal, too.")
    ] = False,
    head: Annotated[
        str | None, typer.Option("--head", help="A head printed earlier, written down elsewhere: number:hash.")
    ] = None,
    study: StudyFolder = None,
    as_json: Annotated[bool, typer.Option("--json", help="Of a run folder: as JSON.")] = False,
) -> None:
    """Verify a run's trail, its files and what it was made from, or every row of a database. Exit 1 if any changed."""
    if "://" in source:
        from immunomon.cli.audit_database import audit_database

        raise typer.Exit(audit_database(source, entries=entries, head=head))
    from immunomon.cli.audit import audit as work

    raise typer.Exit(work(Path(source), entries=entries, head=head, study=study, as_json=as_json))


@app.command()
def lock(run: Run, reason: Why, by: By) -> None:
    """Freeze a run: its strategies, overrides and gates; a later change needs a reason and lists what moved."""
    from immunomon.cli.audit import lock as work

    raise typer.Exit(work(run, reason=reason, by=by))


@app.command()
def trace(
    source: Annotated[str, typer.Argument(help="The run folder, or the URL of a database it was exported to.")],
    subject: Annotated[str, typer.Option("--subject", help="Whose number.")],
    visit: Annotated[str, typer.Option("--visit", help="Of which visit.")],
    population: Annotated[str, typer.Option("--population", help="Of which population, by its id.")],
    denominator: Annotated[
        str | None, typer.Option("--denominator", help="Percent of this only; default: all.")
    ] = None,
    panel: Annotated[str | None, typer.Option("--panel", "-p", help="Of this panel only; default: all.")] = None,
    study: Annotated[
        str | None,
        typer.Option("--study", help="The study's folder (default: above the run), or name in the database."),
    ] = None,
    delivery: Annotated[
        Path | None, typer.Option("--delivery", help="A delivery's folder: its records of the number too.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Print the whole way of a number, from file to delivery. Exit 1 if something on it does not fit."""
    from immunomon.cli.trace import show as work
    from immunomon.outputs.trace.trace import Asked

    asked = Asked(subject, visit, population, denominator, panel)
    raise typer.Exit(work(source, asked, study=study, delivery=delivery, as_json=as_json))

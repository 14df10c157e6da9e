"""``immunomon verify``: a run's numbers, worked out a second time by other code."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from immunomon.api.verifying import ImportedVerdict, SampleVerdict, verify_run
from immunomon.cli.app import RunArgument, StudyOption, app
from immunomon.cli.saying import JsonOption, say_json
from immunomon.errors import counted

__all__ = ["verify"]


@app.command()
def verify(
    run: RunArgument,
    sample: Annotated[int | None, typer.Option("--sample", min=1, help="So many samples; default: all.")] = None,
    study: StudyOption = None,
    as_json: JsonOption = False,
) -> int:
    """Recompute a run's numbers with other code and compare. Exit 1 on any difference."""
    verification = verify_run(run, samples=sample, study=study, progress=None if as_json else _print)
    if isinstance(verification, ImportedVerdict):
        if as_json:
            say_json("verify", **asdict(verification))
            return 1 if verification.differences else 0
        return _say_imported(verification)
    if as_json:
        say_json("verify", equal=verification.equal, **verification.to_dict())
        return 0 if verification.equal else 1
    compared = [verdict.comparison for verdict in verification.samples if verdict.comparison]
    sums = {name: sum(getattr(c, f"{name}s") for c in compared) for name in ("count", "percent", "median")}
    differing = sum(not verdict.equal for verdict in verification.samples)
    typer.echo(
        f"{len(verification.samples)} of {verification.gated} gated samples computed a second time: "
        f"{', '.join(counted(number, name) for name, number in sums.items())}; "
        f"{counted(differing, 'sample')} different or not to be compared. "
        "Largest relative difference of percents and medians: "
        f"{max((c.largest_relative_difference for c in compared), default=0.0):.1e}."
    )
    typer.echo(f"Written: {run / 'verification.json'}")
    return 0 if verification.equal else 1


def _say_imported(verdict: ImportedVerdict) -> int:
    for difference in verdict.differences:
        typer.echo(f"DIFFERENT  {difference}")
    checked = (
        f"{counted(verdict.percents, 'percent')} with intervals, and {counted(verdict.counts, 'count')} of the tables"
    )
    typer.echo(f"Worked out a second time: {checked}; {counted(len(verdict.differences), 'difference')}.")
    for line in verdict.unchecked:
        typer.echo(f"Not to be checked: {line}.")
    return 1 if verdict.differences else 0


def _print(verdict: SampleVerdict) -> None:
    comparison = verdict.comparison
    if comparison is None:
        typer.echo(f"PROBLEM  {verdict.sample_id}: {verdict.problem}")
        return
    word = "equal    " if verdict.equal else "DIFFERENT"
    edges = f", {verdict.on_edges} on polygon edges" if verdict.on_edges else ""
    typer.echo(
        f"{word}  {verdict.sample_id}: {counted(verdict.events or 0, 'event')}{edges}, "
        f"{counted(comparison.counts, 'count')}, {counted(comparison.medians, 'median')}, "
        f"reader {verdict.reader}, gates from {verdict.gates_from}"
    )
    for reason in filter(None, (verdict.note, verdict.gates_note)):
        typer.echo(f"    {reason}")
    for difference in comparison.differences:
        typer.echo(f"    {difference}")

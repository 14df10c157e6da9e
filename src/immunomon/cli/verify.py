"""``immunomon verify``: a run's numbers, worked out a second time by other code."""

from __future__ import annotations

from typing import Annotated

import typer

from immunomon.assurance.verify.run import SampleVerdict, verify_run
from immunomon.cli.app import RunArgument, StudyOption, app

__all__ = ["verify"]


@app.command()
def verify(
    run: RunArgument,
    sample: Annotated[int | None, typer.Option("--sample", min=1, help="So many samples; default: all.")] = None,
    study: StudyOption = None,
) -> int:
    """Work out a run's numbers a second time by other code and compare. Exit 1 on any difference."""
    verification = verify_run(run, samples=sample, study=study, progress=_print)
    compared = [verdict.comparison for verdict in verification.samples if verdict.comparison]
    typer.echo(
        f"{len(verification.samples)} of {verification.gated} gated samples computed a second time: "
        f"{sum(c.counts for c in compared)} counts, {sum(c.percents for c in compared)} percents, "
        f"{sum(c.medians for c in compared)} medians; {sum(not v.equal for v in verification.samples)} samples differ "
        f"or could not be compared. Largest relative difference of percents and medians: "
        f"{max((c.largest_relative_difference for c in compared), default=0.0):.1e}."
    )
    typer.echo(f"Written: {run / 'verification.json'}")
    return 0 if verification.equal else 1


def _print(verdict: SampleVerdict) -> None:
    comparison = verdict.comparison
    if comparison is None:
        typer.echo(f"PROBLEM  {verdict.sample_id}: {verdict.problem}")
        return
    word = "equal    " if verdict.equal else "DIFFERENT"
    edges = f", {verdict.on_edges} on polygon edges" if verdict.on_edges else ""
    typer.echo(
        f"{word}  {verdict.sample_id}: {verdict.events} events{edges}, {comparison.counts} counts, "
        f"{comparison.medians} medians, reader {verdict.reader}, gates from {verdict.gates_from}"
    )
    for reason in filter(None, (verdict.note, verdict.gates_note)):
        typer.echo(f"    {reason}")
    for difference in comparison.differences:
        typer.echo(f"    {difference}")

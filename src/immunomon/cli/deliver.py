"""The body of ``immunomon deliver``: a run becomes files for a data manager, a repository or a sponsor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from immunomon.cli.app import RunArgument, StudyOption, app
from immunomon.cli.audit import said_head
from immunomon.cli.check_delivery import said_of
from immunomon.errors import ImmunomonError
from immunomon.outputs.conformance.check import check_delivery
from immunomon.outputs.delivery.deliver import Delivered, deliver_run
from immunomon.outputs.delivery.read import MANIFEST
from immunomon.outputs.delivery.source import file_sha256
from immunomon.runs.audit import AuditTrail, user_name
from immunomon.runs.folder import RunFolder

__all__ = ["deliver"]


@app.command()
def deliver(
    run: RunArgument,
    kind: Annotated[
        str,
        typer.Option("--as", help="csv, excel, redcap, immport, sdtm, adam, dataset-json or miflowcyt."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="A new folder for the delivery.")],
    study: StudyOption = None,
    previous: Annotated[
        Path | None, typer.Option("--previous", help="The delivery before, to say what is new, changed or withdrawn.")
    ] = None,
) -> int:
    """Deliver a run as files with a manifest: tables, SDTM, ADaM, Dataset-JSON, REDCap, ImmPort, MIFlowCyt."""
    made = deliver_run(run, out, kind=kind, study=study, previous=previous)
    outcome = "already holds this delivery; nothing was changed" if made.unchanged else f"{kind}, with a manifest"
    typer.echo(f"{made.folder}: {outcome}")
    width = max(map(len, made.records), default=0)
    for name, records in made.records.items():
        typer.echo(f"  {name:<{width}} {records:>9,} records")
    for name, reason in made.absent.items():
        typer.echo(f"  {name:<{width}}    absent: {reason}")
    if made.blanks:
        typer.echo(f"No value at all in: {', '.join(made.blanks)}.")
    _say_differences(made)
    report = check_delivery(out)
    typer.echo(f"Checked by {said_of(report)}")
    broken = sorted({breach.rule for breach in report.of("error")})
    if broken:
        typer.echo(
            f"This delivery is not ready to leave: it breaks {', '.join(broken)}. "
            f"See immunomon check-delivery {out}; mend what it names, and deliver again.",
            err=True,
        )
    if not made.unchanged:
        _note(run, made, f"{kind}, breaks {', '.join(broken)}" if broken else kind)
    return 1 if broken else 0


def _note(run: Path, made: Delivered, kind: str) -> None:
    """Enter the delivery into the run's audit trail, if it has one that may be written."""
    trail = AuditTrail(run)
    if not trail.path.is_file():
        return
    manifest = file_sha256(made.folder / MANIFEST)
    try:
        with RunFolder(run).locked():
            trail.append("deliver", by=user_name(), reason="", target=f"delivery {kind}", manifest=manifest)
        typer.echo(f"Audit trail: {said_head(run)}")
    except (ImmunomonError, OSError) as error:
        typer.echo(f"The delivery was made, but could not be noted in {trail.path}: {error}", err=True)


def _say_differences(made: Delivered) -> None:
    if made.differences is None:
        return
    kinds = ("new", "changed", "withdrawn")
    records = {
        kind: {(difference.dataset, difference.key) for difference in made.differences if difference.kind == kind}
        for kind in kinds
    }
    numbers = ", ".join(f"{len(keys)} {kind}" for kind, keys in records.items())
    typer.echo(f"Records against the previous delivery: {numbers}; see differences.txt and differences.csv.")

"""``immunomon run``: a whole study."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from immunomon.api.auditing import trail_head
from immunomon.api.running import NO_FILES, RunSummary, dry_run, run_files
from immunomon.cli.app import Jobs, app
from immunomon.cli.progress import stages
from immunomon.cli.saying import say_json
from immunomon.errors import ImmunomonError, counted, listed

__all__ = ["run"]


@app.command()
def run(
    study: Annotated[Path, typer.Argument(help="The study's folder or its study.yaml.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The run folder; default: 'run' in the study.")
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why a locked run is changed; needs --by.")] = None,
    by: Annotated[str | None, typer.Option("--by", help="Who changes a locked run; needs --reason.")] = None,
    rehash: Annotated[
        bool, typer.Option("--rehash", help="Read every file, even if its size and time of change are the last run's.")
    ] = False,
    jobs: Jobs = None,
    only_say: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done; files are read, nothing is written.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --dry-run: as JSON.")] = False,
    log: Annotated[Path | None, typer.Option("--log", help="Add a line of JSON to this file for each event.")] = None,
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", min=0.1, help="Seconds that a step of a file may take; one that takes longer fails."),
    ] = None,
    retries: Annotated[
        int, typer.Option("--retries", min=0, max=100, help="How often a file that failed is tried again.")
    ] = 0,
    scheduler: Annotated[
        str | None,
        typer.Option(
            "--scheduler",
            help="A Dask cluster that does the work, such as tcp://192.0.2.1:8786; it sees the study under this path.",
        ),
    ] = None,
) -> int:
    """Gate every file of a study and write its tables; what is already done is kept."""
    if as_json and not only_say:
        raise ImmunomonError("--json is for --dry-run; how a run stands, as JSON: immunomon status RUN --json")
    if only_say:
        return _dry(study, out, jobs=jobs, rehash=rehash, as_json=as_json)
    with stages() as progress:
        summary = run_files(
            study,
            out,
            reason=reason,
            by=by,
            jobs=jobs,
            log=log,
            timeout=timeout,
            retries=retries,
            scheduler=scheduler,
            rehash=rehash,
            progress=progress,
        )
    console = Console()
    if summary.is_empty:
        console.print(f"{study}: {NO_FILES}.", markup=False)
        return 1
    if summary.unchanged_since:
        console.print(_unchanged(summary), highlight=False, soft_wrap=True)
    console.print(summary.files, highlight=False)
    by_reason: dict[str, list[str]] = {}
    for sample_id, reason in summary.failed:
        by_reason.setdefault(reason, []).append(sample_id)
    for reason, sample_ids in by_reason.items():
        number = f"{len(sample_ids)} files " if len(sample_ids) > 1 else ""
        console.print(f"  failed {number}{listed(sample_ids, 12)}: {reason}", highlight=False, markup=False)
    if summary.changed:
        console.print(
            f"Made anew, because they were not as the last run left them: {', '.join(summary.changed)}", markup=False
        )
    for line in summary.warnings:
        console.print(f"  warning {line}", highlight=False, markup=False, soft_wrap=True)
    for line in summary.doubts:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    for line in summary.remarks:
        if line.endswith(tuple(summary.warnings)):  # said already
            continue
        console.print(f"  {line}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"Audit trail: {trail_head(summary.folder)}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"Tables are in {summary.folder / 'tables'}", highlight=False, markup=False, soft_wrap=True)
    return 0 if summary.complete else 1


def _dry(study: Path, out: Path | None, *, jobs: int | None, rehash: bool, as_json: bool) -> int:
    """Print what a run would do; return 1 if it would be refused, or if a file could not be gated."""
    with stages() as progress:
        would = dry_run(
            study, out, jobs=jobs, rehash=rehash, progress=lambda done, of: progress("reading", done, of, 0)
        )
    if as_json:
        say_json("run --dry-run", **asdict(would))
    else:
        for line in would.lines:
            typer.echo(line)
    return 1 if would.refused or would.failing else 0


def _unchanged(summary: RunSummary) -> str:
    """Return the sentence that nothing was to be done, and how that is known."""
    files = summary.kept + summary.controls + len(summary.failed)
    if summary.files_read >= files:
        how = "every file was read"
    elif summary.files_read:
        how = f"{counted(summary.files_read, 'file')} read, the others known by size and time; --rehash reads all"
    else:
        how = "known by size and time of change; --rehash reads every byte"
    return f"Nothing has changed since the run of {summary.unchanged_since} ({how}); nothing was written."

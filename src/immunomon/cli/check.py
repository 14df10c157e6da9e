"""``immunomon check``: every problem at once, before anything is run."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from immunomon.checks.paths import check_paths
from immunomon.cli.app import app
from immunomon.cli.progress import stages
from immunomon.cytometry.gates import GATE_METHODS
from immunomon.cytometry.specs.strategy import load_in_use
from immunomon.errors import BadSpec, counted
from immunomon.outputs.delivery.beforehand import delivery_problems
from immunomon.outputs.delivery.mapping import read_map
from immunomon.runs.declared_scales import scale_warnings_of_study
from immunomon.study.specs.samples import load_samples
from immunomon.study.specs.study import load_study
from immunomon.trial.specs.analysis import load_analysis

__all__ = ["check"]


@app.command()
def check(
    paths: Annotated[list[Path], typer.Argument(help="Study folders, panels, strategies, sample lists, FCS files.")],
) -> int:
    """Read everything and print every problem at once, with file, line, place and remedy. Exit 1 if there is any."""
    absent = [path for path in paths if not path.exists()]
    for path in absent:
        typer.echo(f"{path}: no such file or folder; check the path", err=True)
    if absent:
        return 2
    with stages() as report_progress:
        report = check_paths(
            paths,
            methods=GATE_METHODS,
            progress=lambda done, of: report_progress("reading", done, of, 0),
            readers={"immunomon.cp-map": read_map, "immunomon.analysis": load_analysis},
        )
    read = f"{counted(report.specs, 'spec')} (YAML and CSV) and {counted(report.fcs_files, 'FCS file')}"
    for line in report.warnings:
        typer.echo(f"warning: {line}")
    for study in filter(_is_study, paths):
        with suppress(BadSpec):  # its problems stand below
            for line in scale_warnings_of_study(study):
                typer.echo(f"warning: {study}: {line}")
    undeliverable, hints = _of_deliveries(list(filter(_is_study, paths))) if not report.problems else ([], [])
    for finding in (*report.notes, *hints, *report.problems, *undeliverable):
        typer.echo(str(finding))
    if report.problems or undeliverable:
        typer.echo(f"{counted(len(report.problems) + len(undeliverable), 'problem')} in {read}.")
        return 1
    typer.echo(f"No problems in {read}.")
    return 0


def _of_deliveries(studies: Sequence[Path]) -> tuple[list[str], list[str]]:
    """Return what keeps studies from being delivered in CDISC's formats: problems, and notes.

    It is a problem of a study that has a map of its own for such deliveries, and a note of any other.
    """
    problems: list[str] = []
    notes: list[str] = []
    for path in studies:
        file = path if path.is_file() else path / "study.yaml"
        with suppress(BadSpec):
            study = load_study(file)
            strategies = load_in_use(study, methods=GATE_METHODS)[1]
            samples = load_samples(study.folder / study.samples_file, study)
            obstacles = delivery_problems(study, samples, strategies)
            own = (study.folder / "export" / "cp-map.yaml").is_file()
            (problems if own else notes).extend(f"{file}: deliver --as sdtm: {obstacle}" for obstacle in obstacles)
    return problems, notes


def _is_study(path: Path) -> bool:
    return (path / "study.yaml").is_file() or path.name == "study.yaml"

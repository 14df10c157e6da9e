"""``immunomon compensate``: a matrix from single-stained controls, with its record and pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from immunomon.cli.app import app, one_of
from immunomon.cli.progress import stages
from immunomon.cytometry.formats.matrix_csv import write_matrix_csv
from immunomon.errors import BadSpec, BadSpillover, Problem, nearest
from immunomon.runs.compensation import Controls, ControlsResult, Method, from_controls
from immunomon.runs.compensation_record import write_record
from immunomon.study.model.panel import Panel
from immunomon.study.model.study import RoleKind, Sample, Study
from immunomon.study.specs.catalog import find_panel
from immunomon.study.specs.data_folders import path_of_sample
from immunomon.study.specs.panel import load_panel
from immunomon.study.specs.samples import load_samples
from immunomon.study.specs.study import load_study

__all__ = ["Asked", "compensate", "compensate_controls"]


@dataclass(frozen=True)
class Asked:
    """What the command line names: single stains, FLUOROCHROME=FILE, unstained tubes, panel, study and batch."""

    files: tuple[Path, ...]
    named: tuple[str, ...]
    unstained: tuple[Path, ...]
    panel: str | None
    study: Path | None
    batch: str | None


@app.command()
def compensate(
    controls: Annotated[
        list[Path] | None, typer.Argument(help="Single-stained FCS files; their names tell the fluorochrome.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The matrix; its record is written beside it (.json).")] = (
        Path("matrix.csv")
    ),
    panel: Annotated[
        str | None, typer.Option("--panel", "-p", help="A panel file or name: each fluorochrome's detector.")
    ] = None,
    unstained: Annotated[
        list[Path] | None,
        typer.Option("--unstained", help="The unstained tube; again for cells whose own light is another (unmixing)."),
    ] = None,
    control: Annotated[
        list[str] | None, typer.Option("--control", help="FLUOROCHROME=FILE, where the file's name does not tell it.")
    ] = None,
    study: Annotated[
        Path | None, typer.Option("--study", help="Take the single stains and the unstained tube of a study.")
    ] = None,
    batch: Annotated[str | None, typer.Option("--batch", help="With --study: only this batch's controls.")] = None,
    method: Annotated[
        Method,
        typer.Option(
            "--method",
            help="One detector a fluorochrome, or all (auto: all if there are more than 30).",
            **one_of(Method),
        ),
    ] = "auto",
    report: Annotated[Path | None, typer.Option("--report", help="Write one HTML page with pictures.")] = None,
    pictures: Annotated[Path | None, typer.Option("--pictures", help="Write the pictures into this folder.")] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Write a matrix even if fluorochromes are missing or refused.")
    ] = False,
    complete: Annotated[
        bool, typer.Option("--complete", help="With every detector: the light in those that have no control, too.")
    ] = False,
) -> int:
    """Make a compensation matrix from single-stained controls. Exit 1 if one is refused."""
    request = Asked(tuple(controls or ()), tuple(control or ()), tuple(unstained or ()), panel, study, batch)
    return compensate_controls(
        request, out, method=method, report=report, pictures=pictures, partial=partial, complete=complete
    )


def compensate_controls(
    request: Asked,
    out: Path,
    *,
    method: Method,
    report: Path | None,
    pictures: Path | None,
    partial: bool,
    complete: bool,
) -> int:
    """Write matrix, record, pictures and page, and say what was found; return 0 if no control was refused, else 1."""
    controls = _controls(request)
    with stages() as progress:
        result = from_controls(
            controls,
            method=method,
            partial=partial,
            complete=complete,
            progress=lambda _, done, total: progress("reading", done, total, 0),
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    if result.estimate is not None:
        write_matrix_csv(out, result.estimate.complete)
    write_record(out.with_suffix(".json"), result, out.name)
    if report is not None or pictures is not None:
        from immunomon.outputs.report.compensation import write_pages

        write_pages(result, report=report, pictures=pictures)
    _say(result, out)
    return 1 if result.refused or result.missing or result.estimate is None else 0


def _say(result: ControlsResult, out: Path) -> None:
    for note in result.notes:
        typer.echo(f"note: {note}", err=True)
    for refused in result.refused:
        typer.echo(str(refused), err=True)
    if result.missing:
        typer.echo(f"no good single stain of: {', '.join(result.missing)}", err=True)
    estimate = result.estimate
    if estimate is None:
        remedy = "mend the controls, or write the matrix without them: --partial"
        typer.echo(f"no matrix was written; {remedy}. What was found: {out.with_suffix('.json')}", err=True)
        return
    for warning in estimate.warnings:
        typer.echo(f"warning: {warning}", err=True)
    if not estimate.converged:
        typer.echo(f"warning: residual slopes up to {estimate.largest_residual:.1g} are left", err=True)
    if estimate.others:
        without = ", ".join(estimate.others)
        typer.echo(f"note: no control of {without}: that they send nothing into other detectors is assumed", err=True)
    kind, width = "spillover" if estimate.is_square else "unmixing", len(estimate.detectors) + len(estimate.others)
    typer.echo(
        f"{out}: {kind} of {len(estimate.fluorochromes)} x {width} from {len(result.good)} controls, "
        f"{len(estimate.history)} iteration(s), largest residual slope {estimate.largest_residual:.1e}"
    )


def _controls(request: Asked) -> Controls:
    files = [(path, "") for path in request.files] + [_named(text) for text in request.named]
    unstained, folder = request.unstained, None
    panel = request.panel
    if request.study is not None:
        study_file = request.study / "study.yaml" if request.study.is_dir() else request.study
        study = load_study(study_file)
        folder = study.folder
        samples = _samples(study, request)
        files += [
            (path_of_sample(study, s.file), s.role.about) for s in samples if s.role.kind is RoleKind.SINGLE_STAIN
        ]
        dark = [path_of_sample(study, s.file) for s in samples if s.role.kind is RoleKind.UNSTAINED]
        unstained = unstained or tuple(dark[:1])
    if not files:
        raise BadSpillover(
            "no single stains are given; name their files, or a --study whose sample list has single-stain:FLUOROCHROME"
        )
    return Controls(tuple(files), next(iter(unstained), None), _panel(panel, folder), tuple(unstained[1:]))


def _samples(study: Study, request: Asked) -> tuple[Sample, ...]:
    file = study.folder / study.samples_file
    samples = load_samples(file, study)
    chosen = request.panel and (_panel(request.panel, study.folder) or Panel("", "", ())).name
    chosen_samples = [s for s in samples if chosen in (None, s.panel) and request.batch in (None, s.batch)]
    if request.batch is not None and not chosen_samples:
        known = [sample.batch for sample in samples if sample.batch]
        raise BadSpec([Problem(str(file), None, "batch", f"no batch '{request.batch}'", nearest(request.batch, known))])
    return tuple(chosen_samples)


def _named(text: str) -> tuple[Path, str]:
    name, sign, file = text.partition("=")
    if not sign or not name.strip() or not file.strip():
        raise typer.BadParameter(f"'{text}' is not FLUOROCHROME=FILE", param_hint="--control")
    return Path(file.strip()), name.strip()


def _panel(name: str | None, study_folder: Path | None) -> Panel | None:
    if name is None:
        return None
    return load_panel(Path(name) if Path(name).is_file() else find_panel(name, study_folder))

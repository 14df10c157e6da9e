"""Compensate: a matrix from single-stained controls, with its record, its pictures and its page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

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

__all__ = ["AskedControls", "ControlsResult", "Method", "compensate_controls"]


@dataclass(frozen=True)
class AskedControls:
    """Which single stains a matrix is made of.

    files: each with its fluorochrome; "" where the file's name tells it. unstained: the unstained tubes. panel: a file
    or a name. study, batch: the controls of a study's sample list are taken too, of this batch only.
    """

    files: tuple[tuple[Path, str], ...] = ()
    unstained: tuple[Path, ...] = ()
    panel: str | None = None
    study: Path | None = None
    batch: str | None = None


def compensate_controls(
    asked: AskedControls,
    out: str | Path,
    *,
    method: Method = "auto",
    report: str | Path | None = None,
    pictures: str | Path | None = None,
    partial: bool = False,
    complete: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> ControlsResult:
    """Write a matrix, its record (``.json`` beside it), pictures and page, as ``immunomon compensate`` does.

    method, partial, complete: as ``from_controls`` has them. report: the page; pictures: a folder. Without a good
    control of each fluorochrome no matrix is written, unless ``partial``. Raises BadSpec, BadSpillover, BadFcs.
    """
    matrix = Path(out)
    result = from_controls(_controls(asked), method=method, partial=partial, complete=complete, progress=progress)
    matrix.parent.mkdir(parents=True, exist_ok=True)
    if result.estimate is not None:
        write_matrix_csv(matrix, result.estimate.complete)
    write_record(matrix.with_suffix(".json"), result, matrix.name)
    if report is not None or pictures is not None:
        from immunomon.outputs.report.compensation import write_pages

        page, folder = (None if path is None else Path(path) for path in (report, pictures))
        write_pages(result, report=page, pictures=folder)
    return result


def _controls(asked: AskedControls) -> Controls:
    files = list(asked.files)
    unstained, folder = asked.unstained, None
    panel = asked.panel
    if asked.study is not None:
        study_file = asked.study / "study.yaml" if asked.study.is_dir() else asked.study
        study = load_study(study_file)
        folder = study.folder
        samples = _samples(study, asked)
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


def _samples(study: Study, asked: AskedControls) -> tuple[Sample, ...]:
    file = study.folder / study.samples_file
    samples = load_samples(file, study)
    chosen = asked.panel and (_panel(asked.panel, study.folder) or Panel("", "", ())).name
    chosen_samples = [s for s in samples if chosen in (None, s.panel) and asked.batch in (None, s.batch)]
    if asked.batch is not None and not chosen_samples:
        known = [sample.batch for sample in samples if sample.batch]
        raise BadSpec([Problem(str(file), None, "batch", f"no batch '{asked.batch}'", nearest(asked.batch, known))])
    return tuple(chosen_samples)


def _panel(name: str | None, study_folder: Path | None) -> Panel | None:
    if name is None:
        return None
    return load_panel(Path(name) if Path(name).is_file() else find_panel(name, study_folder))

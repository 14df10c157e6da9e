"""``immunomon quality``: how acquisitions went, of FCS files or of a run's samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from immunomon.cli.app import app
from immunomon.cli.saying import JsonOption, say_json
from immunomon.errors import ImmunomonError
from immunomon.study.model.quality import Check, Quality, QualityLimits, Verdict

__all__ = ["quality"]


@app.command()
def quality(
    paths: Annotated[list[Path], typer.Argument(help="FCS files, or one run folder.")],
    study: Annotated[
        Path | None, typer.Option("--study", help="FCS files: the study whose thresholds hold; default: the defaults.")
    ] = None,
    checks: Annotated[bool, typer.Option("--checks", help="Print every check, channel by channel.")] = False,
    pictures: Annotated[
        Path | None, typer.Option("--pictures", help="Draw flow rate and signals over each acquisition, into here.")
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Judge acquisitions: clogs, surges, steps, drifts, margins, Time, too few events. Exit 1 if any fails."""
    failures: list[str] = []
    folders = [path for path in paths if path.is_dir()]
    if folders and len(paths) > 1:
        raise ImmunomonError(f"{folders[0]}: a folder among other paths; name FCS files, or one run folder")
    qualities = _of_run(folders[0]) if folders else _of_files(paths, _limits(study), failures)
    if as_json:
        say_json("quality", samples={name: judged.to_dict() for name, judged in qualities.items()}, failures=failures)
    for line in () if as_json else _lines(qualities, checks=checks):
        typer.echo(line)
    for failure in failures:
        typer.echo(f"failed: {failure}", err=True)
    if pictures is not None:
        from immunomon.plots.quality_control import write_acquisitions

        for path in write_acquisitions(qualities, pictures):
            typer.echo(f"Written: {path}", err=as_json)
    return 1 if failures or any(judged.verdict is Verdict.FAIL for judged in qualities.values()) else 0


def _limits(study: Path | None) -> QualityLimits:
    if study is None:
        return QualityLimits()
    from immunomon.study.specs.study import load_study

    return load_study(study).quality


def _of_files(paths: Sequence[Path], limits: QualityLimits, failures: list[str]) -> dict[str, Quality]:
    from immunomon.cytometry.formats.fcs import read_fcs
    from immunomon.cytometry.steps.quality_control import check_quality

    qualities = {}
    for path in paths:
        try:
            qualities[str(path)] = check_quality(read_fcs(path)[1], limits).quality
        except (ImmunomonError, OSError) as error:
            failures.append(str(error))
    return qualities


def _of_run(folder: Path) -> dict[str, Quality]:
    from immunomon.runs.opened import open_run

    run = open_run(folder)
    qualities = {}
    for file in run.record["files"]:
        stored = run.result(file["sample_id"]) if file["status"] == "gated" else None
        if stored and stored.get("quality"):
            qualities[str(file["sample_id"])] = Quality.from_dict(stored["quality"])
    if not qualities:
        raise ImmunomonError(f"{folder}: this run judged no acquisition; run the study again")
    return qualities


def _lines(qualities: Mapping[str, Quality], *, checks: bool) -> Iterator[str]:
    width = max((len(name) for name in qualities), default=4)
    yield f"{'sample':{width}}  {'verdict':15}  flagged %  reason"
    for name, quality in qualities.items():
        yield f"{name:{width}}  {quality.verdict!s:15}  {quality.flagged_percent:9.2f}  {quality.reason or ''}".rstrip()
        if checks:
            yield from (_check(check) for check in quality.checks)
    counts = Counter(quality.verdict for quality in qualities.values())
    yield "; ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])


def _check(check: Check) -> str:
    subject = f"{check.check} {check.channel or ''}".strip()
    value = "" if check.value is None else f"{check.value:.4g}"
    limit = "" if check.threshold is None else f"(limit {check.threshold:g})"
    return f"    {subject:24} {check.verdict!s:15} {value:>9} {limit:14} {check.reason or ''}".rstrip()

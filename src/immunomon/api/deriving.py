"""Clusters and normalised values: what is derived from a run's events beside its own tables."""

from __future__ import annotations

from pathlib import Path

from immunomon.maps.clusters import run as clusters
from immunomon.maps.clusters.mapping import MapSettings
from immunomon.maps.clusters.run import Clustering
from immunomon.runs import normalise
from immunomon.runs.journal import Progress
from immunomon.runs.normalise import Normalised
from immunomon.runs.opened import Run

__all__ = ["Clustering", "MapSettings", "cluster_run", "normalise_run"]


def _paths(
    run: str | Path | Run, study: str | Path | None, out: str | Path | None
) -> tuple[Path, Path | None, Path | None]:
    folder = run.folder if isinstance(run, Run) else Path(run)
    above = run.study_folder if study is None and isinstance(run, Run) else study
    return folder, None if above is None else Path(above), None if out is None else Path(out)


def cluster_run(
    run: str | Path | Run,
    panel: str | None = None,
    *,
    within: str | None = None,
    settings: MapSettings | None = None,
    study: str | Path | None = None,
    out: str | Path | None = None,
    progress: Progress | None = None,
) -> Clustering:
    """Cluster all cells of a panel, name the clusters and rank what changed, as ``immunomon cluster`` does.

    panel: default the study's first. within: the population that is clustered, default lymphocytes. settings: method,
    number of clusters, seed. out: default ``clusters/PANEL`` in the run. Exploratory: no number is tested. Raises
    UnknownName for a panel or population that is not there, ImmunomonError for too few cells or files that changed.
    """
    folder, above, target = _paths(run, study, out)
    return clusters.cluster_run(
        folder, panel, within=within, settings=settings, study=above, out=target, progress=progress
    )


def normalise_run(
    run: str | Path | Run,
    study: str | Path | None = None,
    *,
    out: str | Path | None = None,
    regate: bool = True,
    progress: Progress | None = None,
) -> Normalised:
    """Bring batches together by their bridge samples, as the study declares and ``immunomon normalise`` does.

    out: default the run, whose own tables are not touched. regate: whether every file is gated again on normalised
    events. Raises BadSpec for names that are not there, ImmunomonError if nothing is declared.
    """
    folder, above, target = _paths(run, study, out)
    return normalise.normalise_run(folder, above, out=target, regate=regate, progress=progress)

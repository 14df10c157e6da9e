"""A study's run as a person works with it: its samples, gates to look at, answers, maps and cells."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from immunomon.api.answer import Answer, Asked, read_answer
from immunomon.api.assess import assess_study
from immunomon.api.compare import Progress, compare_run
from immunomon.api.export_gates import ExportedGates, export_gates
from immunomon.api.gate_figure import Order, gate_figure
from immunomon.api.mechanism import relate_run
from immunomon.api.power import PATIENTS, Power, detectable_changes
from immunomon.api.quality import Acquisitions, judge_acquisitions
from immunomon.api.run_sample import RunSample, rows_of_sample
from immunomon.api.running import why_changed
from immunomon.api.samples import new_axes
from immunomon.api.study_tables import assessment_of, subjects_of
from immunomon.errors import UnknownName, nearest
from immunomon.runs import opened
from immunomon.runs.run import run_study
from immunomon.runs.status import RunStatus, read_status
from immunomon.runs.summary import RunSummary

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from immunomon.api.precision import PrecisionStudy
    from immunomon.maps.atlas.explorer import Explorer
    from immunomon.outputs.database.database import ExportSummary
    from immunomon.outputs.review.notebook import ShownGallery

__all__ = ["StudyRun", "open_run", "run"]

Measure = Literal["value", "change", "percent_change", "log_odds_change"]


@dataclass(frozen=True, eq=False, repr=False)
class StudyRun(opened.Run):
    """A finished run: ``samples``, ``sample``, ``table``, ``plot_gate``, ``trajectories``; ``assess``, ``compare``,
    ``mechanism``; ``explore``, ``cells``, ``review``; ``report``, ``export``, ``status``.

    outcome: how the files went, if it was run just now.
    """  # noqa: D205 - what it offers takes two lines

    outcome: RunSummary | None = None

    def __repr__(self) -> str:
        files: dict[str, int] = {}
        for file in self.record["files"]:
            files[str(file["status"])] = files.get(str(file["status"]), 0) + 1
        shown = ", ".join(f"{number:,} {status}" for status, number in files.items())
        return f"Run({self.name}: {', '.join(self.panels)}; files: {shown}; in {self.folder})"

    def _repr_html_(self) -> str:
        from html import escape

        counts = self.samples.groupby(["panel", "status"], sort=False).size().rename("files").reset_index()
        table = counts.to_html(index=False, border=0)
        return f"<b>{escape(self.name)}</b>, {escape(str(self.folder))}{table}"

    @property
    def samples(self) -> pd.DataFrame:
        """The table of samples: one row a file, with subject, visit, panel, status, events and quality."""
        return self.table("samples")

    def sample(self, subject: str, visit: str | None = None, panel: str | None = None) -> RunSample:
        """Return a sample by its subject, visit and panel, or by its id alone.

        Raises UnknownName with the nearest name, or with all that fit where there are several.
        """
        table = self.samples
        if subject in set(table["sample_id"]):
            rows = table[table["sample_id"] == subject]
        else:
            rows = rows_of_sample(self, {"subject": subject, "visit": visit, "panel": panel})
        if len(rows) > 1:
            ids = ", ".join(rows["sample_id"])
            raise UnknownName(
                f"{self.folder}: {len(rows)} samples are of {subject}; add visit and panel, or name one: {ids}"
            )
        return RunSample(self, {str(name): value for name, value in rows.iloc[0].to_dict().items()})

    @property
    def subjects(self) -> pd.DataFrame:
        """One row a subject of the study: subject, dose_group, cohort, sex, infusion_days (planned, a list)."""
        return subjects_of(self)

    def assessment(self, name: str) -> pd.DataFrame:
        """Return one of the study's files of other assessments, such as ``platelets``, as ``assess`` reads it."""
        return assessment_of(self, name)

    def panel_of(self, population: str, panel: str | None = None) -> str:
        """Return the panel that a population is gated in; raises UnknownName if it is in none, or in several."""
        pairs = self.table("populations")[["panel", "population"]].drop_duplicates()
        pairs = pairs if panel is None else pairs[pairs["panel"] == self.known_panel(panel)]
        panels = list(pairs.loc[pairs["population"] == population, "panel"])
        if not panels:
            known = list(dict.fromkeys(pairs["population"]))
            raise UnknownName(f"{self.folder}: no population '{population}'; {nearest(population, known)}")
        if len(panels) > 1:
            raise UnknownName(f"{self.folder}: '{population}' is in several panels; name one: {', '.join(panels)}")
        return str(panels[0])

    def plot_gate(
        self, population: str, panel: str | None = None, *, sort: Order = "doubt", most: int = 12, columns: int = 4
    ) -> Figure:
        """Draw a population's gate in many samples, one small plot each, those that need a person first.

        sort: ``doubt`` (what needs a person first), ``subject`` (as the study lists them) or ``percent`` (the largest
        first). most: so many samples. ``review`` shows all of them as a page. Raises UnknownName.
        """
        rows = self.table("populations")
        chosen = rows[(rows["panel"] == self.panel_of(population, panel)) & (rows["population"] == population)]
        return gate_figure(self, chosen, population, sort=sort, most=most, columns=columns)

    def trajectories(
        self,
        population: str,
        panel: str | None = None,
        *,
        denominator: str | None = None,
        quantity: str = "percent",
        measure: Measure = "value",
        ax: Axes | None = None,
    ) -> Axes:
        """Draw each subject's values over the study, and each dose group's mean with its interval; return the axes.

        denominator: default the population's first. measure: value, change, percent_change or log_odds_change. Values
        that may not be reported are not drawn. Raises UnknownName, NothingToDraw if no value is left.
        """
        from immunomon.plots.trajectories import trajectories

        if measure not in get_args(Measure):
            raise UnknownName(f"no measure '{measure}'; {nearest(measure, get_args(Measure))}")
        changes = self.table("changes")
        rows = changes[changes["panel"] == self.panel_of(population, panel)]
        drawn_on = ax or new_axes(6.4)
        return trajectories(drawn_on, rows, population, denominator=denominator, quantity=quantity, measure=measure)

    def assess(self, *, out: str | Path | None = None) -> Answer:
        """Say who responded, what was adverse, and what the escalation rule says, as ``immunomon assess`` does."""
        return assess_study(self, out=out)

    def compare(
        self,
        plan: str | Path | None = None,
        *,
        out: str | Path | None = None,
        bayes: bool = False,
        seed: int = 1,
        progress: Progress | None = None,
    ) -> Answer:
        """Say what changed, in whom and at which dose, as ``immunomon compare`` does."""
        return compare_run(self, plan, out=out, bayes=bayes, seed=seed, progress=progress)

    def mechanism(self, plan: str | Path | None = None, *, out: str | Path | None = None, seed: int = 1) -> Answer:
        """Say whether the immune change goes with the platelets, as ``immunomon mechanism``; assesses if needed."""
        if not self.status().is_current("assess"):
            self.assess()
        return relate_run(self, plan, out=out, seed=seed)

    def answer(self, asked: Asked) -> Answer:
        """Return what ``assess``, ``compare`` or ``mechanism`` left in the run; refused if it is stale."""
        return read_answer(self, asked)

    def explore(self, panel: str | None = None, *, projected: bool = False) -> Explorer:
        """Return a panel's atlas as a page to explore, laid out first if there is none yet (UMAP, up to minutes).

        projected: the cells that ``immunomon project`` put onto it, up to a million, instead of its own.
        Raises BadRun if the atlas is of an earlier state of the run, with the command that renews it.
        """
        from immunomon.api.exploring import explore_run

        return explore_run(self, panel, projected=projected)

    def cells(self, panel: str | None = None, *, within: str | None = None) -> AnnData:
        """Return the cells of a panel's samples as AnnData, for scanpy; kept in ``anndata`` in the run.

        within: only those of a population, which are not kept. Raises ImmunomonError without the extra ``anndata``.
        """
        from tempfile import TemporaryDirectory

        from immunomon.maps.anndata.export import export_cells

        name = self.known_panel(panel)
        if within is not None:
            with TemporaryDirectory(prefix="immunomon-") as folder:
                file = Path(folder) / f"{name}.h5ad"
                return _cells(export_cells(self, name, out=file, within=within).path)
        if not self.status().is_current("anndata", name):
            export_cells(self, name, overwrite=True)
        return _cells(self.folder / "anndata" / f"{name}.h5ad")

    def review(self, panel: str, population: str = "") -> ShownGallery:
        """Return a panel's gates over all samples, as ``immunomon review`` shows them, for a notebook to look at."""
        from immunomon.outputs.review.notebook import shown_gallery

        return shown_gallery(self, panel, population)

    def report(self, out: str | Path | None = None) -> Path:
        """Write the report, one HTML page, and return its path; warns if the run's trail could not take it up."""
        from immunomon.api.reporting import report_run

        page, unnoted = report_run(self, out)
        if unnoted:
            warnings.warn(f"the report was written, but {unnoted}", stacklevel=2)
        return page

    def export_workspace(self, out: str | Path | None = None) -> Path:
        """Write the gates of every sample as a FlowJo 10 workspace, default ``gates.wsp`` in the run; return its path.

        Raises ExportFailed for what a workspace has no place for.
        """
        return export_gates(self, "flowjo", out=out).target

    def export_gates(self, kind: str = "gatingml", *, out: str | Path | None = None) -> ExportedGates:
        """Write the gates of every sample for other programs, as ``immunomon export-gates`` does."""
        return export_gates(self, kind, out=out)

    def precision(self, repeats: str | Path, *, most_cv: float = 25) -> PrecisionStudy:
        """Say how much repeats of a specimen differ, as ``immunomon precision`` does; repeats: a CSV."""
        from immunomon.api.precision import study_precision

        return study_precision(self, repeats, most_cv=most_cv)

    def power(self, plan: str | Path | None = None, *, patients: Sequence[int] = PATIENTS, power: float = 0.8) -> Power:
        """Say which change so many patients can detect, as ``immunomon power`` does."""
        return detectable_changes(self, plan, patients=patients, power=power)

    def quality(self) -> Acquisitions:
        """Return how the acquisition of each sample was judged, as ``immunomon quality`` does."""
        return judge_acquisitions(self)

    def export(self, to: str | None = None, *, by: str = "", reason: str = "") -> ExportSummary:
        """Write the results into a database, as ``immunomon export`` does; to: a URL, default SQLite in the run."""
        from immunomon.api.exporting import export_results

        return export_results(self, to, by=by, reason=reason)

    def status(self) -> RunStatus:
        """Return how the run stands, and what of it and of what was made of it is stale."""
        return read_status(self.folder, self.study_folder)


def _cells(path: Path) -> AnnData:
    import anndata

    return anndata.read_h5ad(path)


def open_run(folder: str | Path, study: str | Path | None = None) -> StudyRun:
    """Return a finished run, opened to work with.

    study: the study's folder; default: the folder above the run, if there is a study in it. A study's own folder stands
    for its run. Raises BadRun if there is no finished run.
    """
    path = Path(folder)
    if (path / "study.yaml").is_file() and (path / "run" / "run.json").is_file():
        path = path / "run"
    plain = opened.open_run(path, study)
    return StudyRun(plain.folder, plain.record, plain.study_folder, plain.record_sha256)


def run(
    study: str | Path,
    out: str | Path | None = None,
    *,
    jobs: int | None = None,
    by: str | None = None,
    reason: str | None = None,
    progress: Progress | None = None,
) -> StudyRun:
    """Gate every file of a study and return the run; what is done already is not done again.

    out: the run folder; default ``run`` in the study's. by, reason: who changes a locked run, and why. progress: called
    with the stage, files done, all files, and files failed. Which failed is in ``outcome.failed`` and in ``samples``,
    with the reasons. Raises BadSpec for problems of the study's files, RunLocked, RunFolderInUse.
    """
    why = why_changed(reason, by)
    summary = run_study(Path(study), None if out is None else Path(out), jobs=jobs, progress=progress, why=why)
    above = Path(study).parent if Path(study).is_file() else Path(study)
    return replace(open_run(summary.folder, above), outcome=summary)

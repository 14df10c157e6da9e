"""Compare: the statistics of a run, as tables, plots and one page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from immunomon.api.answer import Answer, recorded_answer
from immunomon.errors import ImmunomonError, nearest
from immunomon.files import digests_of_what_is_written, is_there, write_whole
from immunomon.runs.folder import write_table
from immunomon.runs.laboratory import laboratory_of
from immunomon.runs.named import find_run
from immunomon.runs.opened import Run
from immunomon.runs.plan import shown_inputs
from immunomon.runs.provenance import environment
from immunomon.trial.model.analysis import AnalysisPlan, Endpoint, Scale, default_plan
from immunomon.trial.specs.analysis import load_analysis
from immunomon.trial.statistics.analyse import Analysis, analyse
from immunomon.trial.statistics.facts import Facts, facts_of
from immunomon.trial.statistics.measured import Measured
from immunomon.trial.statistics.summary import summary
from immunomon.yamlfile import digests_of_what_is_read

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["absent_words", "compare_run", "declared_order", "plan_for", "tables_of"]

Progress = Callable[[str, int, int, int], None]
_TABLES = ("changes", "frequencies", "medians")


def compare_run(
    run: str | Path | Run,
    plan: str | Path | None = None,
    *,
    out: str | Path | None = None,
    bayes: bool = False,
    seed: int = 1,
    progress: Progress | None = None,
) -> Answer:
    """Say what changed, in whom and at which dose; write the tables, the plots and one page of sentences.

    plan: default ``analysis.yaml`` beside the study, else a default plan. out: default ``statistics`` in the run.
    bayes: Bayesian models of the primary endpoints too, which take minutes and an extra. seed: of tests that sample
    arrangements. Raises BadRun, BadSpec for a plan that cannot be read, ImmunomonError for a visit that is not there.
    """
    of_run = find_run(run)
    folder = of_run.folder / "statistics" if out is None else Path(out)
    facts = facts_of(of_run.record)
    with digests_of_what_is_read() as texts:
        declared = plan_for(of_run, None if plan is None else Path(plan), facts)
        measured_tables = tables_of(of_run)
    analysis = analyse(measured_tables, facts, declared, seed=seed, progress=progress)
    tables = dict(analysis.tables)
    if bayes:
        from immunomon.trial.statistics.bayes import bayesian

        rows = bayesian(analysis.measured, seed=seed, progress=progress)
        tables["over_time"] = pd.concat([tables["over_time"], rows], ignore_index=True)
    with digests_of_what_is_written(folder) as written:
        for name, table in tables.items():
            write_table(folder, name, table)
        _write_forests(folder, tables["estimates"], declared)
        _write_trajectories(folder, analysis)
        page = summary(analysis.measured, tables, study=str(of_run.study["name"]), first_sample=_first_sample(of_run))
        write_whole(folder / "summary.md", page)
    read = shown_inputs(texts, of_run.study_folder or of_run.folder)
    record = {**_record(of_run, analysis, declared, seed), "read": read, "files": written}
    lines = _lines(analysis, declared)
    return recorded_answer(of_run, "compare", folder, tables=tables, page=page, record=record, lines=lines)


def plan_for(run: Run, plan: Path | None, facts: Facts) -> AnalysisPlan:
    """Return the plan named, or the study's ``analysis.yaml``, or the default one.

    Raises BadSpec for a plan that cannot be read, ImmunomonError if it names a visit that the study does not have.
    """
    beside = [folder / "analysis.yaml" for folder in (run.study_folder, run.folder.resolve().parent) if folder]
    path = plan or next((file for file in beside if is_there(file)), None)
    if path is None:
        return default_plan(facts.visits).on(facts.uses)
    declared = load_analysis(path).on(facts.uses)
    named = {visit for family in declared.all_families for visit in family.visits}
    named |= {end for window in declared.windows for end in (window.first, window.last)}
    unknown = sorted(named - set(facts.labels))
    if unknown:
        message = f"{path}: the study has no visit {', '.join(unknown)}; it has {', '.join(facts.labels)}"
        raise ImmunomonError(message)
    return declared


def tables_of(run: Run) -> dict[str, pd.DataFrame]:
    """Return the tables of a run that the statistics rest on, with the study's laboratory values if it has any."""
    laboratory = laboratory_of(run)
    return {name: run.table(name) for name in _TABLES} | ({} if laboratory is None else {"laboratory": laboratory})


def _first_sample(run: Run) -> str | None:
    dates = run.table("samples")["collection_date"].dropna()
    return str(dates.min()) if len(dates) else None


def _write_forests(folder: Path, estimates: pd.DataFrame, plan: AnalysisPlan) -> None:
    from matplotlib.figure import Figure

    from immunomon.plots.estimates import forest

    declared = {endpoint.name for endpoint in plan.all_endpoints}
    chosen = estimates[(estimates["measure"] == "change") & estimates["endpoint"].isin(declared)]
    for (visit, scale), rows in chosen.groupby(["at", "scale"], sort=False):
        ordered = rows.sort_values(
            "endpoint", kind="stable", key=lambda names: names.map(list(declared_order(plan)).index)
        )
        figure = Figure(figsize=(7.5, 1.2 + 0.34 * len(ordered)), layout="constrained")
        ax = forest(figure.subplots(), ordered)
        roles = " and ".join(dict.fromkeys(ordered["role"].astype(str)))
        ax.set_title(
            f"Change from baseline at {visit} ({roles})\nmean, t interval, | Hodges-Lehmann, dots: patients", size=9
        )
        _write_figure(folder, f"forest_{scale}_{visit}", figure, plan)


def _write_trajectories(folder: Path, analysis: Analysis) -> None:
    """Draw every patient's line for each endpoint of the plan, on the scale of the analysis."""
    from matplotlib.figure import Figure

    from immunomon.plots.trajectories import name_groups, trajectories

    changes = analysis.tables["patient_changes"]
    facts = analysis.measured.facts
    days = {visit.label: visit.planned_day for visit in facts.visits}
    for series in analysis.measured.planned:
        rows = changes[(changes["endpoint"] == series.endpoint.name) & changes["change"].notna()]
        if rows.empty:
            continue
        # Every line begins where it is measured from: at no change, on the baseline's day.
        start = rows.drop_duplicates("subject").assign(visit=facts.baseline, change=0.0)
        whole = pd.concat([start, rows], ignore_index=True)
        whole = whole.sort_values("visit", kind="stable", key=lambda names: names.map(facts.labels.index))
        data = whole.assign(planned_day=whole["visit"].map(days), status="ok")
        figure = Figure(figsize=(7.0, 4.2), layout="constrained")
        endpoint = series.endpoint
        ax = trajectories(
            figure.subplots(),
            data,
            endpoint.population,
            denominator=endpoint.denominator or None,
            quantity=endpoint.quantity,
            measure="change",
        )
        ax.set_ylabel(f"change from baseline ({endpoint.scale.value})")
        # Beside the axes: with few patients there is no corner that no line crosses.
        name_groups(ax, loc="upper left", bbox_to_anchor=(1.01, 1.0))
        _write_figure(folder, f"trajectories_{endpoint.name}", figure, analysis.measured.plan)


def _write_figure(folder: Path, name: str, figure: Figure, plan: AnalysisPlan) -> None:
    from immunomon.plots.figures import png_of

    origin = "default plan, declared by nobody" if plan.source == "default" else f"plan {plan.name}"
    figure.text(0.995, 0.004, f"{origin}, {plan.digest[:12]}", ha="right", va="bottom", size=6, color="0.4")
    # Labels of visits and names of endpoints are the user's: they must not lead out of the folder.
    path = folder / f"{re.sub(r'[^A-Za-z0-9_.+-]', '_', name)}.png"
    write_whole(path, png_of(figure, dpi=130))


def declared_order(plan: AnalysisPlan) -> tuple[str, ...]:
    """Return the names of the plan's endpoints, in its order."""
    return tuple(endpoint.name for endpoint in plan.all_endpoints)


def _record(run: Run, analysis: Analysis, plan: AnalysisPlan, seed: int) -> dict[str, Any]:
    """Return what made these statistics: plan and its digest, run, seed, software."""
    from dataclasses import asdict

    return {
        "format": "immunomon.statistics/1",
        "plan_digest": plan.digest,
        "plan": json.loads(json.dumps(asdict(plan), default=str)),
        "absent": [endpoint.name for endpoint in analysis.measured.absent],
        "run_digest": run.record_sha256,
        "seed": seed,
        **environment(),
    }


def absent_words(endpoint: Endpoint, measured: Measured) -> str:
    """Return that an endpoint of the plan is not in a run, with the nearest population that is."""
    populations = sorted({s.endpoint.population for s in measured.series if s.endpoint.panel == endpoint.panel})
    quantity = f"{endpoint.quantity} of {endpoint.population}" + (
        f" in {endpoint.denominator}" if endpoint.denominator else ""
    )
    text = f"NOT IN THIS RUN: {endpoint.name} ({quantity}, panel {endpoint.panel})"
    if not populations:
        panels = sorted({s.endpoint.panel for s in measured.series})
        return f"{text}: the run has no panel '{endpoint.panel}'; it has {', '.join(panels) or 'none with values'}"
    if endpoint.population not in populations:
        return (
            f"{text}: that panel has no population '{endpoint.population}'; {nearest(endpoint.population, populations)}"
        )
    if endpoint.scale is Scale.CLR:
        return f"{text}: not every part of the composition is a child of '{endpoint.denominator}' here"
    return f"{text}: that population has no such quantity or denominator"


def _lines(analysis: Analysis, plan: AnalysisPlan) -> Iterator[str]:
    yield from (absent_words(endpoint, analysis.measured) for endpoint in analysis.measured.absent)
    origin = "default plan" if plan.source == "default" else plan.source
    yield f"Plan: {origin}, digest {plan.digest[:12]}; {len(analysis.measured.planned)} endpoints of it in this run."

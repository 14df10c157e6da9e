"""Mechanism: immune change, platelets, dose and exposure together, as tables, plots and one page."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from immunomon.api.answer import Answer, recorded_answer
from immunomon.api.compare import absent_words, plan_for, tables_of
from immunomon.errors import BadSpec, ImmunomonError, NotForThisStudy, Problem
from immunomon.files import digests_of_what_is_written, file_digest, is_there, read_input, write_whole
from immunomon.runs.folder import read_held, write_json, write_table
from immunomon.runs.named import find_run
from immunomon.runs.opened import Run
from immunomon.runs.plan import shown_inputs
from immunomon.runs.provenance import environment
from immunomon.study.model.study import NO_GROUP
from immunomon.trial.mechanism.analyse import NEEDED, Mechanism
from immunomon.trial.mechanism.analyse import mechanism as worked_out
from immunomon.trial.mechanism.page import markdown, mechanism_page
from immunomon.trial.mechanism.within import LAG_NAMES
from immunomon.trial.model.analysis import AnalysisPlan
from immunomon.trial.model.tables import ASSESSMENT_TABLES
from immunomon.trial.statistics.facts import facts_of
from immunomon.trial.statistics.measured import Series
from immunomon.yamlfile import digests_of_what_is_read

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["relate_run"]

_RECORD = "assessments.json"


def relate_run(
    run: str | Path | Run,
    plan: str | Path | None = None,
    *,
    out: str | Path | None = None,
    seed: int = 1,
) -> Answer:
    """Say whether the immune change goes with the platelets, before them, and after exposure. Exploratory.

    run: its assessments are needed (``assess_study``). plan: default ``analysis.yaml`` beside the study, else a default
    plan. out: default ``mechanism`` in the run. Raises BadRun, BadSpec, ImmunomonError if its assessments are missing,
    or of other files than the study has.
    """
    from immunomon.plots.figures import png_of

    of_run = find_run(run)
    facts = facts_of(of_run.record)
    with digests_of_what_is_read() as texts:
        declared = plan_for(of_run, None if plan is None else Path(plan), facts)
        measured = tables_of(of_run)
    folder = of_run.folder / "mechanism" if out is None else Path(out)
    assessed, digests = _assessed(of_run)
    result = worked_out(measured, facts, declared, assessed=assessed, seed=seed)
    with digests_of_what_is_written(folder) as written:
        for name, table in result.tables.items():
            write_table(folder, name, table)
        for name, figure in _figures(result):
            write_whole(folder / f"{name}.png", png_of(figure))
        page = mechanism_page(result.joined, result.tables)
        text = markdown(page, str(of_run.study["name"]), declared.digest)
        write_whole(folder / "mechanism.md", text)
        pages = {"format": "immunomon.mechanism-pages/1", "run_digest": of_run.record.get("digest")}
        write_json(folder / "pages.json", {**pages, "alarms": [], "pages": [asdict(page)]})
    read = shown_inputs(texts, of_run.study_folder or of_run.folder)
    record = {**_record(of_run, declared, seed, digests), "read": read, "files": written}
    lines = _lines(result, declared)
    return recorded_answer(of_run, "mechanism", folder, tables=result.tables, page=text, record=record, lines=lines)


def _lines(result: Mechanism, plan: AnalysisPlan) -> Iterator[str]:
    measured = result.joined.measured
    for endpoint in measured.absent:
        if endpoint.name in plan.primary.endpoints:
            yield absent_words(endpoint, measured)
    responder = result.joined.responder
    patients = len(measured.facts.group_of)
    unknown = patients - int(np.isfinite(responder).sum())
    numbers = f"{int((responder == 1).sum())} with a platelet response" + (
        f", {unknown} not evaluable" if unknown else ""
    )
    yield f"{patients} patients, {numbers}; everything is exploratory."


def _assessed(run: Run) -> tuple[dict[str, pd.DataFrame], dict[str, str]]:
    """Return the tables of ``immunomon assess`` that are needed, and the digests of the bytes they were read from.

    Those of other files than the study has, and those that were changed since they were written, are refused.
    """
    folder = run.folder / "assessments"
    remedy = f"make it with: immunomon assess {run.folder}"
    if not (folder / _RECORD).is_file():
        raise ImmunomonError(f"{folder}: no platelet response is known here; {remedy}")
    try:
        record = json.loads(read_input(folder / _RECORD))
        inputs, written = dict(record["inputs"]), dict(record.get("files") or {})
        data = {name: _held(folder / f"{name}.parquet", written, remedy) for name in NEEDED}
        tables = {name: _table(name, data[name]) for name in NEEDED}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadSpec([Problem(str(folder), None, "", f"cannot be read ({error})", remedy)]) from error
    if "platelets.csv" not in inputs:
        raise NotForThisStudy(f"{folder}: the study has no platelets.csv, without which there is nothing to relate")
    changed = [name for name, digest in inputs.items() if _differs(run, name, digest)]
    if changed:
        raise ImmunomonError(f"{folder}: {', '.join(changed)} changed since; {remedy}")
    return tables, {name: hashlib.sha256(content).hexdigest() for name, content in data.items()}


def _held(path: Path, files: Mapping[str, str], remedy: str) -> bytes:
    return read_held(path, files.get(path.name), record=_RECORD, remedy=remedy)


def _table(name: str, data: bytes) -> pd.DataFrame:
    contract = ASSESSMENT_TABLES[name]
    table = pd.read_parquet(io.BytesIO(data))
    lacking = [column for column in contract.names if column not in table.columns]
    if lacking:
        raise ValueError(f"{name} has no column {', '.join(lacking)}")
    return table.astype(contract.dtypes)


def _differs(run: Run, name: str, digest: str) -> bool:
    """Say whether a file of the study is another one now; one that is not at hand cannot be judged."""
    places = [run.study_folder, run.study_folder / "assessments"] if run.study_folder else []
    path = next((folder / name for folder in places if is_there(folder / name)), None)
    return path is not None and file_digest(path) != digest


def _record(run: Run, plan: AnalysisPlan, seed: int, assessments: dict[str, str]) -> dict[str, Any]:
    """Return what made these tables: plan, run, assessments, seed, software."""
    return {
        "format": "immunomon.mechanism/1",
        "plan_digest": plan.digest,
        "run_digest": run.record_sha256,
        "assessments": assessments,
        "seed": seed,
        **environment(),
    }


def _figures(result: Mechanism) -> Iterator[tuple[str, Figure]]:
    from matplotlib.figure import Figure

    from immunomon.plots.estimates import apart, intervals

    shown = result.tables["by_response"]
    shown = shown[shown["difference"].notna()]
    if len(shown):
        figure = Figure(figsize=(7.5, 1.3 + 0.55 * len(shown)), layout="constrained")
        apart(figure.subplots(), shown)
        yield "by_response", figure
    r = result.tables["within_patients"].set_index("endpoint")["r"]
    shown_series = (series for series in result.joined.looked_at if pd.notna(r[series.endpoint.name]))
    for number, series in enumerate(shown_series, start=1):  # the page says in words why the others have none
        yield f"within_patients_{number}", _within(result, series)
    lags = result.tables["lags"].dropna(subset=["r"])
    if len(lags):
        number = lags["label"].nunique()
        figure = Figure(figsize=(7.5, 1.4 + 0.75 * number), layout="constrained")
        ends = lags[["r", "low", "high"]].to_numpy(dtype=float, na_value=np.nan)
        named = list(zip(lags["lag"], lags["label"], ends, strict=True))
        rows = {lag: [(str(b), *map(float, c)) for a, b, c in named if a == lag] for lag in LAG_NAMES[:3]}
        ax = intervals(figure.subplots(), rows)  # type: ignore[arg-type]
        ax.set_xlabel("correlation within patients; interval over patients")
        yield "lags", figure


def _within(result: Mechanism, series: Series) -> Figure:
    """Draw one endpoint by itself: as wide as a telephone, so that its words are read there, too."""
    from matplotlib.figure import Figure

    from immunomon.plots.colours import dose_group_colours
    from immunomon.plots.estimates import together

    joined = result.joined
    facts = joined.measured.facts
    palette = dose_group_colours(facts.doses)
    table = result.tables["within_patients"]
    r = dict(zip(table["endpoint"], table["r"], strict=True))[series.endpoint.name]
    figure = Figure(figsize=(4.2, 3.6), layout="constrained")
    ax = figure.subplots()
    colours = [palette[group].light for group in facts.group_of.values()]
    together(ax, series.scaled, joined.platelets, colours=colours)
    ax.set_title(f"{series.label}, r = {r:+.2f}", size=10)
    ax.set_xlabel(f"{series.endpoint.scale.value}, around the patient's mean", size=9)
    ax.set_ylabel("platelets, doublings around the patient's mean", size=9)
    for group in facts.doses:
        ax.plot([], [], "-o", ms=3, color=palette[group].light, label=f"dose {group}")
    if set(facts.doses) != {NO_GROUP}:
        figure.legend(frameon=False, fontsize=8, loc="outside lower center", ncols=4)
    return figure

"""The page: a run folder's record, tables and plots in one HTML file that opens without a network."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from immunomon import __version__
from immunomon.cytometry.model.populations import TABLES
from immunomon.files import file_digest, write_whole
from immunomon.outputs.report.acquisition import read_acquisitions, read_doubts
from immunomon.outputs.report.answer import needs_of, read_answer, stale_needs, stale_parts
from immunomon.outputs.report.compared import read_compared
from immunomon.outputs.report.map_pages import map_pages
from immunomon.outputs.report.overview import (
    Overview,
    caveats,
    doubts_by_sample,
    reviews_shown,
    study_overview,
    verdict_of,
)
from immunomon.outputs.report.packed import (
    TickSets,
    in_six_digits,
    pack_samples,
    pack_table,
    page_sample,
    safe_json,
    squeezed,
)
from immunomon.outputs.report.pictures import primary_picture, with_pictures
from immunomon.outputs.report.provenance import decisions, in_short, made_by, provenance
from immunomon.outputs.report.run_folder import ReportedRun, read_run
from immunomon.outputs.report.steadiness import read_steadiness
from immunomon.outputs.report.told import read_told
from immunomon.plots.colours import DENSITY_STOPS, DENSITY_STOPS_DARK, dose_group_colours, page_colours
from immunomon.study.model.arms import about_control
from immunomon.trial.model.laboratory import as_changes
from immunomon.trial.model.tables import LABORATORY_VALUES

__all__ = ["DRAWING_SCRIPTS", "TickSets", "joined_script", "page_sample", "safe_json", "write_report"]

_ASSETS = Path(__file__).parent / "assets"
# The results of other commands that the page shows: it holds their digests, by which a later state is told from this.
_SHOWN = ("statistics/analysis.json", "assessments/pages.json", "mechanism/pages.json")
# Elements and gating plots: the review desk draws with these, too.
DRAWING_SCRIPTS: tuple[Path, ...] = tuple(
    _ASSETS / f"{name}.js" for name in ("dom", "inflate", "density", "gating", "labels")
)
_SECTIONS = ("acquisition", "samples", "gallery", "chart", "trajectories", "changes", "tables", "start")
_SCRIPTS = (
    *(_ASSETS / "data.js", *DRAWING_SCRIPTS, _ASSETS / "state.js"),
    *(_ASSETS / f"{name}.js" for name in _SECTIONS),
)
_MADE_BY = {  # page -> the command that makes it, as what was made of a run is known by
    **dict.fromkeys(("safety", "efficacy", "laboratory", "schedule"), "assess"),
    **{"compare": "compare", "mechanism": "mechanism", "clusters": "cluster", "atlas": "embed"},
}
_WITH_TESTS = {"compare", "mechanism"}  # pages on which p-values stand
_TABLES_SHOWN = ("summary", "changes", "frequencies", "populations", "samples")


def write_report(run_folder: Path, out: Path | None = None) -> Path:
    """Write the report of a run as one HTML file, by default ``report.html`` in its folder, and return its path.

    The page holds all it shows: no network, no other files. Raises BadRun if the folder is not a run's.
    """
    run = read_run(Path(run_folder))
    target = Path(out) if out else run.folder / "report.html"
    write_whole(target, _render(run))
    return target


def _render(run: ReportedRun) -> str:
    overview, script = study_overview(run), joined_script(_SCRIPTS)
    ticks = TickSets()
    sample_ids = [str(name) for name in run.tables["samples"]["sample_id"]]
    drawn = ((name, page_sample(run.result(name) or {}, ticks)) for name in sample_ids)
    dictionary, plots = pack_samples((name, sample) for name, sample in drawn if sample["plots"] or sample["placed"])
    version, finished = made_by(run.record)
    made_of = str(run.record.get("digest") or "")
    compared, from_commands = read_compared(run), read_told(run.folder, made_of)
    written = [*([compared] if compared else []), *(from_commands.pages if from_commands else ())]
    pages = [*with_pictures(run, written), *map_pages(run)]
    stale = stale_parts(run)
    compared_with = about_control(_doses(run))
    tested = [page.title for page in pages if page.name in _WITH_TESTS]
    environment = Environment(
        loader=FileSystemLoader(_ASSETS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    steady = read_steadiness(run)
    charts = environment.get_template("steadiness_charts.html.j2").render(steady=steady) if steady else ""
    return environment.get_template("page.html.j2").render(
        name=str(run.study.get("name") or "Study without a name"),
        title=str(run.study.get("title") or ""),
        groups=_dose_groups(run),
        overview=overview,
        answer=read_answer(run, primary_picture(run), (*stale_needs(run, stale), *needs_of(run, overview))),
        stale={page: part for page, key in _MADE_BY.items() for part in reversed(stale) if part.key == key},
        page_colours=page_colours(),
        version=version or "unknown",
        finished=finished,
        digest=made_of or run.record_sha256,
        digest_name="Digest of inputs and code" if made_of else "SHA-256 of run.json",
        record_digest=run.record_sha256,
        shown=[file_digest(run.folder / name) for name in _SHOWN if (run.folder / name).is_file()],
        report_version=__version__,
        provenance=provenance(run.record),
        in_short=in_short(run),
        decisions=decisions(run),
        steady=steady,
        steady_charts=squeezed(charts),
        alarms=from_commands.alarms if from_commands else (),
        pages=pages,
        doubtful=read_doubts(run.tables["doubts"], run.tables["frequencies"]),
        acquisitions=read_acquisitions(run.tables["samples"]),
        about_control=compared_with,
        caveats=caveats(
            compared_with,
            set(run.tables["populations"]["population"].dropna()),
            tested=tested,
            left_out=run.record.get("left_out"),
        ),
        verdict=verdict_of(run, overview),
        style=Markup((_ASSETS / "page.css").read_text(encoding="utf-8")),
        script=script,
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        plots=plots,
        data=safe_json({**_page_data(run, overview, ticks), "dictionary": dictionary}),
    )


def joined_script(scripts: Iterable[Path], page: Mapping[str, Any] | None = None) -> Markup:
    """Return a page's own scripts as one: they share a scope, in this order; page: data that they know as PAGE."""
    data = [] if page is None else [f"const PAGE = {safe_json(page)};"]
    parts = [*data, *(path.read_text(encoding="utf-8") for path in scripts)]
    return Markup('"use strict";\n(() => {\n' + "\n".join(parts) + "})();\n")


def _doses(run: ReportedRun) -> dict[str, float | None]:
    """Return the doses of the groups that have patients; None where a group states none."""
    subjects = [subject for subject in run.study.get("subjects") or () if isinstance(subject, dict)]
    groups = [group for group in run.study.get("dose_groups") or () if isinstance(group, dict)]
    with_patients = {subject.get("dose_group") for subject in subjects}
    doses = {str(group["name"]): group.get("cells_per_kg") for group in groups if group.get("name") in with_patients}
    return {name: float(dose) if isinstance(dose, int | float) else None for name, dose in doses.items()}


def _dose_groups(run: ReportedRun) -> list[dict[str, Any]]:
    """Return the dose groups in the study's order with their colours; those only the tables know come last."""
    declared = [group for group in run.study.get("dose_groups") or () if isinstance(group, dict) and "name" in group]
    names = [str(group["name"]) for group in declared]
    unplanned = sorted(set(run.tables["changes"]["dose_group"].dropna()) - set(names))
    groups = [*declared, *({"name": name} for name in unplanned)]
    colours = dose_group_colours(str(group["name"]) for group in groups)
    return [
        {**group, "light": colours[str(group["name"])].light, "dark": colours[str(group["name"])].dark}
        for group in groups
    ]


def _with_laboratory(run: ReportedRun) -> pd.DataFrame:
    """Return the changes, and in their form the laboratory values that ``immunomon assess`` wrote."""
    values = run.held_if_there(LABORATORY_VALUES, "assessments")
    if values is None or values.empty:
        return run.tables["changes"]
    days = {str(visit["label"]): visit.get("planned_day") for visit in run.study.get("visits", [])}
    return pd.concat([run.tables["changes"], as_changes(values, days)], ignore_index=True)


def _page_data(run: ReportedRun, overview: Overview, ticks: TickSets) -> dict[str, Any]:
    return {
        "study": {"name": run.study.get("name", ""), "visits": overview.visits},
        "subjects": [{"id": row.id, "dose_group": row.dose_group, "about": row.about} for row in overview.subjects],
        "groups": _dose_groups(run),
        "all": {"light": dose_group_colours([])["all"].light, "dark": dose_group_colours([])["all"].dark},
        "density": {"light": DENSITY_STOPS, "dark": DENSITY_STOPS_DARK},
        "ticks": ticks.sets,
        "reviews": reviews_shown(run),
        "doubts": doubts_by_sample(run.tables["doubts"]),
        "tables": [
            {"name": name, **squeezed(in_six_digits(pack_table(table, TABLES[name])))}
            for name in _TABLES_SHOWN
            for table in (_with_laboratory(run) if name == "changes" else run.tables[name],)
        ],
    }

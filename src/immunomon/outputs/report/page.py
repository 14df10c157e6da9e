"""The page: a run folder's record, tables and plots in one HTML file that opens without a network."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from immunomon import __version__
from immunomon.cytometry.model.populations import TABLES, Table
from immunomon.cytometry.model.scales import scale_from_dict
from immunomon.errors import UnknownName
from immunomon.files import file_digest, write_whole
from immunomon.outputs.report.acquisition import page_acquisition, read_acquisitions, read_doubts
from immunomon.outputs.report.compared import read_compared
from immunomon.outputs.report.overview import (
    Overview,
    caveats,
    made_by,
    provenance,
    reviews_shown,
    study_overview,
    verdict_of,
)
from immunomon.outputs.report.run_folder import ReportedRun, read_run
from immunomon.outputs.report.steadiness import read_steadiness
from immunomon.outputs.report.told import read_told
from immunomon.plots.colours import DENSITY_STOPS, DENSITY_STOPS_DARK, dose_group_colours
from immunomon.plots.gating import frame_of, unpack_density
from immunomon.plots.outline import Frame, outline
from immunomon.plots.ticks import axis_ticks
from immunomon.study.model.trust import doubts_from

__all__ = ["TickSets", "pack_table", "page_sample", "safe_json", "write_report"]

# The data inside a page: a sample's gates and plots, and tables column by column, as plain JSON.


class TickSets:
    """The tick sets of a page, each kept once: many plots share an axis."""

    def __init__(self) -> None:
        self._indices: dict[tuple[object, ...], int] = {}
        self.sets: list[list[list[float | str]]] = []

    def index_of(self, axis: Mapping[str, Any]) -> int:
        """Return the number of the axis's tick set, which is made when it is new.

        >>> sets = TickSets()
        >>> axis = {"range": [0.0, 1.0], "scale": {"kind": "logicle"}}
        >>> sets.index_of(axis), sets.index_of(axis), len(sets.sets)
        (0, 0, 1)
        """
        low, high = (float(end) for end in axis["range"])
        scale = axis.get("scale") or {"kind": "identity"}
        key = (low, high, *sorted(scale.items()))
        if key not in self._indices:
            self._indices[key] = len(self.sets)
            ticks = axis_ticks(scale_from_dict(dict(scale)), low, high)
            self.sets.append([[round((tick.coordinate - low) / (high - low), 4), tick.label] for tick in ticks])
        return self._indices[key]


def page_sample(stored: Mapping[str, Any], ticks: TickSets) -> dict[str, Any]:
    """Return the plots of one sample for the page, how its gates were placed, and how its acquisition went.

    stored: ``samples/<sample_id>.json``. Outlines are in fractions of the plot, (0, 0) bottom left. A damaged plot is
    named, not drawn.
    """
    plots = [_plot_or_problem(plot, ticks) for plot in stored.get("plots") or ()]
    gates = stored.get("gates")
    placed = gates.get("populations") if isinstance(gates, dict) else None
    acquisition = page_acquisition(stored)
    return {"plots": plots, "placed": {str(gate["population"]): _placed_gate(gate) for gate in placed or ()}} | (
        {} if acquisition is None else {"acquisition": acquisition}
    )


def _placed_gate(stored: Mapping[str, Any]) -> dict[str, Any]:
    facts = {str(name): float(f"{value:.4g}") for name, value in (stored.get("facts") or {}).items()}
    notes = [str(stored[key]) for key in ("note", "failure") if stored.get(key)]
    # A doubt says in a sentence what the note only hints at; a run of before has none.
    doubts = [doubt.sentence for doubt in doubts_from(stored.get("doubts") or ())]
    return {"facts": facts, "note": "; ".join([*notes, *doubts])}


def _plot_or_problem(plot: Mapping[str, Any], ticks: TickSets) -> dict[str, Any]:
    title = {"parent": str(plot.get("parent", "")), "parent_label": str(plot.get("parent_label", ""))}
    try:
        return {**title, **_page_plot(plot, ticks)}
    except (KeyError, TypeError, ValueError, ArithmeticError, zlib.error, UnknownName) as error:
        return {**title, "problem": f"this plot cannot be drawn: {error}"}


def _page_plot(plot: Mapping[str, Any], ticks: TickSets) -> dict[str, Any]:
    levels = unpack_density(plot)
    rows, columns = levels.shape if levels.ndim == 2 else (1, levels.shape[0])
    frame, x, y = frame_of(plot), plot["x"], plot.get("y")
    return {
        "x": {"label": str(x.get("label") or x["axis"]), "ticks": ticks.index_of(x)},
        "y": None if y is None else {"label": str(y.get("label") or y["axis"]), "ticks": ticks.index_of(y)},
        "bins": plot["bins"],
        "shape": [int(rows), int(columns)],
        "events": plot.get("events"),
        "gates": [_page_gate(gate, frame) for gate in plot.get("gates") or ()],
    }


def _page_gate(gate: Mapping[str, Any], frame: Frame) -> dict[str, Any]:
    drawn = outline(gate["gate"], frame) if gate.get("gate") else None
    return {
        "population": str(gate["population"]),
        "label": str(gate.get("label") or gate["population"]),
        "count": gate.get("count"),
        "percent": gate.get("percent_of_parent"),
        "ring": None if drawn is None else _fractions(drawn.ring, frame),
        "lines": [] if drawn is None else [_fractions(line, frame) for line in drawn.lines],
    }


def _fractions(points: Sequence[tuple[float, float]], frame: Frame) -> list[list[float]]:
    (left, right), (bottom, top) = frame.x_range, frame.y_range
    return [[round((x - left) / (right - left), 4), round((y - bottom) / (top - bottom), 4)] for x, y in points]


# Data inside a page: plain JSON that no text from a file can break out of, and tables column by column.

_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def safe_json(data: Any) -> Markup:  # noqa: ANN401
    r"""Return data as JSON that is safe inside a ``<script>`` element; what is not a number becomes null.

    >>> print(safe_json({"marker": "</script>", "value": float("nan")}))
    {"marker":"\u003c/script\u003e","value":null}
    """
    text = json.dumps(_finite(data), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for letter, escape in _UNSAFE.items():
        text = text.replace(letter, escape)
    return Markup(text)


def _finite(data: Any) -> Any:  # noqa: ANN401
    if isinstance(data, dict):
        return {str(key): _finite(item) for key, item in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(item) for item in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


def pack_table(frame: pd.DataFrame, table: Table) -> dict[str, Any]:
    """Return a table column by column; text as places in a list of its words, which keeps the page small.

    A column is ``{"name", "kind", "meaning"}`` with ``values`` (numbers, 0/1 or null) or ``words`` and ``at``
    (-1 where missing).

    >>> from immunomon.cytometry.model.populations import Column
    >>> table = Table("t", "one", ("a",), (Column("a", "string", "a letter"), Column("n", "Int64", "a number")))
    >>> packed = pack_table(pd.DataFrame({"a": ["y", "x", "y"], "n": [1, 2, 3]}).astype(table.dtypes), table)
    >>> packed["columns"][0]["words"], packed["columns"][0]["at"], packed["columns"][1]["values"]
    (['x', 'y'], [1, 0, 1], [1, 2, 3])
    """
    columns = []
    for column in table.columns:
        described = {"name": column.name, "kind": column.dtype, "meaning": column.meaning}
        columns.append({**described, **_packed(frame[column.name], column.dtype)})
    return {"name": table.name, "row": table.row, "rows": len(frame), "columns": columns}


def _packed(column: pd.Series[Any], dtype: str) -> dict[str, Any]:
    if dtype == "string":
        words = pd.Categorical(column)
        return {"words": [str(word) for word in words.categories], "at": [int(code) for code in words.codes]}
    plain = {"boolean": int, "Int64": int, "Float64": float}[dtype]
    return {"values": [None if pd.isna(value) else plain(value) for value in column]}


_ASSETS = Path(__file__).parent / "assets"
# The results of other commands that the page shows: it holds their digests, by which a later state is told from this.
_SHOWN = ("statistics/analysis.json", "assessments/pages.json", "mechanism/pages.json")
_SCRIPTS = (
    "data.js",
    "dom.js",
    "state.js",
    "inflate.js",
    "density.js",
    "gating.js",
    "labels.js",
    "acquisition.js",
    "samples.js",
    "chart.js",
    "trajectories.js",
    "changes.js",
    "tables.js",
    "start.js",
)
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
    overview, script = study_overview(run), _script()
    ticks = TickSets()
    sample_ids = [str(name) for name in run.tables["samples"]["sample_id"]]
    drawn = ((name, page_sample(run.result(name) or {}, ticks)) for name in sample_ids)
    plots = [(name, safe_json(sample)) for name, sample in drawn if sample["plots"] or sample["placed"]]
    version, finished = made_by(run.record)
    made_of = str(run.record.get("digest") or "")
    compared, from_commands = read_compared(run), read_told(run.folder, made_of)
    pages = [*([compared] if compared else []), *(from_commands.pages if from_commands else ())]
    tested = [page.title for page in pages if page.name in _WITH_TESTS]
    environment = Environment(loader=FileSystemLoader(_ASSETS), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("page.html.j2").render(
        name=str(run.study.get("name") or "Study without a name"),
        title=str(run.study.get("title") or ""),
        groups=_dose_groups(run),
        overview=overview,
        version=version or "unknown",
        finished=finished,
        digest=made_of or run.record_sha256,
        digest_name="Digest of inputs and code" if made_of else "SHA-256 of run.json",
        record_digest=run.record_sha256,
        shown=[file_digest(run.folder / name) for name in _SHOWN if (run.folder / name).is_file()],
        report_version=__version__,
        provenance=provenance(run.record),
        steady=read_steadiness(run),
        alarms=from_commands.alarms if from_commands else (),
        pages=pages,
        doubtful=read_doubts(run.tables["doubts"], run.tables["frequencies"]),
        acquisitions=read_acquisitions(run.tables["samples"]),
        caveats=caveats(set(run.tables["populations"]["population"].dropna()), tested, run.record.get("left_out")),
        verdict=verdict_of(run, overview),
        style=Markup((_ASSETS / "page.css").read_text(encoding="utf-8")),
        script=script,
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        plots=plots,
        data=safe_json(_page_data(run, overview, ticks)),
    )


def _script() -> Markup:
    """Return the page's own scripts as one: they share a scope, in this order."""
    parts = [(_ASSETS / name).read_text(encoding="utf-8") for name in _SCRIPTS]
    return Markup('"use strict";\n(() => {\n' + "\n".join(parts) + "})();\n")


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


def _page_data(run: ReportedRun, overview: Overview, ticks: TickSets) -> dict[str, Any]:
    return {
        "study": {"name": run.study.get("name", ""), "visits": overview.visits},
        "subjects": [{"id": row.id, "dose_group": row.dose_group, "about": row.about} for row in overview.subjects],
        "groups": _dose_groups(run),
        "all": {"light": dose_group_colours([])["all"].light, "dark": dose_group_colours([])["all"].dark},
        "density": {"light": DENSITY_STOPS, "dark": DENSITY_STOPS_DARK},
        "ticks": ticks.sets,
        "reviews": reviews_shown(run),
        "tables": [pack_table(run.tables[name], TABLES[name]) for name in _TABLES_SHOWN],
    }

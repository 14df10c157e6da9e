"""The data inside a page: samples with gates and plots, and tables; small, and no text breaks out of it."""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from immunomon.cytometry.model.populations import Table
from immunomon.cytometry.model.scales import scale_from_dict
from immunomon.errors import UnknownName
from immunomon.outputs.report.acquisition import page_acquisition
from immunomon.plots.gating import frame_of, unpack_density
from immunomon.plots.outline import Frame, outline
from immunomon.plots.ticks import axis_ticks
from immunomon.study.model.trust import doubts_from

__all__ = [
    "PackedSample",
    "TickSets",
    "in_six_digits",
    "pack_samples",
    "pack_table",
    "page_sample",
    "safe_json",
    "squeezed",
]


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
    text = _plain_json(data)
    for letter, escape in _UNSAFE.items():
        text = text.replace(letter, escape)
    return Markup(text)


def _plain_json(data: Any) -> str:  # noqa: ANN401
    return json.dumps(_finite(data), ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _finite(data: Any) -> Any:  # noqa: ANN401
    if isinstance(data, dict):
        return {str(key): _finite(item) for key, item in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(item) for item in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


# What no reader of a page reads, and what it weighs the most; the table in the run folder has it.
_LEFT_OUT = ("subjects", "sha256")


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
        if column.name in _LEFT_OUT:
            continue
        described = {"name": column.name, "kind": column.dtype, "meaning": column.meaning}
        columns.append({**described, **_packed(frame[column.name], column.dtype)})
    return {"name": table.name, "row": table.row, "rows": len(frame), "columns": columns}


def _packed(column: pd.Series[Any], dtype: str) -> dict[str, Any]:
    if dtype == "string":
        words = pd.Categorical(column)
        return {"words": [str(word) for word in words.categories], "at": [int(code) for code in words.codes]}
    plain = {"boolean": int, "Int64": int, "Float64": float}[dtype]
    return {"values": [None if pd.isna(value) else plain(value) for value in column]}


def _digits(value: float, digits: int = 6) -> float:
    return float(f"{value:.{digits}g}")


def in_six_digits(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a packed table whose decimal numbers have six digits, more than a page shows, in half the room.

    >>> column = {"name": "a", "kind": "Float64", "values": [1 / 3, None]}
    >>> in_six_digits({"columns": [column]})["columns"][0]["values"]
    [0.333333, None]
    """
    columns = [
        {**column, "values": [None if value is None else _digits(value) for value in column["values"]]}
        if column["kind"] == "Float64"
        else column
        for column in table["columns"]
    ]
    return {**table, "columns": columns}


# Squeezed: JSON and plots in deflate streams, which the page inflates when somebody looks.


def squeezed(data: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return text, or data as JSON, in a zlib stream, as base64, with the size that it inflates to.

    >>> data = squeezed({"a": [1, 2]})
    >>> zlib.decompress(base64.b64decode(data["packed"])), data["size"]
    (b'{"a":[1,2]}', 11)
    """
    text = (data if isinstance(data, str) else _plain_json(data)).encode()
    return {"size": len(text), "packed": base64.b64encode(zlib.compress(text, 9)).decode()}


@dataclass(frozen=True)
class PackedSample:
    """A sample's plots as base64 of a raw deflate stream: ``text`` bytes of JSON, then levels in four bits each.

    size: of what it inflates to.
    """

    name: str
    packed: str
    size: int
    text: int


def pack_samples(samples: Iterable[tuple[str, Mapping[str, Any]]]) -> tuple[str, Iterator[PackedSample]]:
    """Return the dictionary that all streams begin with, as base64, and the packed samples.

    samples: names and what ``page_sample`` returns. The first samples are the dictionary: what gates and plots have in
    common is said once. A density keeps 8 of its 255 levels: its colours have as many stops.
    """
    parts = [(name, *_parted(sample)) for name, sample in samples]
    dictionary = b"".join(text for _, text, _ in parts[:: max(1, len(parts) // 4)][:4])[-32768:]
    return base64.b64encode(dictionary).decode(), (_deflated(*part, dictionary) for part in parts)


def _parted(sample: Mapping[str, Any]) -> tuple[bytes, bytes]:
    plots = [
        {**{name: value for name, value in plot.items() if name != "bins"}, "gates": _lighter(plot.get("gates") or ())}
        for plot in sample["plots"]
    ]
    levels = b"".join(_four_bits(plot["bins"]) for plot in sample["plots"] if "bins" in plot)
    placed = {name: {**gate, "facts": {key: _digits(value, 3) for key, value in gate["facts"].items()}}
              for name, gate in sample["placed"].items()}  # fmt: skip
    lighter = {**sample, "plots": plots, "placed": placed}
    if "acquisition" in sample:
        lighter["acquisition"] = {
            **sample["acquisition"],
            **{name: _steps(sample["acquisition"][name]) for name in ("edges", "rate_edges")},
        }
    return _plain_json(lighter).encode(), levels


def _steps(edges: Sequence[int]) -> list[int]:
    """Return the first number and then how much each is more than the one before: mostly the same.

    >>> _steps([0, 512, 1024, 1500])
    [0, 512, 512, 476]
    """
    return [int(step) for step in np.diff(edges, prepend=0)]


def _lighter(gates: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return gates in thousandths of a plot; the line of one that is its ring, closed, is left out."""
    return [
        {**gate, "ring": _thousandths(gate["ring"]), "percent": gate["percent"] and _digits(gate["percent"]),
         "lines": None if gate["lines"] == [[*gate["ring"], gate["ring"][0]]] else
         [_thousandths(line) for line in gate["lines"]]}
        if gate["ring"] else dict(gate)
        for gate in gates
    ]  # fmt: skip


def _thousandths(points: Iterable[Sequence[float]]) -> list[list[int]]:
    return [[round(1000 * coordinate) for coordinate in point] for point in points]


def _four_bits(bins: str) -> bytes:
    # Rounded up: where there is one event, something stays to be seen.
    levels = (np.frombuffer(zlib.decompress(base64.b64decode(bins)), dtype=np.uint8).astype(np.uint16) + 31) // 32
    padded = np.append(levels, np.zeros(len(levels) % 2, dtype=np.uint16))
    return bytes((padded[0::2] * 16 + padded[1::2]).astype(np.uint8))


def _deflated(name: str, text: bytes, levels: bytes, dictionary: bytes) -> PackedSample:
    stream = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, dictionary)
    packed = stream.compress(text + levels) + stream.flush()
    return PackedSample(name, base64.b64encode(packed).decode(), len(text) + len(levels), len(text))

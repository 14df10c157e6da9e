"""Beside the cells: what the atlas left in the run folder, looked up cell by cell."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import immunomon
from immunomon.arrays import Floats32, Rows
from immunomon.cytometry.model.scales import scale_to_dict
from immunomon.cytometry.model.spillover import SpilloverMatrix
from immunomon.errors import BadRun
from immunomon.maps.anndata.cells import LAYERS
from immunomon.maps.anndata.writing import Column
from immunomon.maps.clusters.found import Metaclusters
from immunomon.maps.clusters.naming import population_labels
from immunomon.maps.clusters.samples import Source
from immunomon.plots.colours import word_colours
from immunomon.runs.opened import Run
from immunomon.runs.scaling import panel_scales

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ANNOTATED_FORMAT", "AtlasCells", "SampleRow", "atlas_of", "colours_of", "describe", "variables"]

_KNOWN = {"sample_id", "subject", "visit", "dose_group", "event", "population", "label", "umap1", "umap2"}


@dataclass(frozen=True, eq=False)
class AtlasCells:
    """An atlas of this run: its record, and its cells by sample and event.

    columns: what it says of a cell beside its place, as columns of ``obs`` (``atlas_cluster`` and the like).
    """

    record: Mapping[str, Any]
    cells: Mapping[str, pd.DataFrame]
    columns: tuple[Column, ...] = field(default_factory=tuple)

    def rows(self, sample_id: str) -> Rows:
        """Return which events of a sample are in the atlas, ascending."""
        own = self.cells.get(sample_id)
        return np.empty(0, dtype=np.int64) if own is None else own["event"].to_numpy(dtype=np.int64)

    def of(self, sample_id: str, rows: Rows) -> tuple[Floats32, dict[str, NDArray[Any]]]:
        """Return positions, (events, 2), not-a-number for events that are not in the atlas, and the other columns."""
        positions = np.full((rows.size, 2), np.nan, dtype=np.float32)
        missing = {column.name: -1 if column.words is not None else np.nan for column in self.columns}
        more = {column.name: np.full(rows.size, missing[column.name], dtype=column.stored) for column in self.columns}
        own = self.cells.get(sample_id)
        if own is None:
            return positions, more
        _, in_rows, there = np.intersect1d(rows, self.rows(sample_id), assume_unique=True, return_indices=True)
        positions[in_rows] = own[["umap1", "umap2"]].to_numpy(dtype=np.float32)[there]
        for column in self.columns:
            values = own[column.name].iloc[there]
            if column.words is None:
                more[column.name][in_rows] = values.to_numpy(dtype=column.stored, na_value=np.nan)
            else:
                codes = {word: number for number, word in enumerate(column.words)}
                more[column.name][in_rows] = [codes.get(str(value), -1) for value in values]
        return positions, more


def atlas_of(run: Run, panel: str, markers: tuple[str, ...]) -> tuple[AtlasCells | None, str]:
    """Return a panel's atlas, or None and why there is none; nothing is said where none was asked for yet."""
    if not run.has_atlas(panel):
        return None, ""
    try:
        record, table = run.atlas_record(panel), run.atlas(panel)
    except BadRun:
        return None, f"the atlas, which is of an earlier run (immunomon embed {run.folder} --panel {panel})"
    more = [name for name in table.columns if name not in _KNOWN and name not in markers]
    table = table.rename(columns={name: f"atlas_{name}" for name in more})
    columns = tuple(_column(table, f"atlas_{name}") for name in more)
    ordered = table.sort_values("event", kind="stable")
    return AtlasCells(
        record, {str(name): own for name, own in ordered.groupby("sample_id", sort=False, observed=True)}, columns
    ), ""


def _column(table: pd.DataFrame, name: str) -> Column:
    import pandas as pd

    values = table[name]
    if pd.api.types.is_float_dtype(values.dtype):
        return Column(name)
    words = sorted({str(value) for value in values.dropna()}, key=lambda word: (len(word), word))
    return Column(name, tuple(words))


# Describing: what the variables are, and how the file was made.

ANNOTATED_FORMAT = "immunomon.anndata/1"
SampleRow = tuple[str, str | None, str | None, int, int, SpilloverMatrix | None, str]
_NOTES = (
    "X is on the display scale of the strategy, one scale for all files; layers['raw'] is what the file holds, "
    "layers['compensated'] is unmixed with the matrix that the run used. All are 32-bit.",
    "Scatter and time are columns of obs, as pytometry's split_signal puts them; X needs no further step.",
    "Frequencies and changes are in the run's tables, with their reasons; cells are not replicates, patients are.",
    "Metaclusters and the atlas are exploratory: they must not be tested on the cells that made them.",
)
_LIBRARIES = ("anndata", "h5py", "numpy", "pandas")


def variables(source: Source) -> pd.DataFrame:
    """Return ``var``: one row a marker, in the panel's order, named by it.

    marker, channel (pytometry's word for the detector, $PnN), detector, fluorochrome, kind (type, state, viability,
    dump), signal_type (area, height, other: pytometry's), scale (JSON, so that X can be taken back to intensities).
    """
    import pandas as pd

    markers = source.panel.markers
    names = [marker.name for marker in markers]
    scales = panel_scales(source.strategy, source.panel, source.book)
    rows = {
        "marker": names,
        "channel": [marker.detector for marker in markers],
        "detector": [marker.detector for marker in markers],
        "fluorochrome": [marker.fluorochrome for marker in markers],
        "kind": pd.Categorical([marker.kind.value for marker in markers]),
        "signal_type": pd.Categorical([_signal(marker.detector) for marker in markers]),
        "scale": [json.dumps(scale_to_dict(scales[name])) for name in names],
    }
    return pd.DataFrame(rows, index=pd.Index(names))


def _signal(detector: str) -> str:
    return {"-A": "area", "-H": "height"}.get(detector.upper()[-2:], "other")


def colours_of(source: Source, columns: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return scanpy's palettes (``<column>_colors``): dose groups as in every plot, visits by time, cells by kind."""
    grey = next(iter(population_labels(source.strategy).values()))
    palettes = {}
    for name, words in columns.items():
        known = word_colours(name, list(words), grey=grey if name == "population_label" else None)
        palettes[f"{name}_colors"] = np.array([known[word] for word in words], dtype=object)
    return palettes


def describe(
    run: Run,
    source: Source,
    samples: Sequence[SampleRow],
    *,
    within: str,
    clusters: Metaclusters | None,
    atlas: AtlasCells | None,
) -> dict[str, Any]:
    """Return ``uns``: how the file was made, and tables of samples, populations, matrices and metaclusters.

    samples: id, subject, visit, events in the file, cells here, matrix, SHA-256 of the FCS file. Keywords of FCS files
    are not among it, nor names of files: they may name persons.
    """
    numbers: dict[SpilloverMatrix, int] = {}
    for row in samples:
        if row[5] is not None:
            numbers.setdefault(row[5], len(numbers) + 1)
    record: dict[str, Any] = {
        "format": ANNOTATED_FORMAT,
        "immunomon": immunomon.__version__,
        "made_by": "immunomon export --as anndata",
        "run_digest": run.record["digest"],
        "run_version": str(run.record["version"]),
        "study": source.study.name,
        "panel": source.panel.name,
        "strategy": source.strategy.name,
        "strategy_version": source.strategy.version,
        "within": within,
        "layers": list(LAYERS),
        "notes": list(_NOTES),
        "libraries": {name: version(name) for name in _LIBRARIES},
    }
    if clusters is not None:
        record["clusters"] = {"map_sha256": clusters.record["map_sha256"], "seed": clusters.record["seed"]}
    if atlas is not None:
        record["atlas"] = {"digest": str(atlas.record.get("digest", "")), "seed": atlas.record["seed"]}
    tables = {
        "samples": _samples(samples, numbers),
        "spillover": {str(number): _matrix(matrix) for matrix, number in numbers.items()},
        "populations": _populations(source),
    }
    if clusters is not None:
        tables["metaclusters"] = _plain(clusters.table)
    return {"immunomon": _listed(record), **tables}


def _samples(samples: Sequence[SampleRow], numbers: Mapping[SpilloverMatrix, int]) -> pd.DataFrame:
    import pandas as pd

    rows = [
        (name, subject or "", visit or "", events, cells, str(numbers[matrix]) if matrix else "", sha256)
        for name, subject, visit, events, cells, matrix, sha256 in samples
    ]
    names = ["sample", "subject", "visit", "events", "cells", "spillover", "fcs_sha256"]
    return pd.DataFrame(rows, columns=names).set_index("sample")


def _matrix(matrix: SpilloverMatrix) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(matrix.array, index=list(matrix.detectors), columns=list(matrix.detectors))


def _populations(source: Source) -> pd.DataFrame:
    import pandas as pd

    rows = [
        (population.id, population.label, population.parent, source.strategy.path(population.id))
        for population in source.strategy
    ]
    return pd.DataFrame(rows, columns=["population", "label", "parent", "path"]).set_index("population")


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table in the types that every reader of AnnData knows: words, and numbers that may be missing."""
    import pandas as pd

    out = {}
    for name, values in table.items():
        if pd.api.types.is_bool_dtype(values.dtype):
            out[str(name)] = values.astype(bool).to_numpy()
        elif pd.api.types.is_numeric_dtype(values.dtype):
            out[str(name)] = values.to_numpy(dtype=float, na_value=np.nan)
        else:
            out[str(name)] = values.astype(object).where(values.notna(), "").astype(str).to_numpy(dtype=object)
    return pd.DataFrame(out)


def _listed(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: np.array(value, dtype=object) if isinstance(value, list) else value for name, value in record.items()}

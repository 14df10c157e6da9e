"""Describe a region of an atlas: the phenotype of its cells, the populations in it, and who it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from immunomon.arrays import Floats, Mask
from immunomon.cytometry.kernels.membership import in_polygon
from immunomon.errors import NothingToDraw

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["WHOSE", "RegionDescription", "describe_region", "marker_columns"]

_NO_MARKERS = {"umap1", "umap2", "weight", "score", "out_of_reference"}
WHOSE = ("subject", "visit", "dose_group")
Region = Sequence[tuple[float, float]] | Mask


@dataclass(frozen=True, eq=False)
class RegionDescription:
    """What a region holds.

    cells: how many; phenotype: a row a marker (median inside, median of the rest, difference), the largest first;
    populations: a row a population (cells, percent_of_region, percent_of_population); whose: the same for every
    subject, visit and dose group (of, name, cells, percent_of_region, percent_of_own).
    """

    cells: int
    phenotype: pd.DataFrame
    populations: pd.DataFrame
    whose: pd.DataFrame

    def __repr__(self) -> str:
        most = self.populations["population"].iloc[0] if len(self.populations) else "none"
        return f"RegionDescription({self.cells} cells, most of them {most})"


def describe_region(atlas: pd.DataFrame, region: Region) -> RegionDescription:
    """Return what the cells of a region are, and whose: against all other cells of the atlas.

    region: corners of a polygon in the plane, two opposite corners of a box, or a mask, (cells,). Medians are of the
    display scale, of the cells drawn; percentages count each cell as many times as its ``weight`` says it stands for.
    Raises ValueError for a region that is none of these or holds no cell, or all.

    >>> import pandas as pd
    >>> cells = pd.DataFrame({"umap1": [0.0, 1.0, 5.0], "umap2": [0.0, 1.0, 5.0], "label": ["Treg", "Treg", "NK"],
    ...     "subject": ["S1", "S2", "S2"], "visit": "W4", "dose_group": "A", "CD25": np.float32([0.5, 0.7, 0.1])})
    >>> found = describe_region(cells, [(-1, -1), (2, 2)])
    >>> found.cells, found.phenotype["marker"].tolist(), found.phenotype["difference"].round(2).tolist()
    (2, ['CD25'], [0.5])
    >>> found.whose.query("of == 'subject'")[["name", "percent_of_own"]].values.tolist()
    [['S1', 100.0], ['S2', 50.0]]
    """
    inside = _inside(atlas, region)
    cells = int(np.count_nonzero(inside))
    if not 0 < cells < len(atlas):
        what = f"the region holds {cells} of {len(atlas)} cells; there is nothing to compare"
        raise NothingToDraw(f"{what}, so draw it around some of them")
    populations = _counts(atlas["label"], inside, _weights(atlas), own="percent_of_population").rename(
        columns={"name": "population"}
    )
    return RegionDescription(cells, _phenotype(atlas, inside), populations, _whose(atlas, inside))


def marker_columns(atlas: pd.DataFrame) -> list[str]:
    """Return the markers of an atlas: its columns of 32-bit numbers, but for places in the plane and scores."""
    return [str(name) for name in atlas.columns if atlas[name].dtype == np.float32 and str(name) not in _NO_MARKERS]


def _inside(atlas: pd.DataFrame, region: Region) -> Mask:
    vertices = np.asarray(region)
    if vertices.dtype == np.bool_:
        if vertices.shape != (len(atlas),):
            raise NothingToDraw(f"a mask of shape {vertices.shape} for {len(atlas)} cells; it has one value a cell")
        return vertices
    if (
        vertices.ndim != 2
        or vertices.shape[1] != 2
        or len(vertices) < 2
        or not np.isfinite(vertices.astype(float)).all()
    ):
        raise NothingToDraw("a region is three or more corners (x, y), two opposite corners of a box, or a mask")
    places = atlas[["umap1", "umap2"]].to_numpy(dtype=np.float64)
    if len(vertices) == 2:
        return np.asarray(((places >= vertices.min(axis=0)) & (places <= vertices.max(axis=0))).all(axis=1))
    return in_polygon(places[:, 0], places[:, 1], vertices.astype(np.float64))


def _phenotype(atlas: pd.DataFrame, inside: Mask) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for marker in marker_columns(atlas):
        values = atlas[marker].to_numpy()
        own, rest = float(np.median(values[inside])), float(np.median(values[~inside]))
        rows.append((marker, own, rest, own - rest))
    table = pd.DataFrame(rows, columns=["marker", "median", "median_of_rest", "difference"])
    order = table["difference"].abs().sort_values(ascending=False, kind="stable").index
    return table.loc[order].reset_index(drop=True)


def _weights(atlas: pd.DataFrame) -> Floats:
    """Return how many cells each stands for: an atlas holds more rare cells than their share."""
    if "weight" not in atlas.columns:
        return np.ones(len(atlas))
    return atlas["weight"].to_numpy(dtype=np.float64)


def _counts(words: pd.Series[Any], inside: Mask, weights: Floats, *, own: str) -> pd.DataFrame:
    import pandas as pd

    named = words.astype(object).where(words.notna(), "unknown").astype(str)
    drawn = pd.DataFrame({"cells": inside, "here": weights * inside, "every": weights}).groupby(named.to_numpy()).sum()
    table = pd.DataFrame(
        {
            "name": drawn.index,
            "cells": drawn["cells"].to_numpy(),
            "percent_of_region": 100 * drawn["here"].to_numpy() / float(weights[inside].sum()),
            own: 100 * (drawn["here"] / drawn["every"]).to_numpy(),
        }
    )
    if own == "percent_of_own":  # W2 before W12
        order = sorted(range(len(table)), key=lambda row: (len(table["name"].iloc[row]), table["name"].iloc[row]))
        return table.iloc[order].reset_index(drop=True)
    kept = table[table["cells"] > 0]
    return kept.sort_values(["cells", "name"], ascending=[False, True], kind="stable").reset_index(drop=True)


def _whose(atlas: pd.DataFrame, inside: Mask) -> pd.DataFrame:
    import pandas as pd

    parts = [
        _counts(atlas[of], inside, _weights(atlas), own="percent_of_own").assign(of=of)
        for of in WHOSE
        if of in atlas.columns
    ]
    return pd.concat(parts, ignore_index=True)[["of", "name", "cells", "percent_of_region", "percent_of_own"]]

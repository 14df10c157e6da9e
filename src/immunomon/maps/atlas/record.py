"""Record: how an atlas was made, in plain data: what was asked for, what was measured, what it must not be used for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from importlib.metadata import version
from typing import Any

import pandas as pd

from immunomon.errors import ImmunomonError
from immunomon.maps.atlas.cells import CELL_COLUMNS, PLACE_COLUMNS, labels_in_order
from immunomon.maps.atlas.layout import (
    CLUSTERS,
    EPOCHS,
    MIN_DISTANCE,
    NARROWEST,
    NEIGHBOURS,
    PERCENTILES,
    TRUST_CELLS,
    Layout,
)
from immunomon.maps.atlas.placing import PERCENTILE, weighted_percentile
from immunomon.maps.atlas.reference import ATLAS_FORMAT, Reference
from immunomon.maps.clusters.samples import Source
from immunomon.runs.opened import Run
from immunomon.study.model.panel import MarkerKind, Panel

__all__ = ["Asked", "Fitted", "Wishes", "markers_of", "record_of"]

_LIBRARIES = ("numpy", "numba", "pandas", "scikit-learn", "umap-learn")
_NOTES = (
    "Exploratory: areas, and distances between islands, are no measurements; frequencies are in the run's tables.",
    "Rare cells are more than their share, on purpose; the column weight says how many cells each stands for.",
    "Cells are not replicates, patients are; clusters are made from these cells and must not be tested on them.",
    "No batch correction: islands of single batches may be the instrument's.",
)


_IN_WORDS = {
    "run_digest": "another state of the run",
    "within": "another population",
    "cells_wanted": "another number of cells",
    "visits": "other visits",
    "seed": "another seed",
    "thinned_by": "other metaclusters, or none",
    "clusters_sha256": "other metaclusters, or none",
}


@dataclass(frozen=True)
class Asked:
    """What an atlas is fitted with; the same gives the same atlas.

    clusters: digest of the map whose metaclusters thinned the cells; None: they were thinned by local density.
    """

    run_digest: str
    within: str
    cells_wanted: int
    visits: tuple[str, ...]
    seed: int
    clusters: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for a record."""
        return {
            "run_digest": self.run_digest,
            "within": self.within,
            "cells_wanted": self.cells_wanted,
            "visits": list(self.visits),
            "seed": self.seed,
            "thinned_by": "local density" if self.clusters is None else "metaclusters",
            "clusters_sha256": self.clusters,
        }

    def differences(self, record: Mapping[str, Any]) -> list[str]:
        """Return in words what an atlas, of which this is the record, was fitted with instead.

        >>> asked = Asked("1f", "lymphocytes", 6000, (), 1, None)
        >>> asked.differences(asked.to_dict() | {"run_digest": "2e", "seed": 7})
        ['another state of the run', 'another seed']
        """
        differing = [_IN_WORDS[key] for key, value in self.to_dict().items() if record.get(key) != value]
        return list(dict.fromkeys(differing))


@dataclass(frozen=True)
class Wishes:
    """What somebody says of an atlas to be fitted; None: nothing is said of it."""

    within: str | None = None
    cells: int | None = None
    visits: tuple[str, ...] | None = None
    seed: int | None = None

    def kept_from(self, record: Mapping[str, Any]) -> tuple[Wishes, str]:
        """Return what is wished for with the gaps filled by what an earlier atlas was fitted with, and what was filled.

        >>> earlier = Asked("1f", "cd4", 9000, ("D-1",), 1, None).to_dict()
        >>> wishes, kept = Wishes(seed=2).kept_from(earlier)
        >>> wishes.cells, kept
        (9000, 'within cd4, 9000 cells, visits D-1')
        """
        visits = tuple(map(str, record.get("visits") or ()))
        earlier = Wishes(record.get("within"), record.get("cells_wanted"), visits, record.get("seed"))
        names = [field.name for field in fields(self)]
        filled = [name for name in names if getattr(self, name) is None and getattr(earlier, name) is not None]
        words = {
            "within": f"within {earlier.within}",
            "cells": f"{earlier.cells} cells",
            "visits": f"visits {', '.join(visits)}" if visits else "all visits",
            "seed": f"seed {earlier.seed}",
        }
        kept = replace(self, **{name: getattr(earlier, name) for name in filled})
        return kept, ", ".join(words[name] for name in filled)


@dataclass(frozen=True, eq=False)
class Fitted:
    """What a record is about: cells, layout, arrays, display scales; samples: ids, as the arrays number them."""

    table: pd.DataFrame
    layout: Layout
    reference: Reference
    samples: tuple[str, ...]
    scales: Mapping[str, Any]


def markers_of(panel: Panel) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the markers of an atlas, and those of them that lay out its cells; raises ImmunomonError for too few."""
    shown = [marker for marker in panel.markers if marker.kind is not MarkerKind.VIABILITY]
    used = [marker.name for marker in shown if marker.kind is MarkerKind.TYPE]
    if len(used) < 2:
        raise ImmunomonError(f"panel {panel.name}: it has {len(used)} markers of kind 'type'; two at least are needed")
    taken = [marker.name for marker in shown if marker.name in (*CELL_COLUMNS, *PLACE_COLUMNS)]
    if taken:
        raise ImmunomonError(f"panel {panel.name}: the marker '{taken[0]}' is named as a column is; rename it")
    return tuple(marker.name for marker in shown), tuple(used)


def record_of(run: Run, source: Source, request: Asked, *, fitted: Fitted) -> dict[str, Any]:
    """Return an atlas' record, without its digests."""
    table, samples, reference = fitted.table, fitted.samples, fitted.reference
    shown, used = markers_of(source.panel)
    files = {file["sample_id"]: file["sha256"] for file in run.record["files"]}
    counts = table["sample_id"].value_counts()
    return {
        "format": ATLAS_FORMAT,
        "study": source.study.name,
        "panel": source.panel.name,
        "strategy": source.strategy.name,
        "strategy_version": source.strategy.version,
        **request.to_dict(),
        "cells": len(table),
        "samples": [{"id": name, "sha256": files[name]} for name in samples],
        "cells_of_samples": {name: int(counts[name]) for name in samples},
        "markers": list(used),
        "other_markers": [name for name in shown if name not in used],
        "detectors": {name: source.panel.marker(name).detector for name in shown},
        "scales": {name: fitted.scales[name] for name in shown},
        **_method(fitted.layout, used),
        "out_of_reference": {
            "neighbours": NEIGHBOURS,
            "percentile": PERCENTILE,
            "threshold": weighted_percentile(reference.score, reference.weights, PERCENTILE),
        },
        "labels": labels_in_order(table, source.strategy),
        "notes": list(_NOTES),
        "libraries": {library: version(library) for library in _LIBRARIES},
    }


def _method(layout: Layout, used: Sequence[str]) -> dict[str, Any]:
    return {
        "scaler": {
            "kind": "less the median, over the 1st to 99th percentile",
            "percentiles": list(PERCENTILES),
            "narrowest": NARROWEST,
            "centre": dict(zip(used, layout.centre.tolist(), strict=True)),
            "scale": dict(zip(used, layout.scale.tolist(), strict=True)),
        },
        "umap": {"n_neighbors": NEIGHBOURS, "min_dist": MIN_DISTANCE, "n_epochs": EPOCHS, "init": "pca"},
        "clusters": {"kind": "sklearn.cluster.KMeans", "n": CLUSTERS, "numbered": "by size, 1 the largest"},
        "trustworthiness": {"value": layout.trustworthiness, "neighbours": NEIGHBOURS, "cells_at_most": TRUST_CELLS},
    }
